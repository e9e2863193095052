"""Carries out `notify.webhook`."""

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from visapi_common.worker.context import TaskContext
from visapi_notifier.channel_service import Dependencies, Service
from visapi_notifier.channels.webhook.rules import TIMEOUT_S, WebhookCall, build_request, read_response
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading


class WebhookService(Service):
    """Signs each attempt, because the signature covers the time of sending."""

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        return partial(self._post, dependencies)

    async def _post(self, at: Dependencies, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        key = task.effect_key
        with refused_early(at.deliverer):
            call, _ = await at.inputs.read(WebhookCall, given, task.message, mask)

        async def attempt(time: Time) -> Reading:
            outbound = build_request(call, effect_key=key, now=at.clock.now())
            inbound = await at.exchange(replace(outbound, timeout_s=time.limit_s))
            return read_response(inbound, effect_key=key, now=at.clock.now(), mask=mask)

        unsent = {"id": key, "status": None, "test": True}
        effect = Effect("webhook", attempt, keyed=True, unsent=unsent, timeout_s=TIMEOUT_S, mask=mask)
        return await at.deliverer.deliver(task.message, effect)


SERVICE = WebhookService
