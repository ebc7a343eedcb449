{{/*
The arithmetic of connections to PostgreSQL, as JSON: budget, headroom, maxPods, least (pods that a rollout can have at
once), most (largest number of replicas), surge, floor, perPod, others (connections of task workers and of the realtime
gateway), need (floor x maxPods + headroom + others), share (pool size without the operator), start (pool size with which a
sidecar starts). Both need and share x maxPods + headroom + others are <= budget.
*/}}
{{- define "jobfinder.budget" -}}
{{- $values := .Values -}}
{{- $config := $values.operator.enabled | ternary (dig "config" "database" dict $values.operator) dict -}}
{{- $budget := int (default $values.database.connectionBudget $config.connectionBudget) -}}
{{- $headroom := int (default $values.database.headroom $config.headroom) -}}
{{- $floor := int (default $values.pgbouncer.floor (dig "perPod" "floor" nil $config)) -}}
{{- $perPod := int (default $values.pgbouncer.maxPerPod (dig "perPod" "max" nil $config)) -}}
{{- $asked := default $values.database.maxPods $config.maxPods -}}
{{- $what := include "jobfinder.scaledBy" . -}}
{{- $most := int ($values.hpa.enabled | ternary $values.hpa.maxReplicas $values.replicas) -}}
{{- if not $what -}}
{{- if not $asked -}}
{{- fail "\n\ndatabase.maxPods is needed while hpa.enabled is false and replicas is null: the chart does not know how many pods another autoscaler makes.\nIt is at least 2 x its most replicas + strategy.maxSurge.\n" -}}
{{- end -}}
{{- $most = include "jobfinder.mostOf" (dict "pods" $asked "surge" $values.strategy.maxSurge) | int -}}
{{- end -}}
{{- if and $values.hpa.enabled (gt (int $values.hpa.minReplicas) $most) -}}
{{- fail (printf "\n\nhpa.minReplicas %d is more than hpa.maxReplicas %d.\nNearest that works: hpa.maxReplicas %d.\n" (int $values.hpa.minReplicas) $most (int $values.hpa.minReplicas)) -}}
{{- end -}}
{{- $surge := include "jobfinder.surge" (dict "value" $values.strategy.maxSurge "replicas" $most) | int -}}
{{- $least := add (mul 2 $most) $surge | int -}}
{{- $maxPods := int (default $least $asked) -}}
{{- if lt $maxPods $least -}}
{{- $fits := max 1 (div (sub $maxPods $surge) 2) -}}
{{- fail (printf "\n\ndatabase.maxPods is %d, but a rollout can have 2 x %s %d + surge %d = %d pods at once, for those that terminate still hold connections.\nNearest that works: database.maxPods %d%s.\n" $maxPods (default "replicas" $what) $most $surge $least $least (empty $what | ternary "" (printf ", or %s %d" $what $fits))) -}}
{{- end -}}
{{- $shown := include "jobfinder.others" . | fromJson -}}
{{- $others := add $shown.worker $shown.realtime | int -}}
{{- $need := add (mul $floor $maxPods) $headroom $others | int -}}
{{- if gt $need $budget -}}
{{- $fits := div (sub $budget (add $headroom $others)) $floor | int -}}
{{- $replicas := div (sub $fits $surge) 2 | int -}}
{{- $other := ge $replicas 1 | ternary (empty $what | ternary (printf ", or database.maxPods %d" $fits) (printf ", or %s %d" $what $replicas)) "" -}}
{{- fail (printf "\n\npgbouncer.floor %d x database.maxPods %d + database.headroom %d%s = %d is more than database.connectionBudget %d: scaling out could exhaust PostgreSQL.\nNearest that works: database.connectionBudget %d%s.\n" $floor $maxPods $headroom $shown.words $need $budget $need $other) -}}
{{- end -}}
{{- if lt $perPod $floor -}}
{{- fail (printf "\n\npgbouncer.maxPerPod %d is less than pgbouncer.floor %d.\nNearest that works: pgbouncer.maxPerPod %d.\n" $perPod $floor $floor) -}}
{{- end -}}
{{- $share := min $perPod (div (sub $budget (add $headroom $others)) $maxPods) | int -}}
{{- dict "budget" $budget "headroom" $headroom "others" $others "floor" $floor "perPod" $perPod "maxPods" $maxPods "least" $least "most" $most
  "surge" $surge "need" $need "share" $share "start" ($values.operator.enabled | ternary $floor $share) | toJson -}}
{{- end }}

