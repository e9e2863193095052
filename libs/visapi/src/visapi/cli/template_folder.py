"""A template as a folder of files: `en.html`, `en.txt`, `en.subject` for each locale, `assets/`,
`test-data.json`, and `template.json` with `kind`, `default_locale` and `description`, which may be left out.
"""

import base64
from pathlib import Path
from typing import Any

import msgspec

from visapi_common.contracts.templates import NewAsset, NewParts, NewTemplate, TemplateKind

_PARTS = {".html": "html", ".txt": "text", ".subject": "subject"}
_SETTINGS = "template.json"
_TEST_DATA = "test-data.json"


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: TemplateKind | None = None
    default_locale: str | None = None
    description: str = ""


def read_folder(folder: Path) -> NewTemplate:
    """Without a `kind`, a template with a subject or a text is a mail. Raises `ValueError` for a folder that
    holds no template, and `OSError`.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; give the folder with the files of the template")
    locales = _locales(folder)
    if not locales:
        raise ValueError(f"{folder} has no sources; name them en.html, en.txt and en.subject, by locale")
    settings = _json(folder / _SETTINGS, _Settings) or _Settings()
    mail = any(parts.text is not None or parts.subject is not None for parts in locales.values())
    return NewTemplate(
        kind=settings.kind or ("email" if mail else "pdf"),
        locales=locales,
        default_locale=settings.default_locale or ("en" if "en" in locales else min(locales)),
        assets=_assets(folder / "assets"),
        test_data=_json(folder / _TEST_DATA, Any),
        description=settings.description,
    )


def _locales(folder: Path) -> dict[str, NewParts]:
    found: dict[str, dict[str, str]] = {}
    for file in sorted(folder.iterdir()):
        part = _PARTS.get(file.suffix)
        if part is not None and file.is_file():
            text = file.read_text(encoding="utf-8")
            found.setdefault(file.stem, {})[part] = text.strip() if part == "subject" else text
    return {locale: NewParts(**parts) for locale, parts in found.items()}


def _assets(folder: Path) -> dict[str, NewAsset]:
    if not folder.is_dir():
        return {}
    return {
        file.name: NewAsset(base64=base64.b64encode(file.read_bytes()).decode())
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    }


def _json(file: Path, kind: Any) -> Any:
    """Raises `ValueError`; None where there is no such file."""
    return read_json(str(file), file.read_bytes(), kind) if file.exists() else None


def read_json(what: str, raw: bytes, kind: Any = Any) -> Any:
    """Raises `ValueError`, which names `what`."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeError) as wrong:
        raise ValueError(f"{what} cannot be read: {wrong}") from None
