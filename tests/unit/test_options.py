"""Text and policies: what is written is read again as the same, and what means nothing gets a sentence."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elastic.options import (
    build_policy,
    changed,
    options_of,
    percent,
    read_option,
    read_percent,
    read_policy,
    read_share,
    write_policy,
)
from elastic.policies import POLICIES
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.policies.streaming import Streaming
from tests.unit.any_policy import policies


@settings(deadline=None)
@given(policies())
def test_a_policy_is_read_from_its_text_as_it_was(policy):
    text = write_policy(policy)
    assert read_policy(text) == policy and type(read_policy(text)) is type(policy)
    assert "," not in text, "policies stand in lists that commas part"


@settings(deadline=None)
@given(policies())
def test_a_policys_text_names_nothing_but_what_differs_from_its_defaults(policy):
    _, _, options = write_policy(policy).partition(":")
    named = {part.partition("=")[0] for part in filter(None, options.split(";"))}
    assert named == {name for name in vars(policy) if getattr(policy, name) != getattr(type(policy)(), name)}
    assert named == set(changed(policy))


def test_texts_are_short():
    assert write_policy(Full()) == "full"
    assert write_policy(Elastic(protect_text=False, distance=10)) == "elastic:protect_text=false;distance=10"
    assert write_policy(Elastic(keep=0.2)) == "elastic:keep=0.2"
    assert read_policy(" elastic : distance = 10 ; ") == Elastic(distance=10)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("elastik", "There is no policy named 'elastik'. Choose one of: full, elastic"),
        ("elastic:size=3", "elastic has no option 'size'. There are: keep, protect_text"),
        ("elastic:distance=ten", "distance must be a whole number between 1 and 500, got 'ten'."),
        ("elastic:distance=2.5", "distance must be a whole number between 1 and 500, got 2.5."),
        ("elastic:distance=1_0", "distance must be a whole number between 1 and 500, got '1_0'."),
        ("elastic:distance=501", "distance must be between 1 and 500, got 501."),
        ("elastic:distance", "distance must be a whole number between 1 and 500, got ''."),
        ("elastic:keep=nan", "keep must be a number between 0.01 and 1, got 'nan'."),
        ("elastic:protect_text=maybe", "protect_text must be true or false, got 'maybe'."),
        ("elastic:score=luck", "score must be one of frequency, visible frequency"),
        ("full:keep=0.5", "keep must be between 1 and 1, got 0.5."),
        ("elastic:distance=3;distance=4", "elastic has the option distance set twice"),
    ],
)
def test_what_is_no_policy_gets_a_sentence_with_what_is_legal(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        read_policy(text)
    assert "\n" not in str(caught.value)


def test_a_sentence_does_not_repeat_a_whole_book():
    for text in ("x" * 10_000, "elastic:" + "x" * 10_000, "elastic:distance=" + "x" * 10_000):
        with pytest.raises(ValueError) as caught:
            read_policy(text)
        assert len(str(caught.value)) < 1000


@settings(deadline=None)
@given(st.floats(0.05, 1))
def test_a_share_and_its_percentage_are_the_same_number(share):
    assert read_percent(percent(share)) == share and read_share(repr(share)) == share


def test_percentages_are_written_and_read_as_people_do():
    assert [percent(share) for share in (1, 0.5, 0.07, 0.125, 0.29)] == ["100", "50", "7", "12.5", "29"]
    assert [read_percent(text) for text in ("20", " 50 % ", "12,5", 20, 5.0, "100%")] == [0.2, 0.5, 0.125, 0.2, 0.05, 1]


@pytest.mark.parametrize("text", ["", "much", "4.9", "101", "nan", "inf", "-20", "5_0", None, "1e9", "٢٠"])
def test_what_is_no_percentage_gets_a_sentence(text):
    with pytest.raises(ValueError, match=r"is no budget\. Give percentages between 5 and 100, such as 20\."):
        read_percent(text)


@pytest.mark.parametrize("text", ["", "half", "0", "0.04", "1.5", "20", "nan", "-0.5"])
def test_what_is_no_share_gets_a_sentence(text):
    with pytest.raises(ValueError, match=r"is no share of the cache that is kept\. Give numbers from 0.05 to 1"):
        read_share(text)


@pytest.mark.parametrize("name", POLICIES)
def test_every_option_has_a_range_or_choices_and_its_default_is_read_from_its_text(name):
    policy = POLICIES[name]
    for option in options_of(policy).values():
        assert option.kind is bool or option.choices or option.low <= option.default <= option.high
        assert option.about and option.label and "_" not in option.label
        assert read_option(policy, option.name, str(option.default)) == option.default


def test_what_a_policy_has_no_choice_of_is_not_given_to_it():
    assert build_policy("full", 0.2, {}) == Full()
    assert build_policy("streaming", 0.2, {"sinks": 2, "distance": 3}) == Streaming(keep=0.2, sinks=2)
    with pytest.raises(ValueError, match="keep must be between"):
        build_policy("elastic", 0.0, {})
