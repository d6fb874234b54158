"""Trace files of strangers: all of it has a type and a range, and nothing is unpacked before its size is known."""

import io
import json
import struct
import tracemalloc
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from elastic.record.archive import CHECKSUM, PARTS, checksum, open_run, read_run, save_run
from elastic.record.places import ViewFrame, cells_of
from elastic.record.steps import steps_csv
from page.lesson import FOLDER
from page.shown import TRACES
from tests.older_traces import older
from tests.view_traces import ELASTIC, FULL, PAIR, cut, make, run_of


def parts_of(run):
    file = io.BytesIO()
    save_run(run, file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return io.BytesIO(file.getvalue())


def with_plain(change):
    parts = parts_of(run_of("run", PAIR))
    plain = json.loads(parts["run.json"])
    change(plain)
    return zipped(parts | {"run.json": json.dumps(plain).encode()})


def refused(file):
    with pytest.raises(ValueError) as error:
        open_run(file)
    text = str(error.value)
    assert text.endswith(".") and len(text) < 300 and "pydantic" not in text and "validation" not in text
    return text


@pytest.mark.parametrize("file", [*sorted(TRACES.glob("*.zip")), FOLDER / "run.zip"], ids=lambda path: path.stem)
def test_a_file_that_comes_with_the_program_is_as_it_was_saved(file):
    assert read_run(file)[1]


def test_a_changed_part_shows_whichever_it_is():
    parts = parts_of(run_of("run", PAIR))
    assert read_run(zipped(parts))[1]
    assert not read_run(zipped({name: parts[name] for name in PARTS}))[1]
    assert not read_run(zipped(parts | {CHECKSUM: b"0" * 64}))[1]
    other = parts_of(run_of("other", (FULL, replace(ELASTIC, answer="Something else."))))
    for name in ("run.json", "arrays.npz"):
        changed = parts | {name: other[name]}
        assert changed[name] == parts[name] or not read_run(zipped(changed))[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda plain: plain.update(name="x" * 500_000),
        lambda plain: plain["titles"].__setitem__(0, "x" * 500_000),
        lambda plain: plain["sides"][0].update(model="x" * 500_000),
        lambda plain: plain["sides"][0].update(policy=["full"]),
        lambda plain: plain["sides"][0].update(prefill_seconds=float("nan")),
        lambda plain: plain["sides"][0].update(compress_seconds=float("inf")),
        lambda plain: plain["sides"][0].update(prefill_seconds=-1),
        lambda plain: plain["sides"][0].update(finish="soon"),
        lambda plain: plain["sides"][0].update(grid=[4, 4]),
        lambda plain: plain["sides"][0].pop("views"),
        lambda plain: plain["sides"][0].update(views=[]),
        lambda plain: plain["sides"][0].update(views=plain["sides"][0]["views"] * 300),
        lambda plain: plain["sides"][0]["views"][0].update(rows=-4, columns=-4),
        lambda plain: plain["sides"][0]["views"][0].update(rows=4.0, columns="4"),
        lambda plain: plain["sides"][0]["views"][0].update(rows=10**9),
        lambda plain: plain["sides"][0]["views"][0].update(picture=1),
        lambda plain: plain["sides"][0]["views"][0].update(picture=-1),
        lambda plain: plain["sides"][0]["views"][0].update(box=[0, 0, 1]),
        lambda plain: plain["sides"][0]["views"][0].update(box=[0, 0, 0, 1]),
        lambda plain: plain["sides"][0]["views"][0].update(box=[1, 0, 0, 1]),
        lambda plain: plain["sides"][0]["views"][0].update(box=[0, 0, float("nan"), 1]),
        lambda plain: plain["sides"][0]["views"][0].update(box=[0, 0, 1e300, 1]),
        lambda plain: plain["sides"][0]["views"][0].update(pixels="x"),
        lambda plain: plain["sides"][0]["options"].update(keep=float("nan")),
        lambda plain: plain["sides"][0]["options"].update({str(n): 1 for n in range(1000)}),
        lambda plain: plain["shape"].update(weight_bytes=10**18),
        lambda plain: plain["shape"].update(layers=-1),
        lambda plain: plain["shape"].update(more=1),
        lambda plain: plain["about"].update({str(n): "x" for n in range(1000)}),
        lambda plain: plain["link"].update(q="x" * 100_000),
        lambda plain: plain["link"].update(q=7),
        lambda plain: plain["history"].__setitem__(0, [["a", "b", "c"]]),
        lambda plain: plain["history"].__setitem__(0, [["\ud800", "b"]]),
        lambda plain: plain.update(sides=plain["sides"] * 5, titles=plain["titles"] * 5, history=plain["history"] * 5),
        lambda plain: plain.update(schema="4"),
        lambda plain: plain.update(schema=True),
        lambda plain: plain.update(schema=10**400),
    ],
)
def test_a_plain_part_out_of_its_type_or_range_is_refused(change):
    refused(with_plain(change))


