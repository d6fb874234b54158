"""The inputs of both sides: their policies, what else caches are made by, and how answers are written."""

from dataclasses import dataclass

import gradio as gr

from elastic.fronts import FRONTS, Front
from elastic.policies import POLICIES, Policy
from elastic.record.reuse import CHOICES
from page.asking import HOTTEST, MOST_TOKENS, OFF
from page.looking import PRIVATE
from page.settings import SHOW_METHOD, SideSettings, about

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
    "What the vision tower saw decides, before any question, which part of the picture B's language model is given. "
    "With Full cache on side B this leaves the share that is kept; with another method each of the two leaves the same "
    "share of what it is given, and both together as much as is kept."
)


@dataclass(frozen=True)
class SideControls:
    """Each side's policy, when both compress, and each side's settings of the policies."""

    names: list[gr.Dropdown]
    before_question: gr.Checkbox
    reuse: gr.Dropdown
    front: gr.Dropdown
    settings: list[SideSettings]


def side_controls() -> SideControls:
    """The policy of each side, when both compress, and the settings of all policies that can be chosen."""
    choices = [(policy.title, name) for name, policy in POLICIES.items()]
    names, settings = [], []
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
        [
            ("off: it is given all of them", OFF),
            *((f"{kind.title}: {kind.rule}", name) for name, kind in FRONTS.items()),
        ],
        value=OFF,
        label="Fewer picture tokens for side B",
        info=FRONT,
        elem_id="front",
    )
    for letter, chosen in zip("AB", names, strict=True):
        settings.append(SideSettings(letter, chosen.value))
        chosen.change(None, [chosen, settings[-1]], settings[-1], js=SHOW_METHOD, **PRIVATE)
    return SideControls(names, before_question, reuse, front, settings)


def _reuse_label(name: str) -> str:
    """What a choice of how much of a reused picture is read anew says."""
    if name == "off":
        return "off: both sides read it"
    tokens = {"0": "nothing", "1": "its first token", "all": "all of it"}.get(name, f"its first {name} tokens")
    return f"reused, {tokens} read anew"


def with_links(policy: type[Policy] | type[Front]) -> str:
    """What a policy or a front does and where it is from, as Markdown; papers on arXiv and OpenReview are links."""
    parts = about(policy)
    return "".join(part if isinstance(part, str) else f"[{part[0]}]({part[1]})" for part in parts).strip()


def answer_controls() -> list[gr.components.Component]:
    """Longest answer, temperature, seed."""
    with gr.Accordion("Answer", open=False):
        return [
            gr.Slider(1, MOST_TOKENS, 128, step=1, label="Longest answer (tokens)", elem_id="tokens"),
            gr.Slider(0, HOTTEST, 0, step=0.1, label="Temperature (0 is greedy)", elem_id="temperature"),
            gr.Number(0, precision=0, label="Seed", info="Both sides draw the same random numbers."),
        ]
