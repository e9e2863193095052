"""The texts of the API's description about tags and headers."""

from typing import Any

from visapi_gateway.kernel.api.rate_headers import POLICY, STATE

ANSWER_HEADERS = {
    "Location": "The URL of the resource.",
    "ETag": "Changes whenever the resource changes.",
    "Preference-Applied": "The `wait` that was honoured.",
    "Idempotent-Replayed": "`true` when an earlier request with this key was carried out; the answer shows "
    "what it made, as that is now.",
    "Deprecation": "Since when the operation is deprecated (RFC 9745).",
    "Sunset": "From when the operation may no longer answer (RFC 8594).",
    "Link": "A page about the deprecation.",
    "Accept-Ranges": "`bytes`: a part can be read with `Range`.",
    "Content-Range": "Which bytes of how many the part has.",
    "Content-Disposition": "Whether a browser shows or saves the file.",
}
TAGS = {
    "accounts": "Sealed credentials of providers, such as a tenant's own mail relay, in versions.",
    "approvals": "Questions of workflows to people, and their decisions.",
    "artifacts": "Files that runs made, such as PDFs.",
    "audit": "Who changed what, and when.",
    "dead letters": "Work that VisAPI has given up or cannot judge: read, edit, resolve, replay.",
    "endpoints": "URLs that receive webhooks about runs, tasks and events.",
    "events": "CloudEvents that start runs or continue them.",
    "hooks": "Addresses that receive webhooks of providers such as GitHub and Stripe.",
    "keys": "API keys: scopes, limits, rotation, revocation.",
    "rates": "How many requests a key and a tenant may send.",
    "retention": "How long runs are kept after their end.",
    "runs": "Start, read, follow and command runs.",
    "schedules": "Runs at given times.",
    "secrets": "Values that workflows use and nobody reads.",
    "system": "Health, capabilities and documentation.",
    "templates": "Sources of PDFs and mails, in versions and locales.",
    "tenants": "Customers of the installation: create, suspend, export, erase.",
    "usage": "Runs, tasks and bytes by tenant, day and workflow.",
    "workflows": "Definitions: validate, simulate, deploy, read.",
}
"""What the operations of each tag are about."""
IF_MATCH = {
    "optional": "An ETag from an earlier response: nothing is done where the resource has changed since.",
    "required": "The ETag of the resource as it was read, or `*`.",
}
SHARED_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {"description": "The id of the request in logs.", "schema": {"type": "string"}},
    POLICY: {
        "description": "The rates that apply to the key, and the quotas where the operation starts runs: `q` "
        "requests (or `qu`) in a window of `w` seconds (draft-ietf-httpapi-ratelimit-headers).",
        "schema": {"type": "string"},
        "example": '"key";q=1000;w=5, "tenant";q=2000;w=4, "tenant-day";q=50000;w=86400;qu="runs"',
    },
    STATE: {
        "description": "What remains of each (`r`), and the seconds until all of it does (`t`). In a "
        "refusal: the exceeded ones alone, and the seconds until one more is admitted.",
        "schema": {"type": "string"},
        "example": '"key";r=998;t=1, "tenant";r=1987;t=1, "tenant-day";r=48211;t=40000',
    },
    "Access-Control-Allow-Origin": {
        "description": "The origin of the page that asks, where the operator admits that origin "
        "(`VISAPI_CORS_ORIGINS`).",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}
