"""How hooks, their deliveries and refusals are shown."""

from collections.abc import Sequence

from rich.text import Text

from visapi.cli.output import console, say
from visapi.cli.tables import Table
from visapi_common.contracts.hooks import HookDeliveryView, HookView, MadeHook, Refusals

_TIME = "%Y-%m-%d %H:%M:%S"


def show_made(made: MadeHook, base: str) -> None:
    """A new hook, and what was generated for it."""
    show_facts(made, base)
    for name, value in (("secret", made.secret), ("verify_token", made.verify_token)):
        if value is not None:
            _fact(name, value)
            say(f"Keep this {name}; it is not shown again. Give it to {made.provider}.")
    if not made.secrets and made.provider != "none":
        say(f"Requests are refused until `visapi hook rotate {made.name} --secret FILE` gives the secret.")


def show_facts(hook: HookView, base: str) -> None:
    _fact("hook", f"{hook.name} ({hook.provider}{'' if hook.enabled else ', disabled'})")
    _fact("url", base.rstrip("/") + hook.path)
    _fact("events", f"hook.{hook.provider}.… from {hook.source}")
    ends = [f"one until {each.expires_at:{_TIME}}" for each in hook.secrets if each.expires_at is not None]
    _fact("secrets", ", ".join([str(len(hook.secrets)), *ends]))


def show_deliveries(items: Sequence[HookDeliveryView]) -> None:
    if not items:
        say("no deliveries")
        return
    shown = Table("delivery", "type", "subject", "time", "replays", elastic=("subject", "delivery"))
    for each in items:
        time = f"{each.received_at:{_TIME}}"
        shown.add_row(each.delivery, each.type, each.subject or "", time, str(each.replays))
    shown.show()


def show_refusals(found: Refusals) -> None:
    if not found.counts:
        say("no request was refused")
        return
    counts = Table("reason", "count", "last")
    for each in found.counts:
        counts.add_row(each.reason, str(each.count), f"{each.last_at:{_TIME}}")
    counts.show()
    console().print()
    latest = Table("time", "from", "reason", "detail", elastic=("detail",))
    for one in found.latest:
        latest.add_row(f"{one.at:{_TIME}}", one.address, one.reason, one.detail)
    latest.show()


def _fact(name: str, value: str) -> None:
    console().print(Text.assemble((f"{name}: ", "dim"), value))
