"""Every problem the API can answer with: its stable code, its status and its constant title.

The type URI of a problem is `TYPE_BASE` plus its code with dashes; every gateway serves its page at the same
path. `detail` describes the occurrence; the title never changes.
"""

from typing import NamedTuple

from visapi_common.contracts.problems import FieldError
from visapi_common.core.errors import ProblemError

PAGES = "/problems"
TYPE_BASE = f"https://visapi.dev{PAGES}/"


class Kind(NamedTuple):
    status: int
    title: str


KINDS: dict[str, Kind] = {
    # 400: the request cannot be read
    "bad_request": Kind(400, "The request is malformed"),
    "invalid_json": Kind(400, "The body is not valid JSON"),
    "invalid_body": Kind(400, "The body does not have the expected shape"),
    "invalid_query": Kind(400, "The query parameters are wrong"),
    "invalid_header": Kind(400, "A header is wrong"),
    "invalid_cursor": Kind(400, "The cursor is not valid"),
    "artifact_id_invalid": Kind(400, "This is not an artifact id"),
    # 401, 403: authentication and authorization
    "unauthenticated": Kind(401, "An API key is needed"),
    "key_expired": Kind(401, "The API key has ended"),
    "key_disabled": Kind(401, "The API key is disabled"),
    "forbidden": Kind(403, "The API key may not do this"),
    "address_refused": Kind(403, "The API key may not be used from this address"),
    "tenant_disabled": Kind(403, "The tenant is disabled"),
    "hook_refused": Kind(401, "The request is no provider's of a hook"),
    "link_invalid": Kind(403, "The link is not valid or has ended"),
    # 404 to 415: the resource and its representation
    "not_found": Kind(404, "There is nothing here"),
    "workflow_not_found": Kind(404, "There is no such workflow"),
    "run_not_found": Kind(404, "There is no such run"),
    "schedule_not_found": Kind(404, "There is no such schedule"),
    "secret_not_found": Kind(404, "There is no such secret"),
    "account_not_found": Kind(404, "There is no such account"),
    "account_version_not_found": Kind(404, "The account has no such version"),
    "retention_not_found": Kind(404, "The namespace has no policy"),
    "hook_not_found": Kind(404, "There is no such hook"),
    "hook_delivery_not_found": Kind(404, "There is no such delivery"),
    "template_not_found": Kind(404, "There is no such template"),
    "rate_not_found": Kind(404, "There is no such rate"),
    "endpoint_not_found": Kind(404, "There is no such endpoint"),
    "message_not_found": Kind(404, "There is no such message"),
    "tenant_not_found": Kind(404, "There is no such tenant"),
    "key_not_found": Kind(404, "There is no such key"),
    "approval_not_found": Kind(404, "There is no such approval"),
    "replay_not_found": Kind(404, "There is no such replay"),
    "dead_letter_not_found": Kind(404, "There is no such dead letter"),
    "artifact_not_found": Kind(404, "There is no such artifact"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "not_acceptable": Kind(406, "None of the accepted media types is served here"),
    "request_timeout": Kind(408, "The request took too long to arrive"),
    "workflow_version_exists": Kind(409, "The version exists with other content"),
    "idempotency_in_flight": Kind(409, "A request with this Idempotency-Key is being carried out"),
    "run_not_faulted": Kind(409, "The run has not faulted"),
    "retry_waits": Kind(409, "Another retry of the run waits"),
    "run_not_retryable": Kind(409, "The run cannot be taken up again"),
    "version_not_compatible": Kind(409, "The run cannot go on with this version"),
    "run_ended": Kind(409, "The run has ended"),
    "approval_decided": Kind(409, "Somebody decided before"),
    "approval_over": Kind(409, "Nobody can decide this any more"),
    "dead_letter_resolved": Kind(409, "The dead letter was resolved before"),
    "replay_ended": Kind(409, "The replay has ended"),
    "dead_letter_not_editable": Kind(409, "The dead letter cannot be edited"),
    "dead_letter_not_replayable": Kind(409, "The dead letter cannot be replayed"),
    "artifact_kept": Kind(409, "The artifact is kept"),
    "account_kind_differs": Kind(409, "The account is of another kind"),
    "endpoint_exists": Kind(409, "Another endpoint has the name"),
    "endpoint_disabled": Kind(409, "The endpoint is disabled"),
    "tenant_exists": Kind(409, "The tenant exists"),
    "tenant_not_suspended": Kind(409, "The tenant is not suspended"),
    "tenant_erased": Kind(409, "The tenant is erased"),
    "tenant_of_key": Kind(409, "The tenant is that of the API key"),
    "hook_exists": Kind(409, "Another hook has the name"),
    "template_exists": Kind(409, "The name belongs to another template"),
    "quota_exceeded": Kind(409, "The tenant has as many of these as it may have"),
    "key_ended": Kind(409, "The API key is disabled, revoked or expired"),
    "run_not_kept": Kind(410, "The run is no longer kept"),
    "hook_delivery_not_kept": Kind(410, "The event of the delivery is no longer kept"),
    "precondition_failed": Kind(412, "The resource has changed since it was read"),
    "payload_too_large": Kind(413, "The body is too large"),
    "uri_too_long": Kind(414, "The URL is too long"),
    "unsupported_media_type": Kind(415, "The media type or encoding of the body is not supported"),
    "range_not_satisfiable": Kind(416, "The range lies outside of the file"),
    "idempotency_conflict": Kind(422, "The Idempotency-Key was used for another request"),
    "definition_invalid": Kind(422, "The workflow definition is not valid"),
    "input_invalid": Kind(422, "The input does not fit the workflow's schema"),
    "template_invalid": Kind(422, "The template is not valid"),
    "template_failed": Kind(422, "The template cannot be rendered with these data"),
    "content_refused": Kind(422, "The contents of the request are refused"),
    "simulation_ended": Kind(422, "The simulation was ended"),
    "precondition_required": Kind(428, "The request must say which state of the resource it changes"),
    "rate_limited": Kind(429, "Too many requests in a short time"),
    "run_quota_exceeded": Kind(429, "The quota of runs is used up"),
    "too_many_open": Kind(429, "Too many requests or streams at once"),
    "too_many_open_runs": Kind(429, "The tenant has too many open runs"),
    "headers_too_large": Kind(431, "The headers are too large"),
    # 5xx: the service
    "internal_error": Kind(500, "Something went wrong on our side"),
    "unavailable": Kind(503, "The service cannot do this now"),
    "outcome_unknown": Kind(503, "It is not known whether the request was carried out"),
}

_BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}


def type_of(code: str) -> str:
    return TYPE_BASE + code.replace("_", "-")


def path_of(code: str) -> str:
    """The path of the problem's page."""
    return f"{PAGES}/{code.replace('_', '-')}"


def code_for(status: int) -> str:
    """The general code of a status that a library chose."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return "bad_request" if 400 <= status < 500 else "internal_error"


def invalid_field(pointer: str, detail: str) -> ProblemError:
    """The problem 400 of a body with one wrong field."""
    errors = [FieldError(pointer, detail)]
    return ProblemError("invalid_body", f"{pointer}: {detail}", status=400, errors=errors)
