"""Parts of the page's address that nobody reads, and what is probably meant by them. No torch."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

SIDES = "ab"
# All parts that are read: by `links`, by the view in the browser, by the lesson.
KNOWN = ("example", "without", "q", "keep", "compress", "reuse", "front", "picture_tokens", *SIDES)
KNOWN += ("layer", "head", "t", "mode", "level", "tab", "present", "lesson", "lang", "handout")


def misspelt(names: Iterable[str]) -> list[str]:
    """A sentence for each part of an address that nobody reads; none for what is none of ours: pages add theirs."""
    return [sentence for name in names if (sentence := _unread(name))]


def said_twice(parts: Mapping[str, str]) -> list[str]:
    """A sentence for each part that an address has several times: of those the last one counts."""
    pairs = getattr(parts, "multi_items", parts.items)()  # an address keeps them all, a dictionary of ours cannot
    times = Counter(name for name, _ in pairs if name in KNOWN or name[:2] in ("a.", "b."))
    return [
        f"The link has {name[:40]!r} {count} times; the last one counts." for name, count in times.items() if count > 1
    ]


def _unread(name: str) -> str:
    if re.match(r"[a-zA-Z]\.", name) and name[0] not in SIDES:
        return f"The link sets {name[:40]!r}, but there are only the sides a and b."
    if name in KNOWN or name[:2] in ("a.", "b.") or not (like := get_close_matches(name, KNOWN, 1, 0.75)):
        return ""
    return f"The link has a part {name[:40]!r}, which is not known here. Is {like[0]!r} meant?"
