"""`run.json`, the plain part of a trace file: what it may hold. A file of a stranger holds nothing else."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MOST_SIDES = 8
MOST_VIEWS = 256  # of all pictures: eight photographs in seventeen tiles each are 136
MOST_TOKENS = 32_000  # before and after the answer, together: the view counts them in 16 bits

Name = Annotated[str, Field(max_length=200)]
Piece = Annotated[str, Field(max_length=1000)]
Text = Annotated[str, Field(max_length=50_000)]
PastTurn = Annotated[list[Text], Field(min_length=2, max_length=2)]  # question and answer
Count = Annotated[int, Field(ge=0, le=10**6)]
Whole = Annotated[int, Field(ge=-(10**15), le=10**15)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e6)]
Key = Annotated[str, Field(max_length=60)]
OptionValue = bool | int | float | str  # a value of a policy's field


class PlainPart(BaseModel):
    """Nothing is turned into what it is not, and nothing is passed over."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class PlainShape(PlainPart):
    """Of the language model."""

    layers: Count
    heads: Count
    kv_heads: Annotated[int, Field(ge=1, le=512)]
    head_dim: Annotated[int, Field(ge=1, le=4096)]
    element_bytes: Annotated[int, Field(ge=0, le=16)] | Annotated[float, Field(ge=0, le=16)]
    weight_bytes: Annotated[int, Field(ge=0, le=10**15)]


# Of a box, in the picture's own size; beyond it lies what fills a long picture up to a square.
Edge = Annotated[int, Field(ge=-20, le=21)] | Annotated[float, Field(allow_inf_nan=False, ge=-20, le=21)]
Cells = Annotated[int, Field(ge=1, le=1000)]


class PlainView(PlainPart):
    """What is said of a view."""

    rows: Cells
    columns: Cells
    box: Annotated[list[Edge], Field(min_length=4, max_length=4)]
    picture: Annotated[int, Field(ge=0, lt=MOST_VIEWS)]

    @field_validator("box")
    @classmethod
    def _has_an_area(cls, box: list[float]) -> list[float]:
        left, top, right, bottom = box
        if right - left < 1e-3 or bottom - top < 1e-3:
            raise ValueError("a view is nowhere")
        return box


Logarithm = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=0.01)]


class PlainErasure(PlainPart):
    """What was erased, and the answer before that."""

    tokens: Annotated[list[Count], Field(min_length=1, max_length=MOST_TOKENS)]
    answer: Text
    answer_pieces: Annotated[list[Piece], Field(max_length=MOST_TOKENS)]
    before: Annotated[list[Logarithm], Field(max_length=MOST_TOKENS)]
    after: Annotated[list[Logarithm], Field(max_length=MOST_TOKENS)]


class PlainReuse(PlainPart):
    """What was taken over from another reading."""

    tokens: Annotated[list[Count], Field(max_length=MOST_TOKENS)]
    begins: Annotated[list[Count], Field(max_length=MOST_TOKENS)]
    k: Count | None


class PlainFewer(PlainPart):
    """What a front left out."""

    front: Name
    keep: Annotated[float, Field(gt=0, le=1)]
    tokens: Annotated[list[Count], Field(min_length=1, max_length=MOST_TOKENS)]


class PlainSide(PlainPart):
    """A trace without its arrays."""

    model: Name
    policy: Name
    options: Annotated[dict[Key, bool | Whole | Number | Name], Field(max_length=60)]
    unseen: Annotated[str, Field(max_length=2000)] = ""  # schema 3 has none
    question: Text
    answer: Text
    finish: Literal["end", "limit", "stopped", "running"]
    pieces: Annotated[list[Piece], Field(max_length=MOST_TOKENS)]
    answer_pieces: Annotated[list[Piece], Field(max_length=MOST_TOKENS)]
    views: Annotated[list[PlainView], Field(max_length=MOST_VIEWS)] = []
    grid: Annotated[list[Cells] | None, Field(min_length=2, max_length=2)] = None  # until schema 5, in place of views
    prefill_seconds: Seconds
    compress_seconds: Seconds
    asked_after: Count = 0  # schema 4 has none: all was read before the cache was compressed
    erasure: PlainErasure | None = None  # schema 6 has none
    reuse: PlainReuse | None = None  # schema 8 has none
    fewer: PlainFewer | None = None  # nor this

    @field_validator("options")
    @classmethod
    def _keeps_a_share(cls, options: dict[str, OptionValue]) -> dict[str, OptionValue]:
        keep = options.get("keep", 1.0)
        if isinstance(keep, bool | str) or not 0 < keep <= 1:
            raise ValueError("keep is no share")
        return options


class Versioned(BaseModel):
    """What is looked at first: a file of another schema may hold anything else."""

    model_config = ConfigDict(strict=True)

    number: Annotated[int | None, Field(alias="schema")] = None


class PlainRun(PlainPart):
    """A run without arrays and picture."""

    number: Annotated[int, Field(alias="schema")]
    name: Name
    titles: Annotated[list[Name], Field(min_length=1, max_length=MOST_SIDES)]
    history: Annotated[list[Annotated[list[PastTurn], Field(max_length=500)]], Field(max_length=MOST_SIDES)]
    shape: PlainShape
    about: Annotated[dict[Key, Name], Field(max_length=30)]
    link: Annotated[dict[Key, Annotated[str, Field(max_length=2000)]], Field(max_length=100)]
    sides: Annotated[list[PlainSide], Field(max_length=MOST_SIDES)]
