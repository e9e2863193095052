"""Templates of a tenant as a built-in worker finds them: a real artifact store, and an orchestrator in miniature."""

from pathlib import Path

import msgspec

from visapi_common.adapters.artifacts import TemplateStore
from visapi_common.contracts import subjects
from visapi_common.contracts.templates import (
    Manifest,
    ResolvedTemplate,
    ResolveTemplate,
    StoredAsset,
    TemplateKind,
    TemplateParts,
)
from visapi_common.templates.stored import StoredTemplates

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc0000003010100"
    "c9fe92ef0000000049454e44ae426082"
)


class Reply(msgspec.Struct):
    data: bytes


class TemplateShelf:
    """One template of one tenant; `versions` are the hashes of its versions."""

    def __init__(self, folder: Path, tenant: str = "default", kind: TemplateKind = "pdf") -> None:
        self.contents = TemplateStore.open(folder.as_uri())
        self.versions: dict[int, str] = {}
        self.failure: Exception | None = None
        self.asked: list[ResolveTemplate] = []
        self.now = 0.0
        self.test_data = b"null"
        """JSON, of versions that are stored from now on."""
        self.templates = StoredTemplates(self, self.contents, lambda: self.now)
        self._tenant = tenant
        self._kind: TemplateKind = kind

    async def request(self, subject: str, body: bytes, timeout_s: float) -> Reply:
        """Answer as the orchestrator does."""
        assert (subject, timeout_s > 0) == (subjects.CONTROL_TEMPLATES, True)
        if self.failure is not None:
            raise self.failure
        wanted = msgspec.json.decode(body, type=ResolveTemplate)
        self.asked.append(wanted)
        latest = max(self.versions, default=None)
        version = latest if wanted.version is None else wanted.version
        sha256 = self.versions.get(version or 0)
        return Reply(msgspec.json.encode(ResolvedTemplate(latest, version if sha256 else None, sha256)))

    async def store(self, version: int, **locales: TemplateParts) -> None:
        """Add a version with the asset `logo.png`; its default locale is `en`."""
        digest = await self.contents.put(self._tenant, PNG)
        manifest = Manifest(
            kind=self._kind,
            default_locale="en",
            locales=locales,
            assets={"logo.png": StoredAsset(digest, len(PNG), "image/png")},
            test_data=msgspec.Raw(self.test_data),
        )
        self.versions[version] = await self.contents.put(self._tenant, msgspec.json.encode(manifest))
