"""The orchestrator's settings: `VISAPI_<FIELD>` (see `visapi_common.runtime.settings`)."""

from typing import Annotated, Literal

import msgspec

from visapi_common.adapters.topology import StreamChoices
from visapi_common.contracts import subjects
from visapi_common.runtime.connections import LedgerSettings
from visapi_common.runtime.settings import Keys, StreamReplicas

StreamBytes = Annotated[int, msgspec.Meta(ge=1024 * 1024)]


class OrchestratorSettings(LedgerSettings, frozen=True, kw_only=True):
    """The settings of the orchestrator."""

    artifacts_url: str
    """Where payloads above 64 KiB lie: `file:///directory` or `s3://bucket/prefix`."""
    effect_secret: Keys
    """The keys of the hashes in effect keys and task tokens (hex). A run keeps to the key of the time when it
    was accepted: add a key with a time, and keep the old one until the runs before it have ended.
    """
    handle_secret: Keys
    """Sign the handles that stand for secrets in a running workflow (hex), by run in the same way; the
    notifier has the same.
    """
    engine_processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """The number of engine processes. One works while another is replaced; more help only with more cores."""
    lanes: Annotated[int, msgspec.Meta(ge=1, le=32)] = 3
    """Batches under way at once: one in an engine process, one in PostgreSQL, one between them."""
    batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 128
    """Runs per transaction; 64 already reach 92 % of the rate of 256."""
    lifecycle_events: Literal["all", "workflow", "none"] = "workflow"
    """Which of the specification's lifecycle events are published and heard by workflows that listen for
    them: of workflows and tasks, of workflows, or none."""
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] = 30
    """How long ended runs are kept, with their history, in namespaces without a policy of their own."""
    ended_keys_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] = 90
    """How long API keys are kept after they were revoked or expired. What they did stays in the audit."""
    usage_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] = 400
    """How long is known what tenants used, by day and workflow."""
    hook_deliveries_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long the deliveries of hooks are remembered, with their events: so long a repeated delivery is
    known, and can be replayed."""
    endpoint_messages_days: Annotated[int, msgspec.Meta(ge=4, le=365)] = 7
    """How long webhooks to endpoints are kept, with their attempts: so long one can be sent again."""
    endpoint_pending_max: Annotated[int, msgspec.Meta(ge=1_000, le=10_000_000)] = 100_000
    """How many webhooks may wait for one endpoint; beyond them the endpoint is disabled."""
    family_depth_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32
    """How deep runs may be nested: by `run: workflow`, by maps, or through events that start workflows."""
    family_open_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """How many runs that descend from one run may be open at a time."""
    tenant_open_runs_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    """How many runs of one tenant may be open at a time. Every few seconds they are counted; what is accepted
    in between may pass the bound."""
    history_items_max: Annotated[int, msgspec.Meta(ge=100)] = 50_000
    """How many items the history of one run may have; a run that passes the bound faults."""
    schedule_correlations_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """For how many correlations one schedule `on` several events may collect events at a time. An event that
    would begin one more becomes a dead letter."""
    schedule_correlation_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long the events of a correlation wait for the others; then they become dead letters."""
    postgres_connections: Annotated[int, msgspec.Meta(ge=4, le=100)] | None = None
    """Size of the connection pool; unset: five more than `VISAPI_LANES`."""
    stream_replicas: StreamReplicas | None = None
    """How many NATS servers hold each stream: 1, or 3 in a cluster. Unset: 1 for a stream that is made, and
    what an operator changes stays."""
    stream_engine_bytes: StreamBytes | None = None
    """Most bytes of `ENGINE`, in memory; beyond them work waits in PostgreSQL. Unset: 96 MiB at first, and
    what an operator changes stays; so for the other streams."""
    stream_tasks_bytes: StreamBytes | None = None
    """Most bytes of `TASKS`, in memory. Unset: 96 MiB."""
    stream_events_bytes: StreamBytes | None = None
    """Most bytes of `EVENTS`, in files; beyond them producers are refused. Unset: 512 MiB."""
    stream_dlq_bytes: StreamBytes | None = None
    """Most bytes of `DLQ`, in files; beyond them the oldest messages are dropped. Unset: 64 MiB."""
    stream_lifecycle_bytes: StreamBytes | None = None
    """Most bytes of `LIFECYCLE`, in memory; beyond them the oldest messages are dropped. Unset: 48 MiB."""
    record_inputs: bool = False
    """Keep what each transition was given, to prove that replaying it gives the state (tests)."""

    @property
    def streams(self) -> StreamChoices:
        """What was chosen of the streams; the rest is left to the operator of NATS."""
        sizes = {
            subjects.STREAM_ENGINE: self.stream_engine_bytes,
            subjects.STREAM_TASKS: self.stream_tasks_bytes,
            subjects.STREAM_EVENTS: self.stream_events_bytes,
            subjects.STREAM_DLQ: self.stream_dlq_bytes,
            subjects.STREAM_LIFECYCLE: self.stream_lifecycle_bytes,
        }
        return StreamChoices(self.stream_replicas, {name: size for name, size in sizes.items() if size})
