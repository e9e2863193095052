{{/* The migration of the schema: a hook, a job, or the orchestrator's init container. It expands the schema only. */}}

{{/* The container: dict root */}}
{{- define "visapi.migrationContainer" -}}
{{- $migration := .root.Values.migration -}}
- name: migrate
  image: {{ include "visapi.image" (dict "root" .root "image" $migration.image) | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args: [migrate, --step, expand]
  securityContext:
    {{- include "visapi.containerSecurityContext" .root | nindent 4 }}
  env:
    - {name: VISAPI_OWNER_URL_FILE, value: /run/visapi/owner/postgres_url}
    - {name: HOME, value: /tmp}
  resources:
    {{- toYaml $migration.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: owner, mountPath: /run/visapi/owner, readOnly: true}
    {{- with include "visapi.caMounts" .root }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "visapi.ownerVolume" -}}
- name: owner
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "visapi.secretName" (dict "root" .root) }}
          items: [{key: {{ .root.Values.secrets.keys.ownerPostgresUrl }}, path: postgres_url}]
{{- end -}}

{{/* For deployments, where the mode is init: dict root component */}}
{{- define "visapi.migrationInitContainer" -}}
{{- if and (eq .root.Values.migration.mode "init") (eq .component "orchestrator") -}}
{{- include "visapi.migrationContainer" . -}}
{{- end -}}
{{- end -}}

{{- define "visapi.migrationVolume" -}}
{{- if and (eq .root.Values.migration.mode "init") (eq .component "orchestrator") -}}
{{- include "visapi.ownerVolume" . -}}
{{- end -}}
{{- end -}}

{{/* The pod template of the hook and of the job: dict root */}}
{{- define "visapi.migrationPod" -}}
metadata:
  labels:
    {{- include "visapi.labels" (dict "root" .root "component" "migration") | nindent 4 }}
spec:
  {{- with .root.Values.global.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "visapi.podSecurityContext" .root.Values.defaults | nindent 4 }}
  {{- with .root.Values.defaults.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.defaults.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "visapi.migrationContainer" . | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 16Mi}
    {{- include "visapi.ownerVolume" . | nindent 4 }}
    {{- with include "visapi.caVolumes" .root }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
