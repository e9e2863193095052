"""The NATS subjects that each user may publish on and subscribe to; everything else is refused.

Every user's replies arrive under an inbox prefix of its own, so that no service reads another's.
Only the orchestrator touches streams and consumers; nobody may delete a stream, and only what the ledger
feeds may be purged.
"""

import msgspec

from visapi_common.contracts import subjects
from visapi_notifier import channels
from visapi_pdf_worker import functions

GATEWAY = "gateway"
ORCHESTRATOR = "orchestrator"
PDF_WORKER = "pdf-worker"
NOTIFIER = "notifier"
WORKER = "worker"
WORKER_TENANT = "default"
"""The tenant whose workers, producers and subscribers connect as the user `worker`: the stack's only one."""
SERVICES = (GATEWAY, ORCHESTRATOR, PDF_WORKER, NOTIFIER)
USERS = (*SERVICES, WORKER)

PDF_FUNCTIONS = tuple(functions.declared())
NOTIFIER_FUNCTIONS = tuple(channels.declared())
BUILTIN_FUNCTIONS = (*PDF_FUNCTIONS, *NOTIFIER_FUNCTIONS)

_STREAMS = (
    subjects.STREAM_ENGINE,
    subjects.STREAM_TASKS,
    subjects.STREAM_EVENTS,
    subjects.STREAM_DLQ,
    subjects.STREAM_LIFECYCLE,
)
_CONSUMED = (subjects.STREAM_ENGINE, subjects.STREAM_EVENTS)
_PURGED = (subjects.STREAM_ENGINE, subjects.STREAM_TASKS, subjects.STREAM_EVENTS)
_ENGINE = "visapi.engine.*"


class Rights(msgspec.Struct, frozen=True):
    """Subjects (wildcards allowed). A denial beats a permission. `responds`: may answer a request
    once, on the inbox the request names.
    """

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    deny_publish: tuple[str, ...] = ()
    deny_subscribe: tuple[str, ...] = ()
    responds: bool = False


def rights_of(user: str) -> Rights:
    """The rights of one of `USERS`."""
    match user:
        case "gateway":
            return _gateway()
        case "orchestrator":
            return _orchestrator()
        case "pdf-worker":
            return _builtin_worker(PDF_WORKER, PDF_FUNCTIONS)
        case "notifier":
            return _notifier()
        case "worker":
            return _own_workers()
        case _:
            raise KeyError(f"no rights are defined for the NATS user {user!r}")


def _gateway() -> Rights:
    return Rights(
        publish=(
            f"{_ENGINE}.trigger",
            f"{_ENGINE}.inbox",
            subjects.CONTROL_KEYS,
            subjects.CONTROL_EVENTS,
            subjects.CONTROL_REPLAYS,
            subjects.CONTROL_ACCOUNTS,
        ),
        subscribe=(subjects.live_all(), subjects.CONTROL_KEYS, _inbox(GATEWAY)),
    )


def _orchestrator() -> Rights:
    topology = [
        f"$JS.API.STREAM.{verb}.{name}"
        for name in _STREAMS
        for verb in ("INFO", "CREATE", "UPDATE", "MSG.GET")
    ]
    purges = [f"$JS.API.STREAM.PURGE.{name}" for name in _PURGED]
    consumers = [
        f"$JS.API.CONSUMER.{verb}.{name}.{rest}"
        for name in _STREAMS
        for verb, rest in (("INFO", "*"), ("CREATE", ">"), ("DELETE", "*"))
    ]
    looks = [f"$JS.API.STREAM.MSG.GET.{subjects.STREAM_TASKS}"]
    pulls = [f"$JS.API.CONSUMER.MSG.NEXT.{name}.*" for name in _CONSUMED]
    acks = [f"$JS.ACK.{name}.>" for name in _CONSUMED]
    own = [
        subjects.TASKS_ALL,
        subjects.live_all(),
        subjects.DLQ_ALL,
        subjects.LIFECYCLE_ALL,
        subjects.CONTROL_CANCELLED,
    ]
    families = [f"{_ENGINE}.trigger", f"{_ENGINE}.inbox", subjects.EVENTS_ALL]
    return Rights(
        publish=(*own, *families, *topology, *purges, *consumers, *looks, *pulls, *acks),
        subscribe=(
            subjects.CONTROL_REGISTER_ALL,
            subjects.CONTROL_CLAIM_ALL,
            subjects.CONTROL_TEMPLATES,
            subjects.CONTROL_SLOTS,
            subjects.CONTROL_EVENTS,
            subjects.CONTROL_REPLAYS,
            _inbox(ORCHESTRATOR),
        ),
        responds=True,
    )


