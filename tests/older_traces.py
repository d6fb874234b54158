"""Trace files as earlier versions of the program wrote them, made of what this one writes."""

import io
import json
import zipfile

import numpy as np


def older(parts: dict[str, bytes], schema: int, **shape: object) -> dict[str, bytes]:
    """The parts of a file of one view as that schema had them; `shape` changes what is said of the model's."""
    plain = json.loads(parts["run.json"])
    plain |= {"schema": schema, "shape": plain["shape"] | shape}
    packed = io.BytesIO()
    with np.load(io.BytesIO(parts["arrays.npz"])) as held:
        arrays = dict(held)
    for number, side in enumerate(plain["sides"]):
        arrays.pop(f"{number}.forgotten", None)  # since schema 9
        for name in ("slots", "prompt_slots"):  # until schema 8 in whole numbers
            arrays[f"{number}.{name}"] = arrays[f"{number}.{name}"].astype(np.int32)
        del side["erasure"]  # since schema 7
        (view,) = side.pop("views")
        side["grid"] = [view["rows"], view["columns"]]
        arrays[f"{number}.is_image"] = arrays.pop(f"{number}.place")[:, 3] >= 0
        if schema < 5:
            del side["asked_after"]
        if schema < 4:
            del side["unseen"], arrays[f"{number}.channels"]
    np.savez(packed, allow_pickle=False, **arrays)
    return parts | {"run.json": json.dumps(plain).encode(), "arrays.npz": packed.getvalue()}


def parts_of_file(content: bytes) -> dict[str, bytes]:
    """What a zip holds, by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
