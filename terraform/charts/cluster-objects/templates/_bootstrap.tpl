{{/* One container of `visapi admin`: dict root name args master */}}
{{- define "objects.admin" -}}
- name: {{ .name }}
  image: {{ required "bootstrap.image is not set: name the image visapi/admin" .root.Values.bootstrap.image | quote }}
  imagePullPolicy: {{ .root.Values.bootstrap.pullPolicy }}
  args: {{ toJson .args }}
  securityContext:
    allowPrivilegeEscalation: false
    privileged: false
    readOnlyRootFilesystem: true
    runAsNonRoot: true
    capabilities:
      drop: [ALL]
  env:
    {{- if .master }}
    - name: VISAPI_ADMIN_URL
      value: postgresql://visapi_admin@{{ required "bootstrap.databaseHost is not set" .root.Values.bootstrap.databaseHost }}:{{ int .root.Values.bootstrap.databasePort }}/postgres?sslmode=verify-full&sslrootcert=/run/visapi/postgresql/ca.crt
    - {name: VISAPI_ADMIN_PASSWORD_FILE, value: /run/visapi/secrets/master}
    {{- range $role := list "gateway" "orchestrator" "notifier" }}
    - {name: VISAPI_{{ upper $role }}_PASSWORD_FILE, value: /run/visapi/secrets/{{ $role }}}
    {{- end }}
    {{- end }}
    - {name: VISAPI_OWNER_URL_FILE, value: /run/visapi/secrets/owner}
    - {name: VISAPI_KEY_PEPPER_FILE, value: /run/visapi/secrets/key-pepper}
    - {name: HOME, value: /tmp}
  resources:
    requests: {cpu: 50m, memory: 128Mi}
    limits: {cpu: 500m, memory: 256Mi}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: secrets, mountPath: /run/visapi/secrets, readOnly: true}
    - {name: ca, mountPath: /run/visapi/postgresql, readOnly: true}
{{- end -}}

{{/* The pod: dict root init containers master */}}
{{- define "objects.adminPod" -}}
metadata:
  labels:
    {{- include "objects.labels" (merge (dict "component" "bootstrap") .root) | nindent 4 }}
spec:
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .init }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    {{- .containers | nindent 4 }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 16Mi}
    - name: ca
      secret: {secretName: {{ .root.Release.Name }}-database-ca, defaultMode: 0440, items: [{key: ca.crt, path: ca.crt}]}
    - name: secrets
      projected:
        defaultMode: 0440
        sources:
          - secret:
              name: {{ .root.Values.bootstrap.secret }}
              items:
                - {key: owner-postgres-url, path: owner}
                - {key: key-pepper, path: key-pepper}
                {{- if .master }}
                - {key: postgres-gateway-password, path: gateway}
                - {key: postgres-orchestrator-password, path: orchestrator}
                - {key: postgres-notifier-password, path: notifier}
                {{- end }}
          {{- if .master }}
          - secret:
              name: {{ .root.Values.bootstrap.masterSecret }}
              items: [{key: password, path: master}]
          {{- end }}
{{- end -}}
