"""What a record says of tokens, followed one move at a time: what pictures and arrays are compared with."""

import numpy as np


def fates(trace, layer, head, step):
    """What became of every patch, one letter each: anchor, merged, merged into text, dropped, evicted."""
    first, now = trace.owner[layer, head], trace.owner_after(step)[layer, head]
    letters = ""
    for token in trace.patches:
        merged = "m" if now[token] in trace.patches else "t"
        gone = "d" if first[token] < 0 else "e"
        letters += gone if now[token] < 0 else "a" if now[token] == token else merged
    return letters


def all_owners(trace, steps):
    """Owners after that many answer tokens of all tokens written by then, (L, H, T + steps)."""
    written = np.broadcast_to(tokens_of(trace) + np.arange(steps), (*trace.owner.shape[:2], steps))
    owner = np.concatenate([trace.owner, written], 2)
    for step, layer, head in np.argwhere(trace.dropped[:steps] >= 0):
        leaves = owner[layer, head] == trace.dropped[step, layer, head]
        owner[layer, head, leaves] = trace.joined[step, layer, head]
    return owner


def tokens_of(trace):
    """How many tokens there were before the answer."""
    return len(trace.pieces)


def gaze(trace, number, layer=None):
    """What an answer token looked at, per token of the prompt: a slot's weight shared evenly among its members."""
    tokens = tokens_of(trace)
    looked = trace.looked[number].astype(np.float32)
    weights = looked.mean(0) if layer is None else looked[layer]
    # As the messages carry it: bytes.
    weights = (np.round(np.sqrt(weights) * 255) / 255) ** 2
    if number == 0:
        return weights[:tokens]  # before anything was merged
    # The query of the token before found the slots as they were before it was written.
    owner = all_owners(trace, number - 1)
    owner = (owner if layer is None else owner[layer : layer + 1]).reshape(-1, owner.shape[2])
    shared = np.zeros(tokens)
    for slot in range(owner.shape[1]):
        planes = np.flatnonzero(owner[:, slot] == slot)
        for plane in planes:
            members = np.flatnonzero(owner[plane] == slot)
            shared[members[members < tokens]] += weights[slot] / len(planes) / len(members)
    return shared
