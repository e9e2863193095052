# Who may do what: people by access entries, pods by Pod Identity; and the add-ons that both need.

locals {
  addons = {
    vpc-cni                = jsonencode({ enableNetworkPolicy = "true" })
    kube-proxy             = null
    coredns                = null
    eks-pod-identity-agent = null
    aws-ebs-csi-driver     = null
    metrics-server         = null
  }
  # Pods start only where these run already.
  addons_first = toset(["vpc-cni", "kube-proxy", "eks-pod-identity-agent"])
  ebs          = { namespace = "kube-system", service_account = "ebs-csi-controller-sa" }
}

resource "aws_eks_addon" "first" {
  for_each                    = local.addons_first
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = local.addons[each.key]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "later" {
  for_each                    = setsubtract(keys(local.addons), local.addons_first)
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = local.addons[each.key]
  resolve_conflicts_on_create = "OVERWRITE"
  resolve_conflicts_on_update = "OVERWRITE"
  depends_on                  = [aws_eks_node_group.this, aws_eks_pod_identity_association.ebs]
}

resource "aws_eks_access_entry" "administrators" {
  for_each      = toset(var.administrators)
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value
}

resource "aws_eks_access_policy_association" "administrators" {
  for_each      = aws_eks_access_entry.administrators
  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "arn:${data.aws_partition.current.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
  access_scope {
    type = "cluster"
  }
}

locals {
  pods_trust = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "pods.eks.amazonaws.com" }
      Action    = ["sts:AssumeRole", "sts:TagSession"]
    }]
  })
  # A role per name, an association per service account of it.
  accounts = merge([for name, identity in var.pod_identities : {
    for account in identity.service_accounts : "${name}/${account}" => {
      role      = name
      namespace = identity.namespace
      account   = account
    }
  }]...)
}

resource "aws_iam_role" "pods" {
  for_each           = var.pod_identities
  name               = "${var.name}-pods-${each.key}"
  assume_role_policy = local.pods_trust
}

resource "aws_iam_role_policy" "pods" {
  for_each = var.pod_identities
  name     = "own"
  role     = aws_iam_role.pods[each.key].id
  policy   = each.value.policy
}

resource "aws_eks_pod_identity_association" "this" {
  for_each        = local.accounts
  cluster_name    = aws_eks_cluster.this.name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pods[each.value.role].arn
}

resource "aws_iam_role" "ebs" {
  name               = "${var.name}-ebs"
  assume_role_policy = local.pods_trust
}

resource "aws_iam_role_policy_attachment" "ebs" {
  role       = aws_iam_role.ebs.name
  policy_arn = "${local.policies}/service-role/AmazonEBSCSIDriverPolicy"
}

resource "aws_eks_pod_identity_association" "ebs" {
  cluster_name    = aws_eks_cluster.this.name
  namespace       = local.ebs.namespace
  service_account = local.ebs.service_account
  role_arn        = aws_iam_role.ebs.arn
}