def test_what_is_wrong_with_a_box_is_said_by_its_name():
    assert "what it says of box is" in refused(
        with_plain(lambda plain: plain["sides"][0]["views"][0].update(box=["a", 0, 1, 1]))
    )


@pytest.mark.parametrize("schema", [5, 6])
def test_views_that_say_they_have_more_cells_than_memory_holds_are_refused_before_any_is_made(schema):
    run = run_of("run", PAIR)
    parts = parts_of(run) if schema == 6 else older(parts_of(run), schema)
    plain = json.loads(parts["run.json"])
    for side in plain["sides"]:
        if schema == 6:
            side["views"] = [side["views"][0] | {"rows": 1000, "columns": 1000}] * 20
        else:
            side["grid"] = [1000, 1000]
    file = zipped(parts | {"run.json": json.dumps(plain).encode()})
    tracemalloc.start()
    try:
        assert "image tokens" in refused(file)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, -1) for name in ("prompt_slots", "slots", "prompt_bytes", "bytes_held", "bytes_allocated", "seconds")),
        *((name, 10**18) for name in ("prompt_bytes", "bytes_held", "bytes_allocated", "limit_bytes")),
        *((name, np.nan) for name in ("logprob", "seconds", "looked")),
        *((name, np.inf) for name in ("logprob", "seconds", "looked", "score", "sparsity", "divergence")),
        *(("reference_logprob", -np.inf), ("slots", 100_000), ("prompt_slots", 0), ("answer_ids", -5), ("looked", 9)),
    ],
)
def test_a_number_that_cannot_be_is_refused(name, value):
    array = getattr(ELASTIC, name).copy()
    array.flat[0] = value
    refused(zipped(parts_of(run_of("run", (FULL, replace(ELASTIC, **{name: array}))))))


@pytest.mark.parametrize("dtype", ["<f8", ">i4", "<i8", "<U4", "<M8[s]", "<c8"])
def test_an_array_of_another_type_is_refused(dtype):
    refused(zipped(parts_of(run_of("run", (FULL, replace(ELASTIC, owner=ELASTIC.owner.astype(dtype)))))))


@pytest.mark.parametrize(
    "content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff", b"GIF89a", b"x" * 99]
)
def test_a_picture_that_is_no_jpeg_is_refused(content):
    assert "no JPEG" in refused(zipped(parts_of(run_of("run", PAIR)) | {"picture.jpg": content}))


def test_a_picture_of_enormous_size_is_refused():
    file = io.BytesIO()
    Image.new("L", (20_000, 20)).save(file, "JPEG")
    refused(zipped(parts_of(run_of("run", PAIR)) | {"picture.jpg": file.getvalue()}))


