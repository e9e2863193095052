"""The declaration of `pdf.render`. It is keyed: the same document has the same bytes."""

from visapi_pdf_worker.declaring import Function

_TASK_EXTRA_S = 15.0
"""A task may take longer than its rendering: its template, storing, starting another browser."""
_TRIES = 2
"""A document is printed again, alone, when its browser died."""
_AHEAD = 2
"""Tasks per printing place: while one is printed, the template or the storing of another goes on."""
_WAITING = 4
"""Tasks taken from the stream, as a multiple of those: one tenant alone gets half of all, so that a tenant
that comes later does not stand behind them in the stream."""
_REPLICAS_SHARE = 32
"""Tasks in work over all replicas, as a multiple of one replica's."""

FUNCTION = Function(
    name="pdf.render",
    description="Renders HTML, a URL or a template with data to a PDF.",
    effect="keyed",
    timeout_s=lambda settings: settings.pdf_timeout_s * _TRIES + _TASK_EXTRA_S,
    concurrency=lambda settings: settings.pdf_concurrency * _REPLICAS_SHARE,
    local=lambda settings: settings.pdf_concurrency * _AHEAD * _WAITING,
)
