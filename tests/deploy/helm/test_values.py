"""A wrong value is refused before anything changes, by its path and with what is allowed, by Helm 3 and by Helm 4."""

import re

import msgspec
import pytest

from kit.chart import CHART, HELMS, VALUE_SETS, objects, template
from visapi_common.runtime.settings import is_secret, names_of
from visapi_common.telemetry.catalogue import Metrics
from visapi_common.telemetry.instruments import Instrument
from visapi_gateway.settings import GatewaySettings
from visapi_notifier.settings import NotifierSettings
from visapi_orchestrator.settings import OrchestratorSettings
from visapi_pdf_worker.settings import PdfWorkerSettings

MINIMAL = VALUE_SETS["minimal"]
SETTINGS = {
    "gateway": GatewaySettings,
    "orchestrator": OrchestratorSettings,
    "pdf-worker": PdfWorkerSettings,
    "notifier": NotifierSettings,
}
OF_LIBRARIES = {"HOME"}
"""Variables that libraries read: Chromium its home."""
OF_THE_OPERATOR = {"OTEL_RESOURCE_ATTRIBUTES"}
"""What a value set gives in `extraEnv`."""

IN_THE_URL = {f"VISAPI_{name}_FILE" for name in ("POSTGRES_PASSWORD", "NATS_PASSWORD", "NATS_CREDENTIALS")}
"""Other ways to say what the chart gives as a part of a URL."""
PASSING = {"VISAPI_S3_SESSION_TOKEN_FILE"}
"""Of a key that ends within hours; who has no lasting key gives the ServiceAccount a role."""

WRONG_SHAPE = {
    "gatway={}": "gatway",
    "gateway.replcas=3": "replcas",
    "gateway.replicas=0": "replicas",
    "gateway.drainSeconds=5": "drainSeconds",
    'gateway.image.digest="sha256:12"': "digest",
    "gateway.podSecurity.runAsUser=0": "runAsUser",
    "gateway.settings.key_burst=0": "key_burst",
    "gateway.settings.key_brst=1": "key_brst",
    'orchestrator.settings.lifecycle_events="some"': "lifecycle_events",
    "orchestrator.settings.trace_sample=2": "trace_sample",
    'pdfWorker.settings.chromium_sandbox="maybe"': "chromium_sandbox",
    'notifier.settings.smtp_url="smtp://x"': "smtp_url",
    'migration.mode="sometimes"': "mode",
    'artifacts.url="https://bucket"': "url",
    'service.type="Open"': "type",
    'secrets.keys.keyPeper="x"': "keyPeper",
    'networkPolicy.privateRanges=["10.0.0.0"]': "privateRanges",
    'gateway.autoscaling.type="magic"': "type",
    'defaults.tmpSize="lots"': "tmpSize",
    'gateway.resources.limits.memory="lots"': "memory",
    "gateway.resources.requests.cpu=-1": "cpu",
    'networkPolicy.privateRanges=["10.0.0.0/99"]': "privateRanges",
    'gateway.settings.trusted_proxies=["10.0.0.0/99"]': "trusted_proxies",
    'image.tag="latest"': "tag",
    'gateway.image.tag="latest"': "tag",
    "orchestrator.settings.stream_replicas=2": "stream_replicas",
    'notifier.settings.mail_from=""': "mail_from",
    'migration.resources.limts.memory="1Gi"': "limts",
}
"""Values that the schema refuses, with the word that the message must hold."""

CONTRADICTIONS = {
    'secrets.existingSecret=""': "secrets.existingSecret is not set",
    "secrets.externalSecret.enabled=true": "both set",
    'artifacts.url=""': "artifacts.url is not set",
    "artifacts.volume.enabled=true": "both set",
    "ingress.enabled=true": "needs ingress.hosts",
    "httpRoute.enabled=true": "needs httpRoute.parentRefs",
    "gateway.terminationGracePeriodSeconds=20": "at least 27",
    "gateway.strategy.maxSurge=0": "no pod could ever be replaced",
    "gateway.autoscaling.minReplicas=7": "above maxReplicas",
    "gateway.autoscaling.cpuPercent=0": "needs cpuPercent or memoryPercent",
    'pdfWorker.autoscaling.type="keda"': "has no trigger",
    'orchestrator.autoscaling={"type":"keda","minReplicas":0,"extraTriggers":[{"type":"cpu"}]}': "only pdfWorker and notifier",
    'gateway.autoscaling={"minReplicas":0}': "only keda scales to none",
    'gateway.seccompProfile.type="Localhost"': "needs localhostProfile",
    'pdfWorker.seccompProfile.type="RuntimeDefault"': "keeps Chromium from making its sandbox",
    'secrets={"existingSecret":"","externalSecret":{"enabled":true,"storeRef":{"name":"a"},"remoteKey":"b"}}': "before the ExternalSecret exists",
    'secrets={"existingSecret":"","externalSecret":{"enabled":true}}': "needs storeRef.name",
}
"""Values that fit their shape and contradict others, with what the message says."""


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("given", WRONG_SHAPE)
def test_a_value_of_a_wrong_shape_is_refused_by_its_name(given: str, helm: str):
    done = template(helm, *MINIMAL, sets=(given,))
    assert done.returncode != 0
    assert "schema" in done.stderr
    assert WRONG_SHAPE[given] in done.stderr


