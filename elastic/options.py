"""The only conversion between text and policies: command lines, labels, links and the page's controls are made by it.

A policy's text is its name and, behind a colon, what is not its default: `elastic:protect_text=false;distance=10`. A
share of the cache is a number up to 1 for programs, and in percent for people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from elastic.fronts import Front
from elastic.policies import POLICIES, Policy
from elastic.policies.method import WHOLE

LOW, HIGH = 5, 100  # percent of the cache that people choose between
MAX_QUESTION = 2000  # characters
LEAST = LOW / 100  # the same as a share
# A number as people write it: not inf, not 1_000, not ١.
PLAIN = re.compile(r"-?\d{1,9}(\.\d{1,20})?(e-?\d{1,3})?", re.ASCII)
LONGEST = 60  # characters, more than any value has

# Before methods were put together from parts, `elastic` and `elastic-plus` had an option for each of them. Links that
# people kept, tables of results and recorded runs name them so, and are read as the combination that they mean. Here
# are what the method sets that has the option no more, and what options and values are called now. `elastic-plus` has a
# second edition since: a text that names an option which only the first one had means that one, a combination too.
ONCE: dict[str, dict[str, str]] = {
    "elastic": {},
    "elastic-plus": {
        "protect_text": "false",
        "score": "after image",
        "assign": "similar key per head",
        "rounds": "1",
        "count_bias": "true",
        "decoding": "most alike",
        "evicted": "merged",
    },
}
SECOND_EDITION = frozenset({"elastic-plus"})
RENAMED = {"anchors": "select", "decode_rule": "decoding"}
RENAMED_VALUES = {("score", "last 16"): "window", ("merge", "values only"): "values", ("select", "score"): "top"}


@dataclass(frozen=True)
class Option:
    """What can be chosen of a policy; `low` and `high` are None where it is no number."""

    name: str
    kind: type
    default: object
    about: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def label(self) -> str:
        return self.name.replace("_", " ")

    @property
    def is_free(self) -> bool:
        """Whether it can take more than one value."""
        return self.low is None or self.high is None or self.low < self.high


def options_of(policy: type[Policy]) -> dict[str, Option]:
    """The options of a policy by their names, `keep` among them."""
    return {
        field.name: Option(field.name, type(field.default), field.default, **field.metadata) for field in fields(policy)
    }


def name_of(policy: Policy | type[Policy]) -> str:
    """The name of a policy in `POLICIES`.

    Raises:
        ValueError: if it is not there.
    """
    kind = policy if isinstance(policy, type) else type(policy)
    for name, each in POLICIES.items():
        if each is kind:
            return name
    raise ValueError(f"{kind.__name__} has no name for records and links: add it to POLICIES of elastic.policies.")


def policy_named(name: str) -> type[Policy]:
    """The policy of that name.

    Raises:
        ValueError: if there is none.
    """
    if name not in POLICIES:
        raise ValueError(f"There is no policy named {name[:40]!r}. Choose one of: {', '.join(POLICIES)}.")
    return POLICIES[name]


def build_policy(name: str, keep: float, options: Mapping[str, Any]) -> Policy:
    """A policy of a name, the share it keeps, and options; `keep` goes to those that have the choice.

    Raises:
        ValueError: if there is no policy of that name, or a value is out of its range.
    """
    kind = policy_named(name)
    free = {option.name for option in options_of(kind).values() if option.is_free}
    return kind(**{key: value for key, value in {"keep": keep, **options}.items() if key in free})


def read_option(policy: type[Policy], name: str, text: str) -> object:
    """The value of one option, written as people do.

    Raises:
        ValueError: if there is no such option, or that is none of its values; in the policy's own words.
    """
    legal = options_of(policy)
    if name not in legal:
        there_are = f"There are: {', '.join(legal)}." if legal else "It has none."
        raise ValueError(f"{name_of(policy)} has no option {name[:40]!r}. {there_are}")
    return getattr(policy(**{name: _value(legal[name].kind, text[:LONGEST])}), name)


def _value(kind: type, text: str) -> Any:
    """The value that a text means, or the text itself, of which the policy then says what is wrong with it."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    return float(text) if kind in (int, float) and PLAIN.fullmatch(text) else text


def _are_one(kind: type, text: str, other: str) -> bool:
    """Whether two texts are the same value, however it is written."""
    return bool(_value(kind, text) == _value(kind, other))


