{{/*
Refuse what the definition does not know, which the API server would drop without a word:
(dict "path" "operator.config" "value" .Values.operator.config "schema" the schema of it).
*/}}
{{- define "jobfinder.operator.checkConfig" -}}
{{- $known := .schema.properties -}}
{{- $path := .path -}}
{{- if and (kindIs "map" .value) $known -}}
{{- range $name, $value := .value -}}
{{- if not (hasKey $known $name) -}}
{{- fail (printf "\n\n%s.%s is unknown. Known there: %s.\n" $path $name (keys $known | sortAlpha | join ", ")) -}}
{{- end -}}
{{- include "jobfinder.operator.checkConfig" (dict "path" (printf "%s.%s" $path $name) "value" $value "schema" (get $known $name)) -}}
{{- end -}}
{{- end -}}
{{- end }}
