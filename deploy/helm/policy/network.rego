# Nothing is allowed but what each service needs. Renders without network policies are judged by the other files only.
package visapi

import rego.v1

policies := [o | some o in input.objects; o.kind == "NetworkPolicy"]

own := [o | some o in policies; o.spec.podSelector.matchLabels]

deny_all(o) if {
	not component_of(o)
	{"Ingress", "Egress"} == {each | some each in o.spec.policyTypes}
	count(object.get(o.spec, "ingress", [])) == 0
	count(object.get(o.spec, "egress", [])) == 0
}

component_of(o) := o.spec.podSelector.matchLabels["app.kubernetes.io/component"]

deny contains "no NetworkPolicy denies everything to every pod" if {
	count(policies) > 0
	count([o | some o in own; deny_all(o)]) != 1
}

deny contains sprintf("%s: no NetworkPolicy of its own", [pod.title]) if {
	count(policies) > 0
	some pod in pods
	not pod.component in {component_of(o) | some o in own}
}

deny contains sprintf("%s: policyTypes must be Ingress and Egress", [title(o)]) if {
	some o in policies
	{"Ingress", "Egress"} != {each | some each in object.get(o.spec, "policyTypes", [])}
}

deny contains sprintf("%s: an egress rule names no port", [title(o)]) if {
	some o in policies
	some rule in object.get(o.spec, "egress", [])
	count(object.get(rule, "ports", [])) == 0
}

deny contains sprintf("%s: an egress rule names no peer", [title(o)]) if {
	some o in policies
	some rule in object.get(o.spec, "egress", [])
	count(object.get(rule, "to", [])) == 0
}

deny contains sprintf("%s: an ingress rule names no port", [title(o)]) if {
	some o in policies
	some rule in object.get(o.spec, "ingress", [])
	count(object.get(rule, "ports", [])) == 0
}

blocks contains {"policy": title(o), "component": component_of(o), "block": peer.ipBlock, "ports": ports(rule)} if {
	some o in policies
	some rule in object.get(o.spec, "egress", [])
	some peer in object.get(rule, "to", [])
	peer.ipBlock
}

ports(rule) := {port.port | some port in rule.ports}

# The metadata service of a cloud lies at a link-local address.
deny contains sprintf("%s: reaches 169.254.169.254", [each.policy]) if {
	some each in blocks
	endswith(each.block.cidr, "/0")
	not contains(each.block.cidr, ":")
	not "169.254.0.0/16" in object.get(each.block, "except", [])
}

deny contains sprintf("%s: reaches fe80::/10", [each.policy]) if {
	some each in blocks
	each.block.cidr == "::/0"
	not "fe80::/10" in object.get(each.block, "except", [])
}

# Ports of the web and of mail lead to public addresses only, but for a store of artifacts on such a port.
deny contains sprintf("%s: reaches private addresses on ports of the internet", [each.policy]) if {
	some each in blocks
	each.block.cidr == "0.0.0.0/0"
	count(each.ports & {25, 80, 465, 587}) > 0
	count({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} - {range | some range in object.get(each.block, "except", [])}) > 0
}

# ARCHITECTURE.md, Trust boundaries: the pdf-worker renders strangers' documents and never reaches PostgreSQL; the
# gateway, the orchestrator and the migration never reach the internet.
deny contains sprintf("%s: the pdf-worker reaches PostgreSQL", [title(o)]) if {
	some o in policies
	component_of(o) == "pdf-worker"
	some rule in o.spec.egress
	5432 in ports(rule)
}

deny contains sprintf("%s: reaches the internet", [each.policy]) if {
	some each in blocks
	each.component in {"gateway", "orchestrator", "migration"}
	count(each.ports & {25, 80, 465, 587}) > 0
	not startswith(each.block.cidr, "169.254.170.23/")
	not startswith(each.block.cidr, "fd00:ec2::23/")
}
