{{/*
The sidecars of a pod that uses PostgreSQL: PgBouncer, what writes its files, and its exporter. As the first `initContainers`
they are up before the pod's own container, and end after it: (dict "root" $ "start" 2), `start` being PgBouncer's pool size; with
"replica", one of jobfinder.replicas, those of that replica. All sockets are in one folder, told apart by their port.
*/}}
{{- define "jobfinder.pgbouncer.containers" -}}
{{- $start := .start -}}
{{- $replica := .replica -}}
{{- $name := "pgbouncer" -}}
{{- $folder := "/etc/pgbouncer" -}}
{{- $port := 6432 -}}
{{- with $replica -}}
{{- $name = printf "pgbouncer-replica-%s" .name -}}
{{- $folder = printf "/etc/pgbouncer/%s" .name -}}
{{- $port = int .console -}}
{{- end -}}
{{- with .root -}}
# It goes on beside PgBouncer: a password or a certificate that changes in its Secret is told to it.
- name: {{ $name }}-config
  restartPolicy: Always
  image: {{ include "jobfinder.image" (dict "root" $.root "image" .Values.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [pgbouncer-config, --watch, --out, {{ $folder }}]
  env:
    {{- include "jobfinder.databaseEnv" (dict "root" . "replica" $replica) | nindent 4 }}
    - {name: PGBOUNCER_SOCKET_FOLDER, value: /run/pgbouncer}
    - {name: PGBOUNCER_PORT, value: "{{ $port }}"}
    - {name: PGBOUNCER_POOL_SIZE, value: {{ $start | quote }}}
    - {name: PGBOUNCER_QUERY_WAIT_SECONDS, value: {{ .Values.pgbouncer.queryWaitSeconds | quote }}}
    - {name: PGBOUNCER_IDLE_SECONDS, value: {{ .Values.pgbouncer.idleSeconds | quote }}}
    {{- if .Values.operator.enabled }}
    - {name: PGBOUNCER_OPERATOR_PASSWORD_FILE, value: /run/secrets/jobfinder-operator/pgbouncer-password}
    - {name: PGBOUNCER_TLS_FOLDER, value: /run/secrets/pgbouncer-tls}
    {{- end }}
    {{- if $replica }}
    - {name: PGBOUNCER_FOR_REPLICA, value: "true"}
    {{- else if .Values.pgbouncer.exporter.enabled }}
    - {name: PGBOUNCER_EXPORTER_FOLDER, value: /run/pgbouncer-exporter}
    {{- end }}
  # The file that is written last.
  startupProbe:
    exec: {command: [test, -f, {{ $folder }}/pgbouncer.ini]}
    periodSeconds: 1
    failureThreshold: 60
  securityContext:
    {{- include "jobfinder.containerSecurityContext" (dict "root" $.root) | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 48Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    - {name: pgbouncer-config, mountPath: /etc/pgbouncer}
    - {name: pgbouncer-socket, mountPath: /run/pgbouncer, readOnly: true}
    - {name: database-password, mountPath: /run/secrets/jobfinder, readOnly: true}
    {{- if .Values.operator.enabled }}
    - {name: operator-password, mountPath: /run/secrets/jobfinder-operator, readOnly: true}
    - {name: pgbouncer-tls, mountPath: /run/secrets/pgbouncer-tls, readOnly: true}
    {{- end }}
    {{- if and .Values.pgbouncer.exporter.enabled (not $replica) }}
    - {name: pgbouncer-exporter, mountPath: /run/pgbouncer-exporter}
    {{- end }}
    - {name: tmp, mountPath: /tmp}
    {{- include "jobfinder.database.caMount" . | nindent 4 }}
# With restartPolicy Always it is up before the service starts, and ends after it.
- name: {{ $name }}
  restartPolicy: Always
  image: {{ include "jobfinder.image" (dict "root" $.root "image" .Values.pgbouncer.image) }}
  imagePullPolicy: {{ .Values.pgbouncer.image.pullPolicy }}
  command: [pgbouncer, {{ $folder }}/pgbouncer.ini]
  {{- if .Values.operator.enabled }}
  ports:
    - {name: pgbouncer{{ if $replica }}-{{ $port }}{{ end }}, containerPort: {{ $port }}}
  {{- end }}
  startupProbe:
    exec: {command: [test, -S, /run/pgbouncer/.s.PGSQL.{{ $port }}]}
    periodSeconds: 1
    failureThreshold: 60
  # pgbouncer-config asks it and leaves this file while it hangs: the kernel accepts connections for a stopped
  # process too, so that a tcp probe would succeed, and no image of PgBouncer needs a client for this one. It
  # starts a process in the container each time, which costs a node far more than an HTTP probe: hence its period.
  livenessProbe:
    exec: {command: [test, "!", -e, {{ $folder }}/hung]}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 2
    terminationGracePeriodSeconds: 5
  securityContext:
    {{- include "jobfinder.containerSecurityContext" (dict "root" $.root) | nindent 4 }}
  resources:
    {{- toYaml .Values.pgbouncer.resources | nindent 4 }}
  volumeMounts:
    - {name: pgbouncer-config, mountPath: /etc/pgbouncer, readOnly: true}
    - {name: pgbouncer-socket, mountPath: /run/pgbouncer}
    {{- if .Values.operator.enabled }}
    - {name: pgbouncer-tls, mountPath: /run/secrets/pgbouncer-tls, readOnly: true}
    {{- end }}
    {{- include "jobfinder.database.caMount" . | nindent 4 }}
{{- with $.root.Values.pgbouncer.exporter }}
{{- if and .enabled (not $replica) }}
- name: pgbouncer-exporter
  restartPolicy: Always
  image: {{ include "jobfinder.image" (dict "root" $.root "image" .image) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  # Not over the socket, where the service itself is believed without a password. The pod's own loopback needs no TLS.
  env:
    - name: PGBOUNCER_EXPORTER_CONNECTION_STRING
      value: postgres://jobfinder_exporter@127.0.0.1:6432/pgbouncer?sslmode=disable
    - {name: PGPASSFILE, value: /run/pgbouncer-exporter/pgpass}
  ports:
    - {name: pgb-exporter, containerPort: 9127}
  securityContext:
    {{- include "jobfinder.containerSecurityContext" (dict "root" $.root) | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    - {name: pgbouncer-exporter, mountPath: /run/pgbouncer-exporter, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
