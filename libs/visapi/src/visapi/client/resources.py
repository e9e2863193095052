"""The operations by resource: `client.runs.start(…)`. Each is one function that makes a `Call`.

A blocking client answers with the value, an asynchronous one with an awaitable of it; a list is an iterator
over the items of all pages. The types follow from the functions, so both clients have the same operations.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from visapi.client import (
    contents,
    endpoint_operations,
    event_operations,
    hook_operations,
    key_operations,
    operations,
    schedule_operations,
    secret_operations,
    workflow_operations,
)
from visapi.client.call import Call

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
C_co = TypeVar("C_co", covariant=True)


class Page(Protocol[T_co]):
    """A part of a list; `next` is the cursor of the part after it."""

    @property
    def items(self) -> Sequence[T_co]: ...

    @property
    def next(self) -> str | None: ...


class Blocking(Protocol):
    """What a blocking client offers to resources."""

    def send(self, call: Call[T]) -> T: ...

    def each(self, page_at: Callable[[str | None], Call[Page[T]]]) -> Iterator[T]: ...


class Asynchronous(Protocol):
    """What an asynchronous client offers to resources."""

    def send(self, call: Call[T]) -> Coroutine[Any, Any, T]: ...

    def each(self, page_at: Callable[[str | None], Call[Page[T]]]) -> AsyncIterator[T]: ...


class Resource(Generic[C_co]):
    """The operations of one resource, for one client."""

    def __init__(self, client: C_co) -> None:
        self.client = client


class Operation(Generic[P, T]):
    """One request."""

    def __init__(self, make: Callable[P, Call[T]]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: Resource[Blocking], kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Resource[Asynchronous], kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, owner: Resource[Any], kind: type) -> Any:
        def sent(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.client.send(self.make(*args, **kwargs))

        sent.__doc__ = self.__doc__
        return sent


class Listing(Generic[P, T]):
    """A list: requests for one page after the other, as the items are asked for."""

    def __init__(self, make: Callable[P, Call[Page[T]]]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: Resource[Blocking], kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Resource[Asynchronous], kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Resource[Any], kind: type) -> Any:
        make: Any = self.make

        def listed(*args: P.args, **kwargs: P.kwargs) -> Any:
            def page_at(cursor: str | None) -> Call[Page[T]]:
                return (
                    make(*args, **kwargs) if cursor is None else make(*args, **{**kwargs, "cursor": cursor})
                )

            return owner.client.each(page_at)

        listed.__doc__ = self.__doc__
        return listed


class Workflows(Resource[C_co]):
    deploy = Operation(operations.deploy)
    list = Listing(workflow_operations.list_workflows)
    versions = Listing(workflow_operations.list_versions)
    get = Operation(workflow_operations.get_workflow)
    source = Operation(contents.get_source)


class Runs(Resource[C_co]):
    start = Operation(workflow_operations.start)
    get = Operation(operations.get_run)
    list = Listing(workflow_operations.list_runs)
    history = Listing(operations.get_history)
    cancel = Operation(operations.cancel_run)
    suspend = Operation(operations.suspend_run)
    resume = Operation(operations.resume_run)
    retry = Operation(operations.retry_run)
    rerun = Operation(operations.rerun_run)
    count = Operation(operations.count_bulk)
    step = Operation(operations.step_bulk)


class Events(Resource[C_co]):
    send = Operation(event_operations.send_events)


class Schedules(Resource[C_co]):
    list = Listing(schedule_operations.list_schedules)
    get = Operation(schedule_operations.get_schedule)
    pause = Operation(schedule_operations.pause_schedule)
    resume = Operation(schedule_operations.resume_schedule)
    trigger = Operation(schedule_operations.trigger_schedule)
    backfill = Operation(schedule_operations.backfill_schedule)


class Secrets(Resource[C_co]):
    list = Listing(secret_operations.list_secrets)
    get = Operation(secret_operations.get_secret)
    put = Operation(secret_operations.put_secret)
    remove = Operation(secret_operations.remove_secret)


class Keys(Resource[C_co]):
    current = Operation(key_operations.current_key)
    list = Listing(key_operations.list_keys)
    get = Operation(key_operations.read_key)
    create = Operation(key_operations.create_key)
    rotate = Operation(key_operations.rotate_key)
    disable = Operation(key_operations.disable_key)
    enable = Operation(key_operations.enable_key)
    revoke = Operation(key_operations.revoke_key)


class Endpoints(Resource[C_co]):
    list = Listing(endpoint_operations.list_endpoints)
    create = Operation(endpoint_operations.make_endpoint)
    get = Operation(endpoint_operations.get_endpoint)
    update = Operation(endpoint_operations.update_endpoint)
    rotate = Operation(endpoint_operations.rotate_endpoint)
    remove = Operation(endpoint_operations.remove_endpoint)
    ping = Operation(endpoint_operations.ping_endpoint)
    messages = Listing(endpoint_operations.list_messages)
    message = Operation(endpoint_operations.get_message)
    replay = Operation(endpoint_operations.replay_message)


class Hooks(Resource[C_co]):
    list = Listing(hook_operations.list_hooks)
    create = Operation(hook_operations.make_hook)
    get = Operation(hook_operations.get_hook)
    update = Operation(hook_operations.update_hook)
    rotate = Operation(hook_operations.rotate_hook)
    remove = Operation(hook_operations.remove_hook)
    deliveries = Listing(hook_operations.list_deliveries)
    delivery = Operation(hook_operations.get_delivery)
    replay = Operation(hook_operations.replay_delivery)
    refusals = Operation(hook_operations.get_refusals)


class DeadLetters(Resource[C_co]):
    list = Listing(operations.list_dead_letters)
    get = Operation(operations.get_dead_letter)
    resolve = Operation(operations.resolve_dead_letter)
    replay = Operation(operations.replay_dead_letter)


class Approvals(Resource[C_co]):
    list = Listing(operations.list_approvals)
    decide = Operation(operations.decide_approval)


class Resources(Generic[C_co]):
    """The resources of a client, which is a subclass of this."""

    def __init__(self, client: C_co) -> None:
        self.workflows = Workflows(client)
        self.runs = Runs(client)
        self.events = Events(client)
        self.schedules = Schedules(client)
        self.secrets = Secrets(client)
        self.keys = Keys(client)
        self.endpoints = Endpoints(client)
        self.hooks = Hooks(client)
        self.dead_letters = DeadLetters(client)
        self.approvals = Approvals(client)
