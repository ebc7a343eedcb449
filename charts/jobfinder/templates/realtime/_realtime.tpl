{{/* What clients ask the realtime gateway for, as JSON; with exact paths, as nothing else of it is for clients. */}}
{{- define "jobfinder.realtime.paths" -}}
{{- list (printf "%s/api/v1/realtime" .Values.pathPrefix) (printf "%s/api/v1/realtime/events" .Values.pathPrefix) | toJson -}}
{{- end }}
