"""How endpoints and the webhooks to them are shown."""

from collections.abc import Sequence

from rich.text import Text

from visapi.cli.output import console, say
from visapi.cli.tables import Table
from visapi_common.contracts.endpoints import AttemptView, EndpointView, MadeEndpoint, MessageView

_TIME = "%Y-%m-%d %H:%M:%S"


def show_made(made: MadeEndpoint) -> None:
    """A new endpoint or secret."""
    show_facts(made)
    if made.secret is not None:
        _fact("secret", made.secret)
        say("Keep this secret; it is not shown again. The receiver verifies webhooks with it.")


def show_facts(endpoint: EndpointView) -> None:
    _fact("endpoint", f"{endpoint.name} ({state_of(endpoint)})")
    _fact("url", endpoint.url)
    _fact("types", ", ".join(endpoint.types) + (", in order" if endpoint.ordered else ""))
    for name, patterns in (("workflows", endpoint.filter.workflows), ("sources", endpoint.filter.sources)):
        if patterns is not None:
            _fact(name, ", ".join(patterns))
    if endpoint.failing_since is not None:
        _fact("failing since", f"{endpoint.failing_since:{_TIME}}")
    ends = [f"one until {one.expires_at:{_TIME}}" for one in endpoint.secrets if one.expires_at is not None]
    _fact("secrets", ", ".join([str(len(endpoint.secrets)), *ends]))


def state_of(endpoint: EndpointView) -> str:
    return "enabled" if endpoint.enabled else f"disabled: {endpoint.disabled_reason}"


def show_endpoints(items: Sequence[EndpointView]) -> None:
    shown = Table("name", "url", "types", "state", "id", elastic=("url", "types"))
    for one in items:
        shown.add_row(one.name, one.url, ", ".join(one.types), state_of(one), str(one.id))
    shown.show()


def show_messages(items: Sequence[MessageView]) -> None:
    if not items:
        say("no webhooks")
        return
    shown = Table("id", "type", "state", "attempts", "time", "next attempt", elastic=("type",))
    for one in items:
        after = "" if one.next_attempt_at is None else f"{one.next_attempt_at:{_TIME}}"
        time = f"{one.created_at:{_TIME}}"
        shown.add_row(str(one.id), one.type, one.state, str(one.attempts), time, after)
    shown.show()


def described(attempt: AttemptView) -> str:
    """How an attempt ended, in a few words."""
    how = attempt.error if attempt.status is None else f"the receiver answered {attempt.status}"
    return f"{how} after {attempt.took_ms} ms"


def _fact(name: str, value: str) -> None:
    console().print(Text.assemble((f"{name}: ", "dim"), value))
