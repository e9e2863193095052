"""A cache of program plans: many runs that are retried together share few programs."""

from collections import OrderedDict

from visapi_engine.machine.plan import Plan, make_plan
from visapi_engine.model.program import decode_program

KNOWN_MAX = 32


class KnownPlans:
    """The most recently used plans, by the bytes of their programs."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Plan] = OrderedDict()

    def __call__(self, program: bytes) -> Plan:
        plan = self._known.get(program)
        if plan is None:
            plan = self._known[program] = make_plan(decode_program(program))
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(program)
        return plan
