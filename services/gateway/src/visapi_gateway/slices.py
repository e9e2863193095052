"""The slices of the gateway, in the order of the documentation. A new slice is a folder and a line here."""

from visapi_gateway.accounts.slice import SLICE as ACCOUNTS
from visapi_gateway.approvals.slice import SLICE as APPROVALS
from visapi_gateway.artifacts.slice import SLICE as ARTIFACTS
from visapi_gateway.audit.slice import SLICE as AUDIT
from visapi_gateway.dead_letters.replays.slice import SLICE as REPLAYS
from visapi_gateway.dead_letters.slice import SLICE as DEAD_LETTERS
from visapi_gateway.endpoints.managing.slice import SLICE as ENDPOINTS
from visapi_gateway.endpoints.messages.slice import SLICE as ENDPOINT_MESSAGES
from visapi_gateway.events.slice import SLICE as EVENTS
from visapi_gateway.flow_limits.slice import SLICE as FLOW_LIMITS
from visapi_gateway.hooks.deliveries.slice import SLICE as HOOK_DELIVERIES
from visapi_gateway.hooks.managing.slice import SLICE as HOOKS
from visapi_gateway.hooks.receiving.slice import SLICE as RECEIVING
from visapi_gateway.kernel.api.operation import Operation
from visapi_gateway.keys.slice import SLICE as KEYS
from visapi_gateway.rates.slice import SLICE as RATES
from visapi_gateway.retention.slice import SLICE as RETENTION
from visapi_gateway.runs.bulk.slice import SLICE as BULK
from visapi_gateway.runs.changes.slice import SLICE as CHANGES
from visapi_gateway.runs.commands.slice import SLICE as COMMANDS
from visapi_gateway.runs.reading.slice import SLICE as READING
from visapi_gateway.runs.starting.slice import SLICE as STARTING
from visapi_gateway.schedules.slice import SLICE as SCHEDULES
from visapi_gateway.secrets.slice import SLICE as SECRETS
from visapi_gateway.system.slice import SLICE as SYSTEM
from visapi_gateway.templates.slice import SLICE as TEMPLATES
from visapi_gateway.tenants.slice import SLICE as TENANTS
from visapi_gateway.usage.slice import SLICE as USAGE
from visapi_gateway.workflows.slice import SLICE as WORKFLOWS

SLICES = (
    WORKFLOWS,
    STARTING,
    CHANGES,
    READING,
    COMMANDS,
    BULK,
    EVENTS,
    HOOKS,
    RECEIVING,
    HOOK_DELIVERIES,
    ENDPOINTS,
    ENDPOINT_MESSAGES,
    SCHEDULES,
    ARTIFACTS,
    TEMPLATES,
    APPROVALS,
    DEAD_LETTERS,
    REPLAYS,
    FLOW_LIMITS,
    RETENTION,
    SECRETS,
    ACCOUNTS,
    KEYS,
    RATES,
    TENANTS,
    USAGE,
    AUDIT,
    SYSTEM,
)


def operations() -> list[Operation]:
    """All operations, in the order of the documentation."""
    return [operation for each in SLICES for operation in each.operations()]
