{{/*
The running release before an upgrade, as JSON; empty if nothing runs: operator (whether it sets pool sizes), converged
(whether all pods have what its resource says), poolSize (the
largest pool that a pod may have), floor (the pool size with which pods may start), pods (how many can exist at once), maxPods
(for how many pods the operator keeps floors), most (replicas), connectionBudget (of all running pods together). Read from the
cluster, or from database.running without one. An autoscaler is found by its target, because KEDA chooses its name.
*/}}
{{- define "jobfinder.running" -}}
{{- $name := include "jobfinder.fullname" . -}}
{{- $found := dict -}}
{{- with .Values.database.running -}}
{{- $found = dict "operator" false "poolSize" 0 "floor" 0 "pods" 0 "maxPods" 0 "most" 0 "connectionBudget" 0 "replicas" dict | merge (deepCopy .) -}}
{{- if not $found.connectionBudget -}}
{{- $_ := set $found "connectionBudget" (add (mul $found.poolSize $found.pods) $.Values.database.headroom) -}}
{{- end -}}
{{- else -}}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace $name -}}
{{- $size := include "jobfinder.poolSize" (dict "spec" .spec.template.spec) | int -}}
{{- $most := dig "replicas" 1 .spec | int -}}
{{- range (lookup "autoscaling/v2" "HorizontalPodAutoscaler" $.Release.Namespace "" | default dict).items -}}
{{- if eq (printf "%s/%s" .spec.scaleTargetRef.kind .spec.scaleTargetRef.name) (printf "Deployment/%s" $name) -}}
{{- $most = max $most .spec.maxReplicas | int -}}
{{- end -}}
{{- end -}}
{{- $surge := include "jobfinder.surge" (dict "value" (dig "strategy" "rollingUpdate" "maxSurge" "25%" .spec) "replicas" $most) | int -}}
{{- $count := 0 -}}
{{- $specs := list .spec.template.spec -}}
{{- $largest := $size -}}
{{- $labels := .spec.selector.matchLabels -}}
{{- range (lookup "v1" "Pod" $.Release.Namespace "" | default dict).items -}}
{{- $pod := . -}}
{{- $ours := not (has (dig "status" "phase" "" .) (list "Succeeded" "Failed")) -}}
{{- range $key, $value := $labels -}}
{{- if ne (dig "metadata" "labels" $key "" $pod) $value -}}{{- $ours = false -}}{{- end -}}
{{- end -}}
{{- if $ours -}}
{{- $count = add1 $count -}}
{{- $largest = max $largest (include "jobfinder.poolSize" (dict "spec" .spec) | int) -}}
{{- $specs = append $specs .spec -}}
{{- end -}}
{{- end -}}
{{- $pods := max (add (mul 2 $most) $surge) $count -}}
{{- $replicas := dict -}}
{{- range $.Values.database.replicas -}}
{{- $replica := .name -}}
{{- range $spec := $specs -}}
{{- $_ := set $replicas $replica (max (get $replicas $replica | int) (include "jobfinder.poolSize" (dict "spec" $spec "replica" $replica) | int)) -}}
{{- end -}}
{{- end -}}
{{- $found = dict "operator" false "poolSize" $largest "floor" $size "pods" $pods "maxPods" 0 "most" $most
      "connectionBudget" (add (mul $largest $pods) $.Values.database.headroom) "replicas" $replicas -}}
{{- end -}}
{{- $config := dict -}}
{{- if and $found (.Capabilities.APIVersions.Has "jobfinder.dev/v1alpha1") -}}
{{- $config = lookup "jobfinder.dev/v1alpha1" "JobFinderConfig" .Release.Namespace $name -}}
{{- end -}}
{{- with $config -}}
{{- $converged := false -}}
{{- range dig "status" "conditions" list . -}}
{{- if and (eq .type "BudgetConverged") (eq .status "True") (eq (int .observedGeneration) (int $config.metadata.generation)) -}}
{{- $converged = true -}}
{{- end -}}
{{- end -}}
{{- $database := .spec.database -}}
{{- $_ := set $found "operator" true -}}
{{- $_ := set $found "converged" $converged -}}
{{- $_ := set $found "connectionBudget" (int $database.connectionBudget) -}}
{{- $_ := set $found "poolSize" (max $found.poolSize ($converged | ternary (dig "perPod" "max" 32 $database) $database.connectionBudget)) -}}
{{- if $converged -}}
{{- $_ := set $found "floor" (max $found.floor (dig "perPod" "floor" 1 $database)) -}}
{{- $_ := set $found "maxPods" (dig "maxPods" 0 $database | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/*
Connections that task workers and the realtime gateway can have, as JSON: now, and most (during the upgrade: for each the
larger of old and new).
*/}}
{{- define "jobfinder.running.others" -}}
{{- $new := include "jobfinder.others" . | fromJson -}}
{{- $now := 0 -}}
{{- $most := 0 -}}
{{- range $component := list "worker" "realtime" -}}
{{- $name := include (printf "jobfinder.%s.fullname" $component) $ -}}
{{- $old := 0 -}}
{{- with lookup "apps/v1" "Deployment" $.Release.Namespace $name -}}
{{- $pods := dig "replicas" 1 .spec | int -}}
{{- with lookup "autoscaling/v2" "HorizontalPodAutoscaler" $.Release.Namespace $name -}}
{{- $pods = max $pods .spec.maxReplicas | int -}}
{{- end -}}
{{- $surge := include "jobfinder.surge" (dict "value" (dig "strategy" "rollingUpdate" "maxSurge" "25%" .spec) "replicas" $pods) | int -}}
{{- $old = mul (add (mul 2 $pods) $surge) (include "jobfinder.poolSize" (dict "spec" .spec.template.spec) | int) -}}
{{- end -}}
{{- $now = add $now $old -}}
{{- $most = add $most (max $old (get $new $component | int)) -}}
{{- end -}}
{{- dict "now" $now "most" $most | toJson -}}
{{- end }}

{{/*
The pool size in the environment of a pod spec's containers; 0 if there is none:
(dict "spec" its spec "replica" the name of a replica, or nothing for the primary).
*/}}
{{- define "jobfinder.poolSize" -}}
{{- $size := 0 -}}
{{- $replica := .replica -}}
{{- range concat (.spec.initContainers | default list) .spec.containers -}}
{{- if $replica | empty | ternary (hasPrefix "pgbouncer-replica-" .name | not) (eq .name (printf "pgbouncer-replica-%s-config" $replica)) -}}
{{- range .env -}}
{{- if eq .name "PGBOUNCER_POOL_SIZE" -}}{{- $size = int .value -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $size -}}
{{- end }}

{{/*
Refuse an upgrade during which old and new pods together could exceed the budget. In any order of starting and ending,
each pod has at most the larger of the old and the new pool size, and there are at most as many pods as the larger maximum
allows. If the operator runs before and after, it must already keep floors for all new pods.
*/}}
{{- define "jobfinder.rollout" -}}
{{- $running := include "jobfinder.running" . | fromJson -}}
{{- if $running -}}
{{- $new := include "jobfinder.budget" . | fromJson -}}
{{- $name := include "jobfinder.fullname" . -}}
{{- $what := include "jobfinder.scaledBy" . -}}
{{- $budget := max $new.budget $running.connectionBudget | int -}}
{{- $pods := max $new.least $running.pods | int -}}
{{- $size := max $new.start $running.poolSize | int -}}
{{- $both := include "jobfinder.running.others" . | fromJson -}}
{{- $others := int $both.most -}}
{{- $kept := add $new.headroom $others | int -}}
{{- $sum := add (mul $size $pods) $kept | int -}}
{{- $patch := printf "kubectl -n %s patch jfc %s --type=merge -p '{\"spec\":{\"database\":%%s}}', and wait until its condition BudgetConverged is True again" .Release.Namespace $name -}}
{{- if and $running.operator .Values.operator.enabled -}}
{{- if or (gt (int $new.floor) (int $running.floor)) (gt (int $new.least) (int (max $running.pods $running.maxPods))) -}}
{{- $database := dict "connectionBudget" $budget "maxPods" (max $new.maxPods $running.pods) "perPod" (dict "floor" $new.floor) | toJson -}}
{{- fail (printf "\n\nFloor %v x %v pods are more than the operator keeps free of what it has granted: floor %v x %v pods. New pods would come before others have given up theirs.\nTake two steps:\n  1. %s\n  2. this upgrade\n" $new.floor $new.least $running.floor (max $running.pods $running.maxPods) (printf $patch $database)) -}}
{{- end -}}
{{- $more := int (sub $both.most $both.now) -}}
{{- if and (gt $more (int $new.headroom)) (not .Values.database.running) (or (not $running.converged) (gt (int (add $running.connectionBudget $more)) (int (add $budget $new.headroom)))) -}}
{{- $database := dict "connectionBudget" (sub (add $budget $new.headroom) $more) | toJson -}}
{{- fail (printf "\n\nTask workers and realtime can have %d connections more than those that run, and the operator keeps %d free (database.headroom). New pods would come before others have given up theirs.\nTake two steps:\n  1. %s\n  2. this upgrade\n" $more (int $new.headroom) (printf $patch $database)) -}}
{{- end -}}
{{- else if gt $sum $budget -}}
{{- $reason := printf "\n\nWhile old and new pods run at the same time, pools of up to %d x %d pods + database.headroom %v%s = %d are more than database.connectionBudget %d: pods that run have up to %v, new ones %v.\nTake two steps:\n  1. " $size $pods $new.headroom (empty $others | ternary "" (printf " + %d of task workers and realtime" $others)) $sum $budget $running.poolSize $new.start -}}
{{- if and $running.operator (le (int (add (mul $new.start $pods) $kept)) $budget) -}}
{{- fail (printf "%s%s\n  2. this upgrade\n" $reason (printf $patch (dict "perPod" (dict "max" $new.start) | toJson))) -}}
{{- end -}}
{{- fail (printf "%sthis upgrade with --set %sdatabase.maxPods=%v, and wait until the former pods are gone\n  2. this upgrade\n" $reason (empty $what | ternary "" (printf "%s=%v," $what (min $new.most (default $new.most $running.most)))) (max $new.maxPods $running.pods)) -}}
{{- end -}}
{{- if not (and $running.operator .Values.operator.enabled) -}}
{{- range include "jobfinder.replicas" . | fromJsonArray -}}
{{- $old := get $running.replicas .name | int -}}
{{- if $old -}}
{{- if $running.operator -}}{{- $old = max $old $running.poolSize | int -}}{{- end -}}
{{- $size := max .start $old | int -}}
{{- $sum := add (mul $size $pods) .headroom | int -}}
{{- if gt $sum (int .budget) -}}
{{- fail (printf "\n\nWhile old and new pods run at the same time, pools of up to %d x %d pods + headroom %d = %d are more than connectionBudget %d of database.replicas %s: pods that run have up to %d, new ones %d.\nTake two steps:\n  1. this upgrade with connectionBudget %d for this replica, or without it, and wait until the former pods are gone\n  2. this upgrade\n" $size $pods (int .headroom) $sum (int .budget) .name $old (int .start) $sum) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
