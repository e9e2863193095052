"""The values of the chart that concern no single service: stores, secrets, routes, policies, monitoring."""

from chart_settings import Schema
from chart_values import (
    DURATION,
    NAME,
    QUANTITY,
    flag,
    group,
    image,
    kubernetes_list,
    number,
    one_of,
    resources,
    strings,
    tag,
    text,
    texts,
)

from visapi_common.runtime.settings import CIDR_PATTERN

SECRET_KEYS = {
    "ownerPostgresUrl": "PostgreSQL as the owner of the schema, for migrations.",
    "gatewayPostgresUrl": "PostgreSQL as `visapi_gateway`.",
    "orchestratorPostgresUrl": "PostgreSQL as `visapi_orchestrator`.",
    "notifierPostgresUrl": "PostgreSQL as `visapi_notifier`.",
    "gatewayNatsUrl": "NATS as `gateway`; several servers by commas.",
    "orchestratorNatsUrl": "NATS as `orchestrator`.",
    "pdfWorkerNatsUrl": "NATS as `pdf-worker`.",
    "notifierNatsUrl": "NATS as `notifier`.",
    "keyPepper": "`VISAPI_KEY_PEPPER`.",
    "linkSecret": "`VISAPI_LINK_SECRET`.",
    "effectSecret": "`VISAPI_EFFECT_SECRET`.",
    "handleSecret": "`VISAPI_HANDLE_SECRET`.",
    "sealingKey": "`VISAPI_SEALING_KEY`; empty: secrets of tenants cannot be stored.",
    "metricsToken": "`VISAPI_METRICS_TOKEN`; empty: whoever reaches the port reads metrics.",
    "smtpUrl": "`VISAPI_SMTP_URL`; empty: mails cannot be sent.",
    "slackToken": "`VISAPI_SLACK_TOKEN`; empty: Slack messages need webhooks.",
}


def platform() -> dict[str, Schema]:
    return {
        **_naming(),
        **_stores(),
        "migration": _migration(),
        **_traffic(),
        "monitoring": _monitoring(),
        **_rest(),
    }


def _naming() -> dict[str, Schema]:
    return {
        "nameOverride": text("Instead of the chart's name.", NAME),
        "fullnameOverride": text("Instead of release and chart as the beginning of every name.", NAME),
        "commonLabels": texts("Labels of every object."),
        "commonAnnotations": texts("Annotations of every object."),
        "global": group(
            "What subcharts share.",
            imageRegistry=text("The registry of every image, such as a mirror."),
            imagePullSecrets=kubernetes_list("Secrets with which images are pulled."),
        ),
        "image": group(
            "What holds for every image.",
            tag=tag("The tag; empty takes the chart's `appVersion`."),
            pullPolicy=one_of("When images are pulled.", "Always", "IfNotPresent", "Never"),
        ),
        "publicUrl": text(
            "Where people reach the gateway; begins the links of approvals.", r"^(https?://[^\s]+[^/\s])?$"
        ),
        "listenAddress": text(
            "The address that services listen on; `::` in a cluster of IPv6.", r"^[0-9a-fA-F.:]+$"
        ),
    }


def _stores() -> dict[str, Schema]:
    return {
        "secrets": group(
            "Where secrets come from. No secret is ever a value.",
            existingSecret=text("The Secret that holds the keys below.", NAME),
            revision=text(
                "Change it to restart the pods where Helm cannot read the Secret (`helm template`, Argo CD)."
            ),
            keys=group(
                "Which key of the Secret is what.",
                **{key: text(use) for key, use in SECRET_KEYS.items()},
            ),
            externalSecret=group(
                "An ExternalSecret that makes the Secret.",
                enabled=flag("Make it."),
                apiVersion=one_of(
                    "The version of its API.", "external-secrets.io/v1", "external-secrets.io/v1beta1"
                ),
                refreshInterval=text("How often it is read.", DURATION),
                storeRef=group(
                    "The store.",
                    name=text("Its name.", NAME),
                    kind=one_of("Its kind.", "SecretStore", "ClusterSecretStore"),
                ),
                remoteKey=text("The entry of the store whose properties are called as the keys are."),
            ),
        ),
        "postgresql": group(
            "PostgreSQL, which is yours. Its addresses stand in the Secret.",
            port=number("Its port, for network policies.", 1, 65535),
            caSecret=text(
                "A Secret whose `ca.crt` is mounted as `/run/visapi/postgresql/ca.crt` (`sslrootcert`).", NAME
            ),
        ),
        "nats": group(
            "NATS JetStream, which is yours.",
            port=number("Its port, for network policies.", 1, 65535),
            caSecret=text(
                "A Secret whose `ca.crt` vouches for the servers of NATS; services then ask for TLS.", NAME
            ),
        ),
        "artifacts": _artifacts(),
    }


def _artifacts() -> Schema:
    return group(
        "Where documents and large values lie: in S3, or on a volume that all pods share.",
        url=text("`s3://bucket/prefix`.", r"^(s3://[a-z0-9][a-z0-9.-]*(/[^\s]*)?)?$"),
        s3=group(
            "How S3 is reached. Without a Secret the role of the ServiceAccount counts.",
            region=text("The region of the bucket (`VISAPI_S3_REGION`)."),
            endpoint=text(
                "The server of S3 that is not Amazon's, without the bucket.",
                r"^(https?://[^\s/]+(/[^\s?#]*)?)?$",
            ),
            pathStyle=flag("The bucket stands in the path of URLs; `false`: in the host name."),
            caSecret=text("A Secret whose `ca.crt` vouches for the server of S3.", NAME),
            existingSecret=text("A Secret with an access key.", NAME),
            accessKeyIdKey=text("Its key that holds the id."),
            secretAccessKeyKey=text("Its key that holds the secret."),
        ),
        volume=group(
            "A volume instead of S3.",
            enabled=flag("Use it."),
            existingClaim=text("A claim that is there; empty makes one, which `helm uninstall` keeps.", NAME),
            storageClassName=text("The class of the claim.", NAME),
            accessModes=strings("`ReadWriteOnce` suffices on a cluster of one node."),
            size=text("The size of the claim.", QUANTITY),
        ),
    )


