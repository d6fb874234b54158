"""Files of a run: what goes in comes out, and what is broken or hostile is refused in one sentence."""

import csv
import io
import json
import tempfile
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from elastic.picture import small_jpeg
from elastic.record.archive import SCHEMA, open_run, read_run, save_run
from elastic.record.arrays import ARRAYS
from elastic.record.places import ViewFrame, placed
from elastic.record.steps import steps_csv
from elastic.record.trace import Run, Trace
from tests.older_traces import older, parts_of_file
from tests.view_traces import ELASTIC, FULL, HEADS, NASTY, PAIR, PLUS, REMEMBERS, TILED, cut, make, run_of

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)


def saved(run):
    file = io.BytesIO()
    save_run(run, file)
    return file.getvalue()


def opened(content, name="run.zip"):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return open_run(path)


def assert_same(before, after):
    for field in fields(Run):
        if field.name != "sides":
            assert getattr(before, field.name) == getattr(after, field.name), field.name
    for one, other in zip(before.sides, after.sides, strict=True):
        for field in fields(Trace):
            a, b = getattr(one, field.name), getattr(other, field.name)
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), field.name
            else:
                assert a == b, field.name


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    layers=st.integers(1, 4),
    heads=st.integers(1, 3),
    grid=st.integers(1, 5),
    steps=st.integers(0, 9),
    policy=st.sampled_from(["full", "elastic", "elastic-plus", "h2o"]),
    words=st.lists(text, min_size=4, max_size=4),
)
def test_a_saved_run_is_the_same_when_opened(seed, layers, heads, grid, steps, policy, words):
    side = cut(make(seed, grid=grid, layers=layers, heads=heads, policy=policy), steps)
    side = replace(side, asked_after=seed % 6)
    channels = np.random.default_rng(seed).random((layers, heads, 8)) < 0.5
    side = replace(
        side,
        unseen=words[0],
        channels=channels,
        answer=words[0],
        question=words[1],
        pieces=[words[2], *side.pieces[1:]],
    )
    run = run_of("name", [side], titles=[words[3]], history=[[(words[0], words[1])]], link={"q": words[2]})
    assert_same(run, opened(saved(run)))


def test_what_went_to_a_memory_is_kept_of_sides_that_have_one_and_was_not_there_before():
    run = run_of("run", [replace(HEADS, policy="full"), REMEMBERS])
    again = opened(saved(run))
    assert_same(run, again)
    assert again.sides[0].forgotten is None and again.sides[1].forgotten.any()
    parts = parts_of_file(saved(run))
    plain = json.loads(parts["run.json"]) | {"schema": 8}
    assert all("forgotten" not in side for side in plain["sides"])
    with pytest.raises(ValueError, match="is not a trace file"):  # the array came later
        opened(zipped(parts | {"run.json": json.dumps(plain).encode()}))
    before = parts_of_file(saved(run_of("run", [HEADS])))
    plain = json.loads(before["run.json"]) | {"schema": 8}
    assert opened(zipped(before | {"run.json": json.dumps(plain).encode()})).sides[0].forgotten is None


@pytest.mark.parametrize("wrong", [lambda a: a[:3], lambda a: a[..., :1], lambda a: a + 2, lambda a: a * np.nan])
def test_shares_that_no_memory_can_have_are_refused(wrong):
    side = replace(REMEMBERS)
    object.__setattr__(side, "forgotten", wrong(REMEMBERS.forgotten))
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(saved(run_of("run", [side])))
    if wrong(REMEMBERS.forgotten).shape != REMEMBERS.forgotten.shape:
        with pytest.raises(ValueError, match="Trace: forgotten has shape"):
            replace(REMEMBERS, forgotten=wrong(REMEMBERS.forgotten))


def test_a_hostile_text_stays_a_text():
    run = run_of(NASTY, [replace(FULL, answer=NASTY, question=NASTY)], titles=[NASTY])
    assert_same(run, opened(saved(run)))


def altered(change):
    """A saved run with its plain part changed."""
    file = io.BytesIO(saved(run_of("run", PAIR)))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    plain = json.loads(parts["run.json"])
    change(plain)
    parts["run.json"] = json.dumps(plain).encode()
    return zipped(parts)


def zipped(parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_another_schema_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=rf"run\.zip has trace schema 99, this version reads 3 to {SCHEMA}"):
        opened(altered(lambda plain: plain.update(schema=99)))


def of_schema_three(run, shape):
    """A file as it was written before channels and what is not shown were recorded."""
    return zipped(older(parts_of_file(saved(run)), 3, **shape))


