mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  name            = "visapi-test"
  subnet_ids      = ["subnet-1", "subnet-2"]
  kms_key_arn     = "arn:aws:kms:eu-central-1:111122223333:key/test"
  administrators  = ["arn:aws:iam::111122223333:role/platform"]
  node_groups     = { general = { instance_types = ["m7i.large"], nodes_min = 3, nodes_max = 6 } }
  seccomp_profile = file("../../../deploy/seccomp/pdf-worker.json")
  pod_identities = { artifacts = {
    namespace        = "visapi"
    service_accounts = ["visapi-gateway", "visapi-notifier"]
    policy           = jsonencode({ Version = "2012-10-17", Statement = [] })
  } }
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.kms_key_arn && contains(aws_eks_cluster.this.encryption_config[0].resources, "secrets")
    error_message = "secrets of Kubernetes are in the clear"
  }
  assert {
    condition     = !aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].endpoint_private_access
    error_message = "the API is on the internet"
  }
  assert {
    condition     = length(aws_eks_cluster.this.enabled_cluster_log_types) == 5 && aws_eks_cluster.this.access_config[0].authentication_mode == "API"
    error_message = "the control plane does not log, or trusts a config map"
  }
  assert {
    condition     = aws_launch_template.nodes["general"].metadata_options[0].http_tokens == "required" && aws_launch_template.nodes["general"].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "pods reach the node's role"
  }
  assert {
    condition     = aws_launch_template.nodes["general"].block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "disks are in the clear"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.nodes["general"].user_data), "/var/lib/kubelet/seccomp/visapi/pdf-worker.json") && strcontains(base64decode(aws_launch_template.nodes["general"].user_data), base64gzip(var.seccomp_profile))
    error_message = "nodes lack the profile"
  }
  assert {
    condition     = length(aws_launch_template.nodes["general"].user_data) < 16384
    error_message = "user data is too long for EC2: ${length(aws_launch_template.nodes["general"].user_data)} characters"
  }
  assert {
    condition     = [for each in aws_eks_pod_identity_association.this : [each.namespace, each.service_account]] == [["visapi", "visapi-gateway"], ["visapi", "visapi-notifier"]]
    error_message = "associations are ${jsonencode([for each in aws_eks_pod_identity_association.this : each.service_account])}"
  }
  assert {
    condition     = jsondecode(aws_iam_role.pods["artifacts"].assume_role_policy).Statement[0].Principal.Service == "pods.eks.amazonaws.com"
    error_message = "somebody beside EKS may take the role"
  }
  assert {
    condition     = jsondecode(aws_eks_addon.first["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "network policies are not enforced"
  }
}

run "the_api_of_some_networks" {
  command = plan
  variables {
    public_access_cidrs = ["198.51.100.0/24"]
  }
  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_public_access && aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["198.51.100.0/24"])
    error_message = "the API answers somebody else"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    public_access_cidrs = ["0.0.0.0/0"]
    administrators      = []
    kubernetes_version  = "1.29"
    node_groups         = { general = { instance_types = ["m7i.large"], nodes_min = 3, nodes_max = 2 } }
    seccomp_profile     = "{}"
  }
  expect_failures = [var.public_access_cidrs, var.administrators, var.kubernetes_version, var.node_groups, var.seccomp_profile]
}
