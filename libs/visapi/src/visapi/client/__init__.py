"""A small client of the HTTP API: operations are values, two clients send them.

from visapi.client import Client, operations
with Client("http://127.0.0.1:8080", key) as client:
    run = client.send(operations.start_run("default", "visa-approval", b'{"applicant": "Ada"}'))
"""

from visapi.client.asynchronous import AsyncClient
from visapi.client.failures import ApiError, UnreachableError
from visapi.client.synchronous import Client

__all__ = ["ApiError", "AsyncClient", "Client", "UnreachableError"]
