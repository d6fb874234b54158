"""The files of a checkpoint before a model is made of them: which is missing, damaged, or only a pointer to another."""

import errno
import hashlib
import json
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

POINTER = b"version https://git-lfs"
UNREAD = "{} cannot be read ({}). See that it is a file and that this user may read it."
LONGEST = 240  # characters of a reason: some of the library's list all that they know
SMOLLM2 = "smollm2"  # the name of the text model that comes with a package, see `elastic.models.smollm2`
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


class Unfit(ValueError):
    """Says in a whole sentence why a checkpoint cannot be used."""


def reason_of(error: Exception) -> str:
    """What an error of the library says, as words within a sentence."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    said = f"{lines[0]} {lines[1]}" if lines[0].endswith(":") and len(lines) > 1 else lines[0]
    return (said if len(said) <= LONGEST else f"{said[:LONGEST]}...").rstrip(".:")


def check_files(folder: Path) -> None:
    """Look at a folder's files: everything but the numbers in the weights.

    Raises:
        ValueError: if one is missing or damaged; one sentence that names it.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}. Give --model a folder with a checkpoint, or a hub name.")
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder} holds an adapter (LoRA), and not the model that it adapts: put it into its model with peft's "
            "merge_and_unload, save that with save_pretrained, and name the folder of it."
        )
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder / 'config.json'} is missing: the folder holds no checkpoint, or only a part of one.")
    for path in sorted(folder.glob("*.json")):
        _check_json(path)
    for index in folder.glob("*.index.json"):
        listed = json.loads(index.read_text(encoding="utf-8")).get("weight_map", {})
        if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
            raise ValueError(f"{index} does not say which weights are in which file. Copy the checkpoint again.")
        missing = sorted(name for name in set(listed.values()) if not (folder / name).is_file())
        if missing:
            raise ValueError(f"{folder / missing[0]} is missing, which {index.name} names. Copy the checkpoint again.")
    found = [path for pattern in WEIGHTS for path in sorted(folder.glob(pattern))]
    if not found:
        raise ValueError(f"{folder / 'model.safetensors'} is missing: there are no weights in this folder.")
    for path in found:
        check_weights(path)


def sees_pictures(folder: Path) -> bool:
    """Whether a checked checkpoint has a tower for pictures, by its settings; text models have none."""
    return "vision_config" in json.loads((folder / "config.json").read_text(encoding="utf-8"))


def digest(folder: Path) -> str:
    """Tells what is in a folder from what was in it before, or is in another: settings, words and weights.

    Raises:
        ValueError: if a file cannot be read; one sentence that names it.
    """
    found = hashlib.sha256()
    for path in sorted(path for pattern in ("*.json", *WEIGHTS) for path in folder.glob(pattern)):
        try:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ValueError(f"{path} cannot be read ({error.strerror}). Copy the checkpoint again.") from error
    return found.hexdigest()[:12]


def _check_json(path: Path) -> None:
    try:
        _check_kind(path)
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(UNREAD.format(path, error.strerror)) from error
    except RecursionError as error:
        raise ValueError(f"{path} cannot be read (it has too many brackets). Copy the checkpoint again.") from error
    except ValueError as error:
        raise ValueError(f"{path} cannot be read ({error}). Copy the checkpoint again.") from error
    if path.name.endswith(("config.json", ".index.json")) and not isinstance(value, dict):
        raise ValueError(f"{path} holds no object of settings. Copy the checkpoint again.")


def _check_kind(path: Path) -> None:
    """See that a path leads to a file: devices and pipes have no end, and some never begin."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")


def check_weights(path: Path) -> None:
    """Look at a file of weights: everything but its numbers.

    Raises:
        ValueError: if it cannot be read, is damaged or only a pointer to another; one sentence that names it.
    """
    try:
        _check_kind(path)
        with path.open("rb") as file:
            begins = file.read(len(POINTER))
        if begins == POINTER:
            raise ValueError(f"{path} is only a pointer to the weights. Fetch them with: git lfs pull")
        if path.suffix == ".safetensors":
            with safe_open(path, "np") as weights:
                weights.keys()
        elif not begins or (begins.startswith(b"PK") and not zipfile.is_zipfile(path)):
            raise ValueError(f"{path} is damaged: it is no file of weights. Copy the checkpoint again.")
    except OSError as error:
        raise ValueError(UNREAD.format(path, error.strerror or error)) from error
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or cannot be read ({error}). Copy the checkpoint again.") from error
