"""A method that is defined in this file alone, with a statistic of its own, works wherever any other does."""

from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from elastic.cache import ElasticCache
from elastic.engine import compress, decode, prefill
from elastic.evaluate.measure import baseline, measure
from elastic.evaluate.methods import keeps, methods, variants
from elastic.options import name_of
from elastic.policies import POLICIES, Method, Recipe
from elastic.policies.base import Growth, option
from elastic.policies.parts import (
    LowestScore,
    NearestPosition,
    Oldest,
    Pyramid,
    Received,
    SinksAndNewest,
    Top,
    Unscored,
    Voted,
)
from elastic.statistics import Attention, Sparsity, Tile
from elastic.statistics.tokens import OfTokens
from tests.unit.plain_model import PlainModel, grouped, held_tokens
from tests.unit.test_statistics import model_of, prompt


@dataclass(frozen=True)
class Strongest(OfTokens):
    """The largest weight that any query gave the token, of the mean over heads."""

    def add(self, total: Tensor, tile: Tile, wanted: Tensor) -> None:
        """The larger of what was there and what the tile has."""
        mean = tile.weights.mean(2) if total.shape[1] > 1 else tile.weights.mean((1, 2))[:, None]
        torch.maximum(total, mean.amax(2), out=total)

    def carried_on(self, old: Tensor, new: Tensor, queries: int) -> Tensor:
        """The larger one."""
        return torch.maximum(old, new)

    def after_step(self, old: Tensor, received: Tensor, held: Tensor) -> Tensor:
        """The larger one."""
        return torch.maximum(old, received)


@dataclass(frozen=True)
class Once(Recipe):
    """Keeps what was looked at hard at least once."""

    newest: float = option(0.25, "Share of the budget for the newest tokens.", 0.0, 1.0)

    title: ClassVar[str] = "Once"
    about: ClassVar[str] = "Keeps what was looked at hard at least once."

    @property
    def recipe(self) -> Method:
        """By the largest weight of any query, per head."""
        strongest = Strongest(per_head=True)
        return Method(
            keep=self.keep,
            score=Received(strongest),
            select=Top(newest=self.newest),
            decoding=LowestScore(newest=self.newest, by=strongest),
            growth="constant",
        )


def test_the_engine_keeps_and_evicts_what_the_statistic_says(tiny, asked, eager):
    plain = PlainModel(eager, asked)
    state = compress(prefill(tiny, asked, Once().needs), Once(keep=0.2))
    total, size = state.seen, int(0.2 * state.seen)
    recent = int(0.25 * size)
    score = grouped(plain.maps, 2).max(2)  # (L, H_kv, T)
    held = []
    for layer in range(3):
        held.append([])
        for head in range(2):
            older = sorted(range(total - recent), key=lambda t: -score[layer, head, t])
            held[-1].append({*older[: size - recent], *range(total - recent, total)})
    assert [[set(tokens) for tokens in heads] for heads in held_tokens(state.cache)] == held
    peak = [[{t: score[layer, head, t] for t in held[layer][head]} for head in range(2)] for layer in range(3)]
    for step in decode(state, 12, forced=range(20, 32)):
        assert step.logprob == pytest.approx(plain.logprob(step.token), abs=1e-3)
        rows = grouped(plain.step(step.token, [[set(of) for of in heads] for heads in peak])[:, :, None], 2)[:, :, 0]
        for layer in range(3):
            for head in range(2):
                of = peak[layer][head]
                of[state.seen - 1] = 0.0
                for token in of:
                    of[token] = max(of[token], rows[layer, head, token])
                older = [t for t in of if t < state.seen - recent]
                del of[min(older, key=of.__getitem__)]
        assert [[set(tokens) for tokens in heads] for heads in held_tokens(state.cache)] == [
            [set(of) for of in heads] for heads in peak
        ]


def test_the_librarys_generate_takes_a_method_of_parts_as_its_cache():
    """Nobody has to give it a name."""
    model, ids = model_of(2, "sdpa"), prompt(60)
    policy = Method(keep=0.5, score=Received(Strongest()), select=Top(newest=0.5), merge=NearestPosition())
    cache = ElasticCache(policy, model)
    with torch.no_grad():
        written = model.generate(ids, past_key_values=cache, max_new_tokens=6, min_new_tokens=6, do_sample=False)
    assert written.shape[1] == 66 and cache.slots == [30 + 5] * 2, "nothing is evicted while decoding"
    assert (cache.tables.owners()[..., :60] >= 0).all(), "what is no anchor is merged"


def test_the_evaluation_measures_it_by_its_name(tiny, asked, monkeypatch):
    monkeypatch.setitem(POLICIES, "once", Once)
    (full, mine), _ = variants(methods("once:newest=0.5"), keeps("0.3"))
    assert mine.label == "once:newest=0.5" and mine.policy == Once(keep=0.3, newest=0.5)
    start = prefill(tiny, asked, mine.policy.needs | full.policy.needs, record_attention=False)
    base = baseline(start, "A dog and a cat.", 6)
    outcome = measure(start, mine.policy, base, 6)
    assert outcome.loss > 0 and outcome.loss != measure(start, full.policy, base, 6).loss


