{{/* PostgreSQL and NATS to look around with; dev.enabled. */}}

{{/* 48 hex digits from the release's own randomness. */}}
{{- define "visapi.devRandom" -}}
{{- printf "v%s" (sha256sum (randAlphaNum 48) | trunc 47) -}}
{{- end -}}

{{- define "visapi.devHost" -}}
{{- printf "%s-dev-%s.%s.svc" (include "visapi.fullname" .root) .name .root.Release.Namespace -}}
{{- end -}}

{{- define "visapi.devFirstKey" -}}
{{- printf "%s-first-key" (include "visapi.fullname" .) -}}
{{- end -}}

{{/* metadata and selector of a store: dict root component image command port */}}
{{- define "visapi.devStore" -}}
{{- $name := printf "%s-%s" (include "visapi.fullname" .root) .component -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "visapi.metadata" (dict "root" .root "component" .component "name" $name) | nindent 2 }}
spec:
  clusterIP: None
  ports: [{name: {{ .portName }}, port: {{ .port }}, targetPort: {{ .portName }}, protocol: TCP}]
  selector:
    {{- include "visapi.selectorLabels" . | nindent 4 }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "visapi.metadata" (dict "root" .root "component" .component "name" $name) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "visapi.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{protocol: TCP, port: {{ .port }}}]
      from:
        - podSelector:
            matchLabels:
              {{- include "visapi.selectorLabels" (dict "root" .root) | nindent 14 }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "visapi.metadata" (dict "root" .root "component" .component "name" $name) | nindent 2 }}
spec:
  serviceName: {{ $name }}
  replicas: 1
  selector:
    matchLabels:
      {{- include "visapi.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "visapi.labels" . | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      securityContext:
        {{- include "visapi.podSecurityContext" .root.Values.defaults | nindent 8 }}
      {{- .pod | nindent 6 }}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        accessModes: [ReadWriteOnce]
        resources: {requests: {storage: {{ .root.Values.dev.storageSize }}}}
{{- end -}}