def test_a_file_of_schema_three_opens_with_every_channel_kept():
    run = run_of("run", PAIR)
    before = opened(of_schema_three(run, {"kv_heads": 2, "head_dim": 8}))
    assert_same(run, replace(before, shape=run.shape))
    assert_same(before, opened(saved(before)))


def test_a_file_of_schema_four_is_of_caches_compressed_after_the_question():
    run = run_of("run", PAIR)
    assert_same(run, opened(zipped(older(parts_of_file(saved(run)), 4))))


def test_a_file_of_schema_five_is_of_one_picture_seen_whole():
    run = run_of("run", PAIR)
    assert_same(run, opened(zipped(older(parts_of_file(saved(run)), 5))))
    assert run.sides[0].views == [ViewFrame(4, 4)]


def test_a_file_of_schema_five_that_also_has_views_or_another_grid_is_refused():
    def refused(change):
        parts = older(parts_of_file(saved(run_of("run", PAIR))), 5)
        plain = json.loads(parts["run.json"])
        change(plain["sides"][0])
        with pytest.raises(ValueError, match="is not a trace file"):
            opened(zipped(parts | {"run.json": json.dumps(plain).encode()}))

    refused(lambda side: side.update(views=[{"rows": 4, "columns": 4, "box": [0, 0, 1, 1], "picture": 0}]))
    refused(lambda side: side.update(grid=[4, 5]))
    refused(lambda side: side.update(grid=None))
    refused(lambda side: side.pop("grid"))


def test_a_run_of_several_pictures_in_tiles_is_the_same_when_opened_with_what_was_seen_of_each():
    run = run_of("tiled", TILED)
    run = replace(
        run, pictures=[small_jpeg(Image.new("RGB", (50, 50), (9 * n, 0, 0))) for n in range(len(run.pictures))]
    )
    after = opened(saved(run))
    assert_same(run, after)
    assert after.sides[0].patches.tolist() == run.sides[0].patches.tolist() and len(set(after.pictures)) == 7


PLACES = {
    "a picture too many": lambda place: place.__setitem__((5, 0), 2),
    "another view": lambda place: place.__setitem__((4, 1), 6),
    "a row below its view": lambda place: place.__setitem__((4, 2), 3),
    "a word that has a row": lambda place: place.__setitem__((0, 2), 0),
    "a number below -1": lambda place: place.__setitem__((4, 3), -2),
    "a view that is not there": lambda place: place.__setitem__((4, slice(0, 2)), (2, 7)),
    "two cells in turn": lambda place: place.__setitem__([6, 7], place[[7, 6]]),
    "a cell twice": lambda place: place.__setitem__(7, place[6]),
    "a cell that is a word": lambda place: place.__setitem__(6, -1),
}


@pytest.mark.parametrize("what", PLACES)
def test_places_that_are_not_the_cells_of_the_views_in_their_order_are_refused(what):
    parts = parts_of_file(saved(run_of("tiled", TILED[1:])))
    with np.load(io.BytesIO(parts["arrays.npz"])) as held:
        arrays = dict(held)
    PLACES[what](arrays["0.place"])
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(zipped(parts | {"arrays.npz": packed.getvalue()}))


@pytest.mark.parametrize("numbers", [[1, 1], [0, 2], [1, 0]])
def test_pictures_that_are_not_numbered_one_after_the_other_are_refused(numbers):
    views = [ViewFrame(2, 2, picture=number) for number in numbers]
    with pytest.raises(ValueError, match="its pictures are in no order"):
        opened(saved(run_of("numbers", [make(3, views=views)])))


def test_pictures_that_are_too_few_missing_or_too_large_are_refused():
    parts = parts_of_file(saved(run_of("tiled", TILED)))
    assert [name for name in parts if name.endswith(".jpg")] == [
        "picture.jpg",
        *(f"picture-{n}.jpg" for n in range(2, 8)),
    ]
    with pytest.raises(ValueError, match="parts are missing"):
        shifted = {name: content for name, content in parts.items() if name != "picture-3.jpg"}
        opened(zipped(shifted | {"picture-9.jpg": parts["picture-3.jpg"]}))
    for less in ("picture.jpg", "picture-3.jpg", "picture-7.jpg"):
        with pytest.raises(ValueError, match="is not a trace file"):
            opened(zipped({name: content for name, content in parts.items() if name != less}))
    with pytest.raises(ValueError, match="no JPEG"):
        opened(zipped(parts | {"picture-7.jpg": b"GIF89a"}))
    with pytest.raises(ValueError, match="of pictures; at most"):
        noise = np.random.default_rng(0).bytes(99_000)
        opened(zipped(parts | {f"picture-{n}.jpg": noise for n in range(2, 30)}))
    with pytest.raises(ValueError, match=r"of picture-2\.jpg; at most"):
        opened(zipped(parts | {"picture-2.jpg": np.random.default_rng(0).bytes(101_000)}))


