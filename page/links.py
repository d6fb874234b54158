"""Addresses that open a state of the page: what a link says, and the link that says it."""

import re
from collections.abc import Callable, Mapping

from elastic.options import (
    MAX_QUESTION,
    as_now,
    changed,
    name_of,
    percent,
    policy_named,
    read_option,
    read_percent,
    write_value,
)
from elastic.policies import Policy
from elastic.record.reuse import CHOICES
from page.asking import ANY_FRONT, MOST_PICTURE_TOKENS, OFF
from page.misspelt import SIDES, misspelt

DEFAULTS = {"a": "full", "b": "elastic"}
WITHOUT = {  # what a link is about that cannot travel with it
    "picture": "The link is about a picture that was not sent with it. Choose it, or another one, and press Ask.",
    "conversation": (
        "The link is about a question in a conversation that was not sent with it. Choose a picture and press Ask."
    ),
}
WHEN = {"before": True, "after": False}  # whether caches are compressed before the question is read


def link_of(
    example: str | None,
    question: str,
    policies: list[Policy],
    before_question: bool = False,
    picture_tokens: int = 0,
    is_later: bool = False,
    reuse: str = OFF,
    front: str = OFF,
    share: float = 1.0,
) -> dict[str, str]:
    """The parameters that ask a question about a bundled picture again; else they say what they come without.

    That is a visitor's own picture, or the conversation in which a question was a later one.
    """
    if len(policies) != len(SIDES):
        return {}
    keep = max((policy.keep for policy in policies if policy.keep < 1), default=1.0 if front == OFF else share)
    about = {"without": "conversation" if is_later else "picture"} if example is None else {"example": example}
    link = about | {"q": question, "keep": percent(keep)}
    for side, policy in zip(SIDES, policies, strict=True):
        link[side] = name_of(policy)
        link |= {f"{side}.{name}": write_value(value) for name, value in changed(policy).items() if name != "keep"}
    link |= {"picture_tokens": str(picture_tokens)} if picture_tokens else {}
    link |= {"reuse": reuse} if reuse != OFF else {}
    link |= {"front": front} if front != OFF else {}
    return link | ({"compress": "before"} if before_question else {})


def read_link(asked: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """What a link asks for, as far as that exists, and one sentence for each part of it that does not.

    Also for what it is without.
    Of what it names: `q`, `keep` as a share of the cache, `a` and `b` as policies' names, `a.field` as options' values,
    `compress` as whether that is before the question, `picture_tokens` as the most that a picture may have, `reuse` as
    which first tokens of a reused picture are read anew, `front` as what leaves tokens of it out.
    """
    found: dict[str, object] = {}
    wrong = misspelt(asked)
    readers: dict[str, Callable[[str], object]] = {"q": _question, "keep": _keep, "compress": _compress}
    readers |= {"picture_tokens": _picture_tokens, "reuse": _reuse, "front": _front}
    if "without" in asked:
        wrong.append(WITHOUT.get(asked["without"], WITHOUT["picture"]))
    for name in readers.keys() & asked.keys():
        _note(found, wrong, name, lambda name=name: readers[name](asked[name]))
    for side in SIDES:
        given = {name: text for name, text in asked.items() if name.startswith(f"{side}.")}
        was = asked.get(side, DEFAULTS[side])
        kind, options = as_now(was, {name.partition(".")[2]: text for name, text in given.items()})
        try:
            policy = policy_named(kind)
        except ValueError as error:
            left_out = f" What the link sets of it ({', '.join(given)[:80]}) is left out, too." if given else ""
            wrong.append(f"The link sets {side} to {asked[side][:20]!r}: {error}{left_out}")
            continue
        if side in asked or kind != was:
            found[side] = kind
        for name, text in ((f"{side}.{key}", text) for key, text in options.items()):
            _note(found, wrong, name, lambda policy=policy, name=name, text=text: _option(policy, name, text))
    return found, wrong


def _note(found: dict[str, object], wrong: list[str], name: str, read: Callable[[], object]) -> None:
    try:
        found[name] = read()
    except ValueError as error:
        wrong.append(str(error))


def _question(text: str) -> str:
    if len(text) > MAX_QUESTION:
        raise ValueError(f"The link asks a question of more than {MAX_QUESTION:,} characters. Shorten it there.")
    if not text.strip():
        raise ValueError("The question in the link is empty. Write one behind q= there.")
    return text


def _keep(text: str) -> float:
    try:
        return read_percent(text)
    except ValueError as error:
        raise ValueError(f"The link keeps {text[:20]!r} % of the cache: {error}") from error


def _compress(text: str) -> bool:
    if text not in WHEN:
        raise ValueError(
            f"The link compresses {text[:20]!r}: write compress=before there, for before the question, or leave it out."
        )
    return WHEN[text]


def _reuse(text: str) -> str:
    if text not in CHOICES:
        raise ValueError(
            f"The link sets reuse to {text[:20]!r}: write one of {', '.join(CHOICES)} there, for how many first tokens "
            "of a reused picture are read anew, or leave it out."
        )
    return text


def _front(text: str) -> str:
    if text not in ANY_FRONT:
        raise ValueError(
            f"The link sets front to {text[:20]!r}: write one of {', '.join(ANY_FRONT)} there, for what leaves tokens "
            "of the picture out on side B, or leave it out."
        )
    return text


def _picture_tokens(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not 1 <= int(text) <= MOST_PICTURE_TOKENS:
        raise ValueError(
            f"The link sets picture_tokens to {text[:20]!r}: write a whole number from 1 to {MOST_PICTURE_TOKENS:,} "
            "there, or leave it out."
        )
    return int(text)


def _option(policy: type[Policy], key: str, text: str) -> object:
    """The value of one option of a side's policy."""
    name = key.partition(".")[2]
    if name == "keep":
        raise ValueError(f"The link sets {key}, but both sides keep the same. Write keep= there, in percent.")
    try:
        return read_option(policy, name, text)
    except ValueError as error:
        raise ValueError(f"The link sets {key[:40]!r} to {text[:20]!r}: {error}") from error
