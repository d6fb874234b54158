"""Addresses that open a state of the page: what a link says, and the link that says it."""

import re
from collections.abc import Mapping
from dataclasses import fields

from elastic.policies import POLICIES, Policy

SIDES = "ab"
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


def read_link(asked: Mapping[str, str]) -> dict[str, object]:
    """What a link asks for: `keep` in percent, `a` and `b` as policies' names, `a.field` as their options' values.

    Raises:
        ValueError: if something in it does not exist or is out of its range; one sentence.
    """
    found: dict[str, object] = {}
    if len(asked.get("q", "")) > MAX_QUESTION:
        raise ValueError(f"The link asks a question of more than {MAX_QUESTION:,} characters. Shorten it there.")
    if "keep" in asked:
        found["keep"] = _keep(asked["keep"])
    for side in SIDES:
        name = asked.get(side, ("full", "elastic")[SIDES.index(side)])
        if name not in POLICIES:
            raise ValueError(f"The link names a policy {name[:40]!r}. Choose one of: {', '.join(POLICIES)}.")
        found[side] = name
        for field in fields(POLICIES[name]):
            key = f"{side}.{field.name}"
            if key in asked and field.name != "keep":
                found[key] = _value(key, asked[key], field.default)
        options = [field.name for field in fields(POLICIES[name])]
        for key in asked:
            if key.startswith(f"{side}.") and key[2:] not in options:
                there_are = ", ".join(f"{side}.{option}" for option in options if option != "keep") or "none"
                raise ValueError(f"The link sets {key[:40]!r}, and {name} has no such option. There are: {there_are}.")
        # Out of range values are refused here, in the policy's own words.
        POLICIES[name](**{key[2:]: value for key, value in found.items() if key.startswith(f"{side}.")})
    return found


def _keep(text: str) -> float:
    try:
        keep = float(text) if PLAIN.fullmatch(text) else -1
    except ValueError:
        keep = -1
    if not 5 <= keep <= 100:
        raise ValueError(f"The link keeps {text[:20]!r} % of the cache. Choose between 5 and 100.")
    return keep


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
