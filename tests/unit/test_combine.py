"""Combine your own: what its choices are, and what the texts of earlier options mean."""

import re
from dataclasses import replace

import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.evaluate.methods import methods
from elastic.options import options_of, read_policy, write_policy
from elastic.policies import POLICIES
from elastic.policies.combine import Combine
from elastic.policies.elastic import Elastic
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.h2o import H2O
from elastic.policies.parts import Equal, LowestScore
from elastic.statistics import Attention, Sparsity
from page.links import read_link

PLUS = {
    "protect_text": False,
    "score": "after image",
    "assign": "similar key per head",
    "rounds": 1,
    "count_bias": True,
    "decoding": "most alike",
    "evicted": "merged",
}
ANSWER = [20 + 7 * number % 150 for number in range(10)]
CHOICES = [(option.name, choice) for option in options_of(Combine).values() for choice in option.choices]


def run(start, tiny, policy):
    """Owners and logits of two turns."""
    state, found = compress(compress(start, POLICIES["full"]()), policy), []
    for turn in range(2):
        if turn:
            extend(state, tiny.next_turn("Where is the dog?"))
            state = compress(state, policy)
        list(decode(state, 10, forced=ANSWER))
        found += [state.cache.tables.owners(), state.logits]
    return found


@pytest.fixture(scope="module")
def start(tiny, asked):
    every = [Combine(**{name: choice}) for name, choice in CHOICES] + [Combine(**PLUS)]
    return prefill(tiny, asked, frozenset().union(*(policy.needs for policy in every)))


@pytest.mark.parametrize(
    ("combined", "named"),
    [
        (Combine(keep=0.3), Elastic(keep=0.3)),
        (Combine(keep=0.1, protect_text=False, distance=3), Elastic(keep=0.1, protect_text=False, distance=3)),
        (
            Combine(keep=0.1, protect_text=False, protect_ends=False),
            Elastic(keep=0.1, protect_text=False, protect_ends=False),
        ),
    ],
    ids=str,
)
def test_the_parts_of_a_method_are_the_method(combined, named, start, tiny):
    assert combined.recipe == named.recipe
    for one, other in zip(run(start, tiny, combined), run(start, tiny, named), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("name", "choice"), CHOICES)
def test_every_choice_answers_two_turns_within_its_budget(name, choice, start, tiny):
    policy = Combine(keep=0.5, **{name: choice})
    state = compress(compress(start, POLICIES["full"]()), policy)
    for turn in range(2):
        if turn:
            extend(state, tiny.next_turn("Where is the dog?"))
            state = compress(state, policy)
        for number, step in enumerate(decode(state, 8, forced=ANSWER), start=1):
            more = number if (name, choice) == ("decoding", "none") else 0
            allowed = policy.limit(state.seen, state.cache.prompt) + more
            assert sum(step.slots) <= len(step.slots) * allowed
        assert torch.isfinite(state.logits).all()


def test_only_what_is_chosen_is_collected():
    assert Combine().needs == {Attention()}
    assert Combine(score="key norm").needs == Combine(score="random").needs == frozenset()
    assert Combine(score="window", per_head=True).needs == {Attention(rows="last", n=16, per_head=True)}
    assert Combine(score="random", decoding="re-score").needs == {Attention()}
    assert Combine(budget="sparsity").needs == {Attention(), Sparsity(rows="after image")}


def test_what_layers_share_by_the_prompt_cannot_share_a_batch():
    assert Combine().batches and Combine(budget="pyramid").batches
    assert not Combine(budget="sparsity").batches and not Combine(budget="threshold").batches
    assert isinstance(Combine().recipe.budget, Equal) and not Combine().recipe.decoding.own_share
    assert Combine(budget="pyramid").recipe.decoding.own_share


