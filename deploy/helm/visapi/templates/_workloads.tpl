{{/* What each service is: its values over the defaults, its secrets, its environment. */}}

{{/* The services that are enabled, as JSON: a list of {component, key}. */}}
{{- define "visapi.services" -}}
{{- $found := list -}}
{{- range $component, $key := dict "gateway" "gateway" "orchestrator" "orchestrator" "pdf-worker" "pdfWorker" "notifier" "notifier" -}}
{{- $values := include "visapi.workload" (dict "root" $ "key" $key) | fromJson -}}
{{- if $values.enabled }}{{ $found = append $found (dict "component" $component "key" $key) }}{{ end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* The values of a service over `defaults`, as JSON: dict root key */}}
{{- define "visapi.workload" -}}
{{- mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (index .root.Values .key)) | toJson -}}
{{- end -}}

{{/* The secret settings of a component, as JSON: setting to key of the Secret. A key "" is a setting that is not used. */}}
{{- define "visapi.secretSettings" -}}
{{- $keys := .root.Values.secrets.keys -}}
{{- $all := dict
  "gateway" (dict "postgres_url" $keys.gatewayPostgresUrl "nats_url" $keys.gatewayNatsUrl "key_pepper" $keys.keyPepper "link_secret" $keys.linkSecret "sealing_key" $keys.sealingKey "metrics_token" $keys.metricsToken)
  "orchestrator" (dict "postgres_url" $keys.orchestratorPostgresUrl "nats_url" $keys.orchestratorNatsUrl "effect_secret" $keys.effectSecret "handle_secret" $keys.handleSecret "metrics_token" $keys.metricsToken)
  "pdf-worker" (dict "nats_url" $keys.pdfWorkerNatsUrl "metrics_token" $keys.metricsToken)
  "notifier" (dict "postgres_url" $keys.notifierPostgresUrl "nats_url" $keys.notifierNatsUrl "handle_secret" $keys.handleSecret "sealing_key" $keys.sealingKey "smtp_url" $keys.smtpUrl "slack_token" $keys.slackToken "metrics_token" $keys.metricsToken)
-}}
{{- $used := dict -}}
{{- range $setting, $key := index $all .component }}{{ if $key }}{{ $_ := set $used $setting $key }}{{ end }}{{ end -}}
{{- toJson $used -}}
{{- end -}}

{{/* Settings that the chart decides: dict root component values */}}
{{- define "visapi.ownSettings" -}}
{{- $own := dict "metrics_host" .root.Values.listenAddress "metrics_port" 9100 "drain_s" .values.drainSeconds "artifacts_url" (include "visapi.artifactsUrl" .root) -}}
{{- if eq .component "gateway" }}{{ $_ := set $own "http_host" .root.Values.listenAddress }}{{ $_ := set $own "http_port" 8080 }}{{ end -}}
{{- if and (eq .component "notifier") .root.Values.publicUrl }}{{ $_ := set $own "public_url" .root.Values.publicUrl }}{{ end -}}
{{- if .root.Values.nats.caSecret }}{{ $_ := set $own "nats_tls_ca" "/run/visapi/nats/ca.crt" }}{{ end -}}
{{- $s3 := .root.Values.artifacts.s3 -}}
{{- with $s3.region }}{{ $_ := set $own "s3_region" . }}{{ end -}}
{{- with $s3.endpoint }}{{ $_ := set $own "s3_endpoint" . }}{{ end -}}
{{- if not $s3.pathStyle }}{{ $_ := set $own "s3_path_style" false }}{{ end -}}
{{- if $s3.caSecret }}{{ $_ := set $own "s3_ca" "/run/visapi/s3-ca/ca.crt" }}{{ end -}}
{{- toJson $own -}}
{{- end -}}

{{- define "visapi.artifactsUrl" -}}
{{- if .Values.artifacts.volume.enabled -}}file:///var/lib/visapi/artifacts{{- else -}}{{ .Values.artifacts.url }}{{- end -}}
{{- end -}}

{{/* The text of a setting: lists by commas, maps as JSON, numbers without an exponent. */}}
{{- define "visapi.settingText" -}}
{{- if kindIs "string" . -}}{{ . }}
{{- else if kindIs "slice" . -}}{{ join "," . }}
{{- else -}}{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* env of a service: dict root component values */}}
{{- define "visapi.env" -}}
{{- range $setting, $value := merge (include "visapi.ownSettings" . | fromJson) .values.settings }}
- name: VISAPI_{{ upper $setting }}
  value: {{ include "visapi.settingText" $value | quote }}
{{- end }}
{{- range $setting, $key := include "visapi.secretSettings" . | fromJson }}
- name: VISAPI_{{ upper $setting }}_FILE
  value: /run/visapi/secrets/{{ $setting }}
{{- end }}
- name: HOME
  value: /tmp
{{- include "visapi.s3Env" .root }}
{{- with .values.extraEnv }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end -}}

{{/* An access key of S3, as files; without one the role of the ServiceAccount counts. */}}
{{- define "visapi.s3Env" -}}
{{- if .Values.artifacts.s3.existingSecret }}
- name: VISAPI_S3_ACCESS_KEY_ID_FILE
  value: /run/visapi/s3/access_key_id
- name: VISAPI_S3_SECRET_ACCESS_KEY_FILE
  value: /run/visapi/s3/secret_access_key
{{- end }}
{{- end -}}

{{/* Seconds between SIGTERM's hook and SIGKILL: what was given, else hook, drain, hard end (2 s) and a margin. */}}
{{- define "visapi.graceSeconds" -}}
{{- if .terminationGracePeriodSeconds -}}{{ int .terminationGracePeriodSeconds }}
{{- else -}}{{ add (int .preStopSeconds) (int .drainSeconds) 10 }}
{{- end -}}
{{- end -}}

{{/* How many replicas there are at least. */}}
{{- define "visapi.replicasMin" -}}
{{- if eq .autoscaling.type "none" -}}{{ int .replicas }}{{- else -}}{{ int .autoscaling.minReplicas }}{{- end -}}
{{- end -}}

{{- define "visapi.serviceAccountName" -}}
{{- if .values.serviceAccount.name -}}{{ .values.serviceAccount.name }}
{{- else if .values.serviceAccount.create -}}{{ include "visapi.fullname" .root }}-{{ .component }}
{{- else -}}default
{{- end -}}
{{- end -}}