def header(shape, dtype="<i4"):
    """An array that says it has that shape, and has nothing."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue()


def plain_part(content):
    """A change of the plain part to this, made when it is asked for: it takes a while and much memory."""
    return lambda parts, inner: zipped(parts | {"run.json": content(parts["run.json"])})


def one_array(name, content):
    """A change of one of the arrays to this."""
    return lambda parts, inner: zipped(parts | {"arrays.npz": zipped(inner | {name: content()}).getvalue()})


def packed(method):
    return lambda parts, inner: zipped(parts | {"run.json": b" " * 60_000_000}, method)


# Small files that unpack, or say that they unpack, to far more.
BOMBS = {
    "zeros in the plain part": plain_part(lambda plain: b" " * 60_000_000 + plain),
    "a picture of zeros": lambda parts, inner: zipped(parts | {"picture.jpg": b"\0" * 60_000_000}),
    "packed by bzip2": packed(zipfile.ZIP_BZIP2),
    "packed by lzma": packed(zipfile.ZIP_LZMA),
    "deep": plain_part(lambda plain: b"[" * 1_000_000),
    "wide": plain_part(lambda plain: b'{"schema": 4, "x": [' + b"[]," * 600_000 + b"[]]}"),
    "many fractions": plain_part(lambda plain: b'{"schema": 4, "x": [' + b"0.1," * 480_000 + b"1]}"),
    "other parts": lambda parts, inner: zipped(parts | {f"{number}": b"" for number in range(50_000)}),
    **{
        f"an array of {shape}": one_array("0.owner.npy", partial(header, shape))
        for shape in ((10**12,), (10**6, 10**6), (3, 1, 10**9), (-1, 1, 1), (2**63, 2, 2))
    },
    "an array of zeros": one_array("0.looked.npy", lambda: header((9, 3, 33), "<f2") + b"\0" * 60_000_000),
    "a long header": one_array("0.owner.npy", lambda: header((26,), "<f4").replace(b"}", b"," + b" " * 60_000 + b"}")),
}


def arrays(parts):
    return zipfile.ZipFile(io.BytesIO(parts["arrays.npz"])).namelist()


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_unpacks_to_much_costs_little_while_it_is_refused(kind):
    parts = parts_of(run_of("run", PAIR))
    inner = {name: zipfile.ZipFile(io.BytesIO(parts["arrays.npz"])).read(name) for name in arrays(parts)}
    file = BOMBS[kind](parts, inner)
    tracemalloc.start()
    refused(file)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 70_000_000 + 3 * len(file.getvalue()), kind


@pytest.mark.parametrize("name", ["run.json", "arrays.npz", CHECKSUM])
def test_a_part_that_is_there_twice_is_refused(name):
    file = zipped(parts_of(run_of("run", PAIR)))
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(name, b"{}")
    refused(file)


@pytest.mark.parametrize("seed", range(5))
def test_a_damaged_file_is_opened_as_it_was_or_refused_in_a_sentence(seed):
    content, random = zipped(parts_of(run_of("run", PAIR))).getvalue(), np.random.default_rng(seed)
    for _ in range(30):
        broken = bytearray(content)
        for place in random.integers(0, len(content), 3):
            broken[place] = random.integers(0, 256)
        try:
            open_run(io.BytesIO(bytes(broken)))
        except ValueError as error:
            assert str(error).endswith(".") and "Traceback" not in str(error)


def test_devices_are_no_trace_files(tmp_path):
    for path in ("/dev/zero", "/dev/ptmx", tmp_path, tmp_path / "gone.zip"):
        assert "Choose" in refused(path)


def test_a_checksum_is_of_all_parts():
    parts = dict.fromkeys((*PARTS, "picture-2.jpg"), b"x")
    sums = {checksum(parts), *(checksum(parts | {name: b"y"}) for name in parts)}
    assert len(sums) == 5


def test_a_part_that_lies_about_its_size_is_unpacked_no_further_than_it_says():
    parts = parts_of(run_of("run", PAIR))
    content = bytearray(zipped(parts | {"picture.jpg": bytes(60_000_000)}).getvalue())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"picture.jpg"))
    content[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    tracemalloc.start()
    refused(io.BytesIO(bytes(content)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def peak_of(action):
    """The most bytes that Python held for an action, beyond what it held before."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def monotone():
    """A run of which nearly every number is the same: it packs to next to nothing."""
    rows, columns, layers = 150, 200, 40
    tokens = rows * columns
    side = replace(
        cut(make(1, layers=layers), 0),
        pieces=[""] * tokens,
        views=[ViewFrame(rows, columns)],
        place=cells_of([ViewFrame(rows, columns)]),
        is_prompt=np.ones(tokens, bool),
        owner=np.zeros((layers, 1, tokens), np.int32),
        score=np.zeros((layers, tokens), np.float32),
        looked=np.zeros((0, layers, tokens), np.float16),
    )
    return replace(run_of("monotone", [side]), pictures=[])


def test_a_file_that_unpacks_to_a_hundred_times_its_size_is_refused_however_right_it_is():
    """Whoever holds a thousand small files would hold gigabytes."""
    parts = parts_of(monotone())
    packed = zipped(parts)
    unpacked = io.BytesIO()
    with np.load(io.BytesIO(parts["arrays.npz"])) as arrays:
        np.savez(unpacked, **arrays)
    large = zipped(parts | {"arrays.npz": unpacked.getvalue()}, zipfile.ZIP_STORED)
    assert len(large.getvalue()) > 100 * len(packed.getvalue())
    assert len(open_run(large).sides[0].pieces) == 30_000
    assert "unpacks to" in refused(packed)


