"""The lesson's texts, cut into pieces with their facts filled in; what is wrong with them is collected."""

import re

SEEN = ("patch", "first", "words", "question", "anchor", "merged", "gone", "heat", "memory", "a", "b")
SLOTS = {  # what a reply may quote besides facts, by kind of question: known only once the reader has acted
    "point": ("place", "number"),
    "line": ("guess", "measured", "distance"),
    "pick": ("hits", "count", "chance", "away"),
}

WORD_SLOTS = {  # what the page fills in to its own words
    "step": ("n", "total"),
    "saved": ("name",),
    "place": ("row", "column"),
    "layer": ("n",),
    "drawn": ("n",),
    "away": ("n",),
    "more": ("factor",),
    "less": ("factor",),
    "exact": ("percent",),
}

Text = str | dict[str, str]  # a piece: plain, or {"kind", "to", "text"}

MARK = re.compile(r"\[([^\[\]]+)\]\((see|term):([a-z-]+)\)|\[([^\[\]]+)\]\((https://[^()\s]+)\)|\{([a-z0-9_.]+)\}")


class Writer:
    """Cuts texts into pieces, facts filled in; collects what is wrong with them."""

    def __init__(self, facts: dict[str, str], terms: set[str]) -> None:
        self.facts, self.terms, self.problems = facts, terms, []

    def cut(self, text: str, place: str, slots: tuple[str, ...] = ()) -> list[Text]:
        """The pieces of a text; `slots` are names that the page fills in."""
        pieces: list[Text] = []
        end = 0
        for found in MARK.finditer(text):
            pieces.append(text[end : found.start()])
            pieces.append(self._piece(found, place, slots))
            end = found.end()
        rest = text[end:]
        if re.search(r"[{}]|\]\(", "".join(piece for piece in [*pieces, rest] if isinstance(piece, str))):
            self.problems.append(f"{place}: a bracket that is no mark in {text!r}")
        return _joined([*pieces, rest])

    def _piece(self, found: re.Match, place: str, slots: tuple[str, ...]) -> Text:
        label, kind, to, named, address, name = found.groups()
        if address:
            return {"kind": "link", "to": address, "text": self._filled(named, place)}
        if kind:
            if to not in (self.terms if kind == "term" else SEEN):
                self.problems.append(f"{place}: there is no {kind}:{to}")
            return {"kind": kind, "to": to, "text": self._filled(label, place)}
        if name in slots:
            return {"kind": "slot", "to": name, "text": ""}
        return self._filled(found[0], place)

    def line(self, text: str, place: str) -> str:
        """A text without marks, its facts filled in."""
        pieces = self.cut(text, place)
        if any(isinstance(piece, dict) for piece in pieces):
            self.problems.append(f"{place}: {text!r} may hold no links")
        return plain(pieces)

    def words(self, words: dict[str, str]) -> dict[str, str]:
        """The page's own words, their facts filled in; `{n}` and the like are left to the page, which fills them."""
        for name, text in words.items():
            left = {mark for mark in re.findall(r"\{([^{}]*)\}", text) if mark not in self.facts}
            if left != set(WORD_SLOTS.get(name, ())) or re.search(r"\]\(|[{}]", re.sub(r"\{[^{}]*\}", "", text)):
                expected = " and ".join(f"{{{slot}}}" for slot in WORD_SLOTS.get(name, ())) or "no mark"
                self.problems.append(f"words, {name}: {text!r} should hold {expected}")
        return {
            name: re.sub(r"\{([^{}]*)\}", lambda found: self.facts.get(found[1], found[0]), text)
            for name, text in words.items()
        }

    def _filled(self, text: str, place: str) -> str:
        def fact(found: re.Match) -> str:
            if found[1] not in self.facts:
                self.problems.append(f"{place}: the run says nothing of {{{found[1]}}}")
            return self.facts.get(found[1], "")

        return re.sub(r"\{([^{}]*)\}", fact, text)


def _joined(pieces: list[Text]) -> list[Text]:
    """Neighbouring plain pieces as one."""
    joined: list[Text] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece:
            joined.append(piece)
    return joined


def plain(pieces: list[Text]) -> str:
    """What pieces read as."""
    return "".join(piece if isinstance(piece, str) else piece["text"] or "…" for piece in pieces)


def count_words(text: str) -> int:
    """Words as a reader counts them: marks and signs alone are none."""
    return len(re.findall(r"\w[\w'’.%/-]*", text))
