"""Examples of the bodies of requests, by operation, in the API's description."""

from typing import Any

_DEFINITION: dict[str, Any] = {
    "document": {"dsl": "1.0.3", "namespace": "orders", "name": "confirm", "version": "1.0.0"},
    "do": [{"greet": {"set": {"text": '${ "Hello " + .name }'}}}],
}
_YAML = """\
document: {dsl: '1.0.3', namespace: orders, name: confirm, version: '1.0.0'}
do:
  - greet:
      set: {text: '${ "Hello " + .name }'}
"""
_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "order-42-paid",
    "source": "/shop",
    "type": "com.example.order.paid",
    "data": {"order": 42, "total": 99.5},
}
_FILTER: dict[str, Any] = {"workflow": "orders/confirm", "status": ["faulted"]}
_REASON = {"reason": "The supplier's API was down."}
REQUESTS: dict[str, Any] = {
    "deployWorkflow": _DEFINITION,
    "simulateWorkflow": {"workflow": _DEFINITION, "input": {"name": "Ada"}},
    "startRun": {"order": 42, "name": "Ada"},
    "rerunRun": _REASON,
    "retryRun": {"input": {"order": 42}, **_REASON},
    "cancelRun": _REASON,
    "suspendRun": _REASON,
    "resumeRun": _REASON,
    "countBulk": {"action": "retry", "filter": _FILTER},
    "stepBulk": {"action": "retry", "filter": _FILTER, "token": "AbC…", **_REASON},
    "postEvents": _EVENT,
    "makeHook": {"name": "pushes", "provider": "github"},
    "updateHook": {"enabled": False},
    "rotateHookSecret": {"overlap_s": 3600},
    "receiveWebhook": {"action": "opened", "number": 7},
    "replayHookDelivery": _REASON,
    "makeEndpoint": {
        "name": "crm",
        "url": "https://crm.example.com/visapi",
        "types": ["run.completed", "run.faulted"],
    },
    "updateEndpoint": {"types": ["run.*"]},
    "rotateEndpointSecret": {"overlap_s": 3600},
    "replayEndpointMessage": _REASON,
    "backfillSchedule": {"from": "2026-01-05T00:00:00Z", "to": "2026-01-06T00:00:00Z", "dry_run": True},
    "linkArtifact": {"expires_in_s": 3600},
    "putTemplate": {
        "kind": "email",
        "locales": {"en": {"subject": "Order {{ order }}", "text": "Hello {{ name }}, we have your order."}},
        "test_data": {"order": 42, "name": "Ada"},
    },
    "previewTemplate": {"locale": "en", "data": {"order": 43, "name": "Grace"}},
    "decideApproval": {"decision": "approve", "comment": "Within the budget."},
    "submitApprovalPage": "decision=approve&comment=Within+the+budget.",
    "resolveDeadLetter": {
        "decision": "happened",
        "output": {"sent": True},
        "reason": "The provider's log has it.",
    },
    "replayDeadLetter": _REASON,
    "editDeadLetter": {"event": _EVENT, "reason": "The total was missing."},
    "countReplay": {"filter": {"kind": "event"}},
    "startReplay": {"filter": {"kind": "event"}, "rate_per_s": 10, **_REASON},
    "abortReplay": _REASON,
    "setRetention": {"days": 90, "reason": "The contract says so."},
    "putSecret": {"value": "a-token-of-a-provider", "hosts": ["api.example.com"]},
    "putAccount": {
        "kind": "smtp",
        "settings": {"host": "mail.example.com", "from": "Orders <orders@example.com>"},
        "credentials": {"username": "orders", "password": "a-long-password"},
    },
    "rotateAccount": {
        "credentials": {"username": "orders", "password": "another-password"},
        "overlap_s": 86400,
    },
    "rollBackAccount": {"version": 1},
    "makeKey": {"name": "ci", "role": "developer", "expires_at": "2027-01-01T00:00:00Z"},
    "reportLeakedKey": {"key": "visapi_live_…", "found_at": "https://example.com/paste/1"},
    "changeKey": {"workflows": ["orders/*"]},
    "disableKey": {"reason": "The partner's contract has ended."},
    "rotateKey": {"overlap_s": 86400},
    "setRate": {"per_s": 100, "burst": 200, "keys": ["k_2Zc9"], "runs_per_day": 50000},
    "setRateOfKey": {"per_s": 50, "runs_per_month": 100000},
    "makeTenant": {"id": "acme", "key_name": "first key"},
    "suspendTenant": {"reason": "The invoice is overdue."},
    "resumeTenant": {"reason": "The invoice is paid."},
    "eraseTenant": {"tenant": "acme", "reason": "The contract has ended."},
}
"""The body of a request, by the name of its operation."""
_OTHER_TYPES: dict[str, Any] = {
    "application/yaml": _YAML,
    "application/cloudevents-batch+json": [_EVENT],
    "application/x-www-form-urlencoded": "action=opened&number=7",
    "text/plain": "opened",
    "application/octet-stream": "opened",
}
"""Bodies of media types that do not take the example of their operation."""


def request_example(operation: str, media_type: str) -> Any:
    """The body of a request of this type."""
    written = REQUESTS[operation]
    return written if isinstance(written, str) else _OTHER_TYPES.get(media_type, written)
