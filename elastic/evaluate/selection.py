"""What a command line asks for: the samples, and whether model, data and protocol go together."""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from elastic.cache.hooks import FAMILIES
from elastic.command_line import AUTO
from elastic.evaluate.arguments import KNOWN, PICTURE, READ, SCENES, UNKNOWN, arguments
from elastic.evaluate.data import Sample, registered_samples
from elastic.evaluate.files import read_file
from elastic.evaluate.prose import Words
from elastic.evaluate.prose import digest as digest_of_texts
from elastic.evaluate.registry import DATA, TEXTS, registered
from elastic.evaluate.workers import ModelSource, loaded
from elastic.model import POCKET
from elastic.models.checkpoint import SMOLLM2, digest

RECALL, PASSAGES = "recall", "passages"
LIMITS = {RECALL: 120, PASSAGES: 12}
TOKENS = {RECALL: 600, PASSAGES: 768}
FILE, OF_TEXT = "a file", " from texts"
# What options of data mean something for, of the data that are known here; what others make of them is theirs.
MEANT_FOR = {
    "images": (FILE,),
    "seed": (SCENES, RECALL, PASSAGES, RECALL + OF_TEXT, PASSAGES + OF_TEXT),
    "describe": (SCENES,),
    "conversations": (SCENES, RECALL + OF_TEXT),
    "tokens": (RECALL + OF_TEXT, PASSAGES + OF_TEXT),
    "needles": (RECALL + OF_TEXT,),
    "lead": (RECALL, RECALL + OF_TEXT),
    "follow": (PASSAGES + OF_TEXT,),
}
KNOWN_DATA = {data for meant in MEANT_FOR.values() for data in meant}


def samples_of(args: argparse.Namespace) -> tuple[list[Sample], list[str]]:
    """The samples that are asked for, and a sentence for each record of a file that cannot be used.

    Raises:
        ValueError: if the data cannot be had, or do not go with the model or the protocol.
    """
    if not is_registered(args.data):
        path = Path(args.data)
        images = args.images or (path.parent / "images" if (path.parent / "images").is_dir() else path.parent)
        if not images.is_dir():
            raise ValueError(f"{images} is no folder: name the folder of the pictures with --images.")
        return read_file(path, images, args.limit)
    limit = LIMITS.get(args.data, 100) if args.limit is None else args.limit
    conversations = args.conversations
    if conversations is None:
        conversations = 10 if args.data == SCENES else 0
    made = _registered(args, limit, conversations)
    return ([_led(sample) for sample in made] if args.lead == READ else made), []


def _registered(args: argparse.Namespace, limit: int, conversations: int) -> list[Sample]:
    asked = (args.data, args.seed, limit, args.describe, conversations)
    if not reads_text(args.model):
        return registered_samples(*asked)
    words = Words(loaded(ModelSource(args.model, args.device, args.four_bit, args.dtype)).tokenizer)
    more = {"tokens": tokens_of(args), "needles": args.needles, "follow": args.follow, "words": words}
    return registered_samples(*asked, group=TEXTS, **more)


def _led(sample: Sample) -> Sample:
    """The sample with the words before each value read with their question."""
    turns = []
    for turn in sample.turns:
        if turn.value and turn.answer:
            begin, end = turn.value
            lead = turn.answer[:begin].rstrip()
            value = begin - len(lead), end - len(lead)
            turn = replace(turn, lead=lead, answer=turn.answer[len(lead) :], value=value)
        turns.append(turn)
    return replace(sample, turns=tuple(turns))


def check_protocol(args: argparse.Namespace) -> None:
    """See that data, model, protocol and layout go together.

    Raises:
        ValueError: if they do not; one sentence.
    """
    is_text = reads_text(args.model)
    if is_text and (not is_registered(args.data) or args.data not in registered(TEXTS)):
        known = ", ".join(registered(TEXTS))
        raise ValueError(f"{args.model} reads text and {args.data!r} are pictures: give --data one of {known}.")
    if args.question == UNKNOWN and args.layout != PICTURE:
        raise ValueError("With --layout question the question is read first, so it is never unknown: leave one out.")
    if args.question == UNKNOWN and args.batch > 1:
        raise ValueError("With --question unknown, samples share a compressed cache and no batch: leave --batch out.")
    if is_text and args.data == PASSAGES and (args.question, args.layout) != (KNOWN, PICTURE):
        raise ValueError("Nobody asks anything about passages of text: leave --question and --layout out.")
    _check_options(args, args.data + OF_TEXT * is_text if is_registered(args.data) else FILE)


def _check_options(args: argparse.Namespace, data: str) -> None:
    """See that what was said of the data means something for them; none of something, as `--describe 0`, always does.

    Raises:
        ValueError: if it does not.
    """
    usual = arguments([])
    for name, meant in MEANT_FOR.items():
        value = getattr(args, name)
        if value and value != getattr(usual, name) and data in KNOWN_DATA and data not in meant:
            raise ValueError(f"--{name} means nothing for {data}, only for {', '.join(meant)}: leave it out.")


def identity(args: argparse.Namespace) -> dict[str, Any]:
    """What answers and times depend on: a file of answers goes on only with the same."""
    is_ours, is_text = is_registered(args.data), reads_text(args.model)
    folder = Path(args.model or POCKET)
    data = args.data if is_ours else f"{Path(args.data).name} {_digest(Path(args.data))}"
    return {
        "model": args.model or POCKET.name,
        "weights": digest(folder) if folder.is_dir() else None,  # a name on the hub is taken at its word
        "four_bit": args.four_bit,
        # None as in files from before it could be said; `dtype` in results is what it came to.
        "wanted_dtype": None if args.dtype == AUTO else args.dtype,
        "data": data,
        "seed": args.seed if is_ours else None,
        "question": args.question,
        "layout": args.layout,
        "texts": digest_of_texts() if is_text else None,
        "tokens": tokens_of(args) if is_text else None,
        "lead": args.lead if is_ours else None,
        "needles": args.needles if is_text else None,
        "follow": args.follow if is_text else None,
        "max_new_tokens": args.max_new_tokens,
        "batch": args.batch,
    }


def is_registered(data: str) -> bool:
    """Whether data are registered, and no file; what is asked for where nothing is said is always meant so."""
    return data == SCENES or data in registered(DATA) or data in registered(TEXTS)


def tokens_of(args: argparse.Namespace) -> int | None:
    """How many tokens a text is to have; None where its data do not say."""
    return args.tokens or TOKENS.get(args.data)


def reads_text(model: str | None) -> bool:
    """Whether a model reads text and sees no pictures.

    Raises:
        ValueError: if its settings cannot be read.
    """
    if model == SMOLLM2:
        return True
    name = model or str(POCKET)
    try:
        return AutoConfig.from_pretrained(name, trust_remote_code=False).model_type in FAMILIES
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"The settings of {name!r} cannot be read ({reason}): give a checkpoint.") from error


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
