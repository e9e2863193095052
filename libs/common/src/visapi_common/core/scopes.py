"""The scopes of keys."""

ALL = "*"
SCOPES = (
    "workflows:read",
    "workflows:write",
    "runs:read",
    "runs:write",
    "events:write",
    "artifacts:read",
    "artifacts:write",
    "dead-letters:read",
    "dead-letters:write",
    "endpoints:read",
    "endpoints:write",
    "hooks:read",
    "hooks:write",
    "accounts:read",
    "accounts:write",
    "secrets:write",
    "retention:write",
    "audit:read",
    "keys:admin",
)
OPERATOR_SCOPES = ("tenants:admin",)
"""Scopes of keys of kind `admin` alone. `*` does not include them, so no key has one that was not given it by
name: by `visapi admin key create --scope`, or by a key that has it.
"""
_NEVER_BY_DEFAULT = (
    "keys:admin",
    "endpoints:write",
    "hooks:write",
    "accounts:write",
    "secrets:write",
    "retention:write",
    "artifacts:write",
    "audit:read",
)
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if scope not in _NEVER_BY_DEFAULT)
"""The scopes of a key that is created without any."""

_VIEWER = (
    "workflows:read",
    "runs:read",
    "artifacts:read",
    "dead-letters:read",
    "endpoints:read",
    "hooks:read",
    "accounts:read",
)
_OPERATOR = (*_VIEWER, "runs:write", "dead-letters:write")
ROLES = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    "developer": (*_OPERATOR, "workflows:write", "events:write"),
    "admin": SCOPES,
}
"""Names for sets of scopes. A key gets the scopes of its role when it is made, and keeps them."""

LIMITED_SCOPES = (
    "workflows:read",
    "workflows:write",
    "runs:read",
    "runs:write",
    "artifacts:read",
)
"""The scopes that mean something for a key that is limited to workflows. An event reaches whoever listens,
and accounts, secrets, policies, dead letters, the audit and keys belong to the whole tenant.
"""
