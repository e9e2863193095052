"""A client of the HTTP API, blocking and asynchronous.

from visapi.client import Client

with Client("http://127.0.0.1:8080", key) as client:
    run = client.runs.start("default/visa-approval", {"applicant": "Ada"})
    print(client.wait(str(run.id)).status)

Each operation is a function that makes a `Call`, a request as a value; `client.send` sends one.
"""

from visapi.client import errors
from visapi.client.asynchronous import AsyncClient
from visapi.client.failures import ApiError, UnreachableError
from visapi.client.synchronous import Client
from visapi.client.webhooks import Webhook, WebhookError, verify

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "UnreachableError",
    "Webhook",
    "WebhookError",
    "errors",
    "verify",
]
