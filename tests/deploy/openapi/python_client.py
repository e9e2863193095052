"""Deploys and runs a workflow with the client that openapi-python-client generates; prints what it found.

Runs in the generator's environment: `python_client.py URL KEY`, with the generated package on the path.
"""
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

import json
import sys

from vis_api_client import AuthenticatedClient
from vis_api_client.api.runs import list_runs, read_run, start_run
from vis_api_client.api.workflows import deploy_workflow
from vis_api_client.models import Deployed, Problem, RunPage, RunView

WORKFLOW = {
    "document": {"dsl": "1.0.3", "namespace": "tests", "name": "generated-python", "version": "1.0.0"},
    "do": [{"answer": {"set": {"said": "${ .word }"}}}],
}


def main() -> None:
    url, key = sys.argv[1:]
    with AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True) as client:
        deployed = deploy_workflow.sync(client=client, body=WORKFLOW)
        assert isinstance(deployed, Deployed), deployed
        run = start_run.sync(
            "tests",
            "generated-python",
            client=client,
            body={"word": "hi"},
            prefer="wait=30",
            idempotency_key="one",
        )
        assert isinstance(run, RunView), run
        again = read_run.sync(run.id, client=client)
        assert isinstance(again, RunView), again
        page = list_runs.sync(client=client, workflow="tests/generated-python")
        assert isinstance(page, RunPage), page
        missing = read_run.sync_detailed("0190a000-0000-7000-8000-000000000000", client=client)
        assert isinstance(missing.parsed, Problem), missing
    found = {
        "version": deployed.version,
        "status": again.status.value,
        "output": again.output,
        "seconds": again.ended_at is not None and (again.ended_at - again.created_at).total_seconds() >= 0,
        "listed": [str(item.id) for item in page.items] == [str(run.id)],
        "missing": [int(missing.status_code), missing.parsed.code],
    }
    print(json.dumps(found))


main()
