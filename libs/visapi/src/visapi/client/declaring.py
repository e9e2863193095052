"""How one function that makes a `Call` becomes a method of both clients.

A blocking client answers with the value, an asynchronous one with an awaitable of it; a list is an iterator
over the items of all pages. The types follow from the function.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

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

    def lines(self, call: Call[None]) -> Iterator[bytes]: ...


class Asynchronous(Protocol):
    """What an asynchronous client offers to resources."""

    def send(self, call: Call[T]) -> Coroutine[Any, Any, T]: ...

    def each(self, page_at: Callable[[str | None], Call[Page[T]]]) -> AsyncIterator[T]: ...

    def lines(self, call: Call[None]) -> AsyncIterator[bytes]: ...


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


class Lines(Generic[P]):
    """An answer of any length, as lines that are read as they come."""

    def __init__(self, make: Callable[P, Call[None]]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, owner: Resource[Blocking], kind: type) -> Callable[P, Iterator[bytes]]: ...
    @overload
    def __get__(self, owner: Resource[Asynchronous], kind: type) -> Callable[P, AsyncIterator[bytes]]: ...
    def __get__(self, owner: Resource[Any], kind: type) -> Any:
        def read(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.client.lines(self.make(*args, **kwargs))

        read.__doc__ = self.__doc__
        return read
