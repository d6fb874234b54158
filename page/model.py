"""The model behind the page, loaded in the background."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import gradio as gr


class Model:
    """The model, loaded in the background while the page is already there."""

    def __init__(self, name: str | None, device: str, four_bit: bool = False) -> None:
        self.name, self.device, self.four_bit = name, device, four_bit
        self.error, self.llava, self.session, self.sessions = "", None, None, None
        self.ready = threading.Event()
        self.turn = threading.Lock()  # held by whoever runs the model
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        try:
            # Imported here: transformers takes seconds, and the page need not wait for it.
            from elastic import model, session

            self.session, self.sessions = session, session.Sessions()
            self.llava = model.load(self.name, self.device, self.four_bit)
        except Exception as error:  # whatever happens in this thread must reach the page
            self.error = str(error) or type(error).__name__
        self.ready.set()

    def wait(self) -> None:
        """Return once the model is there; raise what the visitor should read if it cannot be."""
        self.ready.wait()
        if self.error:
            raise gr.Error(self.error, title="The model could not be loaded", print_exception=False)

    def in_turn(self, steps: Iterator) -> Iterator:
        """The same steps, each with the model to itself: a run that was stopped may still be busy with its last one."""
        with closing(steps):
            while True:
                with self.turn:
                    try:
                        step = next(steps)
                    except StopIteration:
                        return
                yield step

    @property
    def title(self) -> str:
        return "pocket-llava" if self.name is None else Path(self.name).name

    def status(self) -> str:
        """One line about the model for the top of the page."""
        if self.error:
            return f"⚠️ **{self.title} could not be loaded.** {self.error}"
        if self.llava is None:
            return f"⏳ **Loading {self.title}.** You can already choose a picture and a question."
        where = "CPU" if self.llava.device.type == "cpu" else "GPU"
        if self.name is not None:
            return f"🟢 **Live** · {self.title} on {where}"
        return (
            f"🟢 **Live** · pocket-llava on {where} · it knows **emoji scenes only**: ask what is where, "
            "how many, which, how large, what is next to what. Photographs will puzzle it."
        )
