# What the four services and the objects around them must be.
package visapi

import rego.v1

services := {"gateway", "orchestrator", "pdf-worker", "notifier"}

deployments contains o if {
	some o in input.objects
	o.kind == "Deployment"
}

main(o) := o.spec.template.spec.containers[0]

deny contains sprintf("%s: %s asks %s, must ask %s", [title(o), probe, path, wanted]) if {
	some o in deployments
	some probe, wanted in {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
	path := object.get(main(o), [probe, "httpGet", "path"], "nothing")
	path != wanted
}

drain(o) := to_number([v.value | some v in main(o).env; v.name == "VISAPI_DRAIN_S"][0])

pre_stop(o) := object.get(main(o), ["lifecycle", "preStop", "sleep", "seconds"], 0)

# 2 s: how long the process unwinds after its drain.
deny contains sprintf("%s: terminationGracePeriodSeconds must exceed preStop, drain and 2 s", [title(o)]) if {
	some o in deployments
	object.get(o.spec.template.spec, "terminationGracePeriodSeconds", 30) < (drain(o) + pre_stop(o)) + 2
}

# 10 s: AckWait of tasks. A drain that is shorter gives up work that nobody else may take yet.
deny contains sprintf("%s: VISAPI_DRAIN_S must exceed 10 s", [title(o)]) if {
	some o in deployments
	drain(o) <= 10
}

deny contains sprintf("%s: a rollout takes pods away before others are there", [title(o)]) if {
	some o in deployments
	o.spec.strategy.rollingUpdate.maxUnavailable != 0
}

deny contains sprintf("%s: pods do not spread over %s", [title(o), key]) if {
	some o in deployments
	some key in ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
	keys := {each.topologyKey | some each in object.get(o.spec.template.spec, "topologySpreadConstraints", [])}
	not key in keys
}

deny contains sprintf("%s: the API's endpoints are removed only after it stopped", [title(o)]) if {
	some o in deployments
	component(o) == "gateway"
	pre_stop(o) < 1
}

scaled := {o.spec.scaleTargetRef.name: object.get(o.spec, "minReplicas", object.get(o.spec, "minReplicaCount", 0)) |
	some o in input.objects
	o.kind in {"HorizontalPodAutoscaler", "ScaledObject"}
}

deny contains sprintf("%s: replicas are set although an autoscaler sets them", [title(o)]) if {
	some o in deployments
	scaled[o.metadata.name]
	object.get(o.spec, "replicas", null) != null
}

replicas_min(o) := object.get(scaled, o.metadata.name, object.get(o.spec, "replicas", 1))

budgets := {o.spec.selector.matchLabels["app.kubernetes.io/component"] |
	some o in input.objects
	o.kind == "PodDisruptionBudget"
}

deny contains sprintf("%s: no PodDisruptionBudget", [title(o)]) if {
	some o in deployments
	replicas_min(o) > 1
	not component(o) in budgets
}

deny contains sprintf("%s: a budget for a single replica blocks every drain", [title(o)]) if {
	some o in deployments
	replicas_min(o) < 2
	component(o) in budgets
}

deny contains sprintf("%s: mounts tokens of its pods", [title(o)]) if {
	some o in input.objects
	o.kind == "ServiceAccount"
	object.get(o, "automountServiceAccountToken", true) != false
}

# The first trigger of a worker looks at the ledger, where it is given one.
deny contains sprintf("%s: the lag of a stream stands before the backlog", [title(o)]) if {
	some o in input.objects
	o.kind == "ScaledObject"
	some position, trigger in o.spec.triggers
	trigger.type == "prometheus"
	position != 0
}

deny contains sprintf("%s: is not in the release's namespace", [title(o)]) if {
	some o in input.objects
	object.get(o.metadata, "namespace", "") != "visapi"
}

deny contains sprintf("%s: grants rights in the cluster", [title(o)]) if {
	some o in input.objects
	o.kind in {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}
	not keeps_first_key(o)
}

# A dev release keeps its first key in a Secret, which the account of its bootstrap may read and change: that one alone.
keeps_first_key(o) if {
	o.kind == "Role"
	count(o.rules) == 1
	rule := o.rules[0]
	rule.resources == ["secrets"]
	rule.resourceNames == [o.metadata.name]
	endswith(o.metadata.name, "-first-key")
	{verb | some verb in rule.verbs} == {"get", "patch"}
}

keeps_first_key(o) if {
	o.kind == "RoleBinding"
	o.roleRef.kind == "Role"
	o.roleRef.name == o.metadata.name
	endswith(o.metadata.name, "-first-key")
	[subject.name | some subject in o.subjects] == [o.metadata.name]
}
