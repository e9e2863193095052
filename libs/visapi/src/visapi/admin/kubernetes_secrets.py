"""One text in a Secret of the Kubernetes cluster in which this process runs, by the account of its pod.

The account needs the verbs `get` and `patch` on that Secret alone.
"""

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from visapi_common.contracts.foreign import Reader, Unreadable
from visapi_common.core.errors import OperatorFault, TransientFault

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_TIMEOUT_S = 10.0
_RECENT = timedelta(hours=1)


class KeptText(msgspec.Struct, frozen=True):
    """What a Secret holds. `recent`: the Secret was made within the last hour."""

    text: str | None
    recent: bool


class _Metadata(msgspec.Struct, rename="camel"):
    creation_timestamp: datetime


class _Secret(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


_read = Reader(_Secret)


class KubernetesSecret:
    """The entry `key` of the Secret `name`. Calls block; they raise `OperatorFault` where the account or the
    Secret is missing, `TransientFault` where the cluster does not answer.
    """

    def __init__(
        self, name: str, key: str, *, account: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._name = name
        self._key = key
        try:
            token = (account / "token").read_text(encoding="ascii").strip()
            namespace = (account / "namespace").read_text(encoding="ascii").strip()
            context = ssl.create_default_context(cafile=account / "ca.crt")
            host, port = environ["KUBERNETES_SERVICE_HOST"], environ["KUBERNETES_SERVICE_PORT"]
        except (KeyError, OSError, UnicodeError) as error:
            raise _for_operator(
                f"this is no pod with an account of Kubernetes ({error}); mount its token at {account}"
            ) from error
        place = f"[{host}]" if ":" in host else host
        self._url = f"https://{place}:{port}/api/v1/namespaces/{namespace}/secrets/{name}"
        self._http = httpx.Client(
            verify=context, timeout=_TIMEOUT_S, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )

    def read(self) -> KeptText:
        """The text, `None` where the Secret has none."""
        found = self._answer("GET")
        data = found.data or {}
        made = found.metadata.creation_timestamp
        try:
            text = base64.b64decode(data[self._key], validate=True).decode() if self._key in data else None
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _for_operator(f"{self._key} of the Secret {self._name} cannot be read: {error}") from error
        return KeptText(text, datetime.now(UTC) - made < _RECENT)

    def write(self, text: str) -> None:
        """Keep the text; the other entries of the Secret stay."""
        self._answer("PATCH", {"data": {self._key: base64.b64encode(text.encode()).decode()}})

    def _answer(self, method: str, body: Any = None) -> _Secret:
        headers = {"Content-Type": "application/merge-patch+json"} if body is not None else {}
        try:
            content = None if body is None else msgspec.json.encode(body)
            answer = self._http.request(method, self._url, content=content, headers=headers)
        except httpx.TransportError as error:
            raise TransientFault(f"Kubernetes cannot be reached at {self._url}: {error}") from error
        if answer.is_server_error:
            raise TransientFault(f"Kubernetes answered {answer.status_code} for the Secret {self._name}")
        if not answer.is_success:
            raise _for_operator(
                f"Kubernetes answered {answer.status_code} for {method} of the Secret {self._name}; "
                "it must exist, and the account of the pod needs the verbs get and patch on it"
            )
        found = _read(answer.content)
        if isinstance(found, Unreadable):
            raise TransientFault(f"what Kubernetes answers for the Secret {self._name} is {found.reason}")
        return found


def _for_operator(text: str) -> OperatorFault:
    return OperatorFault(text, sort="kubernetes")
