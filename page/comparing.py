"""Many methods on one picture and question: what is asked for, the rows that are measured, and the file of them.

Nothing here knows of events and layout; see `compare_events` and `compare_tab`.
"""

import base64
import csv
import io
import math
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from elastic.fairness import beyond_share
from elastic.fronts import FRONTS, Front, front_of
from elastic.options import bits_of, build_policy, changed, options_of, percent, policy_named, read_percent
from elastic.policies import POLICIES, Policy
from elastic.record.steps import no_formula
from page.endings import out_of_memory

if TYPE_CHECKING:  # which imports torch
    from elastic.state import State

MOST_ROWS = 120
FIGURES = ("agreement", "kl", "rouge_l", "ms_per_token", "bytes_peak", "bytes_prompt", "bytes_full")
FIGURES += ("agreement_before", "agreement_after", "repetition", "loss", "tokens", "compress_ms", "slots", "prompt")
BITS = "bits"  # the option of methods whose numbers can be stored in fewer
COLUMNS = ("policy", "title", "keep", "bits", "settings", "answer", *FIGURES, "beyond_share", "refused")


@dataclass(frozen=True)
class Plan:
    """A row to be measured; `keep` is None for a method that chooses its budget itself."""

    name: str
    keep: float | None
    policy: Policy | None  # None where the method refuses, for the reason in `refused`
    refused: str = ""
    front: Front | None = None  # where the row is of one, with the full cache behind it

    @property
    def title(self) -> str:
        return (FRONTS | POLICIES)[self.name].title

    @property
    def line(self) -> str:
        """The row in a few words."""
        return self.named if self.keep in (None, 1.0) else f"{self.named} at {percent(self.keep)} %"

    @property
    def named(self) -> str:
        """The method, and in how many bits, where it has the choice and they are not whole."""
        return f"{self.title} in {self.bits} bits" if self.bits else self.title

    @property
    def bits(self) -> str:
        """In how many bits its numbers are stored, where the method has the choice and they are not whole."""
        return "" if self.policy is None else bits_of(self.policy)


def read_budgets(given: Iterable[object], read: Callable[[object], float] = read_percent) -> list[float]:
    """Shares of the cache from texts as people write them, the largest first; `read` reads one.

    Raises:
        ValueError: if there is none, or one is no budget.
    """
    budgets = {read(text) for text in given}
    if not budgets:
        raise ValueError("There is no budget yet. Choose at least one, such as 20 %.")
    return sorted(budgets, reverse=True)


def plan_rows(
    names: Sequence[str], budgets: Sequence[float], options: Mapping[str, dict], bits: Sequence[str] = ()
) -> list[Plan]:
    """The full cache, then every method with every budget; `options` are settings by method, where not the defaults.

    Methods that can be stored in fewer bits come once more for each of `bits`, with the same budgets of bytes.

    Raises:
        ValueError: if a method does not exist, or there are none or too many rows; if fewer bits are asked for, and
            none of the methods can be stored in them.
    """
    for name in names:
        if name not in FRONTS:
            policy_named(name)
    chosen = [name for name in [*POLICIES, *FRONTS] if name in names and name != "full"]
    if not chosen:
        raise ValueError("There is no method yet. Choose at least one to compare with the full cache.")
    rows: list[tuple[str, float | None, dict]] = [("full", None, {})]
    for name in chosen:
        has_choice = name in FRONTS or options_of(POLICIES[name])["keep"].is_free
        for keep in budgets if has_choice else [None]:
            rows += [(name, keep, own) for own in _in_bits(name, options.get(name, {}), bits)]
    if bits and not any(BITS in options_of(POLICIES[name]) for name in chosen if name in POLICIES):
        can = ", ".join(policy.title for policy in POLICIES.values() if BITS in options_of(policy))
        raise ValueError(f"None of these methods can be stored in fewer bits. These can: {can}.")
    if len(rows) > MOST_ROWS:
        raise ValueError(f"That would be {len(rows)} rows, at most {MOST_ROWS} are measured. Choose fewer.")
    return [_plan(*row) for row in rows]


def _in_bits(name: str, own: dict, bits: Sequence[str]) -> list[dict]:
    """The settings of a method, and those with each number of bits, where it has the choice."""
    option = None if name in FRONTS else options_of(POLICIES[name]).get(BITS)
    if option is None:
        return [own]
    here = own.get(BITS, option.default)
    return [own, *(own | {BITS: each} for each in dict.fromkeys(bits) if each != here)]


def _plan(name: str, keep: float | None, options: dict) -> Plan:
    try:
        if name in FRONTS:
            return Plan(name, keep, build_policy("full", 1.0, {}), front=front_of(name, keep, is_alone=True))
        return Plan(name, keep, build_policy(name, 1.0 if keep is None else keep, options))
    except ValueError as error:
        return Plan(name, keep, None, str(error))


