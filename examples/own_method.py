"""A method of one's own: the words of the prompt always stay, and of the picture the patches that were looked at most.

    python -m examples.own_method

From the project's folder, in a few seconds. A line for each budget: the share that is kept, the slots per layer, the
answer. With less and less of the picture the answer changes from the number on it to another one.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch

from elastic import engine, model, picture
from elastic.policies import Choice, LayerView, Policy


@dataclass(frozen=True)
class WordsFirst(Policy):
    """Keep words before patches, and patches by the attention they received; while answering drop nothing."""

    title: ClassVar[str] = "Words first"
    growth: ClassVar[str] = "every new token"

    def compress(self, layers: list[LayerView], seen: int) -> list[Choice]:
        """Per layer the owner of every slot: itself where it stays, -1 where it is dropped."""
        return [self._choice(layer, self.limit(seen, seen)) for layer in layers]

    def _choice(self, layer: LayerView, budget: int) -> Choice:
        ranked = layer.score.masked_fill(layer.is_word, torch.inf)  # `needs` says what the score is a sum of
        kept = ranked.argsort(descending=True)[:, :budget]
        return Choice(torch.full_like(kept[:, :1], -1).repeat(1, layer.slots).scatter(1, kept, kept))


llava = model.load(device="cpu")
prompt = llava.first_turn(picture.open_picture("assets/scenes/scene-2029.png"), "What is the number?")
read = engine.prefill(llava, prompt, WordsFirst().needs)
for keep in (1.0, 0.5, 0.2, 0.1):
    state = engine.compress(read, WordsFirst(keep))
    slots = state.cache.slots[0]
    answer = llava.text([step.token for step in engine.decode(state, max_new_tokens=32)])
    print(f"{keep:.0%} kept, {slots} slots: {answer}")
