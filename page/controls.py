"""The inputs of the page: picture, question, how much is kept, and what asks. Those of the sides: `sides`."""

import json
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import gradio as gr
from gradio.events import Dependency
from gradio.utils import get_upload_folder

from elastic.options import HIGH, LOW
from page import incoming
from page.everybody import drawer
from page.looking import PRIVATE
from page.picture import (
    AS_BEFORE,
    NO_PICTURE,
    NOW,
    NOW_UPLOADED,
    Picture,
    check_upload,
    last_readable,
    note_picture,
    refuse,
)
from page.pictures import NONE, Several, several_controls, token_controls
from scenes.questions import suggestions
from scenes.scene import random_scene, render

ASSETS = Path(__file__).parent.parent / "assets"
EARLIER = "Earlier conversations: go back to one"


@dataclass(frozen=True)
class Ask:
    """Picture, question, how much of the cache is kept, and what asks.

    A conversation begins anew after the events `renewed`, and once what was `uploaded` is taken; `moment` is when.
    """

    picture: Picture
    question: gr.Textbox
    sent: gr.Textbox  # the last question that left its box
    keep: gr.Slider
    suggested: gr.Dataset
    scene_seed: gr.Number | gr.State
    belongs: gr.Markdown  # whose picture, question and settings these are, where they are an opened run's
    note: gr.Markdown
    ask: gr.Button
    stop: gr.Button
    clear: gr.Button
    conversations: gr.Dataset
    moment: gr.Number
    renewed: list[Callable]
    uploaded: Dependency
    several: Several | None  # where the model is another one than pocket-llava


def scene_example(seed: int) -> dict:
    """A scene drawn from a seed as an example: its picture file, questions that fit it, the first to begin with."""
    scene = random_scene(seed)
    # Among the page's temporary files, which are given up when they are not used.
    path = Path(get_upload_folder()) / "scenes" / f"scene-{seed}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(f".{uuid.uuid4().hex}")
        render(scene)[0].save(whole, "PNG")
        whole.replace(path)
    asked = suggestions(scene, seed)
    return {"path": str(path), "seed": seed, "question": asked[0], "suggestions": asked}


def draw_scene(seed: float | None) -> tuple[str, int, gr.Dataset]:
    """The picture file of a scene, its seed, and questions that fit it; a new seed when none is given."""
    drawn = scene_example(random.randrange(100_000) if seed is None else abs(int(seed)) % 10**9)
    return drawn["path"], drawn["seed"], gr.Dataset(samples=[[question] for question in drawn["suggestions"]])


def find_example(name: str, pocket: bool) -> dict | None:
    """The example of that name, if any: a bundled picture, or `scene-N` for the scene with seed N."""
    for example in examples(pocket):
        if Path(example["path"]).stem == name:
            return example
    seed = name.removeprefix("scene-")
    if pocket and name.startswith("scene-") and seed.isdecimal() and len(seed) < 10:
        return scene_example(int(seed))
    return None


def name_of_example(path: str, pocket: bool) -> str | None:
    """The name by which `find_example` finds a picture file, None for a visitor's own picture."""
    example = find_example(Path(path).stem, pocket)
    is_same = example is not None and incoming.content_of(path) == Path(example["path"]).read_bytes()
    return Path(path).stem if is_same else None


def example_of(paths: Sequence[str], pocket: bool) -> str | None:
    """The name of the one picture where it is one of those that come with the program."""
    try:
        return name_of_example(paths[0], pocket) if len(paths) == 1 else None
    except (OSError, ValueError):  # the file is gone; whoever asks from an earlier turn needs it no more
        return None


def question_controls(first: str) -> tuple[gr.Textbox, gr.Button, gr.Button, gr.Button]:
    """The box for a question, and what asks, stops and begins anew: `question_row` puts them under the answers."""
    question = gr.Textbox(
        first,
        label="Question for both sides",
        placeholder="Ask about the picture",
        show_label=False,
        container=False,
        lines=1,
        max_lines=6,
        scale=8,
        min_width=200,
        elem_id="question",
        render=False,
    )
    ask = gr.Button("Ask", variant="primary", elem_id="ask", min_width=70, scale=0, render=False)
    stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop", min_width=70, scale=0, render=False)
    clear = gr.Button("New chat", elem_id="clear", min_width=70, scale=0, render=False)
    return question, ask, stop, clear


def picture_control(path: str) -> Picture:
    """The picture that is asked about, at first the one of that path."""
    sources = ["upload", "clipboard"]
    return Picture(path, type="filepath", format="png", sources=sources, height=230, label="Picture", elem_id="picture")


