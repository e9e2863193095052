"""Who exports, and where to."""

import os
import platform
import socket
from importlib import metadata
from uuid import uuid4

from opentelemetry.sdk.resources import Resource

_SIGNALS = frozenset({"traces", "metrics", "logs"})


def base_of(endpoint: str) -> str:
    """The base URL of a receiver; the URL of one of its signals is taken too."""
    base = endpoint.rstrip("/")
    head, version, signal = base.rpartition("/v1/")
    return head if version and signal in _SIGNALS else base


def resource_of(service: str) -> Resource:
    """The process that exports, by OpenTelemetry's semantic conventions for resources. Attributes in the
    variable `OTEL_RESOURCE_ATTRIBUTES` are added, such as `deployment.environment.name`.
    """
    return Resource.create(
        {
            "service.name": service,
            "service.namespace": "visapi",
            "service.version": metadata.version("visapi-common"),
            "service.instance.id": str(uuid4()),
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
        }
    )
