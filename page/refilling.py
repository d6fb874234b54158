"""What a run was asked with, as its record tells it, for the inputs beside it: picture, question and settings."""

from elastic.fronts import FRONTS
from elastic.options import percent, write_value
from elastic.record.places import ViewFrame
from elastic.record.trace import Run, Trace
from page import incoming
from page.asking import OFF
from page.links import read_link
from page.misspelt import SIDES

# Where a run is of a picture that comes with the program, its link tells more, see `Live.fill`.
WITH_PICTURE = (
    "📼 **{} of the opened run**: the model saw it like this. Question and settings are that run's too. *Ask* begins a "
    "new conversation."
)
WITHOUT_PICTURE = "📼 **The opened run came without its picture.** Question and settings are that run's: choose one."


def note_of_run(run: Run) -> str:
    """What the inputs say of themselves, once they are those of an opened run; Markdown without a word of the run's."""
    if not run.pictures:
        return WITHOUT_PICTURE
    pictures = 1 + max(view.picture for view in run.sides[0].views)
    return WITH_PICTURE.format("The picture" if pictures == 1 else f"The first of {pictures} pictures")


def picture_of_run(run: Run) -> str | None:
    """What the model saw of a run's first picture, the largest part of it, as an upload; None where that is not known.

    Raises:
        ValueError: if it cannot be kept.
    """
    if not run.pictures:
        return None
    seen = [pair for pair in zip(run.sides[0].views, run.pictures, strict=True) if pair[0].picture == 0]
    _, picture = max(seen, key=lambda pair: _area(pair[0]))
    return str(incoming.keep(picture, "opened-run.jpg"))


def _area(view: ViewFrame) -> float:
    left, top, right, bottom = view.box
    return (right - left) * (bottom - top)


def settings_of_run(run: Run) -> dict[str, object]:
    """The settings as `read_link` finds them in a link; of a foreign record what cannot be is left out."""
    asked = {"compress": "before" if any(side.asked_after for side in run.sides) else "after"}
    reuse = next((side.reuse.choice for side in run.sides if side.reuse is not None), "off")
    fronts = {kind.title: name for name, kind in FRONTS.items()}
    front = next((fronts.get(side.fewer.front, OFF) for side in run.sides if side.fewer is not None), OFF)
    asked |= {"reuse": reuse, "front": front}
    for name, side in zip(SIDES, run.sides, strict=False):
        asked[name] = side.policy
        asked |= {f"{name}.{option}": write_value(value) for option, value in side.options.items() if option != "keep"}
    kept = [keep for side in run.sides if 0 < (keep := _keep(side)) < 1]
    asked |= {"keep": percent(max(kept))} if kept else {}
    found, _ = read_link(asked)
    return found


def _keep(side: Trace) -> float:
    keep = side.options.get("keep", 1.0) if side.fewer is None else side.fewer.keep
    return keep if isinstance(keep, float) else 1.0
