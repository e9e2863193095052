"""The listener of a schedule `on` events: a program of the system's own.

It listens as the definition says, starts a run of the workflow with the events, and listens again;
so correlation, durability and exactly-once are those of any run. It leaves no history.
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
    """The program whose run starts the workflow. The input is the array of events, whole (dsl, Input of
    event-driven scheduled workflows).
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
