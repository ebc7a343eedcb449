{{/* Replacements of <word> in alerts/*.yaml. Every selector has the namespace and the job, which keeps releases apart. */}}
{{- define "jobfinder.rules.words" -}}
{{- $rules := .Values.monitoring.rules -}}
{{- $fullname := include "jobfinder.fullname" . -}}
{{- $app := printf "namespace=%q,job=%q" .Release.Namespace $fullname -}}
{{- $words := omit $rules "enabled" "labels" "runbookUrl" "alerts" -}}
{{- $hosts := list -}}
{{- $certificates := list -}}
{{- if .Values.ingress.enabled -}}
{{- range .Values.ingress.tls -}}
{{- $certificates = append $certificates .secretName -}}
{{- range .hosts }}{{ $hosts = append $hosts . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if .Values.httpRoute.enabled -}}
{{- range .Values.httpRoute.hostnames }}{{ $hosts = append $hosts . }}{{ end -}}
{{- end -}}
{{- $logServer := printf "%s-0[.:].*" (include "jobfinder.memcached.fullname" .) -}}
{{- if not .Values.memcached.enabled -}}
{{- /* A server of extraEnv; a point in a regular expression stands for any character, also for those of an IPv6 address. */ -}}
{{- $logServer = regexReplaceAll "[^0-9A-Za-z:-]" (include "jobfinder.logIdentity" .) "." -}}
{{- end -}}
{{- $words = merge $words (dict
  "namespace" .Release.Namespace
  "fullname" $fullname
  "app" $app
  "traffic" (printf "%s,route!~\"/metrics|/api/v1/health.*\"" $app)
  "operator" (printf "namespace=%q,job=%q" .Release.Namespace (include "jobfinder.operator.fullname" .))
  "realtime" (printf "namespace=%q,job=%q" .Release.Namespace (include "jobfinder.realtime.fullname" .))
  "logServer" $logServer
  "hosts" (join "|" (uniq $hosts) | replace "." "[.]" | replace "*" "[^.]+")
  "certificates" (join "|" (uniq $certificates))
) -}}
{{- toYaml $words -}}
{{- end }}

{{/* Parts that alert files may need, and whether they are enabled. */}}
{{- define "jobfinder.rules.parts" -}}
operator: {{ .Values.operator.enabled }}
migrations: {{ .Values.migrations.enabled }}
autoscaler: {{ .Values.hpa.enabled }}
realtime: {{ .Values.realtime.enabled }}
followed: {{ and .Values.realtime.enabled .Values.memcached.enabled }}
hosts: {{ ne "" (include "jobfinder.rules.words" . | fromYaml).hosts }}
{{- end }}

{{/* The rule groups, one per alert file. */}}
{{- define "jobfinder.rules.groups" -}}
{{- $words := include "jobfinder.rules.words" . | fromYaml -}}
{{- $parts := include "jobfinder.rules.parts" . | fromYaml -}}
{{- $root := . -}}
{{- $known := list -}}
{{- range $path, $_ := .Files.Glob "alerts/*.yaml" -}}
{{- $text := $root.Files.Get $path -}}
{{- range $word, $meaning := $words -}}
{{- $text = replace (printf "<%s>" $word) (toString $meaning) $text -}}
{{- end -}}
{{- $file := fromYaml $text -}}
{{- if not $file.rules }}{{ fail (printf "%s holds no rules: %s" $path (toString $file.Error)) }}{{ end -}}
{{- $needed := default "" $file.needs -}}
{{- if and $needed (not (hasKey $parts $needed)) }}{{ fail (printf "%s needs %q, which is unknown" $path $needed) }}{{ end -}}
{{- $rules := list -}}
{{- range $file.rules }}{{ with .alert }}{{ $known = append $known . }}{{ end }}{{ end -}}
{{- if or (not $needed) (get $parts $needed) -}}
{{- range $file.rules -}}
{{- $rule := . -}}
{{- $own := dict -}}
{{- if .alert -}}
{{- $own = default dict (get $root.Values.monitoring.rules.alerts .alert) -}}
{{- $_ := set .annotations "runbook_url" (printf "%s%s.md" $root.Values.monitoring.rules.runbookUrl .alert) -}}
{{- with $own.for }}{{ $_ := set $rule "for" . }}{{ end -}}
{{- with $own.severity }}{{ $_ := set $rule.labels "severity" . }}{{ end -}}
{{- end -}}
{{- if ne false $own.enabled }}{{ $rules = append $rules $rule }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if $rules }}
- name: {{ base $path | trimSuffix ".yaml" | printf "%s.%s" (include "jobfinder.fullname" $root) }}
  rules:
    {{- toYaml $rules | nindent 4 }}
{{- end -}}
{{- end -}}
{{- range $name, $_ := .Values.monitoring.rules.alerts -}}
{{- if not (has $name $known) }}{{ fail (printf "\n\nmonitoring.rules.alerts: there is no alert %s; there are %s.\n" $name (join ", " (uniq $known))) }}{{ end -}}
{{- end -}}
{{- end }}