@pytest.mark.parametrize("given", CONTRADICTIONS)
def test_values_that_contradict_one_another_are_refused_with_advice(given: str):
    done = template("helm4", *MINIMAL, sets=(given,))
    assert done.returncode != 0
    assert CONTRADICTIONS[given] in done.stderr


def test_every_fail_of_the_templates_was_seen():
    source = (CHART / "templates" / "validate.yaml").read_text()
    assert len(re.findall(r"\{\{- fail ", source)) == len(CONTRADICTIONS)


def environment(component: str) -> dict[str, str]:
    """Every variable that some value set gives a service, with one of its values."""
    found: dict[str, str] = {}
    for name in VALUE_SETS:
        for each in objects(name):
            if (
                each["kind"] == "Deployment"
                and each["metadata"]["labels"]["app.kubernetes.io/component"] == component
            ):
                [container] = [
                    one for one in each["spec"]["template"]["spec"]["containers"] if one["name"] == component
                ]
                found |= {variable["name"]: variable.get("value", "") for variable in container["env"]}
    return found


@pytest.mark.parametrize("component", SETTINGS)
def test_a_service_reads_every_variable_that_the_chart_sets(component: str):
    known = set(names_of(SETTINGS[component]))
    given = environment(component)
    assert set(given) - known - OF_LIBRARIES - OF_THE_OPERATOR == set()
    assert given


@pytest.mark.parametrize("component", SETTINGS)
def test_the_chart_gives_every_setting_that_a_service_needs(component: str):
    given = environment(component)
    needed = [
        f"VISAPI_{field.name.upper()}"
        for field in msgspec.structs.fields(SETTINGS[component])
        if field.required
    ]
    assert [name for name in needed if name not in given and f"{name}_FILE" not in given] == []


@pytest.mark.parametrize("component", SETTINGS)
def test_every_secret_of_a_service_can_be_given(component: str):
    fields = msgspec.structs.fields(SETTINGS[component])
    secrets = {f"VISAPI_{field.name.upper()}_FILE" for field in fields if is_secret(field.type)}
    assert secrets - set(environment(component)) <= IN_THE_URL | PASSING


def test_large_numbers_lists_and_texts_arrive_as_the_services_read_them():
    given = environment("gateway")
    assert given["VISAPI_BUFFERED_BYTES_MAX"] == "134217728"
    assert given["VISAPI_TRUSTED_PROXIES"] == "10.0.0.0/8"
    assert given["VISAPI_TRACE_SAMPLE"] == "0.1"


def test_a_pod_mounts_the_secrets_of_its_service_and_no_others():
    [pdf] = [
        each
        for each in objects("production")
        if each["metadata"]["name"] == "flow-visapi-pdf-worker" and each["kind"] == "Deployment"
    ]
    [volume] = [each for each in pdf["spec"]["template"]["spec"]["volumes"] if each["name"] == "secrets"]
    [source] = volume["projected"]["sources"]
    assert [item["path"] for item in source["secret"]["items"]] == ["metrics_token", "nats_url"]


def test_queries_of_autoscaling_name_metrics_that_exist():
    declared = {each.name for each in vars(Metrics).values() if isinstance(each, Instrument)}
    queries = [
        trigger["metadata"]["query"]
        for name in VALUE_SETS
        for each in objects(name)
        if each["kind"] == "ScaledObject"
        for trigger in each["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]
    assert [
        name for query in queries for name in re.findall(r"visapi_[a-z_]+", query) if name not in declared
    ] == []
