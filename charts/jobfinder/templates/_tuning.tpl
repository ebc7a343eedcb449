{{/*
Refuse live settings that the pods would refuse (app/infra/tuning/fitness.py; its numbers are in files/tuning.json): values
below the minimum for production, and caches that do not fit into the container's memory.
*/}}
{{- define "jobfinder.tuning.check" -}}
{{- $operated := .Values.operator.enabled -}}
{{- $config := $operated | ternary .Values.operator.config .Values.tuning | default dict -}}
{{- $where := $operated | ternary "operator.config" "tuning" -}}
{{- $count := .Files.Get "files/tuning.json" | fromJson -}}
{{- if eq .Values.environment "production" -}}
{{- range $name, $value := $config.limits -}}
{{- if eq (int $value) 0 -}}
{{- fail (printf "\n\n%s.limits.%s 0 sets no limit; that is for environment development.\nNearest that works: %s.limits.%s 1.\n" $where $name $where $name) -}}
{{- end -}}
{{- end -}}
{{- $name := $operated | ternary "bcryptCost" "bcrypt_cost" -}}
{{- $cost := dig "passwords" $name $count.bcryptCost $config | int -}}
{{- if lt $cost (int $count.bcryptCost) -}}
{{- fail (printf "\n\n%s.passwords.%s %d is below %d; that is for environment development.\nNearest that works: %s.passwords.%s %d.\n" $where $name $cost (int $count.bcryptCost) $where $name (int $count.bcryptCost)) -}}
{{- end -}}
{{- end -}}
{{- with dig "limits" "memory" "" .Values.resources -}}
{{- $memory := include "jobfinder.mebibytes" (dict "quantity" . "name" "resources.limits.memory") | float64 -}}
{{- $workers := include "jobfinder.workers" $ | int -}}
{{- if eq (int $.Values.workers) 0 -}}
{{- $workers = max 1 (min $workers (floor (divf $memory 128) | int)) -}}
{{- end -}}
{{- $terms := list (printf "%d MiB" (div (int $count.workerKiB) 1024)) -}}
{{- $each := divf $count.workerKiB 1024 -}}
{{- $name := $operated | ternary "answersBytes" "answers_bytes" -}}
{{- $answers := dig "cache" $name $count.answersBytes $config | int64 -}}
{{- $terms = append $terms (printf "%s.cache.%s %d" $where $name $answers) -}}
{{- $each = addf $each (divf $answers 1048576) -}}
{{- $users := 0.0 -}}
{{- range $cache := $count.caches -}}
{{- $capacity := dig "cache" $cache.name "capacity" $cache.capacity $config | int -}}
{{- $mebibytes := divf (mulf $capacity $cache.entryKiB) 1024 -}}
{{- $terms = append $terms (printf "%s.cache.%s.capacity %d x %v KiB" $where $cache.name $capacity $cache.entryKiB) -}}
{{- $each = addf $each $mebibytes -}}
{{- if eq $cache.name "user" -}}{{- $users = $mebibytes -}}{{- end -}}
{{- end -}}
{{- $need := mulf $workers $each -}}
{{- if gt $need $memory -}}
{{- $user := first $count.caches -}}
{{- $fits := floor (divf (mulf 1024 (addf (subf (divf $memory $workers) $each) $users)) $user.entryKiB) | int -}}
{{- $nearest := gt $fits 0 | ternary (printf "%s.cache.user.capacity %d, or a" $where $fits) "a" -}}
{{- fail (printf "\n\n%d workers x (%s) = %.0f MiB are more than resources.limits.memory %v.\nNearest that works: %s limit of %.0fMi.\n" $workers (join " + " $terms) $need . $nearest (ceil $need)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Workers of a pod; if `workers` is 0, one per core of the CPU limit, at least 1 (app/infra/machine/workers.py). */}}
{{- define "jobfinder.workers" -}}
{{- $cpu := dig "limits" "cpu" "1" .Values.resources | toString -}}
{{- $cores := hasSuffix "m" $cpu | ternary (divf (trimSuffix "m" $cpu | float64) 1000) ($cpu | float64) -}}
{{- max 1 (default (ceil $cores | int) (int .Values.workers)) -}}
{{- end }}
