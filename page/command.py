"""The types of what the command line is given; argparse says what is wrong in these sentences."""

import math
import re
from argparse import ArgumentParser, ArgumentTypeError


class Options(ArgumentParser):
    """Options of a program that says in one sentence what is wrong with them; `--help` shows how they are used."""

    def error(self, message: str) -> None:
        """End the program with a sentence."""
        self.exit(2, f"{message}\n")


def port(text: str) -> int:
    """A port to listen on."""
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 65_536:
        raise ArgumentTypeError(f"{text[:20]!r} is no port. Give a number from 1 to 65535, such as 7860.")
    return int(text)


def seconds(text: str) -> float:
    """A time that ends."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text[:20]!r} is no time that a request could be given. Give seconds, such as 600.")
    return value


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


def device(text: str) -> str:
    """Where the model runs."""
    if text not in ("auto", "cpu", "cuda"):
        raise ArgumentTypeError(f"{text[:20]!r} is no device. Choose one of: auto, cpu, cuda.")
    return text