def _notifier() -> Rights:
    """A built-in worker that also answers the gateway about accounts."""
    worker = _builtin_worker(NOTIFIER, NOTIFIER_FUNCTIONS)
    return msgspec.structs.replace(
        worker, subscribe=(subjects.CONTROL_ACCOUNTS, *worker.subscribe), responds=True
    )


def _builtin_worker(user: str, functions: tuple[str, ...]) -> Rights:
    consumers = [subjects.task_consumer(subjects.BUILTIN, function) for function in functions]
    stream = subjects.STREAM_TASKS
    return Rights(
        publish=(
            *_answers(user, subjects.BUILTIN),
            subjects.CONTROL_SLOTS,
            subjects.CONTROL_TEMPLATES,
            *(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}" for consumer in consumers),
            *(f"$JS.ACK.{stream}.{consumer}.>" for consumer in consumers),
        ),
        subscribe=(subjects.CONTROL_CANCELLED, _inbox(user)),
    )


def _own_workers() -> Rights:
    """Workers, event producers and subscribers of the stack's one tenant, whose clients name their inboxes as
    they please. They may use every consumer but those of the built-in workers, because a wildcard replaces a
    whole token and `fn-<tenant>-<function>` is one.
    """
    stream = subjects.STREAM_TASKS
    lifecycle = f"{subjects.STREAM_LIFECYCLE}.{subjects.CONSUMER_LIFECYCLE}"
    builtin = [subjects.task_consumer(subjects.BUILTIN, name) for name in BUILTIN_FUNCTIONS]
    return Rights(
        publish=(
            *_answers(WORKER, WORKER_TENANT),
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
            f"$JS.ACK.{stream}.*.>",
            f"$JS.API.CONSUMER.MSG.NEXT.{lifecycle}",
            f"$JS.ACK.{lifecycle}.>",
            subjects.event(WORKER_TENANT, ">"),
        ),
        subscribe=(
            subjects.event(WORKER_TENANT, ">"),
            subjects.lifecycle(WORKER_TENANT, ">"),
            _inbox(WORKER),
            "_INBOX.*",
            "_INBOX.*.*",
        ),
        deny_subscribe=tuple(_inbox(user) for user in USERS if user != WORKER),
        deny_publish=(
            *(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}" for consumer in builtin),
            *(f"$JS.ACK.{stream}.{consumer}.>" for consumer in builtin),
        ),
    )


def worker_user(tenant: str) -> str:
    """The user of one tenant's workers on a server that tenants share."""
    return f"{WORKER}-{tenant}"


def tenant_rights(tenant: str, functions: tuple[str, ...]) -> Rights:
    """Workers, event producers and subscribers of one tenant among others. The consumer of each function is
    named, because a consumer's name is one token, and a wildcard in its place would give access to the tasks
    of all tenants.
    """
    user = worker_user(tenant)
    consumers = [subjects.task_consumer(tenant, function) for function in functions]
    stream = subjects.STREAM_TASKS
    return Rights(
        publish=(
            *(_answers(user, tenant) if functions else ()),
            *(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}" for consumer in consumers),
            *(f"$JS.ACK.{stream}.{consumer}.>" for consumer in consumers),
            subjects.event(tenant, ">"),
        ),
        subscribe=(
            subjects.event(tenant, ">"),
            subjects.lifecycle(tenant, ">"),
            _inbox(user),
        ),
    )


def _answers(user: str, owner: str) -> tuple[str, ...]:
    """What a worker may publish. It announces functions and claims tasks of its owner only; a result or
    heartbeat is accepted by the token of its task, which only the task's worker was given.
    """
    return (
        f"{_ENGINE}.result",
        f"{_ENGINE}.heartbeat",
        subjects.register(owner),
        subjects.claim(owner),
        subjects.dead_letter(user, ">"),
    )


def _inbox(user: str) -> str:
    return f"_INBOX.{user}.>"
