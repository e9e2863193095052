output "name" {
  description = "The cluster's name."
  value       = aws_eks_cluster.this.name
}

output "endpoint" {
  description = "The address of the cluster's API."
  value       = aws_eks_cluster.this.endpoint
}

output "security_group_id" {
  description = "The security group that EKS gives to all nodes."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "pod_role_arns" {
  description = "The roles of `pod_identities`, by name."
  value       = { for name, role in aws_iam_role.pods : name => role.arn }
}
