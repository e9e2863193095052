"""Suggestions cost what they are worth."""

import time

from visapi_common.core.spelling import near_names


def test_the_nearest_names_come_first():
    assert near_names("getPets", ["putPet", "getPet", "other"], 2) == ["getPet", "putPet"]
    assert near_names("lable", ["label", "table"], 1)[0] in ("label", "table")
    assert near_names("nothing", ["x", "completely-else"], 3) == []


def test_a_long_name_and_long_candidates_are_not_compared():
    assert near_names("x" * 65, ["x" * 64], 1) == []
    assert near_names("x" * 60, ["x" * 100_000], 1) == []
    assert near_names("", ["a"], 1) == []


def test_the_number_of_comparisons_is_bounded():
    few, many = ([f"{'ab' * 28}{n:06}" for n in range(count)] for count in (200, 20_000))
    name = "ba" * 31
    assert _cpu(name, many) < 5 * _cpu(name, few) + 0.2


def _cpu(name: str, candidates: list[str]) -> float:
    begun = time.process_time()
    near_names(name, candidates, 3)
    return time.process_time() - begun
