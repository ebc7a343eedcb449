{{/* Parts that several kinds of pods share. */}}

{{/*
The fields of a security context: those of a component override those of all pods, and null removes a field.
(dict "root" $ "user" 11211 "over" .Values.memcached): `user` is that of the image, `over` the component's values.
*/}}
{{- define "jobfinder.podSecurityContext" -}}
{{- $all := .root.Values.podSecurityContext | default dict -}}
{{- $user := dict -}}
{{- if .user -}}
{{- range $field := list "runAsUser" "runAsGroup" "fsGroup" -}}
{{- if not (kindIs "invalid" (index $all $field)) -}}{{- $_ := set $user $field $.user -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- include "jobfinder.securityContext" (list $all $user (.over | default dict).podSecurityContext) -}}
{{- end }}

{{- define "jobfinder.containerSecurityContext" -}}
{{- include "jobfinder.securityContext" (list .root.Values.containerSecurityContext (.over | default dict).containerSecurityContext) -}}
{{- end }}

{{- define "jobfinder.securityContext" -}}
{{- $fields := dict -}}
{{- range . -}}
{{- range $field, $value := . -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $fields $field -}}{{- else -}}{{- $_ := set $fields $field $value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $fields -}}
{{- end }}

{{/* Mode of a Secret's files, which root and the fsGroup own; without an fsGroup any user must be able to read them. */}}
{{- define "jobfinder.secretMode" -}}
{{- hasKey (include "jobfinder.podSecurityContext" . | fromYaml) "fsGroup" | ternary "0440" "0444" -}}
{{- end }}

