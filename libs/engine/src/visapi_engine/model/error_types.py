"""Types of errors: the standard ones, and the comparison of two types.

Types are compared exactly, but for the host of the specification, which changed without a change of
version: a standard type is the same under both hosts.
"""

STANDARD_TYPES = (
    "configuration",
    "validation",
    "expression",
    "authentication",
    "authorization",
    "timeout",
    "communication",
    "runtime",
)
HOSTS = ("https://open-workflow-specification.org/", "https://serverlessworkflow.io/")
"""The specification's host, and its former host."""
_STANDARD_PATHS = frozenset(f"spec/1.0.0/errors/{name}" for name in STANDARD_TYPES)


def same_type(left: str, right: str) -> bool:
    """Whether two types name the same kind of error."""
    if left == right:
        return True
    path = path_of(left)
    return path is not None and path == path_of(right)


def path_of(type_: str) -> str | None:
    """The part after the specification's host; None for a type on any other host."""
    for host in HOSTS:
        if type_.startswith(host):
            return type_[len(host) :]
    return None


def is_standard(type_: str) -> bool:
    """Whether the specification defines this type."""
    return path_of(type_) in _STANDARD_PATHS