@dataclass
class Table:
    """A comparison on its way: what was asked, and the rows measured so far. `picture` is a file's path."""

    picture: str
    image: Image.Image
    question: str
    tokens: int  # the longest answer
    plans: list[Plan]
    further: list[tuple[str, Image.Image]] = field(default_factory=list)  # pictures behind the first, with their files
    picture_tokens: int = 0  # at most, of each; 0 where the model decides
    rows: list[dict] = field(default_factory=list)
    status: str = ""
    how: str = ""  # how it ended, where not all rows were measured
    why: str = ""  # a sentence
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"An answer needs 1 token or more, not {self.tokens}.")
        small = self.image.copy()
        small.thumbnail((112, 112))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=80)
        self.thumbnail = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()

    def fill(self, llava: object) -> Iterator[str]:
        """Measure row after row; yields `status` before each of them, when it says what comes, and after the last.

        Raises:
            ValueError: if the question does not fit the model.
        """
        # Imported here: the page need not wait for transformers.
        from elastic.engine import prefill
        from elastic.evaluate.measure import baseline, measure
        from elastic.session import check_pictures, checked_question
        from elastic.shortening import shorten

        check_pictures(llava, 1 + len(self.further))
        self.question = checked_question(self.question)
        self.status = "Reading the picture and the question"
        yield self.status
        needs = frozenset().union(*(plan.policy.needs for plan in self.plans if plan.policy))
        prompt = llava.first_turn([self.image, *(image for _, image in self.further)], self.question)
        _check_room(llava, prompt.ids.shape[1], self.tokens)
        start = prefill(llava, prompt, needs, record_attention=False)

        def started(plan: Plan) -> "State":
            """What a row's method compresses: all that was read, or fewer tokens of it."""
            if plan.front is None:
                return start
            return prefill(llava, shorten(llava, prompt, plan.front), needs, record_attention=False)

        base = baseline(start, None, self.tokens)
        for number, plan in enumerate(self.plans, 1):
            self.status = f"{number} of {len(self.plans)}: {plan.line}"
            yield self.status
            row = {
                "policy": plan.name,
                "title": plan.named,
                "keep": plan.keep,
                "bits": plan.bits,
                "settings": settings_of(plan),
            }
            row |= _figures(plan, lambda plan: measure(started(plan), plan.policy, base, self.tokens))
            self.rows.append(row | {"beyond_share": self._beyond_share(plan, row)})
        self.status = f"All {len(self.plans)} rows are there."
        yield self.status

    def _beyond_share(self, plan: Plan, row: dict) -> str:
        """What a method holds beyond the share it was asked for; such a row is shown, and not compared."""
        full = (self.rows or [row])[0]
        if row["refused"] or full["refused"]:
            return ""
        if plan.policy.keep_is_read and plan.policy.keep < 1:
            return f"holds everything, and reads {100 * plan.policy.keep:.3g}\u00a0% of it at a word"
        after_prompt, at_peak = (row[name] / full[name] for name in ("bytes_prompt", "bytes_peak"))
        return beyond_share(plan.keep or 1.0, after_prompt, at_peak).replace("%", "\u00a0%")  # no line ends between

    @property
    def nbytes(self) -> int:
        """Bytes of memory it holds."""
        pixels = sum(image.width * image.height for image in (self.image, *(image for _, image in self.further)))
        return 3 * pixels + len(self.thumbnail) + 4096 * len(self.plans)

    @property
    def about(self) -> str:
        """What it is and how far, in a few words; the full cache is what methods are compared with."""
        methods = len({plan.name for plan in self.plans} - {"full"})
        what = f"comparison of {methods} methods" if methods > 1 else "comparison of one method"
        return f"{what}, row {min(len(self.rows) + 1, len(self.plans))} of {len(self.plans)}"

    @property
    def stopped_line(self) -> str:
        """What the status is when not all rows were measured."""
        return f"{self.how or 'Stopped'}: {len(self.rows)} of {len(self.plans)} rows are measured. {self.why}".strip()

    @property
    def measured(self) -> list[dict]:
        """The rows that have figures."""
        return [row for row in self.rows if not row["refused"]]


def _figures(plan: Plan, measure: Callable[[Plan], object]) -> dict:
    """What a method makes of the question, or why it makes nothing of it."""
    if plan.policy is None:
        return _refusal(plan.refused)
    try:
        outcome = asdict(measure(plan))
    except ValueError as error:
        return _refusal(str(error))
    except Exception as error:  # whatever is wrong with one method, the others go on
        if out_of_memory(error):
            raise
        traceback.print_exc()
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return _refusal(f"It failed on this question ({reason[:120]}).")
    return {"answer": outcome["text"], **{name: _finite(outcome[name]) for name in FIGURES}, "refused": ""}


def _check_room(llava: object, seen: int, tokens: int) -> None:
    room = llava.room
    if seen + tokens > room:
        raise ValueError(
            f"{seen} tokens and an answer of {tokens} exceed the {room} this model can read. "
            "Ask a shorter question, or allow a shorter answer."
        )


def settings_of(plan: Plan) -> str:
    """The settings of a row that are not the method's defaults, `keep` and bits aside."""
    if plan.policy is None:
        return ""
    options = options_of(type(plan.policy))
    settings = {
        options[name].label: value for name, value in changed(plan.policy).items() if name not in ("keep", BITS)
    }
    return ", ".join(f"{label}: {_setting_value(value)}" for label, value in settings.items())


def _setting_value(value: object) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"{value}"


def _refusal(reason: str) -> dict:
    return {"answer": "", **dict.fromkeys(FIGURES), "refused": reason}


def _finite(value: object) -> object:
    """JSON has no infinity and no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table_csv(rows: Iterable[dict]) -> str:
    """The rows as comma-separated values with a header, numbers with all their digits."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: no_formula(row[name]) for name in COLUMNS})
    return file.getvalue()
