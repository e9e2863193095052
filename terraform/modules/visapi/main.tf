# The release of deploy/helm/visapi: first the secrets and the database (roles, schema, tenant) by the chart `cluster-objects`, then
# the services. The chart migrates the schema itself before each upgrade.

locals {
  objects = "${path.module}/../../charts/cluster-objects"
  chart   = "${path.module}/../../../deploy/helm/visapi"

  # What the chart's Secret holds beside the keys that `visapi admin roles` reads.
  optional_keys = { for name, key in { smtpUrl = "smtp-url", slackToken = "slack-token" } : name => key if contains(var.optional_secrets, key) }
  keys = concat([
    "owner-postgres-url", "gateway-postgres-url", "orchestrator-postgres-url", "notifier-postgres-url",
    "gateway-nats-url", "orchestrator-nats-url", "pdf-worker-nats-url", "notifier-nats-url",
    "postgres-gateway-password", "postgres-orchestrator-password", "postgres-notifier-password",
    "key-pepper", "link-secret", "effect-secret", "handle-secret", "sealing-key", "metrics-token",
  ], values(local.optional_keys))

  database = [{ ipBlock = { cidr = var.network_cidr } }]

  keda = var.prometheus_address == "" ? {} : { prometheus = { serverAddress = var.prometheus_address } }
  values = {
    publicUrl = var.public_url
    global    = { imageRegistry = var.image_registry }
    image     = { tag = var.image_tag }
    secrets = {
      existingSecret = "visapi"
      revision       = var.secrets_revision
      keys           = merge({ metricsToken = "metrics-token" }, local.optional_keys)
    }
    postgresql = { caSecret = "${helm_release.bootstrap.name}-database-ca" }
    artifacts  = { url = "s3://${var.bucket}/artifacts", s3 = { region = var.region } }
    keda       = merge({ nats = { monitoringEndpoint = var.nats_monitoring, account = "VISAPI" } }, local.keda)
    defaults   = { settings = { otlp_endpoint = var.otlp_endpoint, trace_sample = var.trace_sample } }
    networkPolicy = {
      podIdentity  = true
      postgresqlTo = local.database
      natsTo       = [{ namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = "nats" } } }]
      otlpTo       = [{ namespaceSelector = { matchLabels = { "kubernetes.io/metadata.name" = "monitoring" } } }]
    }
    gateway = {
      autoscaling = { minReplicas = var.replicas.gateway_min, maxReplicas = var.replicas.gateway_max }
      settings    = { trusted_proxies = [var.network_cidr] }
    }
    orchestrator = {
      settings    = { stream_replicas = 3 }
      autoscaling = { type = "keda", minReplicas = 2, maxReplicas = var.replicas.orchestrator_max }
    }
    pdfWorker = { autoscaling = { type = "keda", minReplicas = var.replicas.pdf_worker_min, maxReplicas = var.replicas.pdf_worker_max } }
    notifier  = { autoscaling = { type = "keda", minReplicas = var.replicas.notifier_min, maxReplicas = var.replicas.notifier_max } }
    # A network load balancer, which ends TLS with a certificate of ACM.
    service = {
      type = "LoadBalancer"
      port = 443
      annotations = {
        "service.beta.kubernetes.io/aws-load-balancer-type"                              = "nlb"
        "service.beta.kubernetes.io/aws-load-balancer-ssl-cert"                          = var.certificate_arn
        "service.beta.kubernetes.io/aws-load-balancer-ssl-ports"                         = "443"
        "service.beta.kubernetes.io/aws-load-balancer-ssl-negotiation-policy"            = "ELBSecurityPolicy-TLS13-1-2-2021-06"
        "service.beta.kubernetes.io/aws-load-balancer-backend-protocol"                  = "tcp"
        "service.beta.kubernetes.io/aws-load-balancer-cross-zone-load-balancing-enabled" = "true"
      }
    }
  }
}

resource "helm_release" "bootstrap" {
  name          = "visapi-bootstrap"
  namespace     = "visapi"
  chart         = local.objects
  atomic        = true
  wait_for_jobs = true
  timeout       = 900
  values = [yamlencode({
    secrets = {
      region = var.region
      entries = [
        { name = "visapi", remoteKey = var.secret_name, keys = local.keys },
        { name = "visapi-database-master", remoteKey = var.database_master_secret_arn, keys = ["password"] },
      ]
    }
    bootstrap = {
      enabled      = true
      image        = "${var.image_registry}/visapi/admin:${var.image_tag}"
      databaseHost = var.database_host
      databaseCa   = var.database_ca
      networkTo    = local.database
    }
  })]
}

resource "helm_release" "visapi" {
  # The names of the service accounts, which the Pod Identity associations name, begin with it.
  name      = "visapi"
  namespace = "visapi"
  chart     = local.chart
  atomic    = true
  timeout   = 900
  lint      = true
  values    = concat([yamlencode(local.values)], var.extra_values)
}
