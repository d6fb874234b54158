"""Chunks that are linked, written out layer by layer, one query and one head at a time; shares no code with ours."""

import numpy as np
import torch

from tests.unit.plain_model import PlainModel


class LinkedModel:
    """What a model makes of parts one behind the other, of which it reads only the tokens `anew`, by their numbers.

    Parts are (prompt, first, end): tokens of a prompt that was read from its beginning. Keys are kept as they are
    before RoPE and turned to where they now stand; `maps` (L, H, n, T) are the weights of what is read anew.
    """

    @torch.no_grad()
    def __init__(self, eager, parts, anew):
        self.text = eager.model.language_model
        alone = [PlainModel(eager, prompt) for prompt, _, _ in parts]
        cuts = [slice(first, end) for _, first, end in parts]
        layers = range(len(self.text.layers))
        self.keys, self.values = (
            [
                torch.cat([getattr(one, name)[layer][:, cut] for one, cut in zip(alone, cuts, strict=True)], 1)
                for layer in layers
            ]
            for name in ("keys", "values")
        )
        self.plain, tokens = alone[0], self.keys[0].shape[1]
        given = torch.cat([embedded(eager, prompt)[cut] for (prompt, _, _), cut in zip(parts, cuts, strict=True)])
        hidden = given[list(anew)]
        self.maps = np.zeros((len(layers), self.plain.heads, len(anew), tokens))
        for layer in layers:
            hidden = self._layer(layer, hidden, list(anew))
        self.logits = eager.lm_head(self.text.norm(hidden))[-1]

    def _layer(self, layer, hidden, anew):
        block, plain = self.text.layers[layer], self.plain
        attention, x = block.self_attn, block.input_layernorm(hidden)
        for stored, project in ((self.keys, attention.k_proj), (self.values, attention.v_proj)):
            made = project(x).view(len(anew), plain.kv, plain.dim).transpose(0, 1).double()
            stored[layer] = stored[layer].clone()
            stored[layer][:, anew] = made
        query = attention.q_proj(x).view(len(anew), plain.heads, plain.dim).double()
        every = range(self.keys[layer].shape[1])
        turned = [plain.turned(self.keys[layer][kv], every) for kv in range(plain.kv)]
        outputs = torch.zeros(len(anew), plain.heads, plain.dim, dtype=torch.double)
        for number, place in enumerate(anew):
            for head in range(plain.heads):
                kv = head // (plain.heads // plain.kv)
                asked = plain.turned(query[number, head][None], [place])[0]
                weights = (turned[kv][: place + 1] @ asked / plain.dim**0.5).softmax(0)
                outputs[number, head] = weights @ self.values[layer][kv, : place + 1]
                self.maps[layer, head, number, : place + 1] = weights.numpy()
        hidden = hidden + attention.o_proj(outputs.flatten(1).float())
        return hidden + block.mlp(block.post_attention_layernorm(hidden))

    def stored(self, layer):
        """Keys and values of a layer as a cache has them, (H_kv, T, D) each."""
        every = range(self.keys[layer].shape[1])
        return torch.stack([self.plain.turned(keys, every) for keys in self.keys[layer]]), self.values[layer]


def embedded(eager, prompt):
    """What the text model is given of a prompt, (T, d)."""
    given = eager.get_input_embeddings()(prompt.ids)[0].clone()
    if "pixel_values" in prompt.inputs:
        features = eager.model.get_image_features(prompt.inputs["pixel_values"]).pooler_output
        given[prompt.ids[0] == eager.config.image_token_id] = torch.cat(list(features))
    return given
