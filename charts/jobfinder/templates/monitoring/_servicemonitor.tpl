{{- define "jobfinder.monitoring.labels" -}}
{{ include "jobfinder.labels" . }}
{{- with .root.Values.monitoring.serviceMonitor.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
A ServiceMonitor for the pods of a component's Service: (dict "root" $ "component" "app" "name" NAME "port" "http").
honorLabels for the operator: its metrics name other pods in the label `pod`, which must be kept.
*/}}
{{- define "jobfinder.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "jobfinder.monitoring.labels" . | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "jobfinder.selectorLabels" . | nindent 6 }}
  endpoints:
    - port: {{ .port }}
      path: /metrics
      interval: {{ .root.Values.monitoring.serviceMonitor.interval }}
      honorLabels: {{ eq .component "operator" }}
{{- end }}
