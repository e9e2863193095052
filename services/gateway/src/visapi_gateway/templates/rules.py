"""The checks of a new version of a template, its manifest, and the view of a stored version."""

from hashlib import sha256
from typing import NamedTuple

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.templates import (
    Manifest,
    NewTemplate,
    StoredAsset,
    TemplateDetail,
    TemplateParts,
    TemplateView,
)
from visapi_gateway.kernel.api.etags import etag_of

ASSETS_BYTES_MAX = 2 * 1024 * 1024
VERSION_MAX = 2**31 - 1
MEDIA_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "svg": "image/svg+xml",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "css": "text/css",
}
"""The media types of assets, by the extensions of their names."""

encode = msgspec.json.Encoder(order="deterministic").encode


def with_encoded_data(wanted: NewTemplate) -> NewTemplate:
    """The template with its test data as JSON, because decoded JSON takes many times the memory of its bytes.
    Encodes up to a whole body, so call this in a thread.
    """
    return msgspec.structs.replace(wanted, test_data=msgspec.Raw(encode(wanted.test_data)))


def flaws_of(wanted: NewTemplate) -> list[FieldError]:
    """The flaws that the types cannot express."""
    flaws: list[FieldError] = []
    if wanted.default_locale not in wanted.locales:
        flaws.append(FieldError("/default_locale", f"{wanted.default_locale!r} is not among the locales"))
    for locale, parts in wanted.locales.items():
        flaws += _flaws_of_parts(wanted, parts, f"/locales/{locale}")
    for name, asset in wanted.assets.items():
        pointer = f"/assets/{name}"
        if (asset.artifact is None) == (asset.base64 is None):
            flaws.append(FieldError(pointer, "give exactly one of `artifact` and `base64`"))
        if media_type_of(name) is None:
            flaws.append(FieldError(pointer, f"the name must end in one of .{', .'.join(MEDIA_TYPES)}"))
    return flaws


def _flaws_of_parts(wanted: NewTemplate, parts: TemplateParts, pointer: str) -> list[FieldError]:
    if wanted.kind == "email":
        if parts.html is None and parts.text is None:
            return [FieldError(pointer, "a mail needs `html` or `text`")]
        return []
    flaws = [
        FieldError(f"{pointer}/{part}", "a template of kind pdf has `html` only")
        for part in ("subject", "text")
        if getattr(parts, part) is not None
    ]
    if parts.html is None:
        flaws.append(FieldError(pointer, "a document needs `html`"))
    return flaws


def media_type_of(asset: str) -> str | None:
    return MEDIA_TYPES.get(asset.rpartition(".")[2].lower())


def sources_of(wanted: NewTemplate) -> dict[str, str]:
    """The sources by JSON pointer."""
    return {
        f"/locales/{locale}/{part}": source
        for locale, parts in wanted.locales.items()
        for part, source in given_parts(parts).items()
    }


def given_parts(parts: TemplateParts) -> dict[str, str]:
    """The sources of one locale by part."""
    return {name: text for name in ("html", "subject", "text") if (text := getattr(parts, name)) is not None}


class Manifested(NamedTuple):
    """The manifest of a version, its SHA-256, and the bytes that the version takes with its assets."""

    raw: bytes
    sha256: str
    size: int


def manifest_of(wanted: NewTemplate, assets: dict[str, bytes]) -> Manifested:
    """Equal contents give equal bytes. Hashes the assets, so call this in a thread."""
    manifest = Manifest(
        kind=wanted.kind,
        default_locale=wanted.default_locale,
        locales={name: TemplateParts(**given_parts(parts)) for name, parts in wanted.locales.items()},
        assets={name: _stored_asset(name, data) for name, data in assets.items()},
        test_data=msgspec.Raw(encode(wanted.test_data)),
        description=wanted.description,
    )
    raw = encode(manifest)
    return Manifested(raw, sha256(raw).hexdigest(), len(raw) + sum(map(len, assets.values())))


def _stored_asset(name: str, data: bytes) -> StoredAsset:
    """An asset as the manifest names it; `name` was checked."""
    media_type = media_type_of(name)
    assert media_type is not None, "its name was checked"
    return StoredAsset(sha256(data).hexdigest(), len(data), media_type)


def tag_of(template: TemplateView) -> str:
    """The ETag of a template: its newest version."""
    return etag_of(f"{template.version} {template.sha256}".encode())


def number_of(text: str) -> int:
    """The number of a version in a path; 0, which no version has, for anything else."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
    return number if number <= VERSION_MAX else 0


def with_links(template: TemplateView) -> TemplateView:
    path = f"/v1/templates/{template.name}"
    links = {
        "self": f"{path}/versions/{template.version}",
        "template": path,
        "versions": f"{path}/versions",
        "preview": f"{path}/preview",
    }
    return msgspec.structs.replace(template, links=links)


def detail_of(template: TemplateView, manifest: Manifest) -> TemplateDetail:
    return TemplateDetail(
        **{name: getattr(template, name) for name in TemplateView.__struct_fields__},
        sources=manifest.locales,
        assets=manifest.assets,
        test_data=manifest.test_data,
    )
