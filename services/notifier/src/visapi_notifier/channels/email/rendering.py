"""Mails as templates make them: sources that come with the task, or a template that the tenant has stored."""

import msgspec

from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.contracts.templates import UsedTemplate
from visapi_common.core.errors import PermanentFault
from visapi_common.templates.stored import Asset, StoredTemplates
from visapi_notifier.channels.email.rules.message import EmailCall, EmailInput, File
from visapi_notifier.channels.email.templates import TemplateProcess


class RenderedMail(msgspec.Struct, frozen=True):
    """A mail without a template left."""

    wanted: EmailInput
    shown: list[File] = []
    """The files that its HTML shows."""
    used: UsedTemplate | None = None
    """The stored template that made it."""


class Rendering:
    """Renders the templates of mails. Without `stored` no tenant has templates."""

    def __init__(self, processes: TemplateProcess, stored: StoredTemplates | None) -> None:
        self._processes = processes
        self._stored = stored

    async def render(self, call: EmailCall, task: TaskMessage) -> RenderedMail:
        """Raises `ProblemError`, and the faults of stored templates."""
        wanted = call.wanted
        if wanted.reference is not None:
            return await self._render_stored(wanted.reference, call, task)
        if not wanted.sources:
            return RenderedMail(wanted)
        parts = await self._processes.render(task.tenant, wanted.sources, call.data)
        return RenderedMail(msgspec.structs.replace(wanted, template=None, **parts))

    async def _render_stored(self, reference: str, call: EmailCall, task: TaskMessage) -> RenderedMail:
        if self._stored is None:
            raise PermanentFault("no artifact store is configured; set VISAPI_ARTIFACTS_URL for the notifier")
        found = await self._stored.open(task, reference, call.wanted.locale, "email")
        given = msgspec.structs.asdict(found.parts)
        sources = {name: source for name, source in given.items() if source is not None}
        addresses = {name: f"cid:{_cid(asset)}" for name, asset in found.assets.items()}
        parts = await self._processes.render(task.tenant, sources, call.data, addresses)
        html = parts.get("html", "")
        shown = [
            File(name, asset.media_type, asset.data, _cid(asset))
            for name, asset in found.assets.items()
            if addresses[name] in html
        ]
        wanted = msgspec.structs.replace(call.wanted, template=None, **parts)
        return RenderedMail(wanted, shown, found.used)


def _cid(asset: Asset) -> str:
    return f"{asset.sha256[:32]}@template"
