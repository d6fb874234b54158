"""The lesson as data: one file per language in `assets/lessons`, checked when it is loaded.

Texts may hold `{fact}` (see `viz.facts`), `[anchors](see:anchor)`, which lights up what the word names,
`[KV cache](term:kv-cache)`, which opens the glossary, and `[the paper](https://...)`. Nothing in them becomes HTML:
the page builds elements from the pieces they are cut into here.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

ROOT = Path(__file__).resolve().parent.parent
STEPS = 8
MOST_WORDS = 70  # of a step, what it asks included
MOST_TERMS = 15


class LessonPart(BaseModel):
    """Every field known: a misspelt one is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_min_length=1)


Mode = Annotated[
    str,
    Field(
        pattern=r"^(importance|looked|groups|kept"
        r"|(none|importance|looked)\.(none|colours|mean|fade)\.(none|outline|dot)\.(plain|borders))$"
    ),
]
PARTS = Literal[
    "answers", "bar", "layers", "pictures", "says", "legend", "show", "time", "memory", "certainty", "strips"
]


class ViewState(LessonPart):
    """The state a step puts the view into."""

    side: str = "merged"  # shown as B, beside the full cache
    size: Literal["a", "b", "both"] = "both"
    parts: list[PARTS]
    mode: Mode = "none.none.none.plain"
    layer: int = Field(0, ge=0)
    t: int = Field(0, ge=0)
    unfold: bool = False


class Change(LessonPart):
    """What the quick action after the pause changes."""

    motion: Literal["cut", "slide"] | None = None
    mode: Mode | None = None
    layer: int | None = Field(None, ge=0)
    t: int | None = Field(None, ge=0)
    unfold: bool | None = None


class AnswerOption(LessonPart):
    """An answer to choose; `reply` is what is said to whoever chose it."""

    text: str
    reply: str
    right: bool = False


class Point(LessonPart):
    """Point at a patch."""

    kind: Literal["point"]
    text: str
    reply: str


class DrawLine(LessonPart):
    """Draw the memory you expect."""

    kind: Literal["line"]
    text: str
    reply: str
    unasked: str  # what is said where nobody has drawn anything


class Pick(LessonPart):
    """Click the patches you would keep."""

    kind: Literal["pick"]
    text: str
    reply: str
    unasked: str  # what is said where nobody has drawn anything
    count: int = Field(5, ge=1, le=20)
    mode: Mode  # of the view once it is revealed


class Reach(LessonPart):
    """Go on in time to a token: a number, or the first after which the side gives something up."""

    kind: Literal["reach"]
    text: str
    reply: str
    until: Literal["given up"] | Annotated[int, Field(ge=1)]


class Choose(LessonPart):
    """Choose one of several answers."""

    kind: Literal["choose"]
    text: str
    show: Literal["brightest"] | None = None  # patch of the step's layer, once it is answered
    options: list[AnswerOption] = Field(min_length=2, max_length=4)

    @model_validator(mode="after")
    def _one_is_right(self) -> "Choose":
        if sum(option.right for option in self.options) != 1:
            raise ValueError("exactly one option must have right = true")
        return self


Ask = Annotated[Point | DrawLine | Pick | Reach | Choose, Field(discriminator="kind")]


class Bar(LessonPart):
    """A bar of a box, as long as a share that is measured: `average.plus`, `recall.plus`."""

    fact: str
    text: str


class Box(LessonPart):
    """What is said beside the step; `hide_sinks` adds the switch, `bars` a bar for each share."""

    title: str
    text: str
    hide_sinks: bool = False
    bars: list[Bar] = []


class Multiples(LessonPart):
    """Small pictures on one scale: of all layers, or of several sides; a click shows one in the view."""

    of: Literal["layers", "sides"]
    sides: list[str] = []
    titles: list[str] = []
    notes: list[str] = []
    mode: Mode

    @model_validator(mode="after")
    def _named(self) -> "Multiples":
        if self.of == "sides" and not 2 <= len(self.sides) == len(self.titles) == len(self.notes):
            raise ValueError("small pictures of sides need two or more sides, and a title and a note for each")
        return self


class Switch(LessonPart):
    """Sides to switch between in the view."""

    side: str
    text: str
    note: str  # what it does, shown while it is chosen


class Code(LessonPart):
    """The line of this program that does what the step shows, by what is written in it."""

    file: str
    line: str


class Sheet(LessonPart):
    """A step's place on the handout: one sentence and one picture."""

    text: str
    picture: Literal["patches", "growth", "memory", "layers", "words"]
    side: str = "merged"
    mode: Mode = "none.none.none.plain"
    layer: int = Field(0, ge=0)
    t: int = Field(0, ge=0)


class LessonStep(LessonPart):
    """One step."""

    title: str
    text: str
    look: ViewState
    then: Change = Change()
    ask: Ask
    boxes: list[Box] = []
    figure: Literal["keys"] | None = None  # what one token leaves
    multiples: Multiples | None = None
    switches: list[Switch] = []
    code: Code
    sheet: Sheet


WORDS = (
    *("step", "steps", "next", "back", "show", "reveal", "reveal_key", "again", "right", "wrong", "done", "keys"),
    *("explore", "return", "ask_live", "glossary", "close", "handout", "print", "sheet_about", "save", "saved"),
    *(
        "failed",
        "present",
        "language",
        "code",
        "paper",
        "hide_sinks",
        "place",
        "layer",
        "drawn",
        "earlier",
        "away",
        "more",
        "less",
    ),
    *("exact", "line_axis", "line_start", "line_yours", "line_measured", "line_handle", "one_token", "key", "value"),
)
Words = create_model("Words", __base__=LessonPart, __doc__="The page's own words.", **dict.fromkeys(WORDS, (str, ...)))


class Term(LessonPart):
    """An entry of the glossary."""

    name: str
    term: str
    text: str


class Lesson(LessonPart):
    """A lesson in one language."""

    language: str
    title: str
    about: str
    words: Words
    glossary: list[Term] = Field(max_length=MOST_TERMS)
    steps: list[LessonStep] = Field(min_length=STEPS, max_length=STEPS)


def read_lesson(path: Path) -> Lesson:
    """The lesson in a file, checked for its form.

    Raises:
        ValueError: if something in it is missing, misspelt or out of its range; a line for each, with its place.
    """
    try:
        return Lesson(**tomllib.loads(path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not saved as UTF-8: {error.reason}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not valid TOML: {error}.") from error
    except ValidationError as error:
        lines = "\n".join(f"  {_place(each['loc'])}: {each['msg']}" for each in error.errors())
        raise ValueError(f"{path.name} is not a complete lesson:\n{lines}") from error


def _place(location: tuple[str | int, ...]) -> str:
    """`steps 3, look, layer`: entries are counted from 1, as readers do."""
    parts = [f" {part + 1}" if isinstance(part, int) else f", {part}" for part in location]
    return "".join(parts).removeprefix(", ")
