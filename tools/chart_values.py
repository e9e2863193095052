"""The values of the Helm chart, each with its meaning and its bounds.

values.schema.json and the table in README.md follow from here.
"""

from typing import Any

from chart_settings import Schema, settings_class, settings_schema
from reference import SERVICES

from visapi_common.runtime.settings import CommonSettings

NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
DIGEST = r"^(sha256:[0-9a-f]{64})?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
DURATION = r"^([0-9]+(h|m|s|ms))+$"
KEYS = {
    "gateway": "gateway",
    "orchestrator": "orchestrator",
    "pdfWorker": "pdf-worker",
    "notifier": "notifier",
}


def group(meaning: str, **properties: Schema) -> Schema:
    """An object with exactly these properties."""
    return {"description": meaning, "type": "object", "additionalProperties": False, "properties": properties}


def text(meaning: str, pattern: str = "") -> Schema:
    return {"description": meaning, "type": "string", **({"pattern": pattern} if pattern else {})}


def one_of(meaning: str, *choices: str) -> Schema:
    return {"description": meaning, "enum": list(choices)}


def number(meaning: str, low: int, high: int) -> Schema:
    return {"description": meaning, "type": "integer", "minimum": low, "maximum": high}


def flag(meaning: str) -> Schema:
    return {"description": meaning, "type": "boolean"}


def strings(meaning: str, pattern: str = "") -> Schema:
    return {"description": meaning, "type": "array", "items": text("One of them.", pattern)}


def texts(meaning: str) -> Schema:
    """Names and texts, such as labels."""
    return {"description": meaning, "type": "object", "additionalProperties": {"type": "string"}}


def kubernetes(meaning: str) -> Schema:
    """An object as Kubernetes knows it; Kubernetes checks it."""
    return {"description": meaning, "type": "object"}


def resources(meaning: str) -> Schema:
    """Kubernetes would refuse a wrong quantity only after the migration."""
    quantity: Schema = {
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": QUANTITY}],
    }
    return group(
        meaning,
        requests={"description": "Requests.", "type": "object", "additionalProperties": quantity},
        limits={"description": "Limits.", "type": "object", "additionalProperties": quantity},
        claims=kubernetes_list("Claims of resources."),
    )


def kubernetes_list(meaning: str) -> Schema:
    return {"description": meaning, "type": "array", "items": {"type": "object"}}


def count_or_percent(meaning: str) -> Schema:
    return {
        "description": meaning,
        "oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]{1,3}%$"}],
    }


def tag(meaning: str) -> Schema:
    """The tag of an image. `latest` means another image after each restart."""
    return {**text(meaning, r"^[A-Za-z0-9_.-]{0,128}$"), "not": {"const": "latest"}}


def image() -> Schema:
    return group(
        "The image.",
        registry=text("Its registry; `global.imageRegistry` wins."),
        repository=text("Its repository."),
        tag=tag("Its tag; empty takes `image.tag`, then the chart's `appVersion`."),
        digest=text("Its digest; where set, it is used instead of the tag.", DIGEST),
    )


def probe(meaning: str) -> Schema:
    return group(
        meaning,
        periodSeconds=number("Seconds between two probes.", 1, 300),
        timeoutSeconds=number("Seconds for an answer.", 1, 60),
        failureThreshold=number("Failures in a row that count.", 1, 600),
    )


def seccomp() -> Schema:
    return group(
        "The seccomp profile of the pod.",
        type=one_of("`RuntimeDefault`, or a profile that lies on the node.", "RuntimeDefault", "Localhost"),
        localhostProfile=text(
            "The profile's path below the kubelet's seccomp folder.", r"^([\w.-]+(/[\w.-]+)*)?$"
        ),
    )


def autoscaling() -> Schema:
    return group(
        "How the number of replicas follows the work. With `hpa` or `keda` the Deployment names no number.",
        type=one_of("Who scales.", "none", "hpa", "keda"),
        minReplicas=number("Replicas at least; 0 with `keda` only, for `pdfWorker` and `notifier`.", 0, 100),
        maxReplicas=number("Replicas at most.", 1, 500),
        cpuPercent=number("`hpa`: CPU of the request that is aimed at; 0 leaves it out.", 0, 1000),
        memoryPercent=number("`hpa`: memory of the request that is aimed at; 0 leaves it out.", 0, 1000),
        behavior=kubernetes("`behavior` of the HorizontalPodAutoscaler."),
        backlog=group(
            "`keda`, first trigger: what waits in PostgreSQL; the lag of a stream is cut off by its window.",
            query=text(
                "A PromQL query that gives one number, a template; read where `keda.prometheus` is set."
            ),
            threshold=number("What one replica takes on.", 1, 1_000_000),
            activationThreshold=number("Above it, replicas start from none.", 0, 1_000_000),
        ),
        lag=group(
            "`keda`, second trigger: messages that wait in JetStream; needs `keda.nats.monitoringEndpoint`.",
            stream=text("The stream.", r"^[A-Z]*$"),
            consumers=strings("Its durable consumers, one trigger each."),
            threshold=number("Messages that one replica takes on.", 1, 1_000_000),
            activationThreshold=number("Above it, replicas start from none.", 0, 1_000_000),
        ),
        pollingIntervalSeconds=number("`keda`: seconds between two looks.", 1, 600),
        cooldownSeconds=number("`keda`: seconds without work before replicas go to none.", 0, 86400),
        fallbackReplicas=number("`keda`: replicas while a trigger cannot be read.", 1, 500),
        extraTriggers=kubernetes_list("`keda`: more triggers, as KEDA knows them."),
    )


