output "gateway_url" {
  description = "Where Render serves the gateway; the custom domain points there."
  value       = render_web_service.gateway.url
}

output "nats_host" {
  description = "NATS, inside Render's private network."
  value       = render_private_service.nats.slug
}
