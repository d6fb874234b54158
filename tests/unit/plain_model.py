"""The text model written out, one query and one head at a time: what our cache is compared with, sharing no code.

Keys are kept as they are before RoPE, so that each query may see any tokens at any places.
"""

import numpy as np
import torch


class PlainModel:
    """A LLaVA with the library's eager attention that has read a prompt, and goes on token by token.

    `maps` (L, H, T, T) are the prompt's weights of attention; `keys` and `values` are lists of (H_kv, seen, D).
    """

    @torch.no_grad()
    def __init__(self, eager, prompt):
        self.text, self.head = eager.model.language_model, eager.lm_head
        config = self.text.config
        self.heads, self.kv, self.dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.theta = config.rope_parameters["rope_theta"]
        made, hooks = {}, []
        for layer, block in enumerate(self.text.layers):
            for name in ("k_proj", "v_proj"):
                note = self._noting(made, (name, layer))
                hooks.append(getattr(block.self_attn, name).register_forward_hook(note))
        output = eager(input_ids=prompt.ids, **prompt.inputs, output_attentions=True)
        for hook in hooks:
            hook.remove()
        self.seen, self.prompt = prompt.ids.shape[1], prompt.ids.shape[1]
        self.maps = torch.stack(output.attentions)[:, 0].double().numpy()
        self.logits = output.logits[0, -1]
        layers = range(len(self.text.layers))
        self.keys, self.values = ([made[name, layer] for layer in layers] for name in ("k_proj", "v_proj"))

    def _noting(self, made, name):
        def note(module, inputs, output):
            made[name] = output[0].view(-1, self.kv, self.dim).transpose(0, 1).double()

        return note

    def turned(self, x, places):
        """RoPE: channel pairs (i, i + D/2) of x (n, D) turn by place / theta^(2i/D)."""
        half = self.dim // 2
        angle = torch.tensor(places).double()[:, None] * self.theta ** (-torch.arange(half).double() / half)
        first, second = x[:, :half], x[:, half:]
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([first * cos - second * sin, second * cos + first * sin], 1)

    @torch.no_grad()
    def step(self, token, held, side_by_side=False, channels=None, hidden=None, memory=None):
        """Read one token that sees itself and `held[layer][kv head]`; returns every layer's weights, (L, H, seen).

        `side_by_side` gives tokens their places among those held; `channels[layer][kv head]` (tokens, D) are factors of
        the first tokens' turned keys; `hidden` (D,) is what a patch is instead of a word. `memory(layer, head, kv head,
        query)` is a logit and a value (D,) beside those of tokens; its weights are not among those returned.
        """
        hidden = self.text.embed_tokens(torch.tensor([token])) if hidden is None else hidden[None]
        number = self.seen
        self.seen += 1
        rows = np.zeros((len(self.text.layers), self.heads, self.seen))
        for layer, block in enumerate(self.text.layers):
            attention, x = block.self_attn, block.input_layernorm(hidden)
            query = attention.q_proj(x).view(self.heads, self.dim).double()
            for stored, project in ((self.keys, attention.k_proj), (self.values, attention.v_proj)):
                new = project(x).view(self.kv, 1, self.dim).double()
                stored[layer] = torch.cat([stored[layer], new], 1)
            outputs = []
            for head in range(self.heads):
                kv = head // (self.heads // self.kv)
                tokens = [*sorted(held[layer][kv]), number]
                places = list(range(len(tokens))) if side_by_side else tokens
                keys = self.turned(self.keys[layer][kv, tokens], places)
                if channels is not None:
                    keys[: len(channels[layer][kv])] *= channels[layer][kv]
                turned, values = self.turned(query[head][None], places[-1:])[0], self.values[layer][kv, tokens]
                logits = keys @ turned / self.dim**0.5
                if memory is not None:
                    logit, value = memory(layer, head, kv, turned)
                    logits = torch.cat([logits, torch.tensor([logit]).double()])
                    values = torch.cat([values, torch.as_tensor(value)[None]])
                weights = logits.softmax(0)
                outputs.append(weights @ values)
                rows[layer, head, tokens] = weights[: len(tokens)].numpy()
            hidden = hidden + attention.o_proj(torch.cat(outputs).float()[None])
            hidden = hidden + block.mlp(block.post_attention_layernorm(hidden))
        self.logits = self.head(self.text.norm(hidden))[0]
        return rows

    def logprob(self, token):
        """Of a token to come next."""
        return float(self.logits.log_softmax(-1)[token])


def grouped(rows, kv):
    """Weights (..., H, Q, K) as the mean over the query heads that share a key, (..., H_kv, Q, K)."""
    *front, heads, queries, keys = rows.shape
    return rows.reshape(*front, kv, heads // kv, queries, keys).mean(-3)


def held_tokens(cache):
    """Per layer and KV head, the tokens that hold a slot, by the cache's books."""
    layers = []
    heads = cache.layers[0].keys.shape[1]
    for rows in cache.tables.owners():
        own = [[t for t, owner in enumerate(row.tolist()) if owner == t] for row in rows]
        layers.append(own * (heads // len(own)))
    return layers
