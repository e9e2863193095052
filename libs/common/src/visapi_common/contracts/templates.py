"""Templates: HTTP bodies, the stored manifest, and the question of a worker for one."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from visapi_common.contracts.engine_messages import AttemptNumber, TaskPath, TaskToken
from visapi_common.contracts.formats import written_version

NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
SOURCE_MAX = 256 * 1024
LOCALES_MAX = 50
ASSETS_MAX = 50
ASSET_BYTES_MAX = 1024 * 1024
BASE64_MAX = (ASSET_BYTES_MAX + 2) // 3 * 4
BUILTIN_TEMPLATES = ("visa-certificate",)
"""Names of templates that are built into the PDF worker; no tenant stores a template under one of them."""

TemplateKind = Literal["pdf", "email"]
TemplateName = Annotated[str, msgspec.Meta(pattern=rf"^{NAME}\Z", max_length=100)]
Source = Annotated[str, msgspec.Meta(max_length=SOURCE_MAX)]
LocaleName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z", max_length=35)]
AssetName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=100)]
VersionNumber = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class TemplateParts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Jinja2 sources of one locale. A template of kind `pdf` has `html` only."""

    html: Source | None = None
    subject: Source | None = None
    text: Source | None = None


class NewParts(TemplateParts, frozen=True, forbid_unknown_fields=True):
    """The sources of one locale, as they are sent."""


class NewAsset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that sources name by `asset(…)`: an artifact, whose bytes are copied, or its bytes in base64."""

    artifact: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    base64: Annotated[str, msgspec.Meta(extra_json_schema={"maxLength": BASE64_MAX})] | None = None


class NewTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of one version of a template."""

    kind: TemplateKind
    locales: Annotated[dict[LocaleName, NewParts], msgspec.Meta(min_length=1, max_length=LOCALES_MAX)]
    default_locale: LocaleName = "en"
    """The locale of `locales` that is used where none fits."""
    assets: Annotated[dict[AssetName, NewAsset], msgspec.Meta(max_length=ASSETS_MAX)] = {}
    test_data: Any = None
    """What a preview renders without other data."""
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""


class StoredAsset(msgspec.Struct, frozen=True):
    """A file of a template in the artifact store, by the hash of its bytes."""

    sha256: str
    size: int
    media_type: str


class TemplateContents(msgspec.Struct, frozen=True, kw_only=True):
    """What a task needs of a manifest."""

    kind: TemplateKind
    default_locale: str
    locales: dict[str, TemplateParts]
    assets: dict[str, StoredAsset] = {}


class Manifest(TemplateContents, frozen=True, kw_only=True):
    """One version of a template as it is stored. The hash of its bytes names it, and covers its assets."""

    test_data: msgspec.Raw = msgspec.Raw(b"null")
    """JSON, because its objects take many times its bytes; only the process of a preview decodes it."""
    description: str = ""
    v: int = 1


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a template, without its sources."""

    name: str
    kind: TemplateKind
    version: int
    default_locale: str
    locales: list[str]
    description: str
    sha256: str
    size: int
    """Bytes of the sources and assets."""
    created_at: datetime
    created_by: str
    links: dict[str, str] = {}


class TemplateDetail(TemplateView, frozen=True, kw_only=True):
    """One version of a template with its sources."""

    sources: dict[str, TemplateParts]
    assets: dict[str, StoredAsset]
    test_data: Any


class TemplatePage(msgspec.Struct, frozen=True):
    """The newest version of each template, or the versions of one."""

    items: list[TemplateView]
    next: str | None


class PreviewTemplate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version, locale and data to render; each is optional."""

    version: VersionNumber | None = None
    locale: LocaleName | None = None
    data: Any | msgspec.UnsetType = msgspec.UNSET
    """In place of the template's test data."""


class TemplatePreview(msgspec.Struct, frozen=True, kw_only=True):
    """The rendered parts. Assets stand in the HTML as `data:` addresses."""

    version: int
    locale: str
    html: str | None = None
    subject: str | None = None
    text: str | None = None


class ResolveTemplate(msgspec.Struct, frozen=True):
    """Sent to `subjects.CONTROL_TEMPLATES`: a built-in worker asks for a template of its task's tenant."""

    run: UUID
    path: TaskPath
    attempt: AttemptNumber
    token: TaskToken
    name: TemplateName
    version: VersionNumber | None = None
    """None: the newest version."""
    v: int = msgspec.field(default_factory=written_version)


class ResolvedTemplate(msgspec.Struct, frozen=True):
    """The answer: the version and the hash of its manifest, both null where the tenant has no such version.
    `latest` is null where the tenant has no such template.
    """

    latest: int | None
    version: int | None
    sha256: str | None
    v: int = msgspec.field(default_factory=written_version)


class UsedTemplate(msgspec.Struct, frozen=True):
    """The template of a task, in its output."""

    name: str
    version: int
    locale: str
