"""How many time series a gateway has does not follow from what tenants call things, nor from what clients ask for."""

from typing import Any

from kit.waiting import eventually

MANY = 10_000
TENANTS = 100


def series(gateway: Any) -> int:
    return sum(len(family.samples) for family in gateway.lifecycle.metrics.registry.collect())


async def ask(gateway: Any, method: str, path: str, key: str) -> int:
    """One request to the application itself; its status."""
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "root_path": "",
        "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"x"), (b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await gateway.api(scope, receive, send)
    return answered[0]


async def test_ten_thousand_names_of_workflows_and_a_hundred_tenants_make_no_time_series(gateway: Any):
    keys = [await gateway.key(f"tenant-{number}") for number in range(TENANTS)]
    asks = [
        ("GET", "/v1/capabilities", 200), ("GET", "/v1/workflows/n{0}/w{0}", 401), ("GET", "/nothing/{0}", 404),
        ("M{0}", "/v1/workflows/n{0}/w{0}/runs", 405),
    ]  # fmt: skip

    async def known() -> bool:
        return await ask(gateway, "GET", "/v1/capabilities", keys[-1]) == 200

    await eventually(known)
    few = 0
    for number in range(MANY):
        method, path, status = asks[number % len(asks)]
        key = keys[number % TENANTS] if status == 200 else f"visapi_live_{number}"
        assert await ask(gateway, method.format(number), path.format(number), key) == status
        if number == TENANTS:
            few = series(gateway)
    assert series(gateway) == few
    assert few < 2_000
