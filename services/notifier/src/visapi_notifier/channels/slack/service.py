"""Carries out `notify.slack`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from visapi_common.worker.context import TaskContext
from visapi_common.worker.faults import Postponed
from visapi_notifier.accounts.rules import REFUSED_RETRY_S, OpenedVersion, Probe
from visapi_notifier.channel_service import Dependencies, Outside, Service
from visapi_notifier.channels.slack.rules import (
    TIMEOUT_S,
    SlackInput,
    build_auth_test,
    build_request,
    is_token_refused,
    read_auth_test,
    read_response,
)
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading


class SlackService(Service):
    """Posts with the token of an account or of the operator, or to the webhook of the input."""

    @property
    def credentials(self) -> Sequence[str]:
        """The operator's bot token."""
        token = self._settings.slack_token
        return [token] if token else []

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        return partial(self._post, dependencies)

    def probe(self, outside: Outside) -> Probe:
        """See `Service.probe`: `auth.test`."""

        async def tried(version: OpenedVersion, limit_s: float) -> str:
            token, base_url = version.credentials.token, self._settings.slack_base_url
            return read_auth_test(await outside.exchange(build_auth_test(base_url, token, limit_s)))

        return tried

    async def _post(self, at: Dependencies, given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
        settings = self._settings
        with refused_early(at.deliverer):
            wanted, _ = await at.inputs.read(SlackInput, given, task.message, mask)
            tokens, key_missing = await self._tokens(at, wanted, task, mask)
            outbounds = [
                build_request(wanted, base_url=settings.slack_base_url, token=token) for token in tokens
            ]

        async def attempt(time: Time) -> Reading:
            ends = at.clock.monotonic() + time.limit_s
            reading: Reading | None = None
            for outbound in outbounds:
                inbound = await at.exchange(replace(outbound, timeout_s=ends - at.clock.monotonic()))
                reading = read_response(wanted, inbound, now=at.clock.now(), mask=mask)
                if not is_token_refused(reading):
                    return reading
            assert reading is not None, "there is a request"
            if key_missing:
                raise Postponed(REFUSED_RETRY_S)
            return reading

        unsent = {"via": "not sent", "channel": wanted.channel, "test": True}
        effect = Effect("slack", attempt, unsent=unsent, timeout_s=TIMEOUT_S, mask=mask)
        return await at.deliverer.deliver(task.message, effect)

    async def _tokens(
        self, at: Dependencies, wanted: SlackInput, task: TaskContext, mask: Mask
    ) -> tuple[Sequence[str | None], bool]:
        """The token to post with; the next one is tried where Slack refuses the first. Second:
        `Account.key_missing`.
        """
        if wanted.webhook is not None:
            return [None], False
        account = await at.accounts.find("slack", wanted.account, task.message, mask)
        if account is None:
            return [self._settings.slack_token], False
        return [version.credentials.token for version in account.versions], account.key_missing


SERVICE = SlackService
