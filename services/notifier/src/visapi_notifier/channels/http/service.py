"""Carries out `http.request`, which `call: http` becomes."""

from functools import partial
from typing import Any

import msgspec

from visapi_common.worker.context import TaskContext
from visapi_notifier.channel_service import Dependencies, Jobs, Service
from visapi_notifier.channels.http.bounded import ANSWER, WARM_UP
from visapi_notifier.channels.http.calls import HttpCalls
from visapi_notifier.channels.http.rules import HttpCall
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask


class HttpService(Service):
    """Makes the request that the input describes."""

    private = Jobs((ANSWER,), (WARM_UP,))

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        return partial(self._request, dependencies, HttpCalls(dependencies))

    async def _request(
        self, at: Dependencies, calls: HttpCalls, given: msgspec.Raw, task: TaskContext, mask: Mask
    ) -> Any:
        with refused_early(at.deliverer):
            call, destinations = await at.inputs.read(HttpCall, given, task.message, mask)
        return await calls.make(call, destinations, task.message, mask)


SERVICE = HttpService
