"""Types of errors: the specification's own, and when two of them are the same.

Types are compared exactly. The specification moved from one host to another without a change of version,
so its types are the same under both hosts.
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
"""The specification's host, and the host that it had before."""
_STANDARD_PATHS = frozenset(f"spec/1.0.0/errors/{name}" for name in STANDARD_TYPES)


def same_type(left: str, right: str) -> bool:
    """Whether two types name the same kind of error."""
    if left == right:
        return True
    path = path_of(left)
    return path is not None and path == path_of(right)


def path_of(type_: str) -> str | None:
    """What stands after the specification's host; None for a type of anybody else."""
    for host in HOSTS:
        if type_.startswith(host):
            return type_[len(host) :]
    return None


def is_standard(type_: str) -> bool:
    """Whether the specification defines this type."""
    return path_of(type_) in _STANDARD_PATHS
