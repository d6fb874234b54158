"""The file of a run, to open it again. What comes from outside is checked."""

import hashlib
import io
import json
import math
import zipfile
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from elastic.files import whole
from elastic.picture import is_small_jpeg
from elastic.record.arrays import ARRAYS, OPTIONAL, shape_of
from elastic.record.bounded_zip import array_header, open_zip, read_array, read_part, sizes
from elastic.record.erasure import Erasure
from elastic.record.foreign import read_file
from elastic.record.part_read import PART_ARRAYS, PartRead
from elastic.record.places import ViewFrame, placed
from elastic.record.plain import MOST_TOKENS, MOST_VIEWS, PlainRun, PlainSide, Versioned
from elastic.record.reuse import Reuse
from elastic.record.shortened import Fewer
from elastic.record.trace import Run, Trace

SCHEMA = 9
OLDEST = 3  # schema that can still be read
MAX_BYTES = 100_000_000  # of a file once unpacked: a small file can unpack to anything
MAX_RATIO = 100  # of unpacked to packed bytes; files that were saved here have 2 to 30
MAX_FILE = 50_000_000
MOST_CHANNELS = 20_000_000  # of all layers and sides: a model of 80 layers with keys of 8 x 128 numbers has 80,000
MOST_DROPPED = 2_000_000  # steps x layers x heads, of which each is told to the browser
MAX_PLAIN, MAX_PICTURE = 2_000_000, 100_000
MAX_PICTURES = 2_000_000  # of all views: they travel to every browser
WHERE_THERE = {"erasure": Erasure, "reuse": Reuse, "fewer": Fewer}  # what most traces have nothing of
PARTS = ("run.json", "arrays.npz", "picture.jpg")
CHECKSUM = "checksum"  # of the parts; a file without it was edited, or is not of this program


