# Laid over modules/aws-eks by the apply to an emulator, which knows clusters and node groups of EKS and nothing else of it.
resource "aws_eks_addon" "first" {
  for_each = toset([])
}

resource "aws_eks_addon" "later" {
  for_each = toset([])
}

resource "aws_eks_access_entry" "administrators" {
  for_each = toset([])
}

resource "aws_eks_access_policy_association" "administrators" {
  for_each = {}
}

resource "aws_eks_pod_identity_association" "this" {
  for_each = {}
}

resource "aws_eks_pod_identity_association" "ebs" {
  count = 0
}

output "security_group_id" {
  value = aws_security_group.emulated.id
}

# What the emulator forgets, or makes up, after it was told.
resource "aws_eks_cluster" "this" {
  lifecycle {
    ignore_changes = [access_config]
  }
}

resource "aws_eks_node_group" "this" {
  lifecycle {
    ignore_changes = [remote_access, update_config]
  }
}

resource "aws_launch_template" "nodes" {
  lifecycle {
    ignore_changes = [tag_specifications]
  }
}
