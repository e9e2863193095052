"""What each channel says about a task that fails before its delivery: it may be repeated, or its request decides."""

from visapi_notifier import channels


def test_only_requests_over_http_decide_themselves_whether_they_may_be_repeated() -> None:
    once = {
        channel.label: channel.varies for channel in channels.declared().values() if channel.effect == "once"
    }
    assert once == {"email": False, "slack": False, "http": True, "openapi": True}
