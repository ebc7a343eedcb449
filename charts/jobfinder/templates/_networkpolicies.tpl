{{/* Peer: the pods of a component of this release: (dict "root" $ "component" "app"). */}}
{{- define "jobfinder.networkPolicy.peer" -}}
podSelector:
  matchLabels:
    {{- include "jobfinder.selectorLabels" . | nindent 4 }}
{{- end }}

{{- define "jobfinder.networkPolicy.dns" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* Egress by port alone: the API server is not a pod, so no label selects it. */}}
{{- define "jobfinder.networkPolicy.apiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}}
    {{- end }}
{{- end }}

{{- define "jobfinder.networkPolicy.databasePorts" -}}
{{- $own := list (include "jobfinder.database.port" . | int) -}}
{{- .Values.postgresql.enabled | ternary $own (default $own .Values.networkPolicy.databasePorts) | toJson -}}
{{- end }}

{{- define "jobfinder.networkPolicy.database" -}}
- ports:
    {{- range include "jobfinder.networkPolicy.databasePorts" . | fromJsonArray }}
    - {port: {{ . }}}
    {{- end }}
  {{- if .Values.postgresql.enabled }}
  to:
    - {{- include "jobfinder.networkPolicy.peer" (dict "root" . "component" "postgresql") | nindent 6 }}
  {{- else if .Values.networkPolicy.databaseEgress }}
  to:
    {{- toYaml .Values.networkPolicy.databaseEgress | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Egress to the replicas, which are not in the release. */}}
{{- define "jobfinder.networkPolicy.replicas" -}}
{{- with .Values.database.replicas -}}
{{- $ports := list -}}
{{- range include "jobfinder.replicas" $ | fromJsonArray }}{{ $ports = append $ports (int .port) }}{{ end -}}
- ports:
    {{- range uniq (default $ports $.Values.networkPolicy.databasePorts) }}
    - {port: {{ . }}}
    {{- end }}
  {{- with $.Values.networkPolicy.databaseEgress }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Ports of the consoles of the service's PgBouncers: of that for the primary, and of those for replicas. */}}
{{- define "jobfinder.networkPolicy.consoles" -}}
- {port: 6432}
{{- range include "jobfinder.replicas" . | fromJsonArray }}
- {port: {{ .console }}}
{{- end }}
{{- end }}

{{- define "jobfinder.networkPolicy.monitoring" -}}
{{- with .Values.networkPolicy.monitoringFrom }}
from:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Who may reach a port that clients use, besides these components of the release: (dict "root" $ "components" (list "test")). */}}
{{- define "jobfinder.networkPolicy.clients" -}}
{{- $root := .root -}}
{{- with $root.Values.networkPolicy.ingressFrom }}
from:
  {{- toYaml . | nindent 2 }}
  {{- with $root.Values.networkPolicy.monitoringFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- range $.components }}
  - {{- include "jobfinder.networkPolicy.peer" (dict "root" $root "component" .) | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Egress of every component that reads and writes data. */}}
{{- define "jobfinder.networkPolicy.sources" -}}
{{- include "jobfinder.networkPolicy.dns" . }}
{{ include "jobfinder.networkPolicy.database" . }}
{{- if .Values.memcached.enabled }}
- ports:
    - {port: 11211}
  to:
    - {{- include "jobfinder.networkPolicy.peer" (dict "root" . "component" "memcached") | nindent 6 }}
{{- end }}
{{- end }}

{{/* The enabled components besides the service that have a PgBouncer of their own, as JSON. */}}
{{- define "jobfinder.components" -}}
{{- $components := list -}}
{{- if .Values.worker.enabled }}{{ $components = append $components "worker" }}{{ end -}}
{{- if .Values.realtime.enabled }}{{ $components = append $components "realtime" }}{{ end -}}
{{- toJson $components -}}
{{- end }}
