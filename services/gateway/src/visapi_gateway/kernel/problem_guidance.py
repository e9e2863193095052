"""What a caller can do about each problem, for the pages of problems and the documentation."""

from visapi_gateway.kernel.problems import KINDS

_REFUSED = "Nothing was done. Change the request as `detail` says; the same request gets the same answer."
_GONE = (
    "Nothing was done. Check the id and the tenant of the key: what other tenants have is not found either."
)
_WAIT = "Nothing was done. Send the same request again after the seconds in `Retry-After`."

_OF_STATUS = {
    404: _GONE,
    409: "Nothing was done, because the resource is in another state. Read the resource, then decide.",
    429: _WAIT,
    500: "It is not known whether the request was carried out. Give the operator the `request_id`.",
    503: _WAIT,
}

_OF_CODE = {
    "invalid_json": (
        "Nothing was done. Send one JSON value in UTF-8, without duplicate names, NUL or numbers beyond a"
        " double, at most 64 levels deep."
    ),
    "invalid_body": ("Nothing was done. `errors` names each wrong field with a JSON pointer into the body."),
    "invalid_query": (
        "Nothing was done. Unknown and repeated parameters are refused; `/docs` lists those of the operation."
    ),
    "invalid_header": ("Nothing was done. `detail` names the header and its form. Send one credential only."),
    "invalid_cursor": (
        "Read the list from its start: a cursor belongs to one list, its filters and its tenant."
    ),
    "artifact_id_invalid": "Use the id of an artifact as the result of a run gives it.",
    "unauthenticated": (
        "Send a key as `Authorization: Bearer` or `X-API-Key`. A key that is unknown, mistyped or revoked"
        " is refused alike."
    ),
    "key_expired": "Use the successor of the key, or have one made with `POST /v1/keys`.",
    "key_disabled": (
        "Ask who administers the keys of your tenant; `detail` gives the reason. An enabled key works again."
    ),
    "forbidden": "Use a key that has the scope that `detail` names.",
    "address_refused": (
        "Send the request from an address that the key admits, or have the list of the key changed."
    ),
    "tenant_disabled": "Ask the operator of the installation. Runs and data of the tenant are kept.",
    "hook_refused": (
        "Check the secret, the signature and the clock of the sender against the settings of the hook; "
        "`GET /v1/hooks/{hook}/refusals` says why each request was refused."
    ),
    "link_invalid": (
        "Make a new link with `POST /v1/artifacts/{artifact}/links`. A link ends at its time, and when "
        "the secret of links is dropped."
    ),
    "not_found": (
        "No operation has this path. A path is taken as it is written: without a slash at its end, an "
        "empty segment or an encoded slash."
    ),
    "workflow_not_found": (
        "Deploy the workflow with `POST /v1/workflows`, or correct its namespace, name and version."
    ),
    "retention_not_found": ("The namespace has the default of the installation; there is nothing to reset."),
    "method_not_allowed": "Use a method that `Allow` lists.",
    "not_acceptable": "Change `Accept` to a media type that `detail` names.",
    "request_timeout": (
        "The head or the body arrived too slowly, so nothing was done. Send the request again; send large"
        " values as artifacts."
    ),
    "workflow_version_exists": (
        "A version never changes. Deploy the changed definition under a higher version."
    ),
    "idempotency_in_flight": (
        "Wait for the seconds in `Retry-After` and send the same request again: it is answered with the "
        "outcome of the first."
    ),
    "run_not_faulted": (
        "Only a faulted run is retried. Read the run; start another with `POST /v1/runs/{run}/rerun`."
    ),
    "retry_waits": "A retry was accepted and goes on by itself. Follow the history of the run.",
    "run_not_retryable": (
        "Start the run anew with `POST /v1/runs/{run}/rerun`; `detail` says why it cannot go on."
    ),
    "version_not_compatible": (
        "Retry the run with its own version, or with one whose tasks stand where those of the run stand; "
        "`errors` names the differences."
    ),
    "run_ended": "The run has ended, so a command changes nothing. Read its output or its error.",
    "approval_decided": "Read the approval to see who decided, when and how.",
    "approval_over": "The deadline passed or the run ended. Read the run to see how it went on.",
    "dead_letter_resolved": "Read the dead letter to see who resolved it and how.",
    "replay_ended": "Read the replay to see how it ended.",
    "dead_letter_not_editable": (
        "Have the sender send a correct message, then resolve the dead letter; `detail` says why it cannot "
        "be edited."
    ),
    "dead_letter_not_replayable": (
        "Resolve the dead letter instead; `detail` says why it cannot be replayed."
    ),
    "artifact_kept": "The file proves what was cut from the audit, so the API does not remove it.",
    "hook_exists": "Choose another name, or change the existing hook with `PATCH /v1/hooks/{hook}`.",
    "account_kind_differs": "Choose another name, or remove the account and store it again.",
    "endpoint_exists": (
        "Choose another name, or change the existing endpoint with `PATCH /v1/endpoints/{endpoint}`."
    ),
    "tenant_exists": "Choose another id, or read the tenant with `GET /v1/tenants/{tenant}`.",
    "tenant_not_suspended": (
        "Suspend the tenant with `POST /v1/tenants/{tenant}/suspend`, look at what stops, then ask again."
    ),
    "tenant_erased": "An erasure that was asked for is not taken back, and the id is never given again.",
    "tenant_of_key": (
        "Use a key of another tenant: whoever operates VisAPI would lock out the key that the request was "
        "made with."
    ),
    "endpoint_disabled": (
        "Read the endpoint to see why it is disabled, and enable it with `PATCH /v1/endpoints/{endpoint}`."
    ),
    "template_exists": "Store the template under another name; `detail` says to whom this one belongs.",
    "template_invalid": (
        "Nothing was stored. `errors` lists every mistake in sources and assets with its JSON pointer."
    ),
    "template_failed": (
        "`detail` names the part and the line or variable. Send other `data`, or store a corrected version."
    ),
    "quota_exceeded": "Remove what is no longer needed, or ask the operator for a higher limit.",
    "key_ended": "Enable a disabled key first. A revoked or expired one never comes back: make another one.",
    "run_not_kept": (
        "The time for which ended runs are kept has passed. `PUT /v1/retention/{namespace}` changes it "
        "for runs to come."
    ),
    "hook_delivery_not_kept": (
        "Ask the provider to deliver the webhook again; events are kept for a limited time."
    ),
    "precondition_failed": (
        "Somebody changed the resource since you read it. Read it again, apply your change to what you "
        "read, and send it with the new `ETag` in `If-Match`."
    ),
    "payload_too_large": "Send at most 1 MiB. Store larger values elsewhere and send their addresses.",
    "precondition_required": (
        "Read the resource and send its `ETag` in `If-Match`, so that no change of others is lost; "
        "`If-Match: *` overwrites whatever is there."
    ),
    "range_not_satisfiable": "Ask for bytes within the length that `Content-Range` gives.",
    "unsupported_media_type": (
        "Send the media type that `detail` names, in UTF-8 and without `Content-Encoding`."
    ),
    "idempotency_conflict": ("Use a new `Idempotency-Key` for another request. The earlier request stands."),
    "definition_invalid": (
        "`errors` lists every mistake with its JSON pointer, line and column. Correct them and deploy again."
    ),
    "input_invalid": (
        "No run was started. `errors` lists where the input differs from the schema of the workflow."
    ),
    "simulation_ended": (
        "The simulation used up its time or memory. Simulate a smaller input, or fewer iterations."
    ),
    "rate_limited": (
        "Nothing was done. Wait for the seconds in `Retry-After`; `RateLimit` names what is used up."
    ),
    "run_quota_exceeded": (
        "No run was started. `RateLimit` says when the quota of the day or month begins anew."
    ),
    "too_many_open": (
        "Nothing was done. Close streams that nobody reads, send fewer requests at once, and try again "
        "after the seconds in `Retry-After`."
    ),
    "too_many_open_runs": "No run was started. Wait until runs have ended, or cancel some.",
    "headers_too_large": "Send at most 100 headers of 32 KiB together.",
    "uri_too_long": "Send a path and a query of at most 4,096 bytes each.",
    "outcome_unknown": (
        "Send the same request again with the same `Idempotency-Key`: it is carried out at most once, and"
        " answered with its outcome. Without a key, read the resource first."
    ),
}


def guidance(code: str) -> str:
    """One paragraph; backticks mark names."""
    return _OF_CODE.get(code) or _OF_STATUS.get(KINDS[code].status, _REFUSED)
