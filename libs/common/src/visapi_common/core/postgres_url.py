"""URLs of PostgreSQL: what can be wrong with one, its hosts one by one, a password put in.

postgresql://user:password@host1:5432,host2:5432/database?sslmode=verify-full&target_session_attrs=read-write
"""

from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

WRITING = "read-write"
"""Services and `visapi admin` write, so of several hosts they take the one that allows it."""
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRIBUTES = ("any", "primary", WRITING)
_OF_STANDBYS = ("standby", "prefer-standby", "read-only")
SSL_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""Parameters that name files."""
PARAMETERS = (
    "sslmode",
    *SSL_FILES,
    "sslpassword",
    "sslnegotiation",
    "target_session_attrs",
    "application_name",
)
_PORT_MAX = 65535
_UNREADABLE = "it cannot be read; write special characters of the password as %XX"


def flaw(url: str) -> str | None:
    """Why this is no URL that VisAPI connects by; None when it is one. Shows nothing of the password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _UNREADABLE
    if parts.scheme not in ("postgresql", "postgres"):
        return "it must begin with postgresql://"
    user, _, places = parts.netloc.rpartition("@")
    if "@" in user:
        return "a password with an '@' must have it written as %40"
    if not user.partition(":")[0]:
        return "it names no user; write postgresql://user@host/database"
    if not parts.path.strip("/"):
        return "it names no database; write postgresql://user@host/database"
    for place in places.split(","):
        host, port = _host_and_port(place)
        if not host:
            return f"it names no host in {places!r}"
        if port and not (port.isdecimal() and 1 <= int(port) <= _PORT_MAX):
            return f"the port {port!r} is no number from 1 to {_PORT_MAX}"
    return _query_flaw(parts.query)


def _query_flaw(query: str) -> str | None:
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    unknown = [name for name in parameters if name not in PARAMETERS]
    if unknown:
        return f"the parameter {unknown[0]!r} is unknown; known: {', '.join(PARAMETERS)}"
    if parameters.get("target_session_attrs") in _OF_STANDBYS:
        return (
            f"target_session_attrs={parameters['target_session_attrs']!r} leads to servers that take "
            f"no writes; allowed: {', '.join(SESSION_ATTRIBUTES)}"
        )
    for name, allowed in (("sslmode", SSL_MODES), ("target_session_attrs", SESSION_ATTRIBUTES)):
        if parameters.get(name, allowed[0]) not in allowed:
            return f"{name}={parameters[name]!r} is unknown; allowed: {', '.join(allowed)}"
    if parameters.get("sslmode", "").startswith("verify") and "sslrootcert" not in parameters:
        return f"sslmode={parameters['sslmode']} needs sslrootcert, the file of the authority to trust"
    return None


def files(url: str) -> dict[str, str]:
    """The files that the URL names, by parameter."""
    parameters = dict(parse_qsl(urlsplit(url).query))
    return {name: parameters[name] for name in SSL_FILES if name in parameters}


def one_by_one(url: str) -> list[str]:
    """A URL for each host, in order. Of several hosts only one that takes writes is wanted, unless the URL
    says otherwise.
    """
    parts = urlsplit(url)
    user, at, places = parts.netloc.rpartition("@")
    if "," in places and "target_session_attrs" not in dict(parse_qsl(parts.query)):
        parts = parts._replace(query=f"{parts.query}&target_session_attrs={WRITING}".lstrip("&"))
    return [urlunsplit(parts._replace(netloc=f"{user}{at}{place}")) for place in places.split(",")]


def with_password(url: str, password: str | None) -> str:
    """The same URL with this password in place of its own."""
    if password is None:
        return url
    parts = urlsplit(url)
    user, at, places = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}{at}{places}"))


def user_of(url: str) -> str:
    return unquote(urlsplit(url).netloc.rpartition("@")[0].partition(":")[0])


def password_of(url: str) -> str | None:
    _, colon, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
    return unquote(password) if colon else None


def database_of(url: str) -> str:
    return unquote(urlsplit(url).path.strip("/"))


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, _, port = place.partition("]")
        return host.strip("["), port.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port
