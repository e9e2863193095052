output "nats_address" {
  description = "Where the services reach NATS."
  value       = "nats.${helm_release.nats.namespace}:4222"
}

output "nats_monitoring" {
  description = "Where KEDA reads the lag of consumers."
  value       = "nats-headless.${helm_release.nats.namespace}:8222"
}

output "otlp_endpoint" {
  description = "Where the services send traces and metrics, by OTLP over HTTP."
  value       = "http://collector.${helm_release.collector.namespace}:4318"
}
