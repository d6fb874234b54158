"""The lesson as data: one file per language in `assets/lessons`, checked when it is loaded.

Texts may hold `{fact}` (see `viz.facts`), `[anchors](see:anchor)`, which lights up what the word names,
`[KV cache](term:kv-cache)`, which opens the glossary, and `[the paper](https://...)`. Nothing in them becomes HTML:
the page builds elements from the pieces they are cut into here.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

ROOT = Path(__file__).parent.parent
STEPS = 8
MOST_WORDS = 70  # of a step, what it asks included
MOST_TERMS = 15
SEEN = ("patch", "words", "question", "anchor", "merged", "gone", "heat", "memory", "a", "b")
SLOTS = {  # what a reply may quote besides facts, by kind of question: known only once the reader has acted
    "point": ("place", "number"),
    "line": ("guess", "measured", "distance"),
    "pick": ("hits", "count", "chance", "away"),
}

Text = str | dict[str, str]  # a piece: plain, or {"kind", "to", "text"}


class Strict(BaseModel):
    """Every field known: a misspelt one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


PARTS = Literal[
    "answers", "bar", "layers", "pictures", "says", "legend", "show", "time", "memory", "certainty", "strips"
]


class Look(Strict):
    """The state a step puts the view into."""

    side: str = "merged"  # shown as B, beside the full cache
    size: Literal["a", "b", "both"] = "both"
    parts: list[PARTS]
    mode: str = "none.none.none.plain"
    layer: int = Field(0, ge=0)
    t: int = Field(0, ge=0)
    unfold: bool = False


class Change(Strict):
    """What the quick action after the pause changes."""

    motion: Literal["cut", "slide", "play"] | None = None
    mode: str | None = None
    layer: int | None = Field(None, ge=0)
    t: int | None = Field(None, ge=0)
    unfold: bool | None = None


class Option(Strict):
    """An answer to choose; `reply` is what is said to whoever chose it."""

    text: str
    reply: str
    right: bool = False


class Point(Strict):
    """Point at a patch."""

    kind: Literal["point"]
    text: str
    reply: str


class Line(Strict):
    """Draw the memory you expect."""

    kind: Literal["line"]
    text: str
    reply: str
    unasked: str  # what is said where nobody has drawn anything


class Pick(Strict):
    """Click the patches you would keep."""

    kind: Literal["pick"]
    text: str
    reply: str
    unasked: str  # what is said where nobody has drawn anything
    count: int = Field(5, ge=1, le=20)
    mode: str  # of the view once it is revealed


class Reach(Strict):
    """Go on in time until a token: the last one, or the first after which the side gives something up."""

    kind: Literal["reach"]
    text: str
    reply: str
    until: Literal["end", "given up"]


class Choose(Strict):
    """Choose one of several answers."""

    kind: Literal["choose"]
    text: str
    options: list[Option] = Field(min_length=2, max_length=4)

    @model_validator(mode="after")
    def _one_is_right(self) -> "Choose":
        if sum(option.right for option in self.options) != 1:
            raise ValueError("exactly one option must have right = true")
        return self


Ask = Annotated[Point | Line | Pick | Reach | Choose, Field(discriminator="kind")]


class Bar(Strict):
    """A bar of a box: how many questions a side answers right, on average."""

    side: str
    text: str


class Box(Strict):
    """What is said beside the step; `hide_sinks` adds the switch, `bars` a bar for each average."""

    title: str
    text: str
    hide_sinks: bool = False
    bars: list[Bar] = []


class Multiples(Strict):
    """Small pictures on one scale: of all layers, or of several sides; a click shows one in the view."""

    of: Literal["layers", "sides"]
    sides: list[str] = []
    titles: list[str] = []
    mode: str

    @model_validator(mode="after")
    def _named(self) -> "Multiples":
        if self.of == "sides" and not 2 <= len(self.sides) == len(self.titles):
            raise ValueError("small pictures of sides need two or more sides, and a title for each")
        return self


class Switch(Strict):
    """Sides to switch between in the view."""

    side: str
    text: str


class Code(Strict):
    """The line of this program that does what the step shows, by what is written in it."""

    file: str
    line: str


class Sheet(Strict):
    """A step's place on the handout: one sentence and one picture."""

    text: str
    picture: Literal["patches", "growth", "memory", "layers", "words"]
    side: str = "merged"
    mode: str = "none.none.none.plain"
    layer: int = Field(0, ge=0)
    t: int = Field(0, ge=0)


class Step(Strict):
    """One step."""

    title: str
    text: str
    look: Look
    then: Change = Change()
    ask: Ask
    box: Box | None = None
    multiples: Multiples | None = None
    switches: list[Switch] = []
    code: Code
    sheet: Sheet


class Term(Strict):
    """An entry of the glossary."""

    name: str
    term: str
    text: str


class Lesson(Strict):
    """A lesson in one language."""

    language: str
    title: str
    about: str
    words: dict[str, str]
    glossary: list[Term] = Field(max_length=MOST_TERMS)
    steps: list[Step] = Field(min_length=STEPS, max_length=STEPS)


def read_lesson(path: Path) -> Lesson:
    """The lesson in a file, checked for its form.

    Raises:
        ValueError: if something in it is missing, misspelt or out of its range; a line for each, with its place.
    """
    try:
        return Lesson(**tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not valid TOML: {error}.") from error
    except ValidationError as error:
        places = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        lines = "\n".join(f"  {place}: {what}" for place, what in places)
        raise ValueError(f"{path.name} is not a complete lesson:\n{lines}") from error


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
            return {"kind": "link", "to": address, "text": named}
        if kind:
            if to not in (self.terms if kind == "term" else SEEN):
                self.problems.append(f"{place}: there is no {kind}:{to}")
            return {"kind": kind, "to": to, "text": self._filled(label, place)}
        if name in slots:
            return {"kind": "slot", "to": name, "text": ""}
        return self._filled(found[0], place)

    def known(self, text: str) -> str:
        """A text with its facts filled in; what is no fact is left to the page."""
        return re.sub(r"\{([a-z0-9_.]+)\}", lambda found: self.facts.get(found[1], found[0]), text)

    def _filled(self, text: str, place: str) -> str:
        def fact(found: re.Match) -> str:
            if found[1] not in self.facts:
                self.problems.append(f"{place}: the run says nothing of {{{found[1]}}}")
            return self.facts.get(found[1], "")

        return re.sub(r"\{([a-z0-9_.]+)\}", fact, text)


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