def test_arrays_of_nothing_but_zeros_are_refused_before_they_are_unpacked():
    file = zipped(parts_of(run_of("run", PAIR)) | {"arrays.npz": bytes(49_000_000)})
    assert peak_of(lambda: refused(file)) < 5_000_000
    assert "unpacks to 49" in refused(file)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_in_a_way_that_cannot_be_unpacked_piece_by_piece_is_refused(method):
    """The library unpacks such a part whole before it hands out a byte; a small one is refused for what it is."""
    parts = parts_of(run_of("run", PAIR))
    assert "packed in another way" in refused(zipped(parts, method))
    inner = {name: zipfile.ZipFile(io.BytesIO(parts["arrays.npz"])).read(name) for name in arrays(parts)}
    assert "packed in another way" in refused(zipped(parts | {"arrays.npz": zipped(inner, method).getvalue()}))


def test_a_file_that_has_not_more_parts_than_it_may_and_one_of_them_twice_is_refused():
    """Which of them counts would be the library's choice, and the sizes that were looked at may be the other's."""
    parts = parts_of(run_of("run", PAIR))
    file = zipped({name: parts[name] for name in PARTS})
    with zipfile.ZipFile(file, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.json", parts["run.json"])
    assert "other parts" in refused(file)


END = struct.Struct("<4s4H2LH")


def test_a_second_directory_that_would_count_for_more_is_refused():
    """As files of gigabytes have; its length, unlike that of the first one, is not in the last bytes."""
    content = zipped(parts_of(run_of("run", PAIR))).getvalue()
    assert read_run(io.BytesIO(content))[1]
    _, _, _, _, count, length, begins, _ = END.unpack(content[-END.size :])
    second = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, begins)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - END.size, 1)
    file = content[: -END.size] + second + locator + content[-END.size :]
    assert len(zipfile.ZipFile(io.BytesIO(file)).namelist()) == count, "the library takes it"
    assert "does not end as a zip file" in refused(io.BytesIO(file))


def test_a_directory_longer_than_its_parts_need_is_refused_unread():
    """How many entries it has is what a file says of itself: the library reads on as long as the directory goes."""
    content = zipped({f"{number}": b"" for number in range(30_000)}).getvalue()
    end = list(END.unpack(content[-END.size :]))
    end[3] = end[4] = 4
    file = io.BytesIO(content[: -END.size] + END.pack(*end))
    assert peak_of(lambda: refused(file)) < 2 * len(content)
    assert "other parts" in refused(file)


def test_a_truth_value_that_is_neither_0_nor_1_is_true():
    """Numbers would be counted with it: 7 patches where there is one."""
    parts = parts_of(run_of("run", PAIR))
    inner = {name: zipfile.ZipFile(io.BytesIO(parts["arrays.npz"])).read(name) for name in arrays(parts)}
    name = "1.is_prompt.npy"
    inner[name] = inner[name][: -len(ELASTIC.is_prompt)] + (7 * ELASTIC.is_prompt.astype(np.uint8)).tobytes()
    opened = open_run(zipped(parts | {"arrays.npz": zipped(inner).getvalue()})).sides[1].is_prompt
    assert opened.view(np.uint8).tolist() == ELASTIC.is_prompt.astype(int).tolist()


def test_what_is_not_in_the_file_is_bounded_as_well():
    """Schema 3 says how many channels there are, and all of them are walked through when the run is shown."""

    def of_three(**shape):
        return zipped(older(parts_of(run_of("run", PAIR)), 3, **shape))

    assert open_run(of_three(kv_heads=8, head_dim=128)).sides[0].channels.shape[1:] == (8, 128)
    refused(of_three(kv_heads=512, head_dim=4096 * 8))
    refused(of_three(kv_heads=512, head_dim=4096) if len(ELASTIC.owner) * 2 * 512 * 4096 > 2e7 else zipped({}))


@pytest.mark.parametrize("keep", ["x", 0, -1, 1.5, True])
def test_a_share_that_cannot_be_is_refused(keep):
    refused(with_plain(lambda plain: plain["sides"][1]["options"].update(keep=keep)))


def test_no_name_in_a_table_of_steps_becomes_a_formula():
    run = run_of("run", (FULL, replace(ELASTIC, policy='=HYPERLINK("http://x")')))
    lines = steps_csv(run).splitlines()[1:]
    assert not any(part.startswith(("=", '"=')) for line in lines for part in line.split(","))