{{/* Scheduling of a pod: (dict "root" $ "component" "app" "at" .Values, or the values of another component). */}}
{{- define "jobfinder.placement" -}}
{{- with .at.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .at.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "jobfinder.topologySpread" -}}
{{- $root := . }}
{{- with .root.Values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels:
        {{- include "jobfinder.selectorLabels" $root | nindent 8 }}
    {{- with $root.matchLabelKeys }}
    matchLabelKeys: {{ toJson . }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Address families of a Service. */}}
{{- define "jobfinder.ipFamilies" -}}
{{- with .Values.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.ipFamilies }}
ipFamilies: {{ toJson . }}
{{- end }}
{{- end }}

{{- define "jobfinder.imagePullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Environment of containers that connect to PostgreSQL directly (PgBouncer, migrations); the password is a file:
(dict "root" $ "replica" one of jobfinder.replicas, or nothing for the primary).
*/}}
{{- define "jobfinder.databaseEnv" -}}
{{- $replica := .replica }}
{{- with .root }}
{{- $told := include "jobfinder.database.told" . | fromJson }}
{{- $values := dict "host" (include "jobfinder.database.host" .) "port" (include "jobfinder.database.port" .) "name" .Values.database.name "user" .Values.database.user }}
{{- with $replica }}
{{- $told = omit $told "database-host" "database-port" }}
{{- $_ := set (set $values "host" .host) "port" (int .port | toString) }}
{{- end }}
{{- range $what := list "host" "port" "name" "user" }}
{{- $file := printf "database-%s" $what }}
{{- if hasKey $told $file }}
- {name: DATABASE_{{ upper $what }}_FILE, value: /run/secrets/jobfinder/{{ $file }}}
{{- else }}
- {name: DATABASE_{{ upper $what }}, value: {{ get $values $what | quote }}}
{{- end }}
{{- end }}
- {name: DATABASE_PASSWORD_FILE, value: /run/secrets/jobfinder/database-password}
- {name: DATABASE_TLS_MODE, value: {{ include "jobfinder.database.tlsMode" . | quote }}}
{{- if .Values.database.tls.caSecret }}
- {name: DATABASE_TLS_CA_FILE, value: {{ printf "/run/secrets/database-ca/%s" .Values.database.tls.caKey | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* DATABASE_REPLICA_URLS: the sockets of the PgBouncers for the replicas. */}}
{{- define "jobfinder.replicaUrls" -}}
{{- $urls := list -}}
{{- range include "jobfinder.replicas" . | fromJsonArray -}}
{{- $urls = append $urls (printf "postgresql://jobfinder@/jobfinder?host=/run/pgbouncer&port=%d" (int .console)) -}}
{{- end -}}
{{- join "," $urls -}}
{{- end }}

{{- define "jobfinder.database.host" -}}
{{- if .Values.postgresql.enabled -}}
{{- include "jobfinder.postgresql.fullname" . -}}
{{- else if not (hasKey (include "jobfinder.database.told" . | fromJson) "database-host") -}}
{{- required "\n\ndatabase.host is needed, or postgresql.enabled=true to try things out.\n" .Values.database.host -}}
{{- end -}}
{{- end }}

{{- define "jobfinder.database.port" -}}
{{- .Values.postgresql.enabled | ternary 5432 .Values.database.port | int -}}
{{- end }}

{{- define "jobfinder.database.tlsMode" -}}
{{- default (.Values.postgresql.enabled | ternary "disable" "require") .Values.database.tls.mode -}}
{{- end }}

{{- define "jobfinder.database.caVolume" -}}
{{- with .Values.database.tls.caSecret }}
- name: database-ca
  secret: {secretName: {{ . }}, defaultMode: {{ include "jobfinder.secretMode" (dict "root" $) }}}
{{- end }}
{{- end }}

{{- define "jobfinder.database.caMount" -}}
{{- if .Values.database.tls.caSecret }}
- {name: database-ca, mountPath: /run/secrets/database-ca, readOnly: true}
{{- end }}
{{- end }}

{{/* The servers in the order of their ordinals: all clients must use the same order. */}}
{{- define "jobfinder.memcached.servers" -}}
{{- $name := include "jobfinder.memcached.fullname" . -}}
{{- $domain := "" -}}
{{- with .Values.clusterDomain -}}{{- $domain = printf ".%s.svc.%s" $.Release.Namespace . -}}{{- end -}}
{{- $servers := list -}}
{{- range $ordinal := until (int .Values.memcached.replicas) -}}
{{- $servers = append $servers (printf "%s-%d.%s%s:11211" $name $ordinal $name $domain) -}}
{{- end -}}
{{- join "," $servers -}}
{{- end }}

{{/*
The log of changes that the service's pods use: server 0 of their MEMCACHED_SERVERS, or `none`. Empty if the chart does
not know it (extraEnvFrom): then the first pod records it, and a change needs `python -m app log-identity`.
*/}}
{{- define "jobfinder.logIdentity" -}}
{{- $servers := .Values.memcached.enabled | ternary (include "jobfinder.memcached.servers" .) "none" -}}
{{- if and .Values.extraEnvFrom (not .Values.memcached.enabled) -}}{{- $servers = "" -}}{{- end -}}
{{- range .Values.extraEnv -}}
{{- if eq .name "MEMCACHED_SERVERS" -}}{{- $servers = hasKey . "value" | ternary (default "none" .value) "" -}}{{- end -}}
{{- end -}}
{{- first (splitList "," $servers) | trim -}}
{{- end }}

{{/*
Refuse to change the log of changes while pods of an old version run: they do not check which log the database records,
so they would accept sessions that pods with the new log have ended. Newer pods stop using theirs after the migration.
*/}}
{{- define "jobfinder.refuseAnotherLog" -}}
{{- $own := include "jobfinder.logIdentity" . -}}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace (include "jobfinder.fullname" .) -}}
{{- if and $own $live (not (dig "metadata" "annotations" "jobfinder.dev/log-of-changes" "" $live)) -}}
{{- $former := "none" -}}
{{- range $live.spec.template.spec.containers -}}{{- if eq .name "app" -}}{{- range .env -}}
{{- if and (eq .name "MEMCACHED_SERVERS") .value -}}{{- $former = first (splitList "," .value) -}}{{- end -}}
{{- end -}}{{- end -}}{{- end -}}
{{- if ne $former $own -}}
{{- fail (printf "\n\nThe pods that run are of an earlier version and have the log of changes %s, and those of this upgrade would have %s. While both run, a logout at one would not be known to the other.\nFirst upgrade without changing memcached:\n    helm -n %s upgrade %s ... --set memcached.enabled=%t\n    kubectl -n %s rollout status deployment/%s\nand then change it by another upgrade.\n" $former $own .Release.Namespace .Release.Name (ne $former "none") .Release.Namespace (include "jobfinder.fullname" .)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A value as text; whole numbers without an exponent (not 2.592e+06). */}}
{{- define "jobfinder.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end }}

{{/* Volumes of the pods of the service, of task workers and of the realtime gateway, for their container and the sidecars of _pgbouncer.tpl. */}}
{{- define "jobfinder.podVolumes" -}}
- name: pgbouncer-config
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: pgbouncer-socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
# The service's container gets the pepper alone, and PgBouncer's the password alone.
- name: pepper
  secret:
    secretName: {{ include "jobfinder.pepper.secretName" . }}
    defaultMode: {{ include "jobfinder.secretMode" (dict "root" $) }}
    items: [{key: {{ include "jobfinder.pepper.key" . }}, path: pepper}]
{{- include "jobfinder.database.volume" (dict "root" . "secret" (include "jobfinder.database.secretName" .)) | nindent 0 }}
- name: keys
  secret: {secretName: {{ include "jobfinder.keysSecretName" . }}, defaultMode: {{ include "jobfinder.secretMode" (dict "root" $) }}}
- name: tuning
  configMap: {name: {{ include "jobfinder.fullname" . }}-tuning}
{{- include "jobfinder.mail.volume" . | nindent 0 }}
{{- if .Values.operator.enabled }}
- name: operator-password
  secret:
    secretName: {{ include "jobfinder.operator.secretName" . }}
    defaultMode: {{ include "jobfinder.secretMode" (dict "root" $) }}
    items: [{key: {{ include "jobfinder.operator.passwordKey" . }}, path: pgbouncer-password}]
- name: pgbouncer-tls
  secret:
    secretName: {{ include "jobfinder.operator.tlsSecretName" . }}
    defaultMode: {{ include "jobfinder.secretMode" (dict "root" $) }}
    items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
{{- end }}
{{- if .Values.pgbouncer.exporter.enabled }}
- name: pgbouncer-exporter
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end }}
{{- include "jobfinder.database.caVolume" . | nindent 0 }}
{{- with .Values.extraVolumes }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
