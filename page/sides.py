"""The inputs of both sides: their policies, what else caches are made by, and how answers are written."""

import re
from dataclasses import dataclass

import gradio as gr

from elastic.fronts import FRONTS, Front
from elastic.options import Option, options_of
from elastic.policies import POLICIES, Policy
from elastic.record.reuse import CHOICES
from page.asking import HOTTEST, MOST_TOKENS, OFF
from page.looking import PRIVATE

BEFORE = (
    "The picture (later, the conversation so far) is compressed before the question is known, as in most benchmarks "
    "since 2025; methods that go by the question have none to go by."
)

REUSE = (
    "The first question stands before the picture. A reads both; B takes over what was read of the picture before, "
    "turned to its new place, and reads as many of its first tokens anew as chosen (EPIC, MPIC). To see reuse alone "
    "choose one method on both sides."
)


FRONT = (
    "B's language model is never given the rest of the picture; what the vision tower saw decides, before any "
    "question. With Full cache on side B this alone leaves the share that is kept. With another method both leave the "
    "same share of what they are given, and together as much as is kept. VisionZip keeps what the tower looked at and "
    "merges the rest into a few tokens; DivPrune keeps tokens that are unlike each other."
)


@dataclass(frozen=True)
class SideControls:
    """Each side's policy, when both compress, and every option's (side, policy, field) with its control."""

    names: list[gr.Dropdown]
    before_question: gr.Checkbox
    reuse: gr.Dropdown
    front: gr.Dropdown
    keys: list[tuple[int, str, str]]
    options: list[gr.components.Component]


def option_control(option: Option) -> gr.components.Component:
    """The control that fits a hyper-parameter."""
    shared = {"label": option.label.capitalize(), "info": option.about, "interactive": True}
    if option.kind is bool:
        return gr.Checkbox(option.default, **shared)
    if option.choices:
        return gr.Dropdown(option.choices, value=option.default, **shared)
    return gr.Slider(option.low, option.high, option.default, step=1 if option.kind is int else 0.01, **shared)


def side_controls() -> SideControls:
    """The policy of each side, when both compress, and the settings of all policies that can be chosen."""
    choices = [(policy.title, name) for name, policy in POLICIES.items()]
    names, keys, options = [], [], []
    for side, default in enumerate(("full", "elastic")):
        names.append(gr.Dropdown(choices, value=default, label=f"Side {'AB'[side]}", elem_id=f"policy-{'ab'[side]}"))
    before_question = gr.Checkbox(False, label="Compress before the question", info=BEFORE, elem_id="before-question")
    reuse = gr.Dropdown(
        [(_reuse_label(name), name) for name in CHOICES],
        value="off",
        label="Reuse the picture on side B",
        info=REUSE,
        elem_id="reuse",
    )
    front = gr.Dropdown(
        [("off: it is given all of them", OFF), *((kind.title, name) for name, kind in FRONTS.items())],
        value=OFF,
        label="Fewer picture tokens for side B",
        info=FRONT,
        elem_id="front",
    )
    for side, chosen in enumerate(names):
        with gr.Accordion(f"Settings of side {'AB'[side]}", open=False):
            groups = []
            for name, policy in POLICIES.items():
                with gr.Group(visible=name == chosen.value) as group:
                    gr.Markdown(with_links(policy), elem_classes=["about-policy"])
                    for option in options_of(policy).values():
                        if option.is_free and option.name != "keep":
                            keys.append((side, name, option.name))
                            options.append(option_control(option))
                groups.append(group)
            chosen.change(lambda now: [gr.Group(visible=name == now) for name in POLICIES], chosen, groups, **PRIVATE)
    return SideControls(names, before_question, reuse, front, keys, options)


def _reuse_label(name: str) -> str:
    """What a choice of how much of a reused picture is read anew says."""
    if name == "off":
        return "off: both sides read it"
    tokens = {"0": "nothing", "1": "its first token", "all": "all of it"}.get(name, f"its first {name} tokens")
    return f"reused, {tokens} read anew"


def with_links(policy: type[Policy] | type[Front]) -> str:
    """What a policy or a front does and where it is from, as Markdown; papers on arXiv and OpenReview are links."""
    paper = re.sub(r"arXiv[ :]\s*(\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", policy.paper)
    paper = re.sub(r"OpenReview (\w{10})", r"[OpenReview](https://openreview.net/forum?id=\1)", paper)
    return f"{policy.about} {paper}".strip()


def answer_controls() -> list[gr.components.Component]:
    """Longest answer, temperature, seed."""
    with gr.Accordion("Answer", open=False):
        return [
            gr.Slider(1, MOST_TOKENS, 128, step=1, label="Longest answer (tokens)", elem_id="tokens"),
            gr.Slider(0, HOTTEST, 0, step=0.1, label="Temperature (0 is greedy)", elem_id="temperature"),
            gr.Number(0, precision=0, label="Seed", info="Both sides draw the same random numbers."),
        ]