def test_re_scoring_is_h2os():
    assert Combine(decoding="re-score").recipe.decoding == replace(
        LowestScore(newest=0.5), protect=Combine().protect, by=Attention()
    )
    assert Combine(decoding="re-score").live and not Combine(decoding="lowest score").live
    assert H2O().recipe.decoding == LowestScore(newest=0.5, by=Attention(per_head=True))


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("elastic", Elastic()),
        ("elastic:protect_text=false;distance=10", Elastic(protect_text=False, distance=10)),
        ("elastic:merge=none", Combine(merge="none")),
        ("elastic:merge=values only;align=true", Combine(merge="values", align=True)),
        ("elastic:protect_text=false;score=visible frequency", Combine(protect_text=False, score="visible frequency")),
        ("elastic:score=last 16;distance=3;keep=0.2", Combine(score="window", distance=3, keep=0.2)),
        ("elastic:protect_ends=false", Elastic(protect_ends=False)),
        ("elastic:protect_ends=false;merge=none", Combine(protect_ends=False, merge="none")),
        ("elastic-plus:protect_ends=false", Combine(**PLUS, protect_ends=False)),
        ("elastic:decode_rule=from the end", Combine(decoding="from the end")),
        ("elastic:growth=constant;positions=re-rotated", Combine(growth="constant", positions="re-rotated")),
        ("elastic:anchors=cover;assign=similar key", Combine(select="cover", assign="similar key")),
        # Anchors far apart had no effect where groups were not by keys.
        ("elastic:anchors=cover", Combine()),
        ("elastic:anchors=cover;assign=similar key;merge=none", Combine(assign="similar key", merge="none")),
        ("elastic:anchors=score;growth=proportional;merge=keys and values", Elastic()),
        # A default is one however it is written.
        ("elastic:align=False;count_bias=FALSE", Elastic()),
        ("elastic-plus:distance=25.0", Combine(**PLUS)),  # only the first edition had a distance
        ("elastic:select=sinks and newest", Combine(select="sinks and newest")),
        ("elastic-plus:rounds=3;count_bias=false", ElasticPlus(rounds=3, count_bias=False)),
        ("elastic-plus:assign=similar key;rounds=0", Combine(**PLUS | {"assign": "similar key", "rounds": 0})),
        ("elastic-plus:distance=3", Combine(**PLUS, distance=3)),
        ("elastic-plus:distance=25;score=after image;anchors=score", Combine(**PLUS)),
        ("elastic-plus:protect_text=true", Combine(**PLUS | {"protect_text": True})),
        (
            "elastic-plus:decode_rule=oldest;evicted=dropped",
            Combine(**PLUS | {"decoding": "oldest", "evicted": "dropped"}),
        ),
    ],
)
def test_texts_of_earlier_options_mean_the_same(text, means):
    assert read_policy(text) == means and type(read_policy(text)) is type(means)
    assert read_policy(write_policy(means)) == means


def test_the_first_edition_of_elastic_plus_is_the_combination_that_its_text_names():
    """Similar keys per head, anchors by attention after the image, and the most alike slots merged while decoding."""
    text = re.search(r"`(combine:[^`]*)`", ElasticPlus.__doc__)[1]
    assert read_policy(" ".join(text.split()).replace("; ", ";")) == Combine(**PLUS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("elastic:anchors=luck", "select must be one of top"),
        ("elastic:decode_rule=oldest;decoding=none", "combine has no option 'decode_rule'"),
        ("elastic:anchors=cover;select=top", "elastic has no option 'anchors'"),
        ("Elastic:merge=none", "There is no policy named 'Elastic'"),
    ],
)
def test_what_earlier_options_never_meant_gets_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_policy(text)


def test_old_links_open_as_the_combination_they_mean():
    found, wrong = read_link({"b": "elastic", "b.merge": "none", "a": "elastic-plus", "a.rounds": "2"})
    assert not wrong and found == {"b": "combine", "b.merge": "none", "a": "elastic-plus", "a.rounds": 2}
    found, wrong = read_link({"b.decode_rule": "oldest"})
    assert not wrong and found == {"b": "combine", "b.decoding": "oldest"}
    found, wrong = read_link({"b": "elastic", "b.score": "luck"})
    assert found == {"b": "combine"} and len(wrong) == 1 and "must be one of frequency" in wrong[0]


def test_a_list_of_methods_may_stand_in_a_file(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# What I compare\nelastic\n\n combine:score=window;budget=pyramid;merge=values \n")
    assert [*methods(f"@{file}, h2o")] == ["elastic", "combine:score=window;budget=pyramid;merge=values", "h2o"]
    with pytest.raises(ValueError, match=r"missing\.txt cannot be read"):
        methods(f"@{tmp_path / 'missing.txt'}")


def test_the_list_of_the_benchmarks_is_legal_and_changes_one_part_at_a_time():
    found = [read_policy(text) for text in methods("@benchmarks/ablation.txt")]
    assert len(found) == len(set(map(repr, found))) == 26
    plus = vars(Combine(**PLUS))
    changes = [{name for name, value in vars(one).items() if plus[name] != value} for one in found[7:]]
    assert all(len(names & plus.keys()) <= 2 for names in changes)
