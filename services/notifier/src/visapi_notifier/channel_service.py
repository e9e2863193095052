"""The base class of channels' services, and their dependencies."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.adapters.egress_dial import EgressDialer
from visapi_common.core.clocks import Clock
from visapi_common.core.outbound import Inbound, Outbound
from visapi_common.runtime.bounded_processes import BoundedProcesses, Job
from visapi_common.templates.stored import StoredTemplates
from visapi_notifier.accounts.rules import Probe
from visapi_notifier.accounts.service import Accounts
from visapi_notifier.credentials.authentication import Authenticator
from visapi_notifier.credentials.inputs import Inputs
from visapi_notifier.delivery.deliver import Deliverer
from visapi_notifier.delivery.serving import Handler
from visapi_notifier.settings import NotifierSettings


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Shared by all channels of the process."""

    deliverer: Deliverer
    inputs: Inputs
    accounts: Accounts
    clock: Clock
    authenticator: Authenticator
    exchange: Callable[[Outbound], Awaitable[Inbound]]
    """One HTTP exchange through the egress guard."""
    dialer: EgressDialer
    artifacts: ArtifactStore | None
    """None without a configured artifact store."""
    templates: StoredTemplates | None
    """None without a configured artifact store."""
    programs: BoundedProcesses
    """Processes that run templates and read documents. They never get an opened secret."""
    private: BoundedProcesses
    """Processes that get opened secrets. They never run a tenant's program."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The ways out of the process, both through the egress guard."""

    dialer: EgressDialer
    exchange: Callable[[Outbound], Awaitable[Inbound]]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs of one pool of processes, and the functions that warm the pool up (`module:function`)."""

    jobs: tuple[Job, ...] = ()
    warm_up: tuple[str, ...] = ()


class Service(ABC):
    """Carries out one channel. Raises `ValueError` or `ProblemError` for settings that cannot be used."""

    programs = Jobs()
    """Jobs that the channel runs in `Dependencies.programs`."""
    private = Jobs()
    """Jobs that the channel runs in `Dependencies.private`."""

    def __init__(self, settings: NotifierSettings) -> None:
        self._settings = settings

    @property
    def credentials(self) -> Sequence[str]:
        """The operator's credentials, which are masked in every result."""
        return ()

    @abstractmethod
    def handler(self, dependencies: Dependencies) -> Handler:
        """The handler: reads the input, builds the request, delivers it under its effect key."""

    def probe(self, outside: Outside) -> Probe | None:  # noqa: ARG002 (channels with accounts use it)
        """How credentials of an account of the channel's kind are tried; None for a channel without
        accounts.
        """
        return None

    async def close(self) -> None:  # noqa: B027 (most services have nothing to close)
        """Close the service's connections."""
