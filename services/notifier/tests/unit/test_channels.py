"""Channels are found by their folders, and each declares itself completely."""

import gc

import msgspec
import pytest

from visapi_common.contracts import subjects
from visapi_common.core.errors import ProblemError
from visapi_notifier import channels
from visapi_notifier.channel_service import Service
from visapi_notifier.credentials.rules.inputs import PrepareRequest, SecretsNeeded
from visapi_notifier.outbound.rules.channel import Channel
from visapi_notifier.preparing.jobs import encode, prepare_input, read_prepared


def test_every_folder_is_a_channel_with_a_service_of_its_own() -> None:
    declared, services = channels.declared(), channels.services()
    assert {"notify.email", "notify.webhook", "notify.slack", "http.request", "openapi.request"} <= set(
        declared
    )
    assert declared.keys() == services.keys()
    assert all(isinstance(channel, Channel) for channel in declared.values())
    assert all(issubclass(service, Service) for service in services.values())
    assert len(set(services.values())) == len(services)


def test_every_channel_has_a_name_that_no_tenant_may_take() -> None:
    families = {subjects.family_of(name) for name in channels.declared()}
    assert families <= set(subjects.BUILTIN_FAMILIES)


@pytest.mark.parametrize("name", channels.declared())
def test_what_a_process_prepares_is_the_call_that_the_channel_declares(name: str) -> None:
    channel = channels.declared()[name]
    assert channel.samples, "a channel warms up the processes that prepare its inputs"
    kinds: set[type] = set()
    for sample in channel.samples:
        request = PrepareRequest(name, msgspec.json.encode(sample), None)
        try:
            kinds.add(type(read_prepared(name, prepare_input(encode(request)))))
        except ProblemError:
            continue
        finally:
            gc.enable()  # a job switches collection off for the process that ends with it
    assert kinds == {channel.call}
    assert SecretsNeeded not in kinds
