{{/*
What is made once and then kept. Where there is no cluster to look at (helm template, GitOps, a client's dry run) a new
password would be made at every render, so that there the Secrets must exist already and the render says so. A list of
objects is never empty where there is a cluster, even when it has no items.
*/}}

{{- define "jobfinder.secretName" -}}
{{- default (include "jobfinder.fullname" .) .Values.secrets.existingSecret -}}
{{- end }}

{{- define "jobfinder.pepper.secretName" -}}
{{- default (include "jobfinder.secretName" .) .Values.secrets.pepper.existingSecret -}}
{{- end }}

{{- define "jobfinder.database.secretName" -}}
{{- default (include "jobfinder.secretName" .) .Values.database.existingSecret -}}
{{- end }}

{{/* The keys of the given Secrets; what the chart makes has its own. */}}
{{- define "jobfinder.pepper.key" -}}
{{- or .Values.secrets.existingSecret .Values.secrets.pepper.existingSecret | empty | not | ternary .Values.secrets.pepper.key "pepper" -}}
{{- end }}

{{- define "jobfinder.database.passwordKey" -}}
{{- or .Values.secrets.existingSecret .Values.database.existingSecret | empty | not | ternary .Values.database.secretKeys.password "database-password" -}}
{{- end }}

{{- define "jobfinder.operator.passwordKey" -}}
{{- .Values.operator.existingSecret | empty | not | ternary .Values.operator.secretKey "pgbouncer-password" -}}
{{- end }}

{{/* What of PostgreSQL's address the Secret of its password tells too, as JSON: file -> key. */}}
{{- define "jobfinder.database.told" -}}
{{- $told := dict -}}
{{- if .Values.database.existingSecret -}}
{{- $keys := .Values.database.secretKeys -}}
{{- range $what, $key := dict "host" $keys.host "port" $keys.port "name" $keys.dbname "user" $keys.username -}}
{{- if $key -}}{{- $_ := set $told (printf "database-%s" $what) $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $told -}}
{{- end }}

{{/* The volume of /run/secrets/jobfinder for who connects to PostgreSQL: (dict "root" $ "secret" "its name"). */}}
{{- define "jobfinder.database.volume" -}}
- name: database-password
  secret:
    secretName: {{ .secret }}
    defaultMode: {{ include "jobfinder.secretMode" (dict "root" .root) }}
    items:
      - {key: {{ include "jobfinder.database.passwordKey" .root }}, path: database-password}
      {{- range $file, $key := include "jobfinder.database.told" .root | fromJson }}
      - {key: {{ $key }}, path: {{ $file }}}
      {{- end }}
{{- end }}

{{- define "jobfinder.keysSecretName" -}}
{{- default (printf "%s-keys" (include "jobfinder.fullname" .)) .Values.secrets.existingKeysSecret -}}
{{- end }}

{{- define "jobfinder.operator.secretName" -}}
{{- default (include "jobfinder.operator.fullname" .) .Values.operator.existingSecret -}}
{{- end }}

{{- define "jobfinder.operator.tlsSecretName" -}}
{{- default (include "jobfinder.pgbouncer.serverName" .) .Values.operator.tls.existingSecret -}}
{{- end }}

{{/* Refuse to make a Secret that could not be kept: (dict "root" $ "value" "secrets.existingSecret" "keys" "..."). */}}
{{- define "jobfinder.needsCluster" -}}
{{- if not (lookup "v1" "Secret" .root.Release.Namespace "") -}}
{{- fail (printf "\n\n%s is needed here: there is no cluster to look at (helm template, GitOps or a dry run of the client), so that every render would make other secrets.\nMake a Secret with %s and name it. `helm install` and `helm upgrade` make it themselves.\n" .value .keys) -}}
{{- end -}}
{{- end }}

{{/* One key of a Secret, as it is or as it shall be: (dict "root" $ "name" "..." "key" "..." "new" "..."), base64. */}}
{{- define "jobfinder.kept" -}}
{{- $data := dig "data" dict (lookup "v1" "Secret" .root.Release.Namespace .name | default dict) -}}
{{- get $data .key | default (b64enc .new) -}}
{{- end }}

{{/* The password of the database: given, or kept, or for the bundled PostgreSQL a new one. */}}
{{- define "jobfinder.databasePassword" -}}
{{- if .Values.database.password -}}
{{- b64enc .Values.database.password -}}
{{- else -}}
{{- $new := .Values.postgresql.enabled | ternary (randAlphaNum 32) "" -}}
{{- include "jobfinder.kept" (dict "root" . "name" (include "jobfinder.secretName" .) "key" "database-password" "new" $new)
  | required "\n\nThe password of the database is needed: secrets.existingSecret with `database-password`, or database.password.\n" -}}
{{- end -}}
{{- end }}

{{- define "jobfinder.keepSecret" -}}
{{- if .Values.secrets.keep }}
annotations: {helm.sh/resource-policy: keep}
{{- end }}
{{- end }}
