"""The types of what the command line is given; argparse says what is wrong in these sentences."""

import re
from argparse import ArgumentTypeError

from elastic.command_line import DTYPES


def port(text: str) -> int:
    """A port to listen on."""
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 65_536:
        raise ArgumentTypeError(f"{text[:20]!r} is no port. Give a number from 1 to 65535, such as 7860.")
    return int(text)


def host(text: str) -> str:
    """A name or an address of this machine."""
    if not re.fullmatch(r"[A-Za-z0-9_.:\[\]%-]{1,255}", text):
        raise ArgumentTypeError(f"{text[:20]!r} is no address of a machine. Give one such as 0.0.0.0 or localhost.")
    return text


def model(text: str) -> str:
    """A name on the hub, or a folder."""
    if not text.strip() or len(text) > 1000 or not text.isprintable():
        raise ArgumentTypeError(f"{text[:20]!r} names no model. Give a name on the hub, or a folder.")
    return text


def deadline(text: str) -> float:
    """Seconds that one request may have the model."""
    if not re.fullmatch(r"\d{1,7}(\.\d{1,9})?", text, re.ASCII) or not float(text):
        raise ArgumentTypeError(f"{text[:20]!r} is no time. Give a number of seconds above 0, such as 600.")
    return float(text)


def device(text: str) -> str:
    """Where the model runs."""
    if text not in ("auto", "cpu", "cuda"):
        raise ArgumentTypeError(f"{text[:20]!r} is no device. Choose one of: auto, cpu, cuda.")
    return text


def dtype(text: str) -> str:
    """The type of the model's weights."""
    if text not in DTYPES:
        raise ArgumentTypeError(f"{text[:20]!r} is no type of weights. Choose one of: {', '.join(DTYPES)}.")
    return text