def save_run(run: Run, file: str | Path | io.BytesIO) -> None:
    """Write a run as one zip: `run.json` with the plain parts and the schema, `arrays.npz`, and what the model saw.

    Raises:
        ValueError: if the file cannot be written; one that was there stays.
    """
    arrays: dict[str, np.ndarray] = {}
    arrays_of = ARRAYS.keys() | OPTIONAL.keys() | PART_ARRAYS.keys()
    sides = []
    for number, side in enumerate(run.sides):
        values = {f.name: getattr(side, f.name) for f in fields(Trace)}
        part = values.pop("part_read")
        values |= {} if part is None else vars(part)
        arrays |= {f"{number}.{name}": value for name, value in values.items() if isinstance(value, np.ndarray)}
        sides.append({name: value for name, value in values.items() if name not in arrays_of})
    plain = {f.name: getattr(run, f.name) for f in fields(Run) if f.name not in ("sides", "pictures")}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    parts = {
        "run.json": json.dumps({"schema": SCHEMA, **plain, "sides": sides}, ensure_ascii=False, default=vars).encode(),
        "arrays.npz": packed.getvalue(),
        "picture.jpg": b"",  # where nothing is known of it
    }
    parts |= {picture_part(number): picture for number, picture in enumerate(run.pictures)}
    with (
        nullcontext(file) if isinstance(file, io.BytesIO) else whole(Path(file)) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, content in (parts | {CHECKSUM: checksum(parts)}).items():
            archive.writestr(name, content)


def picture_part(number: int) -> str:
    """The part of a trace file that holds what the model saw of a view: `picture.jpg`, `picture-2.jpg` and so on."""
    return f"picture-{number + 1}.jpg" if number else "picture.jpg"


PICTURE_PARTS = [picture_part(number) for number in range(MOST_VIEWS)]


def checksum(parts: dict[str, bytes]) -> bytes:
    """Of a trace file's parts: it tells a file that was changed from one that was not, but not who wrote it."""
    names = [*PARTS, *(name for name in PICTURE_PARTS[1:] if name in parts)]
    digests = [hashlib.sha256(parts[name]).hexdigest() for name in names]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest().encode()


def open_run(file: str | Path | io.BytesIO) -> Run:
    """Read a trace file.

    Raises:
        ValueError: if the file is no trace, is damaged, too large, or has another schema; one sentence for people.
    """
    return read_run(file)[0]


def read_run(file: str | Path | io.BytesIO, name: str = "This file") -> tuple[Run, bool]:
    """Read a trace file; the second value is whether it is as it was when it was saved. `name` is for sentences.

    Raises:
        ValueError: as `open_run`.
    """
    if isinstance(file, io.BytesIO):
        content = file.getvalue()
    else:
        content, name = read_file(file, MAX_FILE), Path(file).name[:60]
    try:
        parts = _parts(content, name)
        values = _plain_values(parts["run.json"])
        schema = Versioned.model_validate(values).number
        if schema not in range(OLDEST, SCHEMA + 1):
            reads = f"this version reads {OLDEST} to {SCHEMA}"
            raise _TraceRefused(f"{name} has trace schema {str(schema)[:20]}, {reads}. Record it again.")
        if not set(PARTS) <= set(parts):
            raise ValueError("parts are missing")
        plain = PlainRun.model_validate(values)
        arrays = _arrays(parts["arrays.npz"], plain, name)
        return _build(plain, arrays, _pictures(parts)), parts.get(CHECKSUM) == checksum(parts)
    except _TraceRefused:
        raise
    except Exception as error:  # a file from outside can break in more ways than can be listed
        raise _TraceRefused(
            f"{name} is not a trace file, or is damaged ({_reason(error)}). Open a file that was saved by this page."
        ) from error


class _TraceRefused(ValueError):
    """A sentence that is ready for people."""


def _plain_values(content: bytes) -> Any:
    """The plain part as values, once: errors of a type hold what they were given, all of it."""
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError("its plain part is no JSON") from error


def _reason(error: Exception) -> str:
    """What is wrong in a few words of ours: those of libraries are for programmers."""
    if isinstance(error, ValidationError):
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        # Where a value may be of several types, the last of its place is a word of pydantic's for one of them.
        named = [part for part in place if isinstance(part, str) and not part.startswith("constrained-")]
        return f"what it says of {named[-1][:40] if named else 'itself'} is missing or impossible"
    return str(error)[:120] if type(error) is ValueError else "its parts do not fit together"


def _parts(content: bytes, name: str) -> dict[str, bytes]:
    """The parts of a trace file, of which each has a size that it may have."""
    most = {"run.json": MAX_PLAIN, "arrays.npz": MAX_FILE, CHECKSUM: 100} | dict.fromkeys(PICTURE_PARTS, MAX_PICTURE)
    with open_zip(content, set(most)) as archive:
        found = sizes(archive)
        if "run.json" not in found:
            raise ValueError("parts are missing")
        _refuse_large(sum(found.values()), len(content), name)
        for part, size in found.items():
            if size > most[part]:
                raise _TraceRefused(f"{name} unpacks to {size:,} bytes of {part}; at most {most[part]:,} are read.")
        shown = sum(size for part, size in found.items() if part in PICTURE_PARTS)
        if shown > MAX_PICTURES:
            raise _TraceRefused(f"{name} unpacks to {shown:,} bytes of pictures; at most {MAX_PICTURES:,} are read.")
        return {part: read_part(archive, part) for part in found}


def _pictures(parts: dict[str, bytes]) -> list[bytes]:
    """What the model saw, per view, of which each can be shown; an empty file stands for none."""
    names = [name for name in PICTURE_PARTS if name in parts]
    if names != PICTURE_PARTS[: len(names)]:
        raise ValueError("parts are missing")
    found = [parts[name] for name in names]
    if found == [b""]:
        return []
    if not all(map(is_small_jpeg, found)):
        raise ValueError("its picture is no JPEG")
    return found


def _refuse_large(unpacked: int, packed: int, name: str) -> None:
    most = min(MAX_BYTES, 1_000_000 + MAX_RATIO * packed)
    if unpacked > most:
        raise _TraceRefused(f"{name} unpacks to {unpacked / 1e6:,.1f} MB; at most {most / 1e6:,.1f} MB are read.")


def _arrays(content: bytes, plain: PlainRun, name: str) -> list[dict[str, np.ndarray]]:
    """Every side's arrays; that their sizes are right, and bearable, is known before any of them is unpacked."""
    sides_there = range(len(plain.sides))
    optional = OPTIONAL if plain.number > 8 else {}
    possible = {f"{side}.{array}.npy" for side in sides_there for array in _types(plain.number, True) | optional}
    with open_zip(content, possible) as archive:
        found = sizes(archive)
        wanted = [_types(plain.number, f"{side}.read_slots.npy" in found) for side in sides_there]
        for side, own in enumerate(wanted):
            own |= {array: kind for array, kind in optional.items() if f"{side}.{array}.npy" in found}
        parts = {f"{side}.{array}.npy": (side, array) for side, own in enumerate(wanted) for array in own}
        if set(found) != set(parts):
            raise ValueError("arrays are missing")
        _refuse_large(sum(found.values()), len(content), name)
        for side, own in enumerate(wanted):
            _check_headers({array: array_header(archive, f"{side}.{array}.npy")[:2] for array in own}, own)
        sides: list[dict[str, np.ndarray]] = [{} for _ in plain.sides]
        for part in found:
            side, array = parts[part]
            sides[side][array] = read_array(archive, part)
    if plain.number == 3:
        shape = plain.shape.kv_heads, plain.shape.head_dim
        # Nothing of it is in the file, yet whoever looks at it walks through all of it.
        if sum(len(arrays["owner"]) for arrays in sides) * math.prod(shape) > MOST_CHANNELS:
            raise ValueError("no model has that shape")
        for arrays in sides:
            arrays["channels"] = np.broadcast_to(True, (len(arrays["owner"]), *shape))
    return sides


def _types(schema: int, reads_part: bool) -> dict[str, tuple[str, type]]:
    """The arrays that a file of that schema holds of a side, which may read a part of what it holds."""
    found = dict(ARRAYS)
    if schema > 8 and reads_part:
        found |= PART_ARRAYS
    if schema < 8:  # heads of a layer held equally many slots
        found |= {name: (found[name][0], np.int32) for name in ("prompt_slots", "slots")}
    if schema < 6:  # a picture was one view, so that whether a token was of it said all
        del found["place"]
        found["is_image"] = ("T", np.bool_)
    if schema < 4:  # keys held all of their channels
        del found["channels"]
    return found


def _check_headers(headers: dict[str, tuple[tuple[int, ...], np.dtype]], types: dict[str, tuple[str, type]]) -> None:
    """Raise ValueError unless shapes and types are those of one trace, of a size that some model has."""
    if len(headers["owner"][0]) != 3 or len(headers["answer_ids"][0]) != 1:
        raise ValueError("an array has another shape")
    sizes = dict(zip("LHTN", (*headers["owner"][0], *headers["answer_ids"][0]), strict=True))
    if not (1 <= sizes["L"] <= 512 and 1 <= sizes["H"] <= 512 and 1 <= sizes["T"] <= MOST_TOKENS - sizes["N"]):
        raise ValueError("no model has that shape")
    if sizes["N"] * sizes["L"] * sizes["H"] > MOST_DROPPED:
        raise ValueError("its answer is longer than a view can show")
    for name, (shape, dtype) in headers.items():
        letters, expected = types[name]
        if dtype != expected or len(shape) != letters.count(",") + 1:
            raise ValueError(f"{name} has another type")
        if shape != (shape_of(letters, sizes) or shape):
            raise ValueError(f"{name} has another shape")


def _build(plain: PlainRun, arrays: list[dict[str, np.ndarray]], pictures: list[bytes]) -> Run:
    sides = []
    for given, own in zip(plain.sides, arrays, strict=True):
        views = _views(plain.number, given)
        if plain.number < 6:
            own["place"] = placed(own.pop("is_image"), views)
        if plain.number < 8:
            own |= {name: own[name].astype(np.float32) for name in ("prompt_slots", "slots")}
        # Of any type: that each field has its own was checked, of the plain ones by `PlainRun`, of arrays by `ARRAYS`.
        values: dict[str, Any] = given.model_dump(exclude={"grid"}) | {"views": views} | own
        values |= {name: kind(**values[name]) for name, kind in WHERE_THERE.items() if values[name] is not None}
        part = {name: values.pop(name) for name in PART_ARRAYS if name in values}
        values["part_read"] = PartRead(**part) if part else None
        sides.append(Trace(**values))
    for side in sides:
        side.check()
        if len(pictures) not in (0, len(side.views)):
            raise ValueError("it has other pictures than views")
    if not 1 <= len(sides) == len(plain.history) == len(plain.titles):
        raise ValueError("its sides are incomplete")
    _check_together(sides, plain.history)
    rest = plain.model_dump(exclude={"number", "sides"})
    rest["history"] = [[(question, answer) for question, answer in past] for past in plain.history]
    return Run(sides=sides, pictures=pictures, **rest)


def _views(schema: int, given: PlainSide) -> list[ViewFrame]:
    """A side's views; before schema 6 a picture was one, of which the number of rows and columns was said."""
    if (schema < 6) != (given.grid is not None) or (schema < 6 and given.views):
        raise ValueError("its views are missing")
    if given.grid is not None:
        rows, columns = given.grid
        return [ViewFrame(rows, columns)]
    if not given.views:
        raise ValueError("its views are missing")
    return [
        ViewFrame(view.rows, view.columns, (view.box[0], view.box[1], view.box[2], view.box[3]), view.picture)
        for view in given.views
    ]


def _check_together(sides: list[Trace], history: list[list[list[str]]]) -> None:
    """Raise ValueError unless the sides are of one question about the same pictures, and of the same prompt at first.

    Later each side has read answers of its own, so that even the number of its tokens is another.
    """
    of_all = {(side.question, side.asked_after, tuple(side.views), side.layers) for side in sides}
    asked = {tuple(question for question, _ in past) for past in history}
    prompts = {(tuple(side.pieces), side.place.tobytes()) for side in sides} if not any(history) else ()
    if max(len(of_all), len(asked), len(prompts)) > 1:
        raise ValueError("its sides are of different prompts")