def write_value(value: object) -> str:
    """The shortest text that is read as the same value."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def changed(policy: Policy) -> dict[str, object]:
    """The options of a policy that are not its defaults."""
    values = {name: (getattr(policy, name), option.default) for name, option in options_of(type(policy)).items()}
    return {name: value for name, (value, default) in values.items() if value != default}


def write_choice(name: str, options: Mapping[str, object]) -> str:
    """The text of the policy of that name with those options."""
    written = ";".join(f"{option}={write_value(value)}" for option, value in options.items())
    return f"{name}:{written}" if written else name


def write_policy(policy: Policy) -> str:
    """The shortest text of a policy, such as `elastic:protect_text=false;distance=10`."""
    return write_choice(name_of(policy), changed(policy))


def as_now(name: str, options: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """A policy's name and the texts of its options, as they are called now, see `ONCE`."""
    if name not in ONCE:
        return name, dict(options)
    own, combined = options_of(POLICIES[name]), options_of(POLICIES["combine"])
    usual = {key: write_value(option.default) for key, option in combined.items()} | ONCE[name]
    found = {}
    for key, value in options.items():
        if RENAMED.get(key) not in options:  # else it is set twice, and the old name is not known
            key = RENAMED.get(key, key)
        value = RENAMED_VALUES.get((key, value), value)
        is_usual = key in combined and _are_one(combined[key].kind, value, usual[key])
        if key in own or not is_usual or name in SECOND_EDITION:
            found[key] = value
    if not found.keys() & combined.keys() - own.keys():
        return name, found
    found = ONCE[name] | found
    by_keys = found.get("assign", usual["assign"]) != "nearest position" and found.get("merge") != "none"
    if options.get("anchors") == "cover" and not by_keys:
        found.pop("select", None)  # anchors far apart were for groups by keys, and had no effect on others
    return "combine", found


def read_choice(text: str) -> tuple[type[Policy], dict[str, Any]]:
    """The policy that a text names, and the options that it sets.

    Raises:
        ValueError: if there is no such policy or option, one is set twice, or a value is not legal.
    """
    name, _, options = text.partition(":")
    given: dict[str, str] = {}
    for part in filter(None, map(str.strip, options.split(";"))):
        key, _, value = (side.strip() for side in part.partition("="))
        if key in given:
            raise ValueError(f"{name.strip()} has the option {key} set twice. Set it once.")
        given[key] = value
    name, given = as_now(name.strip(), given)
    policy = policy_named(name)
    return policy, {key: read_option(policy, key, value) for key, value in given.items()}


def read_policy(text: str) -> Policy:
    """The policy that a text means.

    Raises:
        ValueError: as `read_choice`.
    """
    policy, options = read_choice(text)
    return policy(**options)


def percent(share: float) -> str:
    """A share of the cache in percent, with all its digits: of 0.125 it is `12.5`."""
    return f"{Decimal(repr(float(share))).scaleb(2).normalize():f}"


def read_percent(text: object) -> float:
    """The share of the cache that a percentage means, as people write it: `20`, `50 %`, `12,5`.

    Raises:
        ValueError: if it is no number between LOW and HIGH.
    """
    number = str(text).strip().removesuffix("%").strip().replace(",", ".")
    if not PLAIN.fullmatch(number) or not LOW <= float(number) <= HIGH:
        raise ValueError(f"{str(text)[:20]!r} is no budget. Give percentages between {LOW} and {HIGH}, such as 20.")
    return float(Decimal(number).scaleb(-2))


def read_share(text: str, least: float = LEAST) -> float:
    """A share of the cache as programs write it: `0.2`.

    Raises:
        ValueError: if it is no number from `least` to 1.
    """
    number = text.strip()
    if not PLAIN.fullmatch(number) or not least <= float(number) <= 1:
        raise ValueError(
            f"{number[:20]!r} is no share of the cache that is kept. Give numbers from {least:g} to 1, such as 0.5,0.2."
        )
    return float(number)


def bits_of(policy: Policy) -> str:
    """In how many bits a policy stores each number, where it has the choice; empty where numbers stay whole."""
    bits = str(getattr(policy, "bits", WHOLE))
    return "" if bits == WHOLE else bits


def title_of(policy: Policy, front: Front | None = None) -> str:
    """What a side with that policy, and a front before it, is called: with its bits, where they are chosen."""
    bits = bits_of(policy)
    title = f"{policy.title} in {bits} bits" if bits else policy.title
    if front is None:
        return title
    return front.title if name_of(policy) == "full" else f"{front.title}, then {title}"
