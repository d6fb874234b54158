"""Command lines of the programs here: what is wrong with one is said in a sentence."""

import re
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable
from typing import NoReturn

AUTO = "auto"
DTYPES = (AUTO, "float32", "bfloat16", "float16")  # of weights, wherever there is --device
DTYPE = "ELASTIC_DTYPE"  # what the environment may say of them


class Options(ArgumentParser):
    """Options of a program that says in one sentence what is wrong with them; `--help` shows how they are used."""

    def __init__(self, description: str | None = None, prog: str | None = None) -> None:
        super().__init__(prog, description=description, formatter_class=RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        """End the program with a sentence."""
        self.exit(2, f"{message.rstrip('.')}. All options: --help.\n")


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an option that is a whole number, `least` or more."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII) or int(text) < least:
            raise ArgumentTypeError(f"{text[:20]!r} is not possible. Give a whole number, {least} or more.")
        return int(text)

    return read


def not_empty(text: str) -> str:
    """The type of an option that says something: an empty text, as of a variable that is not set, is no default."""
    if not text.strip():
        raise ArgumentTypeError("an empty text is not possible. Say what is meant, or leave the option out.")
    return text


def plain(text: str) -> str:
    """Text from elsewhere as one line of a terminal: signs that steer one, or break lines, are spelled out."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