def test_a_view_whose_picture_is_changed_shows():
    parts = parts_of_file(saved(run_of("tiled", TILED)))
    assert read_run(io.BytesIO(zipped(parts)))[1]
    other = small_jpeg(Image.new("RGB", (50, 50)))
    assert not read_run(io.BytesIO(zipped(parts | {"picture-5.jpg": other})))[1]


@pytest.mark.parametrize("shape", [{"kv_heads": 10**6, "head_dim": 10**6}, {"kv_heads": -1}, {"head_dim": "x"}])
def test_a_file_of_schema_three_of_an_impossible_shape_is_refused(shape):
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(of_schema_three(run_of("run", PAIR), shape))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 broken", zipped({"run.json": b"[]"}), zipped({})])
def test_a_file_that_is_no_trace_is_refused(content):
    with pytest.raises(ValueError, match=r"bad\.zip is not a trace file, or is damaged"):
        opened(content, "bad.zip")


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.pop("titles"),
        lambda plain: plain["titles"].pop(),
        lambda plain: plain["sides"].clear(),
        lambda plain: plain["sides"][0].pop("answer"),
        lambda plain: plain["sides"][0].update(answer=7),
        lambda plain: plain["sides"][0].update(unseen=None),
        lambda plain: plain["sides"][0]["views"][0].update(rows=3),
        lambda plain: plain["sides"][0].update(prefill_seconds="soon"),
        lambda plain: plain["sides"][0]["options"].update(keep=[1]),
        lambda plain: plain.update(surprise=1),
        lambda plain: plain["about"].update(device=None),
    ],
)
def test_parts_that_are_missing_or_of_another_kind_are_refused(change):
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(altered(change))


@pytest.mark.parametrize(
    "change",
    [
        {"owner": np.where(ELASTIC.owner == 0, 10_000, ELASTIC.owner)},
        {"owner": np.where(ELASTIC.owner == 0, -7, ELASTIC.owner)},
        {"owner": np.roll(ELASTIC.owner, 1, axis=2)},  # members of what holds no slot
        {"dropped": np.full_like(ELASTIC.dropped, 10_000)},
        {"dropped": np.full_like(ELASTIC.dropped, len(ELASTIC.pieces) + 1)},  # not written at the first step
        {"joined": np.full_like(ELASTIC.joined, 10_000)},
        {"joined": np.full_like(ELASTIC.joined, -2)},
        {"bytes_held": -ELASTIC.bytes_held},
        {"score": ELASTIC.score.astype("U8")},
        {"channels": ELASTIC.channels.astype("U8")},
    ],
)
def test_numbers_that_make_no_sense_are_refused(change):
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(saved(run_of("run", [FULL, replace(ELASTIC, **change)])))


OTHER = {
    "words read after compressing": {"asked_after": 3},
    "question": {"question": "What is that?"},
    "grid": {"views": [ViewFrame(2, 8)], "place": placed(ELASTIC.is_image, [ViewFrame(2, 8)])},
    "box": {"views": [ViewFrame(4, 4, (0.0, 0.0, 1.0, 0.5))]},
    "place of the picture": {"place": np.roll(ELASTIC.place, 1, 0)},
    "words": {"pieces": ["<s>", "HUMAN", *ELASTIC.pieces[2:]]},
    "layers": {name: getattr(cut(make(2, layers=4), 9), name) for name, (shape, _) in ARRAYS.items() if "L" in shape},
}


@pytest.mark.parametrize("what", OTHER)
def test_answers_to_different_prompts_are_no_run(what):
    """Each side alone makes sense; beside each other they would be drawn as if they had read the same."""
    other = replace(ELASTIC, **OTHER[what])
    alone = run_of("run", [other])
    assert_same(alone, opened(saved(alone)))
    with pytest.raises(ValueError, match="its sides are of different prompts"):
        opened(saved(run_of("run", [FULL, other])))


def later(side, answer):
    """A side after an earlier turn, of which it reads its own answer."""
    words = answer.split()
    tokens = len(words)
    wider = {
        "pieces": [*side.pieces, *words],
        "place": np.pad(side.place, ((0, tokens), (0, 0)), constant_values=-1),
        "is_prompt": np.pad(side.is_prompt, (0, tokens)),
        "owner": np.pad(side.owner, ((0, 0), (0, 0), (0, tokens)), constant_values=-1),
        "score": np.pad(side.score, ((0, 0), (0, tokens))),
        "looked": np.pad(side.looked, ((0, 0), (0, 0), (0, tokens))),
    }
    return replace(side, **wider)


