"""Opens the secrets of hooks."""

from collections.abc import Sequence

from visapi_common.contracts.hooks import Purpose
from visapi_common.core.errors import OperatorFault
from visapi_common.core.keyrings import Keyring
from visapi_common.core.sealing import UnsealError, name_of_hook_secret, unseal_with
from visapi_common.telemetry.logs import get_logger
from visapi_gateway.hooks.rules.live_hooks import LiveHook


class SealedSecrets:
    """See `hooks.receiving.verifying.OpenSecrets`. A secret that its key does not open is left out: no
    request is compared with it.
    """

    def __init__(self, keys: Keyring | None) -> None:
        self._keys = keys
        self._log = get_logger("hooks")

    def __call__(self, hook: LiveHook, purpose: Purpose) -> Sequence[str]:
        sealed = [secret for secret in hook.secrets if secret.purpose == purpose]
        if sealed and self._keys is None:
            raise OperatorFault("secrets of hooks cannot be opened; set VISAPI_SEALING_KEY", sort="keys")
        opened: list[str] = []
        for secret in sealed:
            assert self._keys is not None, "checked above"
            name = name_of_hook_secret(hook.id, secret.id)
            try:
                value = unseal_with(
                    self._keys, secret.sealed, key_id=secret.sealed_with, tenant=hook.tenant, name=name
                )
            except UnsealError as wrong:
                self._log.error("hook_secret_unreadable", hook=str(hook.id), detail=str(wrong))
                continue
            opened.append(value.decode())
        return opened
