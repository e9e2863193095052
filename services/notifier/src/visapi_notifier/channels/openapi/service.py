"""Carries out `openapi.request`: fetches the document, plans the call, makes it."""

from typing import Any

import msgspec

from visapi_common.worker.context import TaskContext
from visapi_notifier.channel_service import Dependencies, Jobs, Service
from visapi_notifier.channels.http.calls import HttpCalls
from visapi_notifier.channels.http.rules import Endpoint
from visapi_notifier.channels.openapi.bounded import PLAN, READ, WARM_UP, BoundedDocuments
from visapi_notifier.channels.openapi.documents import Documents
from visapi_notifier.channels.openapi.rules import OpenApiCall
from visapi_notifier.delivery.refusals import refused_early
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.outbound.rules.masking import Mask


class OpenApiService(Service):
    """Documents are kept for a few minutes, so most calls plan without a download."""

    programs = Jobs((READ, PLAN), (WARM_UP,))

    def handler(self, dependencies: Dependencies) -> Handler:
        """See `Service.handler`."""
        deliverer, inputs = dependencies.deliverer, dependencies.inputs
        processes = BoundedDocuments(dependencies.programs)
        documents = Documents(processes, dependencies)
        calls = HttpCalls(dependencies)

        async def request(given: msgspec.Raw, task: TaskContext, mask: Mask) -> Any:
            message = task.message
            with refused_early(deliverer):
                wanted, destinations = await inputs.read(OpenApiCall, given, message, mask)
                asked = wanted.asked.document
                endpoint = asked if isinstance(asked, Endpoint) else Endpoint(asked)
                document = await documents.fetch(endpoint, destinations, message, mask)
                planned = await processes.plan(message.tenant, document, wanted, endpoint.uri)
            return await calls.make(planned, destinations, message, mask)

        return request


SERVICE = OpenApiService
