# What every pod of the chart must be, whatever the values. Denials name the object and the field.
package visapi

import rego.v1

pods contains {"title": title(o), "spec": o.spec, "component": component(o)} if {
	some o in input.objects
	o.kind == "Pod"
}

pods contains {"title": title(o), "spec": o.spec.template.spec, "component": component(o)} if {
	some o in input.objects
	o.kind in {"Deployment", "StatefulSet", "Job"}
}

title(o) := sprintf("%s/%s", [o.kind, o.metadata.name])

component(o) := object.get(object.get(o.metadata, "labels", {}), "app.kubernetes.io/component", "")

containers(spec) := array.concat(object.get(spec, "containers", []), object.get(spec, "initContainers", []))

# What a pod must say, with the value that it must have.
pod_fields := {
	"automountServiceAccountToken": false,
	"enableServiceLinks": false,
}

deny contains sprintf("%s: spec.%s must be %v", [pod.title, field, wanted]) if {
	some pod in pods
	some field, wanted in pod_fields
	object.get(pod.spec, field, null) != wanted
}

deny contains sprintf("%s: spec.securityContext.runAsNonRoot must be true", [pod.title]) if {
	some pod in pods
	object.get(pod.spec, ["securityContext", "runAsNonRoot"], false) != true
}

deny contains sprintf("%s: spec.securityContext.%s must be 10000 or above", [pod.title, field]) if {
	some pod in pods
	some field in ["runAsUser", "runAsGroup", "fsGroup"]
	object.get(pod.spec, ["securityContext", field], 0) < 10000
}

deny contains sprintf("%s: spec.securityContext.seccompProfile.type must be RuntimeDefault or Localhost", [pod.title]) if {
	some pod in pods
	not object.get(pod.spec, ["securityContext", "seccompProfile", "type"], "") in {"RuntimeDefault", "Localhost"}
}

deny contains sprintf("%s: a Localhost profile needs its file", [pod.title]) if {
	some pod in pods
	object.get(pod.spec, ["securityContext", "seccompProfile", "type"], "") == "Localhost"
	object.get(pod.spec, ["securityContext", "seccompProfile", "localhostProfile"], "") == ""
}

deny contains sprintf("%s: shares a namespace of the node", [pod.title]) if {
	some pod in pods
	some field in ["hostNetwork", "hostPID", "hostIPC"]
	object.get(pod.spec, field, false) == true
}

# Only these kinds of volumes; no paths of the node.
deny contains sprintf("%s: volume %s is of a kind that is not allowed", [pod.title, volume.name]) if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	kinds := object.keys(volume) - {"name"}
	count(kinds & {"emptyDir", "projected", "secret", "configMap", "persistentVolumeClaim"}) != 1
}

deny contains sprintf("%s: emptyDir %s has no sizeLimit", [pod.title, volume.name]) if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	directory := object.get(volume, "emptyDir", null)
	directory != null
	object.get(directory, "sizeLimit", "") == ""
}

deny contains sprintf("%s: %s can be read by everybody in the pod", [pod.title, volume.name]) if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	some kind in ["secret", "projected"]
	source := object.get(volume, kind, null)
	source != null
	object.get(source, "defaultMode", 420) != 288 # 0440
}

# A service is given the keys that it needs, never a Secret as a whole.
deny contains sprintf("%s: volume %s gives a whole Secret", [pod.title, volume.name]) if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	some source in secret_sources(volume)
	count(object.get(source, "items", [])) == 0
}

secret_sources(volume) := [volume.secret] if volume.secret

secret_sources(volume) := [source.secret | some source in volume.projected.sources; source.secret] if volume.projected

# What a container's securityContext must say.
container_fields := {
	"allowPrivilegeEscalation": false,
	"privileged": false,
	"readOnlyRootFilesystem": true,
	"runAsNonRoot": true,
}

deny contains sprintf("%s: container %s: securityContext.%s must be %v", [pod.title, c.name, field, wanted]) if {
	some pod in pods
	some c in containers(pod.spec)
	some field, wanted in container_fields
	object.get(c, ["securityContext", field], null) != wanted
}

deny contains sprintf("%s: container %s must drop ALL capabilities", [pod.title, c.name]) if {
	some pod in pods
	some c in containers(pod.spec)
	object.get(c, ["securityContext", "capabilities", "drop"], []) != ["ALL"]
}

deny contains sprintf("%s: container %s adds capabilities", [pod.title, c.name]) if {
	some pod in pods
	some c in containers(pod.spec)
	count(object.get(c, ["securityContext", "capabilities", "add"], [])) > 0
}

deny contains sprintf("%s: container %s has no %s of %s", [pod.title, c.name, kind, resource]) if {
	some pod in pods
	some c in containers(pod.spec)
	some kind in ["requests", "limits"]
	some resource in ["cpu", "memory"]
	object.get(c, ["resources", kind, resource], "") == ""
}

deny contains sprintf("%s: container %s takes an image that may change", [pod.title, c.name]) if {
	some pod in pods
	some c in containers(pod.spec)
	floating(c.image)
}

floating(image) if endswith(image, ":latest")

floating(image) if {
	not contains(image, "@sha256:")
	parts := split(image, "/")
	not contains(parts[count(parts) - 1], ":")
}

# Secrets come as files.
deny contains sprintf("%s: container %s: %s is a secret in the environment", [pod.title, c.name, variable.name]) if {
	some pod in pods
	some c in containers(pod.spec)
	some variable in object.get(c, "env", [])
	object.get(variable, ["valueFrom", "secretKeyRef"], null) != null
}

deny contains sprintf("%s: container %s: %s holds a password", [pod.title, c.name, variable.name]) if {
	some pod in pods
	some c in containers(pod.spec)
	some variable in object.get(c, "env", [])
	regex.match(`://[^/@]+:[^/@]+@`, object.get(variable, "value", ""))
}
