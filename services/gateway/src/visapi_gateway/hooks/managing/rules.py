"""What a hook must be: its name, its settings, its secrets. Pure."""

from visapi_common.contracts.hooks import HookSettings, NewHook, Provider
from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError
from visapi_gateway.hooks.rules.events import attribute_of, may_be_kept
from visapi_gateway.hooks.rules.providers import PROVIDERS

SECRETS_MAX = 4
"""Valid secrets of one purpose: each request is compared with all of them."""
TOKEN_MIN = 16
_ATTRIBUTE_MAX = 64


def check_new(wanted: NewHook) -> None:
    """Raises `ProblemError` 400 with every mistake of a new hook."""
    errors = settings_flaws(wanted.provider, wanted.settings)
    if wanted.secret is not None:
        errors += secret_flaws(wanted.provider, wanted.secret)
    if wanted.verify_token is not None:
        errors += token_flaws(wanted.provider, wanted.verify_token, "/verify_token")
    refuse(errors)


def refuse(errors: list[FieldError]) -> None:
    if errors:
        texts = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:5])
        raise ProblemError("invalid_body", texts, status=400, errors=errors)


def secret_flaws(provider: Provider, secret: str, at: str = "/secret") -> list[FieldError]:
    rules = PROVIDERS[provider]
    if not rules.needs_secret:
        return [
            FieldError(at, f"a hook of the provider {provider} has no secret: it accepts whatever is sent")
        ]
    flaw = rules.secret_flaw(secret)
    return [] if flaw is None else [FieldError(at, flaw)]


def token_flaws(provider: Provider, token: str, at: str) -> list[FieldError]:
    """The mistakes of the token of a handshake."""
    if not has_handshake(provider):
        return [FieldError(at, "only the provider whatsapp has a handshake")]
    return [] if len(token) >= TOKEN_MIN else [FieldError(at, f"needs {TOKEN_MIN} characters or more")]


def has_handshake(provider: Provider) -> bool:
    return PROVIDERS[provider].greets


def settings_flaws(provider: Provider, settings: HookSettings) -> list[FieldError]:
    """The mistakes of a hook's settings."""
    found: list[FieldError] = []
    if (settings.hmac is not None) != (provider == "hmac"):
        detail = "the provider hmac needs it" if provider == "hmac" else "only the provider hmac has it"
        found.append(FieldError("/settings/hmac", detail))
    if not PROVIDERS[provider].configurable:
        found += [
            FieldError(f"/settings/{name}", f"the provider {provider} has a place of its own for it")
            for name in ("id_from", "event_from")
            if getattr(settings, name) is not None
        ]
    return found + _header_flaws(settings.headers)


def _header_flaws(headers: list[str]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, header in enumerate(headers):
        name = attribute_of(header)
        if not may_be_kept(header):
            found.append(
                FieldError(f"/settings/headers/{index}", "may carry a credential, which no event may")
            )
        elif len(name) > _ATTRIBUTE_MAX:
            found.append(FieldError(f"/settings/headers/{index}", "is too long for the name of an attribute"))
        elif name in seen:
            found.append(
                FieldError(f"/settings/headers/{index}", "would be the same attribute as one before")
            )
        seen.add(name)
    return found
