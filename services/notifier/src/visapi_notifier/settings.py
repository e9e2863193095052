"""The notifier's settings; see `visapi_common.runtime.settings` for how they are read."""

from typing import Annotated

import msgspec

from visapi_common.runtime.connections import Connections, LedgerSettings
from visapi_common.runtime.settings import Keys, SealingKeys, Secret


class NotifierSettings(LedgerSettings, frozen=True, kw_only=True):
    """The notifier's settings."""

    postgres_connections: Connections = 4
    """Size of the connection pool; writes are batched, so few are needed."""
    artifacts_url: str | None = None
    """The artifact store, `file:///…` or `s3://bucket/prefix`: attachments and large values."""
    handle_secret: Keys | None = None
    """The keys of secret handles (hex); the orchestrator has the same."""
    sealing_key: SealingKeys | None = None
    """Open secrets (32 bytes in hex each); the gateway has the same. Unset: no secret can be used."""
    public_url: str | None = None
    """The public URL of the gateway, such as `https://visapi.example.com`, for approval links."""
    smtp_url: Secret | None = None
    """The mail relay: `smtp://user:password@host:port?starttls=auto|required|off` or `smtps://…`."""
    mail_from: Annotated[str, msgspec.Meta(pattern=r"@[^@\s>]+>?$")] = "VisAPI <no-reply@localhost>"
    """The sender of mails."""
    slack_token: Secret | None = None
    """A bot token (`xoxb-…`) for messages to channels."""
    slack_base_url: str = "https://slack.com/api"
    """The URL of Slack's Web API."""
    egress_allow: list[str] = []  # noqa: RUF012 (msgspec copies it)
    """CIDR blocks, hosts or `host:port` that are allowed although they are not public."""
    egress_origins: dict[str, str] = {}  # noqa: RUF012 (msgspec copies it)
    """Origins that are sent to other origins, for tests against stand-ins."""
    deliveries_keep_days: int = 30
    """How long outcomes of deliveries are kept: at least as long as a run may wait before it retries."""
