"""The browser's types of what the server sends, written from `elastic.record.messages`: `python -m tests.contract`."""

import types
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path

from elastic.record.messages import LayerLooked, Message

FILE = Path(__file__).parent.parent / "assets" / "web" / "message.d.ts"
HEAD = "// Written from elastic/record/messages.py by `python -m tests.contract`; edit it there.\n"
PLAIN = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


def declarations() -> str:
    """The text of the file: an interface for every class that a message or what it holds is made of."""
    found: dict[type, str] = {}
    for root in (Message, LayerLooked):
        _interface(root, found)
    return HEAD + "".join(found.values())


def _interface(of: type, found: dict[type, str]) -> None:
    if of in found:
        return
    found[of] = ""  # its place: before what it holds
    hints = typing.get_type_hints(of)
    lines = [f"  {one.name}: {_typescript(hints[one.name], found)};\n" for one in fields(of)]
    says = of.__doc__.splitlines()[0]
    found[of] = f"\n/** {says} */\ninterface {of.__name__} {{\n{''.join(lines)}}}\n"


def _typescript(hint: object, found: dict[type, str]) -> str:
    """A type of Python as one of TypeScript.

    Raises:
        TypeError: if it is none that a message may hold.
    """
    if hint in PLAIN:
        return PLAIN[hint]
    if is_dataclass(hint):
        _interface(hint, found)
        return hint.__name__
    of, inner = typing.get_origin(hint), [_typescript(one, found) for one in typing.get_args(hint)]
    if of is types.UnionType:
        return " | ".join(dict.fromkeys(inner))
    if of is list:
        return f"({inner[0]})[]" if "|" in inner[0] else f"{inner[0]}[]"
    if of is tuple:
        return f"[{', '.join(inner)}]"
    if of is dict:
        return f"Record<{inner[0]}, {inner[1]}>"
    raise TypeError(f"A message cannot hold {hint}: JSON has no such thing.")


if __name__ == "__main__":
    FILE.write_text(declarations(), encoding="utf-8")
