"""Carries out `notify.slack`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from visapi_common.worker.context import TaskContext
from visapi_notifier.channel_service import Dependencies, Service
from visapi_notifier.channels.slack.rules import TIMEOUT_S, SlackInput, build_request, read_response
from visapi_notifier.delivery.deliver import Effect, Time
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading


class SlackService(Service):
    """Posts with the operator's token, or to the webhook of the input."""

    @property
    def credentials(self) -> Sequence[str]:
        """The operator's bot token."""
        token = self._settings.slack_token
        return [token] if token else []

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        return partial(self._post, dependencies)

    async def _post(self, at: Dependencies, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        settings = self._settings
        with refused_early(at.deliverer):
            wanted, _ = await at.inputs.read(SlackInput, given, task.message, mask)
            outbound = build_request(wanted, base_url=settings.slack_base_url, token=settings.slack_token)

        async def attempt(time: Time) -> Reading:
            inbound = await at.exchange(replace(outbound, timeout_s=time.limit_s))
            return read_response(wanted, inbound, now=at.clock.now(), mask=mask)

        unsent = {"via": "not sent", "channel": wanted.channel, "test": True}
        effect = Effect("slack", attempt, unsent=unsent, timeout_s=TIMEOUT_S, mask=mask)
        return await at.deliverer.deliver(task.message, effect)


SERVICE = SlackService
