"""Seen on one small picture, or a short text, before a model is called live: it reads what the library reads.

The same prompt is read twice: by the library's own code with its own attention and cache, from what its processor makes
of picture and question, and by ours. Tokens and pixels must be the same, and logits equal, of the prompt and of one
token more. What a checkpoint says wrongly, and what a family does that this code does not know, shows there.

It costs the vision tower once, as both readings share what it makes of the picture, and two readings of the prompt
through the text model. On a CPU a large model would take minutes for those, so it reads the picture with its first
layers only, as many as a budget of work allows, and then a few words with all of them: in all about what a first
question takes (`benchmarks/RESULTS.md`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import DynamicCache, GenerationConfig

from elastic.cache import ElasticCache
from elastic.models.checkpoint import Unfit, reason_of
from elastic.models.reader import Reader
from elastic.models.reading import Reading
from elastic.models.text import BETWEEN, TextModel
from elastic.policies.full import Full

QUESTION = "What is in the middle?"
PASSAGE = "A red square stands in the middle of a blue field, and nothing else is there."
SIDE = 64  # pixels
BUDGET = 1e11  # multiplications that reading the picture may cost on a CPU: of float32 a core does 2e10 in a second
FEWEST = 4  # layers: those that get features of the tower besides (DeepStack) are the first three
# The largest difference of two logits as a share of the largest logit: orders of summation differ, and no more.
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.03}
IN_FEW_BITS = 0.1
Inputs = dict[str, Tensor]
Logits = tuple[Tensor, Tensor]  # (1, V) float32 each: behind a prompt, and behind a token after it


@torch.no_grad()
def prove(reader: Reader) -> None:
    """See that a model reads a prompt and a token more as the library does; its attention is still the library's own.

    Raises:
        ValueError: if it does not: tokens, pixels or logits differ, or the logits are no numbers; one sentence.
    """
    prompt, inputs = _of_text(reader) if isinstance(reader, TextModel) else _of_picture(reader)
    _check_room(reader, prompt)
    _same_tokens(reader, prompt, inputs)
    _same_inputs(reader, prompt, inputs)
    readings = [(_affordable(reader, prompt.ids.shape[1]), prompt, inputs)]
    if readings[0][0] < reader.layers:
        words = prompt if isinstance(reader, TextModel) else reader.next_turn(QUESTION)
        readings.append((reader.layers, words, {"input_ids": words.ids, "attention_mask": torch.ones_like(words.ids)}))
    with _tower_runs_once(reader):
        # All of the library's first: our cache puts its attention in place of the library's.
        written = [_written(reader, layers, inputs) for layers, _, inputs in readings]
        for (layers, prompt, _), (expected, token) in zip(readings, written, strict=True):
            _same_logits(reader, expected, _our_logits(reader, layers, prompt, token))


def _picture() -> Image.Image:
    """A red square on a blue field that grows lighter."""
    rising = np.linspace(0, 255, SIDE, dtype=np.uint8)
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[..., 1], pixels[..., 2] = rising, 200
    pixels[SIDE // 4 : SIDE // 2, SIDE // 4 : SIDE // 2] = 220, 30, 30
    return Image.fromarray(pixels)


def _of_picture(reader: Reader) -> tuple[Reading, Inputs]:
    """A question about a picture, as it is read here and as the library's own processor makes it."""
    picture = _picture()
    said = [{"type": "image", "image": picture}, {"type": "text", "text": QUESTION}]
    try:
        prompt = reader.first_turn(picture, QUESTION)
        reader.next_turn(QUESTION)
        made = _templated(reader, said)
    except Unfit:
        raise
    except Exception as error:  # settings of processors and templates can be wrong in more ways than can be listed
        raise ValueError(
            f"{reader.name!r} cannot be asked about a picture ({reason_of(error)}): take the files of its processor "
            "and its chat template from where the weights were published."
        ) from error
    kind = reader.model.dtype
    moved = {name: one.to(reader.device, kind if one.is_floating_point() else None) for name, one in made.items()}
    return prompt, moved


def _of_text(reader: TextModel) -> tuple[Reading, Inputs]:
    """A text and a question, or a text alone where no template says how to ask."""
    try:
        prompt = reader.first_turn(PASSAGE, QUESTION)
        made = _templated(reader, f"{PASSAGE}{BETWEEN}{QUESTION}")
    except ValueError:  # said to whoever asks: passages can be read without
        prompt = reader.passage(PASSAGE)
        made = reader.tokenizer(PASSAGE, return_tensors="pt")
    return prompt, {name: made[name].to(reader.device) for name in ("input_ids", "attention_mask")}


