"""The scopes of keys."""

ALL = "*"
SCOPES = (
    "workflows:read",
    "workflows:write",
    "runs:read",
    "runs:write",
    "events:write",
    "artifacts:read",
    "dead-letters:read",
    "dead-letters:write",
    "hooks:read",
    "hooks:write",
    "secrets:write",
    "retention:write",
    "audit:read",
    "keys:admin",
)
_NEVER_BY_DEFAULT = ("keys:admin", "hooks:write", "secrets:write", "retention:write", "audit:read")
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if scope not in _NEVER_BY_DEFAULT)
"""The scopes of a key that is created without any."""
