"""Finishing a PDF file so that the same document always has the same bytes.

Chromium writes the time of printing into it, and no file identifier; both are replaced here: dates
by the run's own, the identifier by a hash of the content (ISO 32000-2, 14.4).
"""

import io
from collections.abc import Mapping
from datetime import datetime

import pikepdf

from visapi_common.core.errors import PermanentFault
from visapi_pdf_worker.functions.render.rules.document import Key

_NAMES: dict[Key, str] = {
    "author": "/Author",
    "subject": "/Subject",
    "keywords": "/Keywords",
    "creator": "/Creator",
}
PRODUCER = "VisAPI"


def finish(
    data: bytes, *, when: datetime, title: str | None, metadata: Mapping[Key, str]
) -> tuple[bytes, int]:
    """The finished bytes and their number of pages. `when` is in UTC. Blocking; runs in a thread."""
    try:
        with pikepdf.open(io.BytesIO(data)) as pdf:
            stamp = when.strftime("D:%Y%m%d%H%M%S+00'00'")
            info = pdf.docinfo
            info["/CreationDate"] = stamp
            info["/ModDate"] = stamp
            info["/Producer"] = PRODUCER
            if title is not None:
                info["/Title"] = title
            for name, text in metadata.items():
                info[_NAMES[name]] = text
            out = io.BytesIO()
            # Object streams: a tagged file is less than half as large, and is written faster.
            pdf.save(out, deterministic_id=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)
            return out.getvalue(), len(pdf.pages)
    except pikepdf.PdfError as error:
        raise PermanentFault(f"Chromium made a PDF that cannot be read: {error}") from error
