{{/* "true" if the migration is a Helm hook, else "". */}}
{{- define "jobfinder.migrate.isHook" -}}
{{- $hook := .Values.migrations.hook -}}
{{- if kindIs "invalid" $hook -}}{{- $hook = not .Values.postgresql.enabled -}}{{- end -}}
{{- if and $hook .Values.postgresql.enabled -}}
{{- fail "\n\nmigrations.hook cannot be true with postgresql.enabled: the hook would wait for a PostgreSQL that comes after it.\n" -}}
{{- end -}}
{{- if $hook -}}true{{- end -}}
{{- end }}

{{/* Hook annotations: weight "0" for the Job, lower for what it needs. */}}
{{- define "jobfinder.migrate.hook" -}}
helm.sh/hook: pre-install,pre-upgrade,pre-rollback
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* The Secret with the password: a hook runs before the release's own Secret exists. */}}
{{- define "jobfinder.migrate.secretName" -}}
{{- if and (include "jobfinder.migrate.isHook" .) (not .Values.secrets.existingSecret) (not .Values.database.existingSecret) -}}
{{- include "jobfinder.fullname" . }}-migrate
{{- else -}}
{{- include "jobfinder.database.secretName" . -}}
{{- end -}}
{{- end }}

{{- define "jobfinder.migrate.pod" -}}
metadata:
  labels:
    {{- include "jobfinder.withLabels" (dict "own" (include "jobfinder.selectorLabels" (dict "root" . "component" "migrate")) "more" .Values.migrations.podLabels) | nindent 4 }}
  {{- with .Values.migrations.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "jobfinder.podSecurityContext" (dict "root" $) | nindent 4 }}
  {{- include "jobfinder.imagePullSecrets" . | nindent 2 }}
  {{- include "jobfinder.placement" (dict "at" (pick .Values "nodeSelector" "tolerations")) | nindent 2 }}
  containers:
    - name: migrate
      image: {{ include "jobfinder.image" (dict "root" . "image" .Values.image) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      # It also changes the log of changes where these pods have another one than the database is used with.
      args: [migrate, --wait, {{ .Values.migrations.waitSeconds | quote }}
        {{- with include "jobfinder.logIdentity" . }}, --log-identity, {{ . | quote }}{{ end }}]
      env:
        {{- include "jobfinder.databaseEnv" (dict "root" .) | nindent 8 }}
        - {name: STATEMENT_TIMEOUT_MS, value: {{ .Values.database.statementTimeoutMilliseconds | int | quote }}}
      securityContext:
        {{- include "jobfinder.containerSecurityContext" (dict "root" $) | nindent 8 }}
      resources:
        {{- toYaml .Values.migrations.resources | nindent 8 }}
      volumeMounts:
        - {name: database-password, mountPath: /run/secrets/jobfinder, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- include "jobfinder.database.caMount" . | nindent 8 }}
  volumes:
    {{- include "jobfinder.database.volume" (dict "root" . "secret" (include "jobfinder.migrate.secretName" .)) | nindent 4 }}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- include "jobfinder.database.caVolume" . | nindent 4 }}
{{- end }}
