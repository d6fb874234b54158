"""Addresses that open a state of the page: what a link says, and the link that says it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from difflib import get_close_matches

from elastic.policies import POLICIES, Policy

SIDES = "ab"
DEFAULTS = {"a": "full", "b": "elastic"}
# All parts that are read: here, by the view in the browser, by the lesson.
KNOWN = ("example", "q", "keep", *SIDES, "layer", "head", "t", "mode", "present", "lesson", "lang", "handout")
MAX_QUESTION = 2000  # characters, as where it is asked
PLAIN = re.compile(
    r"-?\d{1,9}(\.\d{1,20})?(e-?\d{1,2})?", re.ASCII
)  # a number as people write it: not inf, not 1_000, not ١


def link_of(example: str | None, question: str, policies: list[Policy]) -> dict[str, str]:
    """The parameters that ask a question about a bundled picture again; none for a visitor's own picture."""
    if example is None or len(policies) != len(SIDES):
        return {}
    names = {policy: name for name, policy in POLICIES.items()}
    keep = max((policy.keep for policy in policies if policy.keep < 1), default=1.0)
    link = {"example": example, "q": question, "keep": f"{keep * 100:g}"}
    for side, policy in zip(SIDES, policies, strict=True):
        link[side] = names[type(policy)]
        for field in fields(policy):
            value = getattr(policy, field.name)
            if field.name != "keep" and value != field.default:
                link[f"{side}.{field.name}"] = str(value).lower()
    return link


def read_link(asked: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """What a link asks for, as far as that exists, and one sentence for each part of it that does not.

    Of what it names: `q`, `keep` in percent, `a` and `b` as policies' names, `a.field` as their options' values.
    """
    found: dict[str, object] = {}
    wrong = [sentence for name in asked if (sentence := _unknown(name))]
    readers: dict[str, Callable[[str], object]] = {"q": _question, "keep": _keep}
    for name in readers.keys() & asked.keys():
        _note(found, wrong, name, lambda name=name: readers[name](asked[name]))
    for side in SIDES:
        given = {name: text for name, text in asked.items() if name.startswith(f"{side}.")}
        if side in asked and asked[side] not in POLICIES:
            left_out = f" What it sets of that ({', '.join(given)[:80]}) is left out, too." if given else ""
            listed = ", ".join(POLICIES)
            wrong.append(f"The link names a policy {asked[side][:40]!r}. Choose one of: {listed}.{left_out}")
            continue
        if side in asked:
            found[side] = asked[side]
        policy = POLICIES[asked.get(side, DEFAULTS[side])]
        for name, text in given.items():
            _note(found, wrong, name, lambda policy=policy, name=name, text=text: _option(policy, name, text))
    return found, wrong


def _note(found: dict[str, object], wrong: list[str], name: str, read: Callable[[], object]) -> None:
    try:
        found[name] = read()
    except ValueError as error:
        wrong.append(str(error))


def _unknown(name: str) -> str:
    """What to say of a part that nobody reads, empty where it is read, or is none of ours: pages add theirs."""
    if re.match(r"[a-zA-Z]\.", name) and name[0] not in SIDES:
        return f"The link sets {name[:40]!r}, but there are only the sides a and b."
    if name in KNOWN or name[:2] in ("a.", "b.") or not (like := get_close_matches(name, KNOWN, 1, 0.75)):
        return ""
    return f"The link has a part {name[:40]!r}, which is not known here. Is {like[0]!r} meant?"


def _question(text: str) -> str:
    if len(text) > MAX_QUESTION:
        raise ValueError(f"The link asks a question of more than {MAX_QUESTION:,} characters. Shorten it there.")
    if not text.strip():
        raise ValueError("The question in the link is empty. Write one behind q= there.")
    return text


def _keep(text: str) -> float:
    keep = float(text) if PLAIN.fullmatch(text) else -1
    if not 5 <= keep <= 100:
        raise ValueError(f"The link keeps {text[:20]!r} % of the cache. Choose between 5 and 100.")
    return keep


def _option(policy: type[Policy], key: str, text: str) -> object:
    """The value of one option of a side's policy, in its range."""
    side, _, name = key.partition(".")
    if name == "keep":
        raise ValueError(f"The link sets {key}, but both sides keep the same. Write keep= there, in percent.")
    options = {field.name: field.default for field in fields(policy) if field.name != "keep"}
    if name not in options:
        there_are = ", ".join(f"{side}.{option}" for option in options) or "none"
        raise ValueError(f"The link sets {key[:40]!r}, and {policy.title} has no such option. There are: {there_are}.")
    value = _value(key, text, options[name])
    try:
        policy(**{name: value})
    except ValueError as error:  # out of its range, in the policy's own words
        raise ValueError(f"The link sets {key} to {text[:20]!r}: {error}") from error
    return value


def _value(key: str, text: str, default: object) -> object:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text]
        if isinstance(default, int | float) and not PLAIN.fullmatch(text):
            raise ValueError(text)
        return type(default)(text)
    except (KeyError, ValueError) as error:  # texts are always texts
        wanted = {bool: "no boolean: true or false", int: "no integer", float: "no number"}[type(default)]
        raise ValueError(f"The link sets {key} to {text[:20]!r}, which is {wanted}. Correct it there.") from error
