{{/*
Secrets that are generated once and then kept. Without a cluster (helm template, GitOps, a client's dry run) every render
would generate new ones, so the Secrets must exist already; otherwise rendering fails. With a cluster, `lookup` of a list
returns a non-empty object even if the list has no items.
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

{{/* Keys in existing Secrets come from the values; Secrets that the chart makes have fixed keys. */}}
{{- define "jobfinder.pepper.key" -}}
{{- or .Values.secrets.existingSecret .Values.secrets.pepper.existingSecret | empty | not | ternary .Values.secrets.pepper.key "pepper" -}}
{{- end }}

{{- define "jobfinder.database.passwordKey" -}}
{{- or .Values.secrets.existingSecret .Values.database.existingSecret | empty | not | ternary .Values.database.secretKeys.password "database-password" -}}
{{- end }}

{{- define "jobfinder.operator.passwordKey" -}}
{{- .Values.operator.existingSecret | empty | not | ternary .Values.operator.secretKey "pgbouncer-password" -}}
{{- end }}

{{/* Parts of PostgreSQL's address that are in the same Secret as its password, as JSON: file -> key. */}}
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

{{/* The volume /run/secrets/jobfinder of pods that connect to PostgreSQL: (dict "root" $ "secret" "its name"). */}}
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

{{/* Refuse to generate a Secret without a cluster: (dict "root" $ "value" "secrets.existingSecret" "keys" "..."). */}}
{{- define "jobfinder.needsCluster" -}}
{{- if not (lookup "v1" "Secret" .root.Release.Namespace "") -}}
{{- fail (printf "\n\n%s is needed here: there is no cluster to look at (helm template, GitOps or a dry run of the client), so that every render would make other secrets.\nMake a Secret with %s and name it. `helm install` and `helm upgrade` make it themselves.\n" .value .keys) -}}
{{- end -}}
{{- end }}

{{/* One key of a Secret in base64, its present value or else "new": (dict "root" $ "name" "..." "key" "..." "new" "..."). */}}
{{- define "jobfinder.kept" -}}
{{- $data := dig "data" dict (lookup "v1" "Secret" .root.Release.Namespace .name | default dict) -}}
{{- get $data .key | default (b64enc .new) -}}
{{- end }}

{{/* The password of the database: from the values, else the present one, else (bundled PostgreSQL only) a new one. */}}
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

{{/* Environment, mount and volume of mail, for containers that send or announce it. */}}
{{- define "jobfinder.mail.env" -}}
{{- if .Values.mail.existingSecret }}
{{- if not .Values.worker.enabled }}
{{- fail "\n\nmail.existingSecret needs task workers, which send the mail: without them new accounts would wait for links that never come.\nNearest that works: worker.enabled true.\n" }}
{{- end }}
- {name: MAIL_URL_FILE, value: /run/secrets/jobfinder-mail/mail-url}
- {name: MAIL_FROM, value: {{ .Values.mail.from | quote }}}
- {name: ACCOUNT_PAGES_URL, value: {{ .Values.mail.pagesUrl | quote }}}
{{- end }}
{{- end }}

{{- define "jobfinder.mail.mount" -}}
{{- if .Values.mail.existingSecret }}
- {name: mail, mountPath: /run/secrets/jobfinder-mail, readOnly: true}
{{- end }}
{{- end }}

{{- define "jobfinder.mail.volume" -}}
{{- if .Values.mail.existingSecret }}
- name: mail
  secret:
    secretName: {{ .Values.mail.existingSecret }}
    defaultMode: {{ include "jobfinder.secretMode" (dict "root" .) }}
    items: [{key: {{ .Values.mail.key }}, path: mail-url}]
{{- end }}
{{- end }}