def ask_controls(pocket: bool) -> Ask:
    """Picture, examples, the random scene where the model knows scenes, the question and the buttons that ask it."""
    shown = examples(pocket)
    picture = picture_control(shown[0]["path"])
    begin, pictures = (None, None) if pocket else several_controls(picture)
    belongs = gr.Markdown(elem_id="belongs")
    note = gr.Markdown(elem_id="picture-note")  # what the model makes of a picture that was uploaded
    picture_sample = gr.Image(visible=False)
    samples = [[example["path"]] for example in shown]
    chosen = gr.Dataset(
        components=[picture_sample], samples=samples, type="index", label="Examples", elem_id="examples"
    )
    drawer("Settings")
    scene_seed, new_scene = scene_controls(shown[0]["seed"]) if pocket else (gr.State(), None)
    question, ask, stop, clear = question_controls(shown[0]["question"])
    keep = gr.Slider(LOW, HIGH, 50, step=1, label="Cache kept (%)", elem_id="keep")
    several = None if pocket else Several(begin, pictures, *token_controls())
    samples = [[text] for text in shown[0]["suggestions"]]
    # As a plain text: the box itself stands elsewhere.
    text = gr.Textbox(visible=False)
    suggested = gr.Dataset(components=[text], samples=samples, label="Suggestions", elem_id="suggestions")
    sent = gr.Textbox(visible="hidden")
    conversations = gr.Dataset(
        components=[text], samples=[], type="index", label=EARLIER, elem_id="conversations", visible=False
    )

    # Taking the picture away is no new conversation: the next one may be refused.
    renewed = [clear.click, chosen.click]
    if new_scene is not None:
        renewed += [new_scene.click, scene_seed.submit]
    moment, before = gr.Number(visible="hidden"), gr.State([shown[0]["path"]])
    # First: Gradio 6.31 does what follows from an event one after the other.
    gr.on(renewed, None, None, moment, js=NOW, **PRIVATE)
    picture.upload(None, several.pictures if several else gr.State(""), moment, js=NOW_UPLOADED, **PRIVATE)
    filled = [picture, question, suggested, scene_seed]
    chosen.click(lambda number: show_example(shown[number]), chosen, filled, **PRIVATE)
    suggested.click(lambda sample: sample[0], suggested, question, **PRIVATE)
    picture.change(note_picture, [picture, before], before, **PRIVATE)
    # Through the queue: without it an error does not reach the visitor.
    uploaded = picture.upload(check_upload, picture, [picture, suggested, scene_seed], **PRIVATE | {"queue": True})
    uploaded.failure(last_readable, before, picture, **PRIVATE)
    uploaded.failure(None, None, None, js=AS_BEFORE, **PRIVATE)
    for reason, sentence in (("too-large", incoming.TOO_LARGE), ("no-picture", NO_PICTURE)):
        refused = gr.Button(visible="hidden", elem_id=reason)
        refused.click(partial(refuse, sentence), None, None, **PRIVATE | {"queue": True})
    if new_scene is not None:
        new_scene.click(lambda: draw_scene(None), None, [picture, scene_seed, suggested], **PRIVATE)
        scene_seed.submit(draw_scene, scene_seed, [picture, scene_seed, suggested], **PRIVATE)
    if several is not None:
        clear.click(None, None, several.pictures, js=NONE, **PRIVATE)
    told = {"suggested": suggested, "scene_seed": scene_seed, "belongs": belongs, "note": note}
    buttons = {"ask": ask, "stop": stop, "clear": clear}
    given = {"moment": moment, "renewed": renewed, "uploaded": uploaded, "several": several}
    given |= {"conversations": conversations}
    return Ask(picture=picture, question=question, sent=sent, keep=keep, **told, **buttons, **given)


def scene_controls(seed: int) -> tuple[gr.Number, gr.Button]:
    """The seed of the scene that is shown, and the button that draws another."""
    with gr.Row(elem_id="scenes"):
        button = gr.Button("New random scene", size="sm", elem_id="new-scene", min_width=120)
        number = gr.Number(seed, label="Scene seed", precision=0, min_width=90, elem_id="scene-seed")
    return number, button


def show_example(example: dict) -> tuple[str, str, gr.Dataset, int | None]:
    """Picture, question, suggestions and scene seed of an example."""
    samples = [[text] for text in example["suggestions"]]
    return example["path"], example["question"], gr.Dataset(samples=samples), example.get("seed")


def examples(pocket: bool) -> list[dict]:
    """Pictures with a question each: scenes for the embedded model, photographs for others."""
    folder = ASSETS / ("scenes" if pocket else "photos")
    listed = json.loads((folder / f"{folder.name}.json").read_text(encoding="utf-8"))
    for example in listed:
        example["path"] = str(folder / example["file"])
        scene = random_scene(example["seed"]) if pocket else None
        example["suggestions"] = suggestions(scene, example["seed"]) if scene else [example["question"]]
    return listed
