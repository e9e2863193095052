"""How the subscriptions of an event are found."""

from visapi_common.core.event_keys import key_in, shape_and_key

EVENT = {
    "specversion": "1.0",
    "type": "com.example.placed",
    "source": "/shop",
    "roomid": "r1",
    "data": {"orderId": 7, "customer": {"id": "c"}},
}


def test_an_event_has_the_key_of_a_filter_that_wants_its_values() -> None:
    shape, key = shape_and_key({"type": "com.example.placed", "data.orderId": 7})
    assert shape == "data.orderId\ntype"
    assert key_in(EVENT, shape) == key


def test_another_value_gives_another_key() -> None:
    shape, key = shape_and_key({"type": "com.example.placed", "data.orderId": 8})
    assert key_in(EVENT, shape) != key


def test_a_filter_that_fixes_nothing_has_the_key_of_every_event() -> None:
    shape, key = shape_and_key({})
    assert shape == ""
    assert key_in(EVENT, shape) == key == key_in({}, shape)


def test_an_event_without_the_attribute_has_no_key() -> None:
    assert key_in(EVENT, "data.orderId.deeper\ntype") is None
    assert key_in(EVENT, "subject") is None


def test_one_and_one_point_zero_are_the_same_number() -> None:
    shape, key = shape_and_key({"data.orderId": 7.0})
    assert key_in(EVENT, shape) == key


def test_text_and_number_are_not_the_same() -> None:
    shape, key = shape_and_key({"data.orderId": "7"})
    assert key_in(EVENT, shape) != key