{{/*
The replicas with their own budgets, as a JSON list: name, host, port, console (port of its PgBouncer in the pods), budget,
headroom and start (the pool size with which its PgBouncer starts). Each has the floor, the largest pool and the most pods of
the primary, and none but the service's pods use it.
*/}}
{{- define "jobfinder.replicas" -}}
{{- $replicas := list -}}
{{- if .Values.database.replicas -}}
{{- $shared := include "jobfinder.budget" . | fromJson -}}
{{- $names := list -}}
{{- range $index, $each := .Values.database.replicas -}}
{{- if has $each.name $names -}}{{- fail (printf "\n\ndatabase.replicas has two of the name %s.\n" $each.name) -}}{{- end -}}
{{- $names = append $names $each.name -}}
{{- $budget := int $each.connectionBudget -}}
{{- $headroom := int (default $shared.headroom $each.headroom) -}}
{{- $need := add (mul $shared.floor $shared.maxPods) $headroom | int -}}
{{- if gt $need $budget -}}
{{- fail (printf "\n\npgbouncer.floor %d x database.maxPods %d + headroom %d = %d is more than connectionBudget %d of database.replicas %s: scaling out could exhaust the replica.\nNearest that works: connectionBudget %d.\n" (int $shared.floor) (int $shared.maxPods) $headroom $need $budget $each.name $need) -}}
{{- end -}}
{{- $share := min $shared.perPod (div (sub $budget $headroom) $shared.maxPods) | int -}}
{{- $replicas = append $replicas (dict "name" $each.name "host" $each.host "console" (add 6433 $index)
  "port" (default (include "jobfinder.database.port" $ | int) $each.port | int) "budget" $budget "headroom" $headroom
  "start" ($.Values.operator.enabled | ternary $shared.floor $share | int)) -}}
{{- end -}}
{{- end -}}
{{- toJson $replicas -}}
{{- end }}

{{/*
Connections of components whose pools keep their size, as JSON: worker, realtime (pods that a rollout can have at once x
those of each) and words (the sum as an error text shows it). Rollouts of workers have no surge, those of realtime one pod.
*/}}
{{- define "jobfinder.others" -}}
{{- $words := "" -}}
{{- $worker := 0 -}}
{{- with .Values.worker -}}{{- if .enabled -}}
{{- $worker = mul 2 .replicas .connections -}}
{{- $words = printf " + 2 x worker.replicas %d x worker.connections %d" (int .replicas) (int .connections) -}}
{{- end -}}{{- end -}}
{{- $realtime := 0 -}}
{{- with .Values.realtime -}}{{- if .enabled -}}
{{- if and .hpa.enabled (gt (int .hpa.minReplicas) (int .hpa.maxReplicas)) -}}
{{- fail (printf "\n\nrealtime.hpa.minReplicas %d is more than realtime.hpa.maxReplicas %d.\nNearest that works: realtime.hpa.maxReplicas %d.\n" (int .hpa.minReplicas) (int .hpa.maxReplicas) (int .hpa.minReplicas)) -}}
{{- end -}}
{{- $most := .hpa.enabled | ternary .hpa.maxReplicas .replicas | int -}}
{{- $realtime = mul (add1 (mul 2 $most)) .connections -}}
{{- $words = printf "%s + (2 x realtime.%s %d + 1) x realtime.connections %d" $words (.hpa.enabled | ternary "hpa.maxReplicas" "replicas") $most (int .connections) -}}
{{- end -}}{{- end -}}
{{- dict "worker" $worker "realtime" $realtime "words" $words | toJson -}}
{{- end }}

{{/* Name of the value that limits the replicas; empty if another autoscaler sets them. */}}
{{- define "jobfinder.scaledBy" -}}
{{- if .Values.hpa.enabled -}}hpa.maxReplicas{{- else if not (kindIs "invalid" .Values.replicas) -}}replicas{{- end -}}
{{- end }}

