"""What is remembered of visitors: bounded by bytes and by time, gone with the visitor, and told."""

import os
import tempfile
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from page.memory import default_budget, free_bytes, read_bytes
from page.store import AWAY, MOST_AWAY, REMEMBERED, Store
from page.uploads import FILE, FOLDER, LONG, SHORT, Uploads, temporary_folder


class Clock:
    """Seconds that pass when they are told to."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def held(store, *names, kind="thing"):
    return [name for name in names if (kind, name) in store]


def test_the_longest_unused_go_when_there_is_no_room_and_their_visitors_are_told_once():
    store = Store(limit=25)
    for name in "abc":
        store.put(("thing", name), name.upper(), store.visit(name), size=lambda: 10)
    assert held(store, *"abc") == ["b", "c"] and store.bytes == 20
    assert store.lost("a", "thing") == "room" and store.lost("a", "thing") == "" and store.lost("b", "thing") == ""
    assert store.get(("thing", "b")) == "B"
    store.put(("thing", "d"), "D", store.visit("d"), size=lambda: 10)
    assert held(store, *"abcd") == ["b", "d"], "b was used last"


def test_a_class_of_24_does_not_put_the_lecturer_out():
    store = Store(limit=10**9)
    store.put(("conversation", "lecturer"), "kept", store.visit("lecturer"), size=lambda: 5_000_000)
    for number in range(24):
        store.put(("conversation", f"{number}"), "", store.visit(f"{number}"), size=lambda: 5_000_000)
    assert store.get(("conversation", "lecturer")) == "kept"


def test_one_thing_that_is_larger_than_all_there_is_goes_at_the_next_sweep_and_is_told():
    store = Store(limit=10)
    assert store.put(("thing", "a"), "A", store.visit("a"), size=lambda: 100)
    assert store.get(("thing", "a")) == "A", "it is being used"
    store.sweep()
    assert not len(store) and store.bytes == 0 and store.lost("a", "thing") == "room"


def test_what_grows_is_counted_as_it_is_now():
    store, size = Store(limit=100), [10]
    store.put(("thing", "old"), "", store.visit("old"), size=lambda: 50)
    store.put(("thing", "grows"), "", store.visit("grows"), size=lambda: size[0])
    size[0] = 90
    store.sweep()
    assert held(store, "old", "grows") == ["grows"] and store.bytes == 90
    store.sweep()
    assert store.bytes == 90, "growth is counted once"
    size[0] = 20
    store.sweep()
    assert store.bytes == 20
    store.drop(("thing", "grows"))
    assert store.bytes == 0


def test_what_has_grown_and_goes_in_the_same_sweep_leaves_nothing_counted(clock):
    store, size = Store(seconds=10, clock=clock), [10]
    store.put(("thing", "grows"), "", None, size=lambda: size[0])
    clock.now, size[0] = 11, 50
    store.sweep()
    assert not len(store) and store.bytes == 0


def test_there_is_room_for_as_much_as_the_limit_says():
    store = Store(limit=20)
    for name in "ab":
        store.put(("thing", name), name, None, size=lambda: 10)
    store.sweep()
    assert held(store, *"ab") == ["a", "b"]
    store.put(("thing", "c"), "c", None, size=lambda: 1)
    assert held(store, *"abc") == ["b", "c"]


def test_what_nobody_uses_is_given_up_in_time_and_using_it_keeps_it(clock):
    store = Store(seconds=10, clock=clock)
    store.put(("thing", "a"), "A", store.visit("a"))
    store.put(("thing", "short"), "S", None, seconds=2)
    clock.now = 9
    store.sweep()
    assert store.get(("thing", "a")) == "A" and held(store, "short") == []
    clock.now = 18
    store.sweep()
    assert held(store, "a") == ["a"]
    clock.now = 29
    store.sweep()
    assert held(store, "a") == [] and store.lost("a", "thing") == "time" and store.visiting("a") is None


def test_nothing_comes_back_to_life_for_a_visitor_who_has_gone():
    store, released = Store(), []
    visit = store.visit("a")
    store.put(("thing", "a"), "A", visit, size=lambda: 10, release=lambda: released.append("first"))
    store.leave("a")
    assert visit.ended and released == ["first"] and store.bytes == 0
    assert not store.put(("thing", "a"), "late", visit, release=lambda: released.append("late"))
    assert released == ["first", "late"] and not len(store) and store.visiting("a") is None
    assert store.lost("a", "thing") == "away"
    again = store.visit("a")
    assert again is not visit and store.put(("thing", "a"), "A", again) and store.get(("thing", "a")) == "A"


def test_a_visit_that_nobody_used_for_long_has_ended_also_for_whoever_still_goes_on_for_it(clock):
    store, released = Store(seconds=10, clock=clock), []
    visit = store.visit("a")
    clock.now = 10
    store.sweep()
    assert not visit.ended and store.visiting("a") is visit
    clock.now = 10.5
    store.sweep()
    assert visit.ended and store.visiting("a") is None and not store.visits()
    assert not store.put(("thing", "a"), "late", visit, release=lambda: released.append("late"))
    assert released == ["late"] and not len(store) and store.visit("a") is not visit


def test_a_visit_lasts_while_something_is_done_and_while_something_is_held_for_it(clock):
    store = Store(seconds=10, clock=clock)
    active, owner = store.visit("active"), store.visit("owner")
    store.put(("thing", "owner"), "kept", owner, seconds=100)
    for clock.now in (9, 18, 27):
        assert store.visit("active") is active
        store.sweep()
    assert not active.ended and not owner.ended and {visit.name for visit in store.visits()} == {"active", "owner"}
    clock.now = 38
    store.sweep()
    assert active.ended and not owner.ended and store.visit_of(("thing", "owner")) is owner
    clock.now = 101
    store.sweep()
    assert owner.ended and store.visit_of(("thing", "owner")) is None, "as soon as nothing is held any more"


def test_whoever_leaves_takes_nothing_of_others_along():
    store = Store()
    for kind, name in (("conversation", "a"), ("table", "a"), ("conversation", "b")):
        store.put((kind, name), name, store.visit(name), size=lambda: 10)
    store.put(("file", "nobody's"), "", None, size=lambda: 10)
    store.leave("nobody")
    store.leave("a")
    assert store.keys("conversation") == [("conversation", "b")] and store.keys("file") and not store.keys("table")
    assert store.bytes == 20 and [visit.name for visit in store.visits()] == ["b"]
    assert not store.lost("b", "conversation") and store.lost("a", "table") == "away"


def test_what_replaces_a_thing_is_counted_once_and_the_callback_of_the_last_one_is_called_once():
    store, released = Store(), []
    for size in (10, 30):
        store.put(
            ("thing", "a"), size, None, size=lambda size=size: size, release=lambda size=size: released.append(size)
        )
    assert store.bytes == 30 and len(store) == 1 and not released, "the key has not been given up"
    store.drop(("thing", "a"))
    assert released == [30] and store.bytes == 0


def test_whatever_is_let_go_is_counted_so_that_its_memory_is_given_back():
    store, counts = Store(limit=10), []
    visit = store.visit("a")

    def count(*_):
        counts.append(store.released)

    count(store.put(("thing", "a"), "A", visit))
    count(store.put(("thing", "a"), store.look(("thing", "a")), visit))  # the same, with another size
    count(store.put(("thing", "a"), "another", visit))
    count(store.drop(("thing", "a")))
    count(store.drop(("thing", "a")))  # is gone already
    count(store.put(("thing", "b"), "B", visit, size=lambda: 6), store.put(("thing", "c"), "C", visit, size=lambda: 6))
    count(store.leave("a"))
    count(store.put(("thing", "d"), "late", visit))
    assert counts == [0, 0, 1, 2, 2, 3, 4, 5]


def test_each_kind_is_told_of_on_its_own_and_what_was_wanted_no_more_is_not(clock):
    store = Store(seconds=10, clock=clock)
    a, b = store.visit("a"), store.visit("b")
    for kind in ("conversation", "table", "file"):
        store.put((kind, "a"), kind, a)
    store.put(("conversation", "b"), "", b)
    store.put(("conversation", "nobody"), "", None)
    store.drop(("file", "a"))
    assert not store._lost
    store.drop_kind("conversation")
    assert store.keys("conversation") == [] and store.keys("table") == [("table", "a")]
    clock.now = 11
    store.sweep()
    told = [(name, kind, store.lost(name, kind)) for name in "ab" for kind in ("file", "table", "conversation")]
    assert [(name, kind, why) for name, kind, why in told if why] == [
        ("a", "table", "time"),
        ("a", "conversation", "room"),
        ("b", "conversation", "room"),
    ]
    assert not store._lost, "and nothing is kept of those who were told"


def test_to_look_at_a_thing_is_no_use_and_to_get_it_is(clock):
    store = Store(seconds=10, clock=clock)
    for name in ("looked", "used", "older"):
        store.put(("thing", name), name, None)
    clock.now = 8
    assert store.look(("thing", "looked")) == "looked" and store.get(("thing", "used")) == "used"
    assert store.look(("thing", "none")) is None and store.get(("thing", "none")) is None
    assert store.keys("thing") == [("thing", "looked"), ("thing", "older"), ("thing", "used")]
    clock.now = 11
    store.sweep()
    assert held(store, "looked", "used", "older") == ["used"]


def test_what_is_done_when_a_thing_goes_may_use_the_store_itself():
    store = Store(limit=10)
    store.put(("thing", "b"), "B", None)
    store.put(("thing", "a"), "A", store.visit("a"), size=lambda: 5, release=lambda: store.drop(("thing", "b")))
    store.leave("a")
    assert not len(store) and store.bytes == 0


def test_among_those_who_lost_something_the_last_ones_are_remembered():
    store = Store()
    for number in (*range(REMEMBERED), 0, REMEMBERED):
        store.put(("thing", str(number)), "", store.visit(str(number)))
        store.leave(str(number))
    assert [store.lost(str(number), "thing") for number in (0, 1, 2, REMEMBERED)] == ["away", "", "away", "away"]


def test_the_names_of_those_who_lost_something_do_not_pile_up():
    store = Store(limit=0)
    for number in range(REMEMBERED + 50):
        store.put(("thing", str(number)), "", store.visit(str(number)), size=lambda: 1)
        store.leave(str(number))
    assert len(store._lost) <= REMEMBERED and not store.visits() and store.bytes == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "drop", "leave", "sweep", "wait"]),
            st.sampled_from("abcd"),
            st.integers(0, 60),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_bytes_are_right_and_within_the_limit(actions):
    clock = Clock()
    store = Store(limit=100, seconds=50, clock=clock)
    for action, name, size in actions:
        key = ("thing", name)
        if action == "put":
            store.put(key, name, store.visit(name), size=lambda size=size: size)
            assert store.get(key) == name
        elif action == "wait":
            clock.now += size
        elif action in ("sweep",):
            store.sweep()
        elif action == "leave":
            store.leave(name)
        else:
            getattr(store, action)(key)
        sizes = [thing.bytes for thing in store._things.values()]
        assert store.bytes == sum(sizes) <= 100
        assert all(thing.visit is store.visiting(thing.visit.name) for thing in store._things.values())


def test_many_threads_may_use_it_at_once():
    store = Store(limit=1000)

    def work(number):
        for turn in range(200):
            name = str((number + turn) % 7)
            store.put(("thing", name), turn, store.visit(name), size=lambda: 10)
            store.get(("thing", name))
            if turn % 3 == 0:
                store.leave(name)
            if turn % 50 == 0:
                store.sweep()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.bytes == 10 * len(store)


@pytest.mark.parametrize(("said", "size"), [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29)])
def test_memory_is_read_as_people_write_it(said, size):
    assert read_bytes(said) == size


@pytest.mark.parametrize(
    "said", ["", "much", "2", "-1GB", "1KB", "0GB", "1e9GB", "2GB; rm", "nan MB", "9" * 400 + "GB"]
)
def test_memory_that_is_none_gets_a_sentence(said):
    with pytest.raises(ValueError, match="such as 2GB"):
        read_bytes(said)


def test_a_share_of_what_is_free_is_used_where_nobody_says():
    assert 0 < default_budget() < free_bytes()


@pytest.fixture(autouse=True)
def the_usual_folder_again(monkeypatch):
    for name in (FOLDER, "TMPDIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    with temporary_folder() as folder:
        yield folder


def sent(folder, name="picture.png", content=b"picture"):
    path = folder / "hash" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_temporary_folder_is_the_programs_own_and_goes_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv(FOLDER, str(tmp_path / "named"))
    with temporary_folder() as folder:
        assert folder.parent == tmp_path / "named" and os.environ[FOLDER] == str(folder)
        sent(folder)
    assert list((tmp_path / "named").iterdir()) == []


def test_a_temporary_folder_that_cannot_be_used_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "missing", tmp_path / "file"):
        monkeypatch.setenv("TMPDIR", str(wrong))
        with pytest.raises(ValueError, match=f"{wrong} .TMPDIR."), temporary_folder():
            pass


def test_files_are_given_up_when_nobody_used_them_sooner_for_programs(folder, monkeypatch):
    clock = Clock()
    store = Store(seconds=1, clock=clock)
    uploads = Uploads(store)
    page, program, unknown = (sent(folder, name) for name in ("page.png", "program.png", "unknown.png"))
    uploads.sweep()
    uploads.used(str(page))
    uploads.of_program(str(program))
    uploads.of_program(str(page))
    clock.now = SHORT + 1
    uploads.sweep()
    store.sweep()
    assert page.exists() and unknown.exists() and not program.exists()
    clock.now += LONG
    store.sweep()
    assert not page.exists() and not unknown.exists() and not store.keys(FILE)
    monkeypatch.setattr("page.uploads.SHORT", -1)
    uploads.sweep()
    assert folder.exists() and list(folder.iterdir()) == [], "nor do empty folders stay"


def test_a_file_that_was_sent_again_meanwhile_is_not_deleted(folder):
    store = Store()
    uploads = Uploads(store)
    path = sent(folder)
    uploads.of_program(str(path))
    first = path.stat().st_ctime
    while path.stat().st_ctime == first:  # the clock of a file system ticks some hundred times a second
        path.unlink()
        sent(folder)
    store.drop((FILE, str(path)))
    assert path.exists()
    uploads.sweep()
    assert (FILE, str(path)) in store


def test_files_elsewhere_and_bundled_ones_are_never_touched(folder, tmp_path):
    store = Store()
    uploads = Uploads(store)
    outside = tmp_path / "precious.txt"
    outside.write_text("keep")
    (folder / "link").symlink_to(outside)
    for path in (outside, folder / ".." / ".." / "precious.txt", folder / "link", tmp_path / "none", None, ""):
        uploads.used(path and str(path))
        uploads.of_program(path and str(path))
    bundled = next(iter(uploads.spared.values()))
    uploads.used(str(sent(folder, bundled.name, bundled.read_bytes())))
    assert not store.keys(FILE)
    uploads.sweep()
    for key in store.keys(FILE):
        store.drop(key)
    assert outside.read_text() == "keep" and (folder / "hash" / bundled.name).exists()


def test_files_go_for_room_like_everything_else(folder):
    store = Store(limit=250)
    uploads = Uploads(store)
    paths = [sent(folder, f"{number}.png", b"x" * 100) for number in range(4)]
    for path in paths:
        uploads.used(str(path))
    assert [path.exists() for path in paths] == [False, False, True, True]


def test_whoever_comes_back_by_his_key_finds_all_under_his_new_name_but_what_can_be_made_again(clock):
    store = Store(clock=clock)
    store.know("a", "secret")
    for kind in ("words", "caches"):
        store.put((kind, "a"), kind, store.visit("a"), size=lambda: 10, seconds=5 * AWAY)
    store.put(("run", "of a"), "run", store.visit("a"), size=lambda: 10, seconds=5 * AWAY)
    store.leave("a", ["caches"])
    assert store.bytes == 20 and store.lost("a", "caches") == ""
    clock.now = AWAY - 1
    store.sweep()
    assert store.come_back("another", "b") is None
    assert store.come_back("secret", "b") == "a" and store.visiting("a") is None
    assert store.get(("words", "b")) == "words" and store.visit_of(("run", "of a")) is store.visiting("b")
    store.leave("a", ["caches"])  # of the old page, heard late
    clock.now += 2 * AWAY - 10
    store.sweep()
    assert store.get(("words", "b")) == "words", "he is here"


@pytest.mark.parametrize("late", [False, True])
def test_what_is_put_for_him_while_he_is_away_is_there_when_he_comes_back(clock, late):
    store = Store(clock=clock)
    store.know("a", "secret")
    visit = store.visit("a")
    if late:
        store.come_back("secret", "b")
    store.leave("a")
    assert store.put(("words", visit.name), "words", visit)
    store.come_back("secret", "c")
    assert store.get(("words", "c")) == "words" and visit.name == "c"


def test_a_key_is_of_no_use_after_half_an_hour_and_nothing_is_held_for_it_any_more(clock):
    store = Store(clock=clock)
    store.know("a", "secret")
    store.put(("words", "a"), "words", store.visit("a"), size=lambda: 10, seconds=10 * AWAY)
    store.leave("a")
    clock.now = AWAY + 1
    store.sweep()
    assert store.bytes == 0 and store.come_back("secret", "b") is None


def test_who_is_away_gives_up_his_things_first_when_there_is_no_room():
    store = Store(limit=25)
    store.put(("thing", "here"), "A", store.visit("here"), size=lambda: 10)
    store.know("away", "secret")
    store.put(("thing", "away"), "B", store.visit("away"), size=lambda: 10)
    store.leave("away")
    store.put(("thing", "c"), "C", store.visit("c"), size=lambda: 10)
    assert held(store, "here", "away", "c") == ["here", "c"]


def test_so_many_may_be_away_and_no_more(clock):
    store = Store(clock=clock)
    for number in range(MOST_AWAY + 5):
        store.know(f"{number}", f"key of {number}")
        store.leave(f"{number}")
        clock.now += 0.001
    store.sweep()
    assert len(store.visits()) == MOST_AWAY and store.come_back("key of 4", "b") is None
    assert store.come_back("key of 5", "b") == "5"
