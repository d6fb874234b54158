"""Parts of the page's address that nobody reads, and what is probably meant by them. No torch."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

SIDES = "ab"
# All parts that are read: by `links`, by the view in the browser, by the lesson.
KNOWN = ("example", "q", "keep", *SIDES, "layer", "head", "t", "mode", "present", "lesson", "lang", "handout")


def misspelt(names: Iterable[str]) -> list[str]:
    """A sentence for each part of an address that nobody reads; none for what is none of ours: pages add theirs."""
    return [sentence for name in names if (sentence := _unread(name))]


def _unread(name: str) -> str:
    if re.match(r"[a-zA-Z]\.", name) and name[0] not in SIDES:
        return f"The link sets {name[:40]!r}, but there are only the sides a and b."
    if name in KNOWN or name[:2] in ("a.", "b.") or not (like := get_close_matches(name, KNOWN, 1, 0.75)):
        return ""
    return f"The link has a part {name[:40]!r}, which is not known here. Is {like[0]!r} meant?"
