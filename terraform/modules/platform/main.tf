# What VisAPI needs in a cluster beside itself: storage, secrets from Secrets Manager, NATS of three servers, KEDA, a collector of
# OpenTelemetry. Streams and consumers are not made here: the orchestrator makes them and puts back what VisAPI relies on, and two
# owners would write each other's settings back.

locals {
  deploy  = "${path.module}/../../../deploy"
  objects = "${path.module}/../../charts/cluster-objects"

  # The keys of the Secret that the NATS chart's example values read.
  nats_passwords = [for user in ["gateway", "orchestrator", "pdf-worker", "notifier"] : "nats-${user}-password"]

  collector = yamldecode(file("${local.deploy}/observability/collector.yml"))
  exporter  = var.otlp_endpoint == "" ? "debug" : "otlphttp"
  collector_config = merge(local.collector, {
    extensions = { health_check = { endpoint = "0.0.0.0:13133" } }
    exporters  = { (local.exporter) = var.otlp_endpoint == "" ? null : { endpoint = var.otlp_endpoint } }
    service = merge(local.collector.service, {
      extensions = ["health_check"]
      pipelines  = { for name, pipeline in local.collector.service.pipelines : name => merge(pipeline, { exporters = [local.exporter] }) }
    })
  })
}

resource "helm_release" "objects" {
  name      = "visapi-cluster"
  namespace = "kube-system"
  chart     = local.objects
  atomic    = true
  values = [yamlencode({
    namespaces = {
      visapi           = "restricted"
      nats             = "baseline"
      keda             = "restricted"
      external-secrets = "restricted"
      monitoring       = "baseline"
    }
    storageClass = { enabled = true, name = "gp3" }
  })]
}

resource "helm_release" "external_secrets" {
  name       = "external-secrets"
  namespace  = "external-secrets"
  repository = "https://charts.external-secrets.io"
  chart      = "external-secrets"
  version    = var.versions.external_secrets
  atomic     = true
  timeout    = 600
  # The name of the service account is that of the Pod Identity association.
  values = [yamlencode({
    replicaCount        = 2
    leaderElect         = true
    serviceAccount      = { name = "external-secrets" }
    podDisruptionBudget = { enabled = true }
  })]
  depends_on = [helm_release.objects]
}

resource "helm_release" "keda" {
  name       = "keda"
  namespace  = "keda"
  repository = "https://kedacore.github.io/charts"
  chart      = "keda"
  version    = var.versions.keda
  atomic     = true
  timeout    = 600
  values = [yamlencode({
    operator            = { replicaCount = 2 }
    metricsServer       = { replicaCount = 2 }
    podDisruptionBudget = { operator = { minAvailable = 1 }, metricServer = { minAvailable = 1 } }
  })]
  depends_on = [helm_release.objects]
}

resource "helm_release" "nats_secrets" {
  name      = "visapi-nats-secrets"
  namespace = "nats"
  chart     = local.objects
  atomic    = true
  values = [yamlencode({ secrets = {
    region  = var.region
    entries = [{ name = "visapi-nats", remoteKey = var.secret_name, keys = local.nats_passwords }]
  } })]
  depends_on = [helm_release.external_secrets]
}

resource "helm_release" "nats" {
  name       = "nats"
  namespace  = "nats"
  repository = "https://nats-io.github.io/k8s/helm/charts"
  chart      = "nats"
  version    = var.versions.nats
  atomic     = true
  timeout    = 900
  values = [
    file("${local.deploy}/helm/visapi/examples/nats-chart.values.yaml"),
    yamlencode({ config = {
      jetstream = { fileStore = { pvc = { size = var.nats_storage, storageClassName = "gp3" } } }
      merge     = { accounts = var.nats_accounts }
    } }),
  ]
  depends_on = [helm_release.nats_secrets]
}

resource "helm_release" "collector" {
  name       = "collector"
  namespace  = "monitoring"
  repository = "https://open-telemetry.github.io/opentelemetry-helm-charts"
  chart      = "opentelemetry-collector"
  version    = var.versions.collector
  atomic     = true
  timeout    = 600
  values = [yamlencode({
    mode             = "deployment"
    replicaCount     = 2
    fullnameOverride = "collector"
    image            = { repository = "otel/opentelemetry-collector-contrib" }
    alternateConfig  = local.collector_config
    resources        = { requests = { cpu = "100m", memory = "192Mi" }, limits = { memory = "256Mi" } }
    ports            = { for port in ["otlp", "jaeger-compact", "jaeger-thrift", "jaeger-grpc", "zipkin"] : port => { enabled = false } }
    securityContext = {
      allowPrivilegeEscalation = false
      readOnlyRootFilesystem   = true
      runAsNonRoot             = true
      runAsUser                = 65532
      capabilities             = { drop = ["ALL"] }
      seccompProfile           = { type = "RuntimeDefault" }
    }
  })]
  depends_on = [helm_release.objects]
}
