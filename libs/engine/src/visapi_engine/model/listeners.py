"""The listener of a schedule `on` events: an internal program.

The program listens as the schedule says, starts a run of the workflow with the events, and listens again. It
collects the events of each correlation apart (`machine.nodes.apart`). So the listener has the correlation,
durability and exactly-once of any run. It keeps no history.
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


def collects(to: Consumption) -> bool:
    """Whether a run may need several events."""
    several = to.mode == "all" and len(to.filters) > 1
    return several or to.until is not None or to.until_events is not None


def shared_names(to: Consumption) -> list[str]:
    """The correlations by which a schedule collects events apart, sorted: those that all filters name. Empty
    where one event starts a run.
    """
    if not collects(to) or not all(strategy.filters for strategy in _strategies(to)):
        return []
    filters = [wanted for strategy in _strategies(to) for wanted in strategy.filters]
    return sorted(
        name for name in filters[0].correlations if all(name in one.correlations for one in filters)
    )


def mixes_correlations(to: Consumption) -> bool:
    """Whether some filters name correlations, and all filters none."""
    named = any(wanted.correlations for strategy in _strategies(to) for wanted in strategy.filters)
    return named and collects(to) and not shared_names(to)


def _strategies(to: Consumption) -> list[Consumption]:
    return [to] if to.until_events is None else [to, to.until_events]
