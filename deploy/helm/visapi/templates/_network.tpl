{{/* Rules of network policies. A list of peers that is empty means: whatever has this port, but never link-local addresses. */}}

{{/* One egress rule: dict to ports [protocol] */}}
{{- define "visapi.egressRule" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  to:
    {{- if .to }}
    {{- toYaml .to | nindent 4 }}
    {{- else }}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fe80::/10"]}
    {{- end }}
{{- end -}}

{{/* The internet: every address that is not private. */}}
{{- define "visapi.internetRule" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
  to:
    - ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson .root.Values.networkPolicy.privateRanges }}}
    - ipBlock: {cidr: "::/0", except: {{ toJson .root.Values.networkPolicy.privateRangesV6 }}}
{{- end -}}

{{/* Egress of a component: dict root component values */}}
{{- define "visapi.egress" -}}
{{- $policy := .root.Values.networkPolicy -}}
{{- $internet := or (eq .component "notifier") (and (eq .component "pdf-worker") .values.internet) -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
  to:
    {{- toYaml $policy.dnsTo | nindent 4 }}
{{- if not (eq .component "pdf-worker") }}
{{ include "visapi.egressRule" (dict "to" $policy.postgresqlTo "ports" (list .root.Values.postgresql.port)) }}
{{- end }}
{{- if and (eq .component "migration") .root.Values.dev.enabled }}
{{ include "visapi.egressRule" (dict "to" list "ports" (list 443 6443)) }}
{{- end }}
{{- if not (eq .component "migration") }}
{{ include "visapi.egressRule" (dict "to" $policy.natsTo "ports" (list .root.Values.nats.port)) }}
{{- if not .root.Values.artifacts.volume.enabled }}
{{ include "visapi.egressRule" (dict "to" $policy.artifactsTo "ports" (list $policy.artifactsPort)) }}
{{- end }}
{{- if $policy.podIdentity }}
- ports: [{protocol: TCP, port: 80}]
  to: [{ipBlock: {cidr: 169.254.170.23/32}}, {ipBlock: {cidr: "fd00:ec2::23/128"}}]
{{- end }}
{{- if .values.settings.otlp_endpoint }}
{{ include "visapi.egressRule" (dict "to" $policy.otlpTo "ports" (list $policy.otlpPort)) }}
{{- end }}
{{- end }}
{{- if $internet }}
{{ include "visapi.internetRule" (dict "root" .root "ports" (.values.internetPorts | default (list 80 443))) }}
{{- end }}
{{- with .values.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