def availability() -> dict[str, Schema]:
    return {
        "replicas": number("Replicas, where `autoscaling.type` is `none`.", 1, 500),
        "revisionHistoryLimit": number("Old ReplicaSets that are kept for a rollback.", 0, 100),
        "minReadySeconds": number("Seconds that a new pod must be ready to count as available.", 0, 600),
        "strategy": group(
            "How a rollout replaces pods.",
            maxSurge=count_or_percent("Pods beyond the wanted number."),
            maxUnavailable=count_or_percent("Pods that may be missing meanwhile."),
        ),
        "preStopSeconds": number("Seconds between the removal from the endpoints and SIGTERM.", 0, 300),
        "drainSeconds": number("Seconds to finish what is held after SIGTERM (`VISAPI_DRAIN_S`).", 12, 3600),
        "terminationGracePeriodSeconds": number(
            "Seconds before SIGKILL; 0 takes preStop + drain + 10.", 0, 7200
        ),
        "probes": group(
            "Start and liveness ask `/livez` (the event loop turns), readiness asks `/readyz`.",
            startup=probe("Until it succeeds once, the others wait."),
            liveness=probe("Failing restarts the pod. A store that is away does not fail it."),
            readiness=probe("Failing takes the pod out of the Service."),
        ),
        "disruptionBudget": group(
            "A PodDisruptionBudget, made where there are at least two replicas.",
            enabled=flag("Make it."),
            maxUnavailable=count_or_percent("Pods that a drain of nodes may take at once."),
        ),
        "topologySpread": group(
            "How pods spread.",
            zone=one_of("When zones would be uneven.", "ScheduleAnyway", "DoNotSchedule"),
            host=one_of("When nodes would be uneven.", "ScheduleAnyway", "DoNotSchedule"),
        ),
        "autoscaling": autoscaling(),
    }


def placement() -> dict[str, Schema]:
    return {
        "serviceAccount": group(
            "The ServiceAccount; no token of it is mounted.",
            create=flag("Make it."),
            name=text("Its name; empty takes the service's.", NAME),
            annotations=texts("Such as a role for IRSA. EKS Pod Identity needs none."),
        ),
        "annotations": texts("Annotations of the Deployment."),
        "podAnnotations": texts("Annotations of the pods."),
        "podLabels": texts("Labels of the pods."),
        "nodeSelector": texts("Labels that a node must have."),
        "tolerations": kubernetes_list("Taints that are tolerated."),
        "affinity": kubernetes("Affinity; templates in it are rendered."),
        "priorityClassName": text("The PriorityClass.", NAME),
        "runtimeClassName": text("The RuntimeClass, such as gvisor's.", NAME),
    }


def extras() -> dict[str, Schema]:
    return {
        "extraEnv": kubernetes_list("More environment variables; templates in it are rendered."),
        "extraEnvFrom": kubernetes_list("More sources of environment variables."),
        "extraVolumes": kubernetes_list("More volumes."),
        "extraVolumeMounts": kubernetes_list("More mounts of the service's container."),
        "extraContainers": kubernetes_list("More containers beside the service's."),
        "initContainers": kubernetes_list("Containers that run before."),
        "extraIngress": kubernetes_list("More ingress rules of the service's NetworkPolicy."),
        "extraEgress": kubernetes_list("More egress rules of the service's NetworkPolicy."),
    }


def workload(meaning: str, settings: Schema, **own: Schema) -> Schema:
    """What `defaults` and each service may have."""
    return group(
        meaning,
        enabled=flag("Run the service."),
        existingSecret=text("A Secret of the service's own; empty takes `secrets`.", NAME),
        image=image(),
        settings={
            "description": "Settings by their names in docs/reference/settings.md, lower case.",
            **settings,
        },
        resources=resources("Requests and limits."),
        tmpSize=text("Size of `/tmp`, the only place that can be written.", QUANTITY),
        podSecurity=group(
            "Who the processes are. The rest of the restricted Pod Security Standard is fixed.",
            runAsUser=number("User id.", 10_000, 4_294_967_294),
            runAsGroup=number("Group id.", 10_000, 4_294_967_294),
            fsGroup=number("Group of volumes.", 10_000, 4_294_967_294),
            hostUsers=flag("`false` gives the pod a user namespace of its own (Kubernetes 1.33 or newer)."),
        ),
        seccompProfile=seccomp(),
        **availability(),
        **placement(),
        **extras(),
        **own,
    )


def services() -> dict[str, Schema]:
    own: dict[str, dict[str, Schema]] = {
        "pdfWorker": {
            "internet": flag(
                "Documents may load from the internet, through the worker's egress guard. Also when this is "
                "`false`, the ports of NATS and S3 (4222, 443) are open: to any address but link-local "
                "ones, as long as `networkPolicy.natsTo` and `networkPolicy.artifactsTo` are empty."
            ),
            "sharedMemorySize": text("Size of `/dev/shm`, which Chromium uses.", QUANTITY),
        },
        "notifier": {
            "internetPorts": {
                "description": "Ports that messages and calls may leave to, on public addresses.",
                "type": "array",
                "items": number("A port.", 1, 65535),
            }
        },
    }
    assert set(KEYS.values()) == set(SERVICES)
    return {
        key: workload(
            f"The service {name}: every value of `defaults`, where it differs.",
            settings_schema(settings_class(name)),
            **own.get(key, {}),
        )
        for key, name in KEYS.items()
    }


def schema() -> Schema:
    """values.schema.json."""
    from chart_platform import platform  # noqa: PLC0415 (it builds with what stands above)

    properties: dict[str, Any] = {
        **platform(),
        "defaults": workload(
            "What each of the four services has unless it says otherwise.", settings_schema(CommonSettings)
        ),
        **services(),
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **group("Values of the VisAPI chart.", **properties),
    }
