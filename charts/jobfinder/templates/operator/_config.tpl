{{/*
Refuse fields that the CustomResourceDefinition does not have; the API server would drop them silently:
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

{{/* Refuse a second JobFinderConfig for one Deployment or one database: the operator would apply only the older one. */}}
{{- define "jobfinder.operator.checkOwner" -}}
{{- if .Capabilities.APIVersions.Has "jobfinder.dev/v1alpha1" -}}
{{- $name := include "jobfinder.fullname" . -}}
{{- $told := include "jobfinder.database.told" . | fromJson -}}
{{- $parts := dict "host" (include "jobfinder.database.host" .) "port" (include "jobfinder.database.port" .) "name" .Values.database.name -}}
{{- range $what, $value := $parts -}}
{{- with get $told (printf "database-%s" $what) -}}
{{- $_ := set $parts $what (printf "secret %s/%s" (include "jobfinder.database.secretName" $) .) -}}
{{- end -}}
{{- end -}}
{{- $database := printf "%s:%s/%s" $parts.host $parts.port $parts.name -}}
{{- range (lookup "jobfinder.dev/v1alpha1" "JobFinderConfig" .Release.Namespace "" | default dict).items -}}
{{- $target := dig "spec" "target" "deployment" "" . -}}
{{- $theirs := "" -}}
{{- with $target -}}
{{- with lookup "apps/v1" "Deployment" $.Release.Namespace . -}}
{{- $theirs = include "jobfinder.operator.database" .spec.template.spec -}}
{{- end -}}
{{- end -}}
{{- if and (ne .metadata.name $name) (or (eq $target $name) (eq $theirs $database)) -}}
{{- fail (printf "\n\nJobFinderConfig %s already shares the connections of Deployment %s to %s: of two the operator follows the older one alone.\nDelete it first, or use another database or namespace.\n" .metadata.name $target (default $database $theirs)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
host:port/name of PgBouncer's database, the primary's, in the environment of a pod spec's containers; for a part in a Secret
`secret <name>/<key>`, as the operator calls it.
*/}}
{{- define "jobfinder.operator.database" -}}
{{- $secrets := dict -}}
{{- range $volume := .volumes | default list -}}
{{- range dig "secret" "items" list $volume -}}
{{- $_ := set $secrets .path (printf "secret %s/%s" $volume.secret.secretName .key) -}}
{{- end -}}
{{- end -}}
{{- range .initContainers | default list -}}
{{- if not (hasPrefix "pgbouncer-replica-" .name) -}}
{{- $given := dict -}}
{{- range .env -}}{{- $_ := set $given .name (default "" .value) -}}{{- end -}}
{{- if hasKey $given "PGBOUNCER_POOL_SIZE" -}}
{{- $parts := list -}}
{{- range $what := list "HOST" "PORT" "NAME" -}}
{{- $file := get $given (printf "DATABASE_%s_FILE" $what) | default "" | base -}}
{{- $parts = append $parts (default (get $secrets $file | default "") (get $given (printf "DATABASE_%s" $what))) -}}
{{- end -}}
{{- printf "%s:%s/%s" (index $parts 0) (index $parts 1) (index $parts 2) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
