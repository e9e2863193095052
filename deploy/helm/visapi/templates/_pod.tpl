{{/* Parts of pods. The security lines stand here once, for every pod of the chart. */}}

{{/* securityContext of a pod: dict podSecurity seccompProfile */}}
{{- define "visapi.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: {{ int .podSecurity.runAsUser }}
runAsGroup: {{ int .podSecurity.runAsGroup }}
fsGroup: {{ int .podSecurity.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
{{- include "visapi.seccomp" .seccompProfile }}
{{- end -}}

{{- define "visapi.seccomp" }}
seccompProfile:
  type: {{ .type }}
  {{- if eq .type "Localhost" }}
  localhostProfile: {{ .localhostProfile }}
  {{- end }}
{{- end -}}

{{- define "visapi.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where a pod runs: dict root component values */}}
{{- define "visapi.placement" -}}
{{- $values := .values -}}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range $key, $when := dict "topology.kubernetes.io/zone" $values.topologySpread.zone "kubernetes.io/hostname" $values.topologySpread.host }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    labelSelector:
      matchLabels:
        {{- include "visapi.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "visapi.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  {{- toYaml .startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  {{- toYaml .liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  {{- toYaml .readiness | nindent 2 }}
{{- end -}}

{{/* The secrets of a component as one volume, each setting a file: dict root component secretName */}}
{{- define "visapi.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .secretName }}
          items:
            {{- range $setting, $key := include "visapi.secretSettings" . | fromJson }}
            - {key: {{ $key }}, path: {{ $setting }}}
            {{- end }}
{{- end -}}

{{/* Certificates of the authorities that signed what PostgreSQL and NATS show. */}}
{{- define "visapi.caVolumes" -}}
{{- with .Values.postgresql.caSecret }}
- name: postgresql-ca
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- with .Values.nats.caSecret }}
- name: nats-ca
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end -}}

{{/* What only services need, not the migration: the access key of S3, and the authority of its server. */}}
{{- define "visapi.s3Volumes" -}}
{{- $s3 := .Values.artifacts.s3 -}}
{{- with $s3.existingSecret }}
- name: s3
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      - {key: {{ $s3.accessKeyIdKey }}, path: access_key_id}
      - {key: {{ $s3.secretAccessKeyKey }}, path: secret_access_key}
{{- end }}
{{- with $s3.caSecret }}
- name: s3-ca
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}
{{- end }}
{{- end -}}

{{- define "visapi.s3Mounts" -}}
{{- if .Values.artifacts.s3.existingSecret }}
- {name: s3, mountPath: /run/visapi/s3, readOnly: true}
{{- end }}
{{- if .Values.artifacts.s3.caSecret }}
- {name: s3-ca, mountPath: /run/visapi/s3-ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "visapi.caMounts" -}}
{{- if .Values.postgresql.caSecret }}
- {name: postgresql-ca, mountPath: /run/visapi/postgresql, readOnly: true}
{{- end }}
{{- if .Values.nats.caSecret }}
- {name: nats-ca, mountPath: /run/visapi/nats, readOnly: true}
{{- end }}
{{- end -}}

{{/* Changes with the Secret where the release can read it (`lookup`), else with secrets.revision. */}}
{{- define "visapi.secretChecksum" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .secretName -}}
{{- printf "%s %s %s" .secretName .root.Values.secrets.revision (dig "data" dict ($found | default dict) | toJson) | sha256sum -}}
{{- end -}}