def test_what_has_no_name_cannot_be_recorded_and_is_told_how_to_get_one():
    with pytest.raises(ValueError, match="Once has no name"):
        name_of(Once())


def test_equal_statistics_are_computed_once_and_are_the_same_key():
    assert {Strongest(per_head=True): 1}[Strongest(per_head=True)] == 1
    assert Strongest() != Strongest(per_head=True) and len({Strongest(), Strongest()}) == 1


@dataclass(frozen=True)
class Flat(OfTokens):
    """Of the wrong shape: without heads."""

    def result(self, total: Tensor, queries: int) -> Tensor:
        """Sums (B, K)."""
        return total[:, 0]


@dataclass(frozen=True)
class OfList(OfTokens):
    """What cannot be hashed."""

    rows: list = field(default_factory=list)


def test_a_statistic_of_the_wrong_shape_is_told_which_is_right(tiny, asked):
    tokens = asked.ids.shape[1]
    with pytest.raises(
        ValueError, match=rf"Flat\(per_head=False\) gave a table of shape \(1, {tokens}\), and not \(1, 1"
    ):
        prefill(tiny, asked, Method(score=Received(Flat())).needs)


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"score": Attention()}, r"score must be of the kind Score in elastic.policies.parts, got Attention\("),
        ({"select": "top"}, "select must be of the kind Select in elastic.policies.parts, got 'top'"),
        ({"merge": NearestPosition}, "merge must be of the kind Assign in elastic.policies.parts, got <class"),
        ({"decoding": None}, "decoding must be of the kind Decoding in elastic.policies.parts, got None"),
        ({"score": Received(Attention)}, "is no statistic of tokens: give one of elastic.statistics"),
        ({"score": Received(Sparsity())}, r"Sparsity\(.*\) is no statistic of tokens"),
        ({"decoding": LowestScore(by="attention")}, "'attention' is no statistic of tokens"),
        ({"score": Received(OfList())}, "OfList cannot be a key"),
        ({"keep": "0.5"}, "keep must be above 0 and at most 1, got '0.5'"),
    ],
)
def test_what_is_no_part_is_refused_before_anything_is_read(bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        Method(**bad)


def test_a_field_that_is_no_option_is_told_to_become_one():
    @dataclass(frozen=True)
    class Plain(Once):
        sinks: int = 4

    with pytest.raises(ValueError, match=r"Plain.sinks says nothing of its values: give it as option\(...\)"):
        Plain()


def test_heads_evict_by_scores_of_their_own_where_the_prompt_was_chosen_without(tiny, asked):
    rule = LowestScore(by=Attention(per_head=True))
    policy = Method(keep=0.1, score=Unscored(), select=SinksAndNewest(), decoding=rule, growth="constant")
    state = compress(prefill(tiny, asked, policy.needs), policy)
    held = state.cache.slots
    steps = list(decode(state, 12, forced=range(20, 32)))
    assert steps[-1].slots == held
    assert any(one != other for one, other in held_tokens(state.cache)), "and hold different tokens then"


@pytest.mark.parametrize("bad", [{"keep": 0.0}, {"keep": 1.5}, {"growth": "sometimes"}, {"positions": "there"}])
def test_a_method_of_parts_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match=str(next(iter(bad.values())))):
        Method(**bad)


def test_a_rule_for_decoding_is_given_something_to_evict_unless_somebody_says_otherwise(tiny, asked):
    """Room for every new token, the default of those that evict nothing, would leave it idle without a word."""
    evicting = Method(keep=0.5, decoding=Oldest())
    state = compress(prefill(tiny, asked, evicting.needs), evicting)
    steps = list(decode(state, 12, forced=range(20, 32)))
    assert any(step.evicted is not None for step in steps)
    assert set(state.cache.slots) == {(asked.ids.shape[1] + 12) // 2}
    assert Method(keep=0.5).growth is Growth.EVERY_NEW_TOKEN
    assert Method(keep=0.5, decoding=Oldest(), growth="constant").growth is Growth.CONSTANT


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ({"select": Top(newest=7)}, "newest of Top must be a number between 0 and 1, got 7"),
        ({"decoding": Oldest(sinks=-1)}, "sinks of Oldest must be a whole number between 0 and 10000, got -1"),
        ({"budget": Pyramid(beta=0)}, "beta of Pyramid must be a whole number between 1 and 1000, got 0"),
        ({"select": Voted(kernel="5")}, "kernel of Voted must be a whole number .* got '5'"),
    ],
)
def test_a_number_of_a_part_out_of_its_range_is_refused(part, sentence):
    """Seven times the budget for the newest would keep the oldest, without a word."""
    with pytest.raises(ValueError, match=sentence):
        Method(keep=0.5, **part)
