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

{{- define "jobfinder.networkPolicy.monitoring" -}}
{{- with .Values.networkPolicy.monitoringFrom }}
from:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
