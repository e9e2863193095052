"""The listener of a schedule `on` events: an internal program.

The program listens as the schedule says, starts a run of the workflow with the events, and listens again.
So the listener has the correlation, durability and exactly-once of any run. It keeps no history.
"""

from visapi_engine.model.program import (
    Common,
    Consumption,
    Flow,
    Jq,
    ListenNode,
    Program,
    RunNode,
)

HEAR = "/schedule/on"
START = "/schedule/start"


def listener_of(program: Program, on: Consumption) -> Program:
    """The program that starts the workflow. The input of the workflow is the array of whole events (dsl,
    Input of event-driven scheduled workflows).
    """
    hear = ListenNode(pointer=HEAR, name="on", parent=None, common=Common(), to=on, read="envelope")
    start = RunNode(
        pointer=START,
        name="start",
        parent=None,
        common=Common(then=Flow(goto=HEAR)),
        namespace=program.namespace,
        workflow=program.name,
        version=program.version,
        input=Jq("."),
        awaited=False,
    )
    return Program(
        namespace=program.namespace,
        name=program.name,
        version=program.version,
        children=[HEAR, START],
        nodes={HEAR: hear, START: start},
        document={"namespace": program.namespace, "name": program.name, "version": program.version},
        quiet=True,
    )
