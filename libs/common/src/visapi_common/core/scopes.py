"""What a key may do, by name."""

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
"""What a key gets when its maker names no scopes."""
