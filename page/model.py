"""The model behind the page, loaded in the background."""

import asyncio
import gc
import html
import re
import threading
from collections.abc import AsyncIterator, Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from elastic.command_line import AUTO
from elastic.memory import size
from page.line import Line

if TYPE_CHECKING:  # else a page of recorded runs would import torch
    from elastic.cache.forward import Forward
    from elastic.model import PictureReader


def reads_no_pictures(name: str | None) -> str:
    """A sentence for who names a text model for the page."""
    return (
        f"{name!r} is a text model, and the page asks about pictures: name one that sees them, such as "
        "HuggingFaceTB/SmolVLM-256M-Instruct, leave --model out for pocket-llava, or take the text model to "
        f"python -m elastic.evaluate --model {name}."
    )


def as_written(text: str) -> str:
    """A text in Markdown that reads as it was written, whatever is in it."""
    return re.sub(r"[\\`*_\[\]$|~]", r"\\\g<0>", html.escape(" ".join(text.split()), quote=False))


def described(llava: "PictureReader") -> str:
    """A model's type, and the type, place and bytes of its weights."""
    model = llava.model
    held = sum(weight.nbytes for weight in model.parameters())
    dtype = str(model.dtype).removeprefix("torch.")
    where = "CPU" if llava.device.type == "cpu" else "GPU"
    return f"{model.config.model_type}, {dtype} on {where}, {size(held)} of weights"


class Heeding:
    """A model that heeds, in every layer of a prompt, whether it is still wanted; all else is the model's own.

    With `picture_tokens`, a picture has no more than so many.
    """

    def __init__(self, model: "Model", picture_tokens: int = 0) -> None:
        self._model, self._picture_tokens = model, picture_tokens

    @cached_property
    def _llava(self) -> object:
        """The model's own, once it is there."""
        llava = self._model.llava
        return llava.capped(self._picture_tokens) if self._picture_tokens else llava

    def __getattr__(self, name: str) -> object:
        return getattr(self._llava, name)

    def read(self, prompt: object, cache: object, forward: "Forward") -> object:
        """As `Reader.read`."""
        forward.heed = partial(self._model.line.beat, within_step=True)
        return self._llava.read(prompt, cache, forward)


class Watched(Heeding):
    """One that heeds it at every step, too, where steps are taken many at a time: what was written is then lost."""

    def step(self, ids: object, cache: object, forward: object) -> object:
        """As `Reader.step`."""
        self._model.line.beat()
        return self._llava.step(ids, cache, forward)


class Model:
    """The model, loaded in the background while the page is already there; `line` is how it is had."""

    def __init__(
        self,
        name: str | None,
        device: str,
        four_bit: bool = False,
        line: Line | None = None,
        when_loaded: Callable[[], object] = lambda: None,
        dtype: str = AUTO,
    ) -> None:
        self.name, self.device, self.four_bit, self.when_loaded = name, device, four_bit, when_loaded
        self.dtype = dtype
        self.error, self.llava, self.session = "", None, None
        self.ready = threading.Event()
        self.line = Line() if line is None else line
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        try:
            # Imported here: transformers takes seconds, and the page need not wait for it.
            from elastic import model, session

            self.session = session
            loaded = model.load(self.name, self.device, self.four_bit, self.dtype)
            if not isinstance(loaded, model.PictureReader):
                raise ValueError(reads_no_pictures(self.name))
            self.llava = loaded
            self._heed_in_towers()
            self.when_loaded()
        except Exception as error:  # whatever happens in this thread must reach the page
            self.error = str(error) or type(error).__name__
            self.line.close(f"The model could not be loaded. {self._for_visitors(self.error)}", 0)
        # What is there now stays: nobody need look through it for garbage again.
        gc.collect()
        gc.freeze()
        self.ready.set()
        self.line.opened.set()

    def heeding(self, picture_tokens: int = 0) -> Heeding:
        """The model for answers: a long prompt can be ended in its midst."""
        return Heeding(self, picture_tokens)

    def watched(self, picture_tokens: int = 0) -> Watched:
        """The model for steps that are taken many at a time: each is a place where they can be ended."""
        return Watched(self, picture_tokens)

    def _heed_in_towers(self) -> None:
        """A vision tower's layers, too, are places where what nobody wants any more is ended."""
        from torch.nn import ModuleList  # by now it is loaded

        text = set(self.llava.model.get_decoder().modules())
        for stack in self.llava.model.modules():
            if isinstance(stack, ModuleList) and stack not in text:
                for layer in stack:
                    layer.register_forward_pre_hook(lambda *_: self.line.beat(within_step=True))

    @property
    def state(self) -> str:
        """`loading`, `ready` or `failed`."""
        return "failed" if self.error else "ready" if self.ready.is_set() else "loading"

    @property
    def title(self) -> str:
        return "pocket-llava" if self.name is None else Path(self.name).name

    def _for_visitors(self, text: str) -> str:
        """A sentence with the model's short name: where it lies on this machine is nobody's business."""
        return text if self.name is None else text.replace(str(Path(self.name)), self.title)

    def status(self) -> str:
        """One line about the model for the top of the page, as Markdown."""
        title = as_written(self.title)
        if self.error:
            return f"⚠️ **{title} could not be loaded.** {as_written(self._for_visitors(self.error))}"
        if self.llava is None:
            return f"⏳ **Loading {title}.** You can already choose a picture and a question."
        live = f"🟢 **Live** · {title} · {as_written(described(self.llava))}"
        if self.name is not None:
            return live
        return (
            f"{live} · it knows **emoji scenes only**: ask what is where, "
            "how many, which, how large, what is next to what, or for the number."
        )

    async def statuses(self) -> AsyncIterator[str]:
        """The line about the model, again once it is loaded; waiting visitors hold no thread."""
        yield self.status()
        while not self.ready.is_set():
            await asyncio.sleep(0.5)
            yield self.status()  # so that Gradio notices who is gone