def _templated(reader: Reader, said: Any) -> Any:
    return reader.processor.apply_chat_template(
        [{"role": "user", "content": said}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def _check_room(reader: Reader, prompt: Reading) -> None:
    tokens = prompt.ids.shape[1]
    if tokens > reader.room:
        raise ValueError(
            f"By its config.json {reader.name!r} reads {reader.room} tokens at most, and a short question about one "
            f"small picture or text has {tokens}: take config.json from where the weights were published."
        )


def _same_tokens(reader: Reader, prompt: Reading, inputs: Inputs) -> None:
    ours, theirs = prompt.ids[0].tolist(), inputs["input_ids"][0].tolist()
    if ours == theirs:
        return
    at = next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    found, wanted = (reader.pieces(ids[at : at + 1]) or ["the end"] for ids in (ours, theirs))
    raise ValueError(
        f"The prompt for {reader.name!r} is {len(ours)} tokens here and {len(theirs)} by the library's own chat "
        f"template, and differs at token {at}: {found[0]!r} in place of {wanted[0]!r}. Its template does what is not "
        "known here, so it cannot be read."
    )


def _same_inputs(reader: Reader, prompt: Reading, inputs: Inputs) -> None:
    for name, value in prompt.inputs.items():
        other = inputs.get(name)
        if other is None or other.shape != value.shape or not torch.equal(other, value):
            raise ValueError(
                f"What {reader.name!r} gets of a picture ({name}) is not what the library's own processor makes of it: "
                "it cannot be read here."
            )


def _same_logits(reader: Reader, expected: Logits, found: Logits) -> None:
    for what, theirs, ours in zip(("a prompt", "a token behind it"), expected, found, strict=True):
        difference = float((ours - theirs).abs().max() / theirs.abs().max())
        if not difference <= _tolerance(reader):
            raise ValueError(
                f"{reader.name!r} is read otherwise here than by the library: behind {what}, logits differ by "
                f"{difference:.2g} of the largest one. This model does something that is not known here, so it cannot "
                "be used."
            )


def _written(reader: Reader, layers: int, inputs: Inputs) -> tuple[Logits, Tensor]:
    """By the library alone, with its own cache; and the token (1, 1) that it wrote first."""
    model: Any = reader.model
    published = model.generation_config
    # Two tokens, whatever they are, and by nothing but logits.
    model.generation_config = GenerationConfig(max_new_tokens=2, output_logits=True, return_dict_in_generate=True)
    try:
        with _first_layers(reader, layers):
            made = model.generate(**inputs, past_key_values=DynamicCache(config=model.config))
    except Exception as error:  # settings can contradict one another in more ways than can be listed
        raise ValueError(
            f"The library itself cannot read a prompt with {reader.name!r} ({reason_of(error)}): take config.json and "
            "the files of the processor from where the weights were published."
        ) from error
    finally:
        model.generation_config = published
    first, then = (one.float() for one in made.logits)
    _check_numbers(reader, first)
    _check_numbers(reader, then)
    return (first, then), made.sequences[:, -2:-1]


def _our_logits(reader: Reader, layers: int, prompt: Reading, token: Tensor) -> Logits:
    """By our cache and our steps."""
    # Readers remember what they make of all layers.
    reader = replace(reader) if layers < reader.layers else reader
    try:
        with _first_layers(reader, layers):
            cache = ElasticCache(Full(), reader.model)
            forward = cache.enter(prompt.ids, is_prompt=True, asked=prompt.asked, positions=prompt.positions)
            first = reader.read(prompt, cache, forward)
            cache.observe(forward)
            forward = cache.enter(token)
            then = reader.step(token, cache, forward)
            cache.observe(forward)
    except ValueError as error:
        raise ValueError(f"{reader.name!r} cannot be used. {error}") from error
    return first, then


def _check_numbers(reader: Reader, logits: Tensor) -> None:
    """See that logits are numbers, and not all the same one."""
    if logits.isfinite().all():
        if float(logits.std()) == 0:
            raise ValueError(
                f"Every token is equally likely to {reader.name!r}: its weights were never filled. Copy the checkpoint "
                "again."
            )
        return
    broken = [name for name, weight in reader.model.named_parameters() if not weight.isfinite().all()]
    if broken:
        more = f" and {len(broken) - 1} others" if len(broken) > 1 else ""
        raise ValueError(
            f"The weights of {reader.name!r} are damaged: {broken[0]}{more} hold what is no number. Copy the "
            "checkpoint again."
        )
    kind = reader.model.dtype
    how = "load it with --dtype bfloat16 or float32" if kind == torch.float16 else "copy the checkpoint again"
    raise ValueError(
        f"The numbers of {reader.name!r} grow beyond what {str(kind).removeprefix('torch.')} holds: {how}."
    )


def _tolerance(reader: Reader) -> float:
    in_few_bits = getattr(reader.model, "hf_quantizer", None) is not None
    return IN_FEW_BITS if in_few_bits else TOLERANCES.get(reader.model.dtype, IN_FEW_BITS)


def _affordable(reader: Reader, tokens: int) -> int:
    """How many layers a prompt is read with."""
    text: Any = reader.model.get_decoder()
    places = set(getattr(reader.model, "hf_device_map", {}).values())  # from some, weights are fetched layer by layer
    if reader.device.type != "cpu" and len(places) < 2:
        return reader.layers
    of_one = tokens * sum(parameter.numel() for parameter in text.layers[0].parameters())
    return min(reader.layers, max(FEWEST, int(BUDGET / of_one)))


@contextmanager
def _first_layers(reader: Reader, count: int) -> Iterator[None]:
    """A text model of its first layers only, for a while."""
    text: Any = reader.model.get_decoder()
    layers, text.layers, text.config.num_hidden_layers = text.layers, text.layers[:count], count
    try:
        yield
    finally:
        text.layers, text.config.num_hidden_layers = layers, len(layers)


@contextmanager
def _tower_runs_once(reader: Reader) -> Iterator[None]:
    """What the vision tower makes of a picture is made once, and given again to whoever asks; for a while."""
    inner: Any = getattr(reader.model, "model", None)
    if not hasattr(inner, "get_image_features"):
        yield
        return
    run = inner.get_image_features
    made: list[Any] = []

    @wraps(run)  # the library asks by its signature what it takes
    def once(*args: Any, **kwargs: Any) -> Any:
        if not made:
            made.append(run(*args, **kwargs))
        return made[0]

    inner.get_image_features = once
    try:
        yield
    finally:
        del inner.get_image_features
