"""The unsupported constructs of the specification, with reasons: one table for the compiler,
`GET /v1/capabilities` and the documentation.
"""

from collections.abc import Mapping

from visapi_engine.compile.functions import REFUSED_CALLS
from visapi_engine.compile.tasks.run_process import REFUSED_PROCESSES

REFUSED: Mapping[str, str] = {
    **{f"run.{name}": reason for name, reason in REFUSED_PROCESSES.items()},
    **{f"call.{name}": reason for name, reason in REFUSED_CALLS.items()},
    "use.catalogs": 'catalogs other than "default"',
    "call.<url>": "functions from a URL; serve the function with a worker and call it by name",
    "schema.resource": "schemas from a URL; write the schema under `document`",
    "authentication.oauth2.grant.authorization_code": "nobody is there to log in",
}
"""Constructs, as dotted paths into a definition, with the reason that an author sees."""
