"""The orchestrator's settings: `VISAPI_<FIELD>` (see `visapi_common.runtime.settings`)."""

from typing import Annotated, Literal

import msgspec

from visapi_common.runtime.settings import CommonSettings, Secret, SecretBytes


class OrchestratorSettings(CommonSettings, frozen=True, kw_only=True):
    """The settings of the orchestrator."""

    postgres_url: Secret
    """Connects as the role `visapi_orchestrator`."""
    nats_url: Secret
    """Connects as the NATS user `orchestrator`."""
    artifacts_url: str
    """Where payloads above 64 KiB lie: `file:///directory` or `s3://bucket/prefix`."""
    effect_secret: SecretBytes
    """Keys effect keys and task tokens (hex). Changing it makes open tasks' results unbelievable and
    repeats effects: never change it while runs are open."""
    handle_secret: SecretBytes
    """Signs the handles that stand for secrets in a running workflow (hex); the notifier has the same."""
    engine_processes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """One runs while another is replaced; more help only with more cores."""
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
    family_depth_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 32
    """How deep runs may be nested: by `run: workflow`, by maps, or through events that start workflows."""
    family_open_max: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """How many runs that descend from one run may be open at a time."""
    tenant_open_runs_max: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
    """How many runs of one tenant may be open at a time. Every few seconds they are counted; what is accepted
    in between may pass the bound."""
    history_items_max: Annotated[int, msgspec.Meta(ge=100)] = 50_000
    """How many items the history of one run may have; a run that passes the bound faults."""
    record_inputs: bool = False
    """Keep what each transition was given, to prove that replaying it gives the state (tests)."""