{{/* The most replicas whose rollout has at most `pods` pods, at least 1: (dict "pods" 13 "surge" 1 or "25%"). */}}
{{- define "jobfinder.mostOf" -}}
{{- if hasSuffix "%" (toString .surge) -}}
{{- max 1 (div (mul 100 .pods) (add 200 (trimSuffix "%" .surge | int))) -}}
{{- else -}}
{{- max 1 (div (sub (int .pods) (int .surge)) 2) -}}
{{- end -}}
{{- end }}

{{/* Pods that a rollout may add: (dict "value" 1 or "25%" "replicas" 6); Kubernetes rounds a percentage up. */}}
{{- define "jobfinder.surge" -}}
{{- if hasSuffix "%" (toString .value) -}}
{{- div (add (mul .replicas (trimSuffix "%" .value | int)) 99) 100 -}}
{{- else -}}
{{- int .value -}}
{{- end -}}
{{- end }}

{{/*
max_connections of the bundled PostgreSQL; it keeps three for superusers. If the budget is lowered, running pods still use
the former one, so max_connections falls only with the next upgrade.
*/}}
{{- define "jobfinder.postgresql.maxConnections" -}}
{{- $budget := (include "jobfinder.budget" . | fromJson).budget | int -}}
{{- $budget = max $budget (dig "connectionBudget" 0 (include "jobfinder.running" . | fromJson)) | int -}}
{{- $connections := int (default (add $budget 15) .Values.postgresql.maxConnections) -}}
{{- $least := add $budget 3 | int -}}
{{- if lt $connections $least -}}
{{- fail (printf "\n\npostgresql.maxConnections %d is less than database.connectionBudget %d + 3 that PostgreSQL keeps for superusers = %d.\nNearest that works: postgresql.maxConnections %d.\n" $connections $budget $least $least) -}}
{{- end -}}
{{- $connections -}}
{{- end }}

{{/* Memory of one memcached (-m, in MiB), within 80 % of the container's limit. */}}
{{- define "jobfinder.memcached.megabytes" -}}
{{- $config := .Values.operator.enabled | ternary (dig "config" "cache" dict .Values.operator) dict -}}
{{- $megabytes := int (default .Values.memcached.memoryMegabytes $config.memcachedMegabytes) -}}
{{- with dig "limits" "memory" "" .Values.memcached.resources -}}
{{- $limit := include "jobfinder.mebibytes" (dict "quantity" . "name" "memcached.resources.limits.memory") | float64 -}}
{{- $most := floor (mulf 0.8 $limit) | int -}}
{{- if gt $megabytes $most -}}
{{- fail (printf "\n\nmemcached.memoryMegabytes %d is more than 80 %% of memcached.resources.limits.memory %v: 0.8 x %.0f MiB = %d MiB; the rest is for connections and the hash table.\nNearest that works: memcached.memoryMegabytes %d, or a limit of %.0fMi.\n" $megabytes . $limit $most $most (ceil (divf $megabytes 0.8))) -}}
{{- end -}}
{{- end -}}
{{- $megabytes -}}
{{- end }}

{{/* A quantity of memory in MiB: (dict "quantity" "1Gi" "name" "value name for the error text"). */}}
{{- define "jobfinder.mebibytes" -}}
{{- $text := toString .quantity -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $unit := regexFind "[A-Za-z]*$" $text -}}
{{- if or (not (hasKey $units $unit)) (not (regexMatch "^[0-9]+(\\.[0-9]+)?[A-Za-z]*$" $text)) -}}
{{- fail (printf "\n\n%s %q is no amount of memory such as 512Mi.\n" .name $text) -}}
{{- end -}}
{{- divf (mulf (trimSuffix $unit $text | float64) (get $units $unit)) 1048576.0 -}}
{{- end }}

{{/* The grace period of pods; it must cover preStop, the graceful timeout and 10 s more. */}}
{{- define "jobfinder.terminationGracePeriodSeconds" -}}
{{- $least := add .Values.preStopSeconds .Values.gracefulTimeoutSeconds 10 | int -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) $least -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds %d is less than preStopSeconds %d + gracefulTimeoutSeconds %d + 10 = %d: the kubelet would kill requests in flight.\nNearest that works: terminationGracePeriodSeconds %d.\n" (int .Values.terminationGracePeriodSeconds) (int .Values.preStopSeconds) (int .Values.gracefulTimeoutSeconds) $least $least) -}}
{{- end -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end }}
