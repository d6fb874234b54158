"""The inputs of the page: picture, question, policies and their settings."""

import json
import random
import tempfile
from dataclasses import Field, fields
from pathlib import Path

import gradio as gr

from elastic.picture import open_picture
from elastic.policies import POLICIES, Policy
from training.questions import suggestions
from training.scenes import random_scene, render

ASSETS = Path(__file__).parent.parent / "assets"
DRAWN = tempfile.TemporaryDirectory(prefix="scenes-")  # gone with the program
PRIVATE = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}


class Picture(gr.Image):
    """An image input that hands over the file as it came: `open_picture` alone decides what can be read."""

    def preprocess(self, payload: object) -> str | None:
        return payload.path if payload is not None else None

    def get_block_name(self) -> str:
        return "image"


def option_control(field: Field) -> gr.components.Component:
    """The control that fits a hyper-parameter."""
    label, about = field.name.replace("_", " ").capitalize(), field.metadata["about"]
    if isinstance(field.default, bool):
        return gr.Checkbox(field.default, label=label, info=about, interactive=True)
    low, high = field.metadata["low"], field.metadata["high"]
    step = 1 if isinstance(field.default, int) else 0.01
    return gr.Slider(low, high, field.default, step=step, label=label, info=about, interactive=True)


def adjustable(policy: type[Policy]) -> list[Field]:
    """The hyper-parameters that can take more than one value."""
    return [
        field
        for field in fields(policy)
        if field.metadata["low"] is None or field.metadata["low"] < field.metadata["high"]
    ]


def build_policy(name: str, keep: float, options: dict[str, object]) -> Policy:
    """A policy from what the page's controls say; `keep` goes to those that have the choice.

    Raises:
        ValueError: if there is no policy of that name, or a value is out of its range.
    """
    if name not in POLICIES:
        raise ValueError(f"There is no policy named {name!r}. Choose one of: {', '.join(POLICIES)}.")
    names = {field.name for field in adjustable(POLICIES[name])}
    return POLICIES[name](**{key: value for key, value in {"keep": keep, **options}.items() if key in names})


def draw_scene(seed: float | None) -> tuple[str, int, gr.Dataset]:
    """The picture file of a scene, its seed, and questions that fit it; a new seed when none is given."""
    seed = random.randrange(100_000) if seed is None else int(seed)
    scene = random_scene(seed)
    path = Path(DRAWN.name) / f"scene-{seed}.png"
    render(scene)[0].save(path)
    return str(path), seed, gr.Dataset(samples=[[question] for question in suggestions(scene, seed)])


def check_upload(path: str | None) -> str | None:
    """Refuse a file that cannot be read as a picture as soon as it is there."""
    try:
        open_picture(path)
        return path
    except ValueError as error:
        gr.Warning(str(error), title="Picture not taken")
        return None


def picture_controls(pocket: bool) -> tuple[Picture, gr.Textbox, tuple[gr.Button, gr.Button, gr.Button]]:
    """Picture, examples, the random scene where the model knows scenes, the question and the buttons that ask it."""
    shown = examples(pocket)
    picture = Picture(
        shown[0]["path"],
        type="filepath",
        format="png",
        sources=["upload", "clipboard"],
        height=230,
        label="Picture",
        elem_id="picture",
    )
    chosen = gr.Dataset(
        components=[gr.Image(visible=False)],
        samples=[[example["path"]] for example in shown],
        type="index",
        label="Examples",
        elem_id="examples",
    )
    if pocket:
        with gr.Row(elem_id="scenes"):
            new_scene = gr.Button("New random scene", size="sm", elem_id="new-scene", min_width=120)
            scene_seed = gr.Number(
                shown[0]["seed"], label="Scene seed", precision=0, minimum=0, min_width=90, elem_id="scene-seed"
            )
    question = gr.Textbox(
        shown[0]["question"],
        label="Question for both sides",
        placeholder="Ask about the picture",
        lines=1,
        max_lines=6,
        elem_id="question",
    )
    with gr.Row(elem_id="buttons"):
        ask = gr.Button("Ask", variant="primary", elem_id="ask", min_width=70)
        stop = gr.Button("Stop", variant="stop", interactive=False, elem_id="stop", min_width=70)
        clear = gr.Button("Clear", elem_id="clear", min_width=70)
    suggested = gr.Dataset(
        components=[question],
        samples=[[text] for text in shown[0]["suggestions"]],
        label="Suggestions",
        elem_id="suggestions",
    )
    if pocket:
        drawn = [picture, scene_seed, suggested]
        new_scene.click(lambda: draw_scene(None), None, drawn, **PRIVATE)
        scene_seed.submit(draw_scene, scene_seed, drawn, **PRIVATE)
    else:
        scene_seed = gr.State()
    chosen.click(
        lambda number: show_example(shown[number]), chosen, [picture, question, suggested, scene_seed], **PRIVATE
    )
    suggested.click(lambda sample: sample[0], suggested, question, **PRIVATE)
    # Through the queue: without it a warning does not reach the visitor.
    picture.upload(check_upload, picture, picture, **PRIVATE | {"queue": True})
    return picture, question, (ask, stop, clear)


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


def side_controls() -> tuple[list[gr.Dropdown], list[tuple[int, str, str]], list[gr.components.Component]]:
    """Policy and settings of each side: the two choices, and every option's (side, policy, field) with its control."""
    choices = [(policy.title, name) for name, policy in POLICIES.items()]
    names, keys, controls = [], [], []
    for side, default in enumerate(("full", "elastic")):
        names.append(gr.Dropdown(choices, value=default, label=f"Side {'AB'[side]}", elem_id=f"policy-{'ab'[side]}"))
    for side, chosen in enumerate(names):
        with gr.Accordion(f"Settings of side {'AB'[side]}", open=False):
            for name, policy in POLICIES.items():
                with gr.Group(visible=name == chosen.value) as group:
                    gr.Markdown(f"{policy.about} {policy.paper}", container=True)
                    for field in adjustable(policy):
                        if field.name != "keep":
                            keys.append((side, name, field.name))
                            controls.append(option_control(field))
                chosen.change(lambda now, name=name: gr.Group(visible=now == name), chosen, group, **PRIVATE)
    return names, keys, controls