def _migration() -> Schema:
    return group(
        "How the schema is brought up to date before the services need it. Migrations only expand it.",
        mode=one_of(
            "`hook`: before the release changes. `job`: beside it. `init`: by the orchestrator's pods. "
            "`none`: by you.",
            "hook",
            "job",
            "init",
            "none",
        ),
        image=image(),
        activeDeadlineSeconds=number("Seconds after which the job is given up.", 10, 86400),
        backoffLimit=number("Tries after the first.", 0, 20),
        keepFinishedSeconds=number("`job`: seconds for which the finished job is kept.", 0, 2_592_000),
        annotations=texts("Annotations of the job."),
        resources=resources("Requests and limits."),
    )


def _traffic() -> dict[str, Schema]:
    return {
        "service": group(
            "The gateway's Service.",
            type=one_of("Its type.", "ClusterIP", "NodePort", "LoadBalancer"),
            port=number("Its port.", 1, 65535),
            annotations=texts("Its annotations."),
        ),
        "httpRoute": group(
            "An HTTPRoute (Gateway API) to the gateway.",
            enabled=flag("Make it."),
            parentRefs=kubernetes_list("The Gateways that it belongs to."),
            hostnames=strings("Its host names."),
            annotations=texts("Its annotations."),
            filters=kubernetes_list("Its filters."),
            timeouts=group(
                "Its timeouts; `0s` is none, as followers of runs stay for long.",
                request=text("Of a request.", DURATION),
                backendRequest=text("Of one try.", DURATION),
            ),
        ),
        "ingress": group(
            "An Ingress to the gateway, where there is no Gateway API.",
            enabled=flag("Make it."),
            className=text("Its class.", NAME),
            annotations=texts("Its annotations, such as cert-manager's."),
            hosts=strings("Its host names."),
            tls=kubernetes_list("Its certificates."),
        ),
        "networkPolicy": group(
            "Network policies: nothing is allowed but what each service needs.",
            enabled=flag("Make them."),
            gatewayFrom=kubernetes_list("Who may reach the API; empty: everybody."),
            metricsFrom=kubernetes_list("Who may reach metrics and probes; empty: everybody."),
            dnsTo=kubernetes_list("Where names are resolved."),
            postgresqlTo=kubernetes_list("Where PostgreSQL is; empty: any address but link-local ones."),
            natsTo=kubernetes_list("Where NATS is; empty: any address but link-local ones."),
            artifactsTo=kubernetes_list("Where S3 is; empty: any address but link-local ones."),
            artifactsPort=number("The port of S3.", 1, 65535),
            otlpTo=kubernetes_list("Where the collector is, where `otlp_endpoint` is set."),
            otlpPort=number("The collector's port.", 1, 65535),
            podIdentity=flag("Allow the agent of EKS Pod Identity (169.254.170.23)."),
            privateRanges=strings("What is not the internet.", CIDR_PATTERN),
            privateRangesV6=strings("What is not the internet, of IPv6.", CIDR_PATTERN),
        ),
        "keda": _keda(),
    }


def _keda() -> Schema:
    return group(
        "Where KEDA reads what waits.",
        prometheus=group(
            "Prometheus.",
            serverAddress=text(
                "Its address, such as `http://prometheus.monitoring:9090`.", r"^(https?://[^\s]+)?$"
            ),
            authenticationRef=text("A TriggerAuthentication.", NAME),
        ),
        nats=group(
            "The monitoring endpoint of NATS.",
            monitoringEndpoint=text("`host:8222`.", r"^([\w.-]+:[0-9]+)?$"),
            account=text("The account of the streams."),
            useHttps=flag("Ask over HTTPS."),
        ),
    )


def _monitoring() -> Schema:
    def monitor(kind: str) -> Schema:
        return group(
            f"A {kind} for the four services.",
            enabled=flag("Make it."),
            labels=texts("Labels by which Prometheus selects it."),
            interval=text("How often metrics are read.", DURATION),
        )

    return group(
        "What the Prometheus operator and Grafana read.",
        podMonitor=monitor("PodMonitor"),
        serviceMonitor=monitor("ServiceMonitor"),
        rules=group(
            "A PrometheusRule per file of observability/rules in the chart; none where it has none.",
            enabled=flag("Make them."),
            labels=texts("Labels by which Prometheus selects them."),
        ),
        dashboards=group(
            "A ConfigMap per file of observability/dashboards in the chart, for Grafana's sidecar.",
            enabled=flag("Make them."),
            label=text("The label that the sidecar looks for."),
            labelValue=text("Its value."),
            folder=text("The folder in Grafana."),
        ),
    )


def _rest() -> dict[str, Schema]:
    return {
        "helmTest": group("`helm test`.", enabled=flag("Make its pods.")),
        "extraObjects": {
            "description": "More objects, as objects or as text; templates in them are rendered.",
            "type": "array",
            "items": {"type": ["object", "string"]},
        },
        "dev": group(
            "PostgreSQL, NATS and secrets made by the chart, to look around with. For no data that matters.",
            enabled=flag("Make them."),
            postgresImage=text("The image of PostgreSQL."),
            natsImage=text("The image of NATS."),
            storageSize=text("The size of each volume.", QUANTITY),
        ),
    }