def test_sides_that_answered_differently_before_open_again_though_they_have_read_different_numbers_of_tokens():
    said = [[("What is it?", "A dog.")], [("What is it?", "A dog and a ball.")]]
    run = run_of("run", [later(FULL, "A dog."), later(ELASTIC, "A dog and a ball.")], history=said)
    assert_same(run, opened(saved(run)))
    with pytest.raises(ValueError, match="its sides are of different prompts"):
        opened(saved(replace(run, history=[said[0], [("Where is it?", "A dog and a ball.")]])))


class Program:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_arrays_that_hold_programs_are_not_run(tmp_path):
    file = io.BytesIO(saved(run_of("run", PAIR)))
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    packed = io.BytesIO()
    np.savez(packed, **{"0.score": np.array([Program(tmp_path / "ran")], object)})
    parts["arrays.npz"] = packed.getvalue()
    with pytest.raises(ValueError, match="is not a trace file"):
        opened(zipped(parts))
    assert not (tmp_path / "ran").exists()


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr("elastic.record.archive.MAX_BYTES", 10_000)
    with pytest.raises(ValueError, match=r"unpacks to .* MB; at most"):
        opened(saved(run_of("run", PAIR)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 100), pieces=st.lists(text, min_size=7, max_size=7))
def test_the_table_holds_every_step_of_every_side(seed, pieces):
    other = replace(make(seed, heads=2, policy="h2o", words=tuple(f"w{i}" for i in range(7))), answer_pieces=pieces)
    run = run_of("run", [FULL, other])
    rows = list(csv.DictReader(io.StringIO(steps_csv(run))))
    assert [(row["side"], int(row["step"])) for row in rows] == [("A", n) for n in range(1, 10)] + [
        ("B", n) for n in range(1, 8)
    ]
    for row in rows:
        side, step = run.sides["AB".index(row["side"])], int(row["step"]) - 1
        assert json.loads(row["piece"]) == side.answer_pieces[step]
        assert not row["piece"].startswith(("=", "+", "-", "@"))  # a spreadsheet would run it
        assert int(row["bytes_held"]) == side.bytes_held[step].sum()
        assert int(row["limit_bytes"]) == side.limit_bytes[step + 1]
        assert float(row["logprob"]) == pytest.approx(side.logprob[step], rel=1e-5)
        judged = side.reference_logprob[step]
        assert row["reference_logprob"] == "" if np.isnan(judged) else float(row["reference_logprob"])
        gone = [tuple(map(int, pair.split(":"))) for pair in row["evicted"].split()]
        layers, heads = np.nonzero(side.dropped[step] >= 0)
        expected = zip(layers + 1, side.dropped[step][layers, heads], strict=True)
        assert gone == [(int(layer), int(token)) for layer, token in expected] and row["merged"] == ""


def test_the_table_tells_what_was_merged_from_what_was_evicted():
    rows = list(csv.DictReader(io.StringIO(steps_csv(run_of("run", [PLUS])))))
    for row, dropped, joined in zip(rows, PLUS.dropped, PLUS.joined, strict=True):
        evicted, merged = [], []
        for layer in range(3):
            for token, into in zip(dropped[layer], joined[layer], strict=True):
                if token >= 0 and into < 0:
                    evicted.append(f"{layer + 1}:{token}")
                elif token >= 0:
                    merged.append(f"{layer + 1}:{token}>{into}")
        assert row["evicted"] == " ".join(evicted) and row["merged"] == " ".join(merged)
    assert rows[1]["merged"].startswith("1:3>27 1:25>27 2:") and rows[1]["evicted"] == ""
    assert rows[4]["evicted"].startswith("1:2 1:3 2:") and rows[4]["merged"] == ""


@pytest.mark.parametrize("side", [HEADS, PLUS], ids=["evicts", "merges"])
def test_recorded_runs_of_per_head_policies_open(side):
    assert_same(run_of("run", [side]), opened(saved(run_of("run", [side]))))


def test_a_file_of_schema_seven_has_whole_numbers_of_slots():
    """Until then heads of a layer held equally many."""
    run = run_of("run", PAIR)
    parts = parts_of_file(saved(run))
    with np.load(io.BytesIO(parts["arrays.npz"])) as held:
        arrays = {name: held[name].astype(np.int32) if name.endswith("slots") else held[name] for name in held}
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    plain = json.dumps(json.loads(parts["run.json"]) | {"schema": 7}).encode()
    assert_same(run, opened(zipped(parts | {"run.json": plain, "arrays.npz": packed.getvalue()})))
