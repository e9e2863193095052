"""HTTP calls under an effect key, for this channel and for channels that compile to HTTP calls."""

from dataclasses import replace
from typing import Any

from visapi_common.contracts.problems import standard_error
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import parse_url
from visapi_common.core.outbound import Outbound
from visapi_common.worker.context import ReadOnly
from visapi_common.worker.faults import TaskFault
from visapi_notifier.channel_service import Dependencies
from visapi_notifier.channels.http import rules
from visapi_notifier.channels.http.bounded import BoundedAnswers
from visapi_notifier.channels.http.received_response import ReceivedResponse
from visapi_notifier.channels.http.rules import HttpCall
from visapi_notifier.credentials.rules.oauth import TokenRefused
from visapi_notifier.credentials.rules.revealing import Destinations, NotAllowed
from visapi_notifier.delivery.effects import Effect, Time
from visapi_notifier.outbound.rules.masking import Mask
from visapi_notifier.outbound.rules.reading import Reading, Refused


class HttpCalls:
    """Makes calls for the channels of the process."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._deliverer = dependencies.deliverer
        self._authenticator = dependencies.authenticator
        self._clock = dependencies.clock
        self._answers = BoundedAnswers(dependencies.private)

    async def make(self, call: HttpCall, destinations: Destinations, message: TaskMessage, mask: Mask) -> Any:
        """The call's output. Raises what `Deliverer.deliver` raises."""
        outbound = call.outbound
        check_destination(destinations, outbound)

        async def attempt(time: Time) -> Reading:
            began = self._clock.monotonic()
            try:
                inbound = await self._authenticator.exchange(
                    message.tenant, call.policy, replace(outbound, timeout_s=time.limit_s), mask
                )
            except TokenRefused as refused:
                return no_token(refused)
            left = replace(time, left_s=time.left_s - (self._clock.monotonic() - began))
            received = ReceivedResponse(call.wanted, outbound, inbound, self._clock.now(), mask, left)
            return await self._answers.read(message.tenant, received)

        effect = Effect(
            "http",
            attempt,
            keyed=call.effect is not rules.Effect.ONCE,
            recorded=call.effect is not rules.Effect.NONE,
            unsent=rules.unsent_output(call.wanted, outbound),
            timeout_s=rules.TIMEOUT_S,
            mask=mask,
        )
        output = await self._deliverer.deliver(message, effect)
        return output if effect.recorded else ReadOnly(output)


def no_token(refused: TokenRefused) -> Refused:
    """The outcome of a call without a token."""
    return Refused(standard_error("authentication", 401, title="No token", detail=str(refused)))


def check_destination(destinations: Destinations, outbound: Outbound) -> None:
    """Raises `TaskFault` for a secret that may not be sent to the request's host."""
    target = parse_url(outbound.url)
    try:
        destinations.check(target.host, target.port)
    except NotAllowed as refused:
        raise TaskFault(refused.error) from refused
