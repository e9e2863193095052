"""The protected names of nats-py on which `adapters/nats_wire.py` relies, each with what it must be."""

import ast
import inspect
from importlib import resources
from types import FunctionType

import pytest
from nats.aio.client import Client

from visapi_common.adapters.nats_wire import WireClient

OVERRIDDEN = {
    "_process_connect_init": "(self) -> 'None'",
    "_process_err": "(self, err_msg: 'str') -> 'None'",
    "_process_info": "(self, info: 'Dict[str, Any]', initial_connection: 'bool' = False) -> 'None'",
    "_process_msg": "(self, sid: 'int', subject: 'bytes', reply: 'bytes', data: 'bytes', headers: 'bytes') -> 'None'",
    "_process_op_err": "(self, e: 'Exception') -> 'None'",
    "_select_next_server": "(self) -> 'None'",
    "_send_ping": "(self, future: 'Optional[asyncio.Future]' = None) -> 'None'",
}
CALLED = {"_connect_to_server": "(self, s: 'Srv') -> 'None'"}
HELD = {
    "_current_server": type(None),
    "_error_cb": FunctionType,
    "_flush_queue": type(None),
    "_flusher_task": type(None),
    "_max_payload": int,
    "_pending": list,
    "_pending_data_size": int,
    "_ping_interval_task": type(None),
    "_reading_task": type(None),
    "_server_pool": list,
    "_sid": int,
    "_status": int,
    "_subs": dict,
    "_transport": type(None),
}
"""Types of a client that is not connected."""
OWN = {"_sinks", "_failed", "_needs_tls", "_tasks"}


def test_every_protected_name_in_use_is_listed_here():
    source = (resources.files("visapi_common") / "adapters/nats_wire.py").read_text(encoding="utf-8")
    used = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
    } | {name for name in vars(WireClient) if name.startswith("_") and not name.startswith("__")}
    assert used == {*OVERRIDDEN, *CALLED, *HELD, *OWN}


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_a_protected_method_has_the_signature_that_is_relied_on(name: str):
    method = getattr(Client, name)
    assert inspect.iscoroutinefunction(method)
    assert str(inspect.signature(method)) == (OVERRIDDEN | CALLED)[name]


@pytest.mark.parametrize("name", HELD)
async def test_a_protected_attribute_is_there_with_the_type_that_is_relied_on(name: str):
    assert type(getattr(Client(), name)) is HELD[name]


async def test_no_name_of_our_own_hides_one_of_the_clients():
    assert not OWN & set(dir(Client()))
