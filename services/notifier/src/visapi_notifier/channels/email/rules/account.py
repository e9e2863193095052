"""What an account of kind `smtp` allows: its relay, and the senders of its mails. Pure."""

from visapi_common.contracts.account_kinds import SmtpCredentials, SmtpSettings
from visapi_common.core.egress_policy import BLOCKED_PORTS, EgressPolicy, EgressRefused
from visapi_common.core.errors import ProblemError
from visapi_notifier.channels.email.rules.addresses import Mailbox, mailbox
from visapi_notifier.channels.email.rules.relay import Relay

SUBMISSION_PORTS = frozenset({465, 587, 2525})
_PRIVILEGED = 1024


def relay_of_account(settings: SmtpSettings, credentials: SmtpCredentials) -> Relay:
    """The relay; anything but `off` refuses to send the password in the clear."""
    return Relay(
        host=settings.host,
        port=settings.port,
        tls=settings.tls == "implicit",
        starttls="off" if settings.tls == "off" else "required",
        user=credentials.username,
        password=credentials.password,
    )


def check_port(relay: Relay, policy: EgressPolicy) -> None:
    """Raises `EgressRefused` for a port that is none of mail submission. Port 25 is among those: a tenant's
    mails would leave from the operator's address without anybody's account.
    """
    free = relay.port >= _PRIVILEGED and relay.port not in BLOCKED_PORTS
    if free or relay.port in SUBMISSION_PORTS or policy.allows_host(relay.host, relay.port):
        return
    detail = f"the port {relay.port} is not for mail submission; use 587 or 465"
    raise EgressRefused(detail, "port", internal=f"{relay.host}:{relay.port}")


def sender_of_account(settings: SmtpSettings, wanted: str | None) -> Mailbox:
    """Whom a mail is from. Raises `ProblemError` for a sender that the account does not allow."""
    own = mailbox(settings.from_, "/from")
    if wanted is None:
        return own
    sender = mailbox(wanted, "/from")
    allowed = {own.address, *(_lowered(pattern) for pattern in settings.senders)}
    if allowed.isdisjoint({sender.address, f"*@{sender.domain}"}):
        detail = f"/from: the account does not allow {sender.address}; add the address to its `senders`"
        raise ProblemError("sender_not_allowed", detail, status=403)
    return sender


def _lowered(pattern: str) -> str:
    local, _, domain = pattern.rpartition("@")
    return f"{local}@{domain.lower()}"
