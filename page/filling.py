"""What the inputs are filled with: as a link, a tab, a run or a question says. Importing it imports no torch."""

from collections.abc import Mapping
from pathlib import Path

import gradio as gr

from elastic.options import name_of, options_of, percent, read_percent, read_policy, write_choice
from elastic.policies import POLICIES
from page import incoming
from page.asking import OFF, AskedQuestion
from page.controls import Ask, example_of, find_example, show_example
from page.links import DEFAULTS, read_link
from page.misspelt import SIDES
from page.picture import fitting_any
from page.refilling import note_of_run, picture_of_run, settings_of_run
from page.settings import settings_for
from page.shown import Shown, recording, recordings
from page.sides import SideControls

TOKENS_PART = "picture_tokens"  # of a link


class Filling:
    """Values for the inputs, in the order of `filled`; those of the answer come after them."""

    def __init__(
        self, inputs: Ask, sides: SideControls, answer: list[gr.components.Component], shown: Shown, pocket: bool
    ) -> None:
        self.inputs, self.sides, self.shown, self.pocket = inputs, sides, shown, pocket
        # How much of the cache is kept, since when, what of it was read elsewhere, and what not at all.
        self.budget = [inputs.keep, sides.before_question, sides.reuse, sides.front]
        self.side_inputs = [*sides.names, *sides.settings]
        self.filled = [inputs.picture, inputs.question, inputs.suggested, inputs.scene_seed, inputs.belongs]
        self.filled += [*self.budget, *self.side_inputs]
        self.filled += [] if inputs.several is None else [inputs.several.tokens, inputs.several.pictures]
        longest, temperature, _ = answer
        of_question = inputs.picture, inputs.question, longest, temperature
        self.of_question = [*of_question, *self.budget, *self.side_inputs]  # what `inputs_of` has values for
        self.nothing = [gr.skip()] * len(self.filled)

    def fill(self, request: gr.Request) -> list:
        """The inputs as they were for the run that the visitor has opened; they say so where its record brought them.

        Nothing stands beside a run as if it were its own.
        """
        if (as_asked := self.as_asked(request)) is not None:
            return as_asked
        run = self.shown.of(request.session_hash)
        if run is None or not run.sides:
            return self.nothing
        found = DEFAULTS | settings_of_run(run)
        own = [picture_of_run(run), run.sides[0].question, fitting_any(), None, note_of_run(run)]
        return [*own, *self.settings(found), *self.tokens({TOKENS_PART: 0})]

    def as_asked(self, request: gr.Request) -> list | None:
        """The inputs of a run that was asked about a picture of this page, None where it was not."""
        run = self.shown.of(request.session_hash)
        asked = run.link if run else {}
        if asked.get("example") in {entry["name"] for entry in recordings()}:
            asked = recording(asked["example"])[0].link
        found, wrong = read_link(asked)  # wrong in a file that was dropped
        return self.of_link(asked, found) if self.example(asked) is not None and not wrong else None

    def example(self, asked: Mapping[str, str]) -> dict | None:
        """The picture to ask about that a link names, None where it names none."""
        return find_example(asked.get("example", ""), self.pocket)

    def question(self, asked: Mapping[str, str], found: Mapping[str, object]) -> AskedQuestion:
        """What a link asks about one of the pictures; whether its policies can be made is said where they are."""
        picture, question, *_ = show_example(self.example(asked))
        sides = []
        for side in SIDES:
            name = found.get(side, DEFAULTS[side])
            options = {key[2:]: value for key, value in found.items() if key.startswith(f"{side}.")}
            if options_of(POLICIES[name])["keep"].is_free:
                options["keep"] = found.get("keep", read_percent(self.inputs.keep.value))
            sides.append(write_choice(name, options))
        # As the copy that the visitor's picture becomes, so that his next question goes on with the conversation.
        picture = str(incoming.keep(incoming.content_of(picture), Path(picture).name))
        before, tokens = bool(found.get("compress", False)), found.get(TOKENS_PART, 0)
        asked = {"question": found.get("q", question), "before_question": before, "picture_tokens": tokens}
        asked |= {"reuse": found.get("reuse", "off"), "front": found.get("front", OFF)}
        asked |= {"share": found.get("keep", read_percent(self.inputs.keep.value))}
        return AskedQuestion(picture=picture, sides=sides, **asked)

    def inputs_of(self, asked: AskedQuestion) -> list:
        """The inputs that make a question: picture, text, longest answer, temperature, budget, and the sides."""
        policies = [read_policy(side) for side in asked.sides]
        names = [name_of(policy) for policy in policies]
        kept = [policy.keep for policy in policies if options_of(type(policy))["keep"].is_free]
        settings = [settings_for(name, vars(policy)) for name, policy in zip(names, policies, strict=True)]
        keep = float(percent(kept[0] if kept else asked.share))
        budget = [keep, asked.before_question, asked.reuse, asked.front]
        return [asked.picture, asked.question, asked.tokens, asked.temperature, *budget, *names, *settings]

    def as_typed(self, asked: AskedQuestion) -> list:
        """All inputs as they were typed, those of the answer last."""
        picture, question, longest, temperature, *settings = self.inputs_of(asked)
        name = example_of(asked.pictures, self.pocket)
        beside = show_example(find_example(name, self.pocket))[2:] if name else (fitting_any(), None)
        several = [asked.picture_tokens, list(asked.pictures) if asked.further else []] if self.inputs.several else []
        return [picture, question, *beside, "", *settings, *several, longest, temperature, asked.seed]

    def of_link(self, asked: Mapping[str, str], found: Mapping[str, object]) -> list:
        """Values of all inputs for what a link asks about one of the pictures."""
        picture, question, suggestions, seed = show_example(self.example(asked))
        settings = self.settings(DEFAULTS | {"compress": False, "reuse": OFF, "front": OFF} | found)
        return [
            picture,
            found.get("q", question),
            suggestions,
            seed,
            "",
            *settings,
            *self.tokens({TOKENS_PART: 0} | found),
        ]

    def tokens(self, found: Mapping[str, object]) -> list:
        """How many tokens a picture may have, and no further pictures, where that can be chosen at all."""
        if self.inputs.several is None:
            return []
        return [found[TOKENS_PART], []] if TOKENS_PART in found else [gr.skip(), gr.skip()]

    def settings(self, found: Mapping[str, object]) -> list:
        """How much is kept, and when; the sides' policies and their options; as far as something is said of them."""
        policies = {side: found.get(side, DEFAULTS[side]) for side in SIDES if any(key[0] == side for key in found)}
        settings = [self._of_side(side, policies[side], found) if side in policies else gr.skip() for side in SIDES]
        keep = float(percent(found["keep"])) if "keep" in found else gr.skip()
        budget = [found.get(name, gr.skip()) for name in ("compress", "reuse", "front")]
        return [keep, *budget, *(policies.get(side, gr.skip()) for side in SIDES), *settings]

    def _of_side(self, side: str, policy: str, found: Mapping[str, object]) -> dict[str, object]:
        begin = f"{side}."
        return settings_for(policy, {key.removeprefix(begin): found[key] for key in found if key.startswith(begin)})
