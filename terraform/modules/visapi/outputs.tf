output "release" {
  description = "The release of Helm, for `helm --namespace visapi test`."
  value       = helm_release.visapi.name
}

output "values" {
  description = "The values that Terraform gave to the chart."
  value       = yamlencode(local.values)
}

output "key_job" {
  description = "Makes the first API key."
  value       = "kubectl --namespace visapi create job first-key --from=cronjob/${helm_release.bootstrap.name}-key"
}
