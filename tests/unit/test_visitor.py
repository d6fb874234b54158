"""One visitor: what is his is one object, counted in the one budget, and goes with his visit."""

from types import SimpleNamespace

import pytest

from page.store import ON_SCREEN, UNUSED, Store
from page.visitor import CACHES, TABLE, UnderWay, Visitor
from page.wish import Wish


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def store(clock):
    return Store(limit=1000, clock=lambda: clock.now)


def holding(size):
    return SimpleNamespace(nbytes=size)


def test_what_is_set_is_there_for_whoever_asks_by_the_name_and_for_nobody_else(store):
    visitor = Visitor.acting(store, "a")
    table = visitor.table = holding(10)
    visitor.looks_at, visitor.begun, visitor.under_way = "run", 0.0, UnderWay.PRESSED
    same, other = Visitor.known(store, "a"), Visitor.known(store, "b")
    assert same.table is table and same.looks_at == "run" and same.begun == 0.0 and same.under_way is UnderWay.PRESSED
    assert same.wish is None and same.comparison is None
    assert all(getattr(other, name) is None for name in ("table", "looks_at", "begun", "under_way", "wish"))
    same.wish, same.under_way = Wish.STOP, None
    assert visitor.wish is Wish.STOP and visitor.under_way is None


def test_a_conversation_and_a_table_are_counted_as_large_as_they_have_become(store):
    visitor = Visitor.acting(store, "a")
    visitor.comparison, visitor.table = holding(100), holding(30)
    assert store.bytes == 130
    visitor.comparison.nbytes = 400
    store.sweep()
    assert store.bytes == 430
    visitor.comparison = None
    assert store.bytes == 30


def test_for_room_the_longest_unused_goes_and_its_visitor_is_told_once(store):
    first, second = Visitor.acting(store, "a"), Visitor.acting(store, "b")
    first.comparison, first.table = holding(600), holding(100)
    second.comparison = holding(400)
    assert first.comparison is None and first.table is not None and second.comparison is not None
    assert [first.why_lost(CACHES), first.why_lost(CACHES), first.why_lost(TABLE)] == ["room", "", ""]
    assert second.why_lost(CACHES) == ""


def test_a_table_is_kept_longer_than_a_conversation_that_nobody_goes_on_with(store, clock):
    visitor = Visitor.acting(store, "a")
    visitor.comparison, visitor.table = holding(1), holding(1)
    clock.now = UNUSED + 1
    store.sweep()
    assert visitor.comparison is None and store.look((TABLE, "a")) is not None
    clock.now = ON_SCREEN + 1
    store.sweep()
    assert visitor.table is None and visitor.why_lost(CACHES) == visitor.why_lost(TABLE) == "time"


def test_all_of_it_goes_with_the_visit_and_nothing_comes_back_to_life(store):
    visitor = Visitor.acting(store, "a")
    visitor.comparison, visitor.under_way = holding(1), UnderWay.ASKED
    store.leave("a")
    assert visitor.comparison is None and visitor.under_way is None and store.bytes == 0
    visitor.comparison, visitor.looks_at = holding(1), "run"
    assert not len(store) and Visitor.known(store, "a").visit is None
    assert Visitor.acting(store, "a").why_lost(CACHES) == "away"
