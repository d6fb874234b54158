"""A first look at an uploaded picture, before anybody asks: the embedded model knows emoji scenes only."""

from collections.abc import Generator
from contextlib import closing

import gradio as gr
from PIL.Image import Image

from elastic.policies.full import Full
from page.incoming import aside, picture_of
from page.job import JobRefused
from page.model import Model
from scenes.asides import NO_SCENE

QUESTION = "What is here?"
LONGEST = 40  # tokens: more than the sentence that says it is no scene
NOTE = (
    "🖼️ **pocket-llava takes this for no emoji scene**, and knows nothing else. Choose an example, draw a scene, or "
    "start the program with a LLaVA-1.5."
)


class Glance:
    """Asks the model what it sees, as any caller does: in line, and only as long as the visitor is there."""

    def __init__(self, model: Model) -> None:
        self.model = model

    async def look(self, path: str | None, request: gr.Request) -> tuple[str | None, str]:
        """The picture that was looked at, and what should be said of it; nothing where it cannot be told."""
        try:
            picture = await aside(picture_of, path)
            # Under a name of its own: the visitor's question is not refused as a second one, and stops nothing here.
            caller, steps = f"glance of {request.session_hash}", self._steps(picture)
            about, also = "a look at a new picture", request.session_hash
            job = self.model.line.join(caller, steps, lambda: about, also=also, kind="glance")
            seen = await self.model.line.result(job)
        except (JobRefused, ValueError):  # no picture any more, or a busy server: asked, the model says it itself
            return path, ""
        return path, NOTE if seen == NO_SCENE else ""

    def _steps(self, picture: Image) -> Generator[None, None, str]:
        comparison = self.model.session.Comparison(self.model.heeding(), picture, [Full()])
        with closing(comparison.ask(QUESTION, LONGEST)) as events:
            for _ in events:
                yield
        return comparison.record().sides[0].answer


def note_of(seen: tuple[str | None, str], shown: str | None) -> str:
    """What was found of the picture that is shown now; nothing of one that was there before."""
    path, note = seen
    return note if shown is not None and path == shown else ""
