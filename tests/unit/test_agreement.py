"""How alike two results rank methods."""

import json

import pytest

from benchmarks.agreement import COLUMNS, KEEP, Column, alike


def test_ranks_that_are_the_same_the_other_way_round_or_halfway_are_told_so():
    one = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert alike(one, {name: value**3 for name, value in one.items()}) == (pytest.approx(1), 4)
    assert alike(one, {name: -value for name, value in one.items()}) == (pytest.approx(-1), 4)
    # By hand, 1 - 6 sum(d^2) / (n (n^2 - 1)): the first two change places, 1 - 6 * 2 / 60.
    assert alike(one, {"a": 2.0, "b": 1.0, "c": 3.0, "d": 4.0})[0] == pytest.approx(0.8)


def test_what_only_one_has_counts_for_nothing_and_ties_share_their_rank():
    ranked, methods = alike({"a": 1, "b": 2, "c": 3, "x": 0}, {"a": 5, "b": 5, "c": 9, "y": 1})
    assert methods == 3
    assert ranked == pytest.approx(3**0.5 / 2)  # ranks 0, 1, 2 beside 0.5, 0.5, 2


@pytest.mark.parametrize("other", [{"a": 1, "b": 2}, {"a": 1, "b": 1, "c": 1}])
def test_where_there_is_nothing_to_rank_nothing_is_told(other):
    with pytest.raises(ValueError, match="nothing"):
        alike({"a": 1, "b": 2, "c": 3}, other)


def test_a_column_has_each_methods_value_at_a_fifth_and_no_others(tmp_path):
    rows = [
        {"policy": "h2o", "keep": KEEP, "exact_short": 0.5},
        {"policy": "h2o", "keep": 0.5, "exact_short": 0.9},
        {"policy": "think", "keep": KEEP, "exact_short": None},
        {"policy": "full", "keep": 1.0, "exact_short": 1.0},
    ]
    (tmp_path / "some.json").write_text(json.dumps({"rows": rows}))
    assert Column("", "some.json", "exact_short").values(tmp_path) == {"h2o": 0.5}


def test_elastic_cache_put_together_from_its_parts_does_not_count_a_second_time(tmp_path):
    rows = [{"policy": name, "keep": KEEP, "exact_short": 0.5} for name in ("elastic", "combine", "combine:rounds=1")]
    (tmp_path / "some.json").write_text(json.dumps({"rows": rows}))
    assert Column("", "some.json", "exact_short").values(tmp_path) == {"elastic": 0.5, "combine:rounds=1": 0.5}


def test_every_column_is_of_results_that_are_here():
    assert all(len(column.values()) > 10 for column in COLUMNS)
