{{/* Names and labels. Templates that take a component expect (dict "root" $ "component" "app"). */}}

{{- define "jobfinder.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "jobfinder.memcached.fullname" -}}{{ include "jobfinder.fullname" . }}-memcached{{- end }}
{{- define "jobfinder.postgresql.fullname" -}}{{ include "jobfinder.fullname" . }}-postgresql{{- end }}
{{/* The name in the certificate of every PgBouncer; pods have no DNS name. */}}
{{- define "jobfinder.pgbouncer.serverName" -}}{{ include "jobfinder.fullname" . }}-pgbouncer{{- end }}
{{- define "jobfinder.worker.fullname" -}}{{ include "jobfinder.fullname" . }}-worker{{- end }}
{{- define "jobfinder.realtime.fullname" -}}{{ include "jobfinder.fullname" . }}-realtime{{- end }}
{{- define "jobfinder.operator.fullname" -}}{{ include "jobfinder.fullname" . }}-operator{{- end }}

{{/* Labels that select pods; they never change between versions. */}}
{{- define "jobfinder.selectorLabels" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of objects. Pods get only the selector labels, so a new chart version alone restarts no pod. */}}
{{- define "jobfinder.labels" -}}
{{ include "jobfinder.selectorLabels" . }}
app.kubernetes.io/part-of: jobfinder
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The chart's labels or annotations merged with those of the values: (dict "own" "a: b" "more" dict). For labels the chart's
win, because they select pods; for annotations, such as a hook's, those of the values win. */}}
{{- define "jobfinder.withLabels" -}}
{{- merge (fromYaml .own) .more | toYaml -}}
{{- end }}

{{- define "jobfinder.withAnnotations" -}}
{{- with mergeOverwrite (fromYaml .own) .more -}}{{- toYaml . -}}{{- end -}}
{{- end }}

{{- define "jobfinder.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "jobfinder.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* An image's name: (dict "root" $ "image" .Values.image). An empty tag is the chart's appVersion. */}}
{{- define "jobfinder.image" -}}
{{- $name := .image.repository -}}
{{- with .root.Values.global.imageRegistry -}}{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}{{- end -}}
{{- if .image.digest -}}{{ $name }}@{{ .image.digest }}
{{- else -}}{{ $name }}:{{ default .root.Chart.AppVersion .image.tag }}
{{- end -}}
{{- end }}
