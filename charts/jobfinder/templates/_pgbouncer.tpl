{{/*
The sidecars of a pod that uses PostgreSQL: PgBouncer, what writes its files, and its exporter. As the first `initContainers`
they are up before the pod's own container, and end after it: (dict "root" $.root "start" 2), `start` being PgBouncer's pool size.
*/}}
{{- define "jobfinder.pgbouncer.containers" -}}
{{- $start := .start -}}
{{- with .root -}}
# It goes on beside PgBouncer: a password or a certificate that changes in its Secret is told to it.
- name: pgbouncer-config
  restartPolicy: Always
  image: {{ include "jobfinder.image" (dict "root" $.root "image" .Values.image) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [pgbouncer-config, --watch, --out, /etc/pgbouncer]
  env:
    {{- include "jobfinder.databaseEnv" . | nindent 4 }}
    - {name: PGBOUNCER_SOCKET_FOLDER, value: /run/pgbouncer}
    - {name: PGBOUNCER_PORT, value: "6432"}
    - {name: PGBOUNCER_POOL_SIZE, value: {{ $start | quote }}}
    - {name: PGBOUNCER_QUERY_WAIT_SECONDS, value: {{ .Values.pgbouncer.queryWaitSeconds | quote }}}
    - {name: PGBOUNCER_IDLE_SECONDS, value: {{ .Values.pgbouncer.idleSeconds | quote }}}
    {{- if .Values.operator.enabled }}
    - {name: PGBOUNCER_OPERATOR_PASSWORD_FILE, value: /run/secrets/jobfinder-operator/pgbouncer-password}
    - {name: PGBOUNCER_TLS_FOLDER, value: /run/secrets/pgbouncer-tls}
    {{- end }}
    {{- if .Values.pgbouncer.exporter.enabled }}
    - {name: PGBOUNCER_EXPORTER_FOLDER, value: /run/pgbouncer-exporter}
    {{- end }}
  # The file that is written last.
  startupProbe:
    exec: {command: [test, -f, /etc/pgbouncer/pgbouncer.ini]}
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
    {{- if .Values.pgbouncer.exporter.enabled }}
    - {name: pgbouncer-exporter, mountPath: /run/pgbouncer-exporter}
    {{- end }}
    - {name: tmp, mountPath: /tmp}
    {{- include "jobfinder.database.caMount" . | nindent 4 }}
# With restartPolicy Always it is up before the service starts, and ends after it.
- name: pgbouncer
  restartPolicy: Always
  image: {{ include "jobfinder.image" (dict "root" $.root "image" .Values.pgbouncer.image) }}
  imagePullPolicy: {{ .Values.pgbouncer.image.pullPolicy }}
  command: [pgbouncer, /etc/pgbouncer/pgbouncer.ini]
  {{- if .Values.operator.enabled }}
  ports:
    - {name: pgbouncer, containerPort: 6432}
  {{- end }}
  startupProbe:
    exec: {command: [test, -S, /run/pgbouncer/.s.PGSQL.6432]}
    periodSeconds: 1
    failureThreshold: 60
  # pgbouncer-config asks it and leaves this file while it hangs: the kernel accepts connections for a stopped
  # process too, so that a tcp probe would succeed, and no image of PgBouncer needs a client for this one. It
  # starts a process in the container each time, which costs a node far more than an HTTP probe: hence its period.
  livenessProbe:
    exec: {command: [test, "!", -e, /etc/pgbouncer/hung]}
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
{{- if .enabled }}
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
