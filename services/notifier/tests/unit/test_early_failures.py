"""Which channels hold a task that fails before its delivery, where its effect was started."""

from visapi_notifier import channels


def test_only_channels_whose_requests_are_never_keyed_hold_what_cannot_be_read() -> None:
    held = {channel.label for channel in channels.declared().values() if not channel.may_repeat}
    assert held == {"email", "slack"}
