{{/* A component of this release: (dict "root" $ "component" "app"). */}}
{{- define "jobfinder.networkPolicy.peer" -}}
podSelector:
  matchLabels:
    {{- include "jobfinder.selectorLabels" . | nindent 4 }}
{{- end }}

{{- define "jobfinder.networkPolicy.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* The API server is no pod, so that it has no label to name. */}}
{{- define "jobfinder.networkPolicy.apiServer" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}}
    {{- end }}
{{- end }}

{{- define "jobfinder.networkPolicy.database" -}}
- ports:
    - {port: {{ include "jobfinder.database.port" . }}}
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
