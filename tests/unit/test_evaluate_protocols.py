"""When a cache is compressed, and what is judged of an answer: against plain loops over the engine's verbs."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, extend, prefill
from elastic.evaluate.data import Sample, Turn
from elastic.evaluate.judged import AfterQuestion, BeforeQuestion, needed
from elastic.evaluate.measure import Answered, Baseline, outcomes
from elastic.evaluate.methods import (
    FULL,
    Variant,
    budget_of,
    methods,
    token_budgets,
    variants,
    without_kernels,
    without_picture,
)
from elastic.evaluate.ready import Ready, compressed, dropped_everywhere
from elastic.evaluate.run import Chunk, chunks, run_chunk
from elastic.evaluate.spelling import Wanted, led, spelled
from elastic.fronts.divprune import DivPrune
from elastic.fronts.visionzip import VisionZip
from elastic.models.reading import Reading, View, cells, words
from elastic.models.text import TextModel
from elastic.policies import POLICIES
from elastic.policies.full import Full
from elastic.policies.snapkv import SnapKV
from scenes.evaluation import Drawing

STORY = "The dog is in the center. The cat is at the top. " * 8 + "The number is 53. The bus is left of the tree."
QUESTIONS = {"Where is the dog?": "There is a dog at the top.", "What is the number?": "The number is 53."}
METHODS = ("elastic", "elastic-plus", "h2o", "snapkv", "lookm", "think")


def about(context):
    """Samples that ask about one text or picture, one of them twice."""
    turns = [Turn(question, answer, "asked") for question, answer in QUESTIONS.items()]
    talk = tuple(replace(turn, skill=f"turn {number}") for number, turn in enumerate(turns))
    given = {"picture": None, "text": context} if isinstance(context, str) else {"picture": context}
    samples = [Sample(f"sample {number}", turns=(turn,), **given) for number, turn in enumerate(turns)]
    return [*samples, Sample("talk", turns=talk, **given)]


@pytest.fixture(scope="module", params=["picture", "text"])
def asked(request):
    """A model and samples about one context."""
    if request.param == "text":
        return request.getfixturevalue("tiny_text"), about(STORY)
    return request.getfixturevalue("tiny"), about(Drawing("protocols"))


def at(name, keep=0.2):
    legal = POLICIES[name](keep=0.6 if name == "think" else keep)
    return Variant(name, legal)


def lines(llava, samples, *variants, **plan):
    """What a chunk comes to, by sample, skill and policy; without times."""
    found = run_chunk(llava, Chunk(tuple(samples), (FULL, *variants), 6, **plan))
    assert not [line for line in found if "error" in line]
    times = ("ms_per_token", "compress_ms")
    return {
        (line["sample"], line["skill"], line["policy"]): {k: v for k, v in line.items() if k not in times}
        for line in found
        if "policy" in line
    }


@pytest.fixture(scope="module")
def all_at_once(asked):
    """What a chunk of all samples comes to by a method that does not know the questions."""
    llava, samples = asked
    return cache(lambda name: lines(llava, samples, at(name), is_known=False))


def test_the_full_cache_says_the_same_whether_the_question_was_known_or_not(asked):
    llava, samples = asked
    known, unknown = AfterQuestion(llava, samples[:1], 6), BeforeQuestion(llava, samples[:1], 6)
    sample = samples[0]
    known.begin([llava.first_turn(sample.open(), sample.turns[0].question)], frozenset())
    unknown.begin([llava.halves(sample.open(), sample.turns[0].question)[0]], frozenset())
    known.lines(FULL, True), unknown.lines(FULL, True)
    assert torch.allclose(known.bases["sample 0", 0].logits, unknown.bases["sample 0", 0].logits, atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_keeping_everything_is_the_full_cache_before_the_question_too(asked, name):
    llava, samples = asked
    variant = Variant(name, POLICIES[name](keep=1.0))
    found = [line for key, line in lines(llava, samples, variant, is_known=False).items() if key[2] == name]
    assert len(found) == 4
    for line in found:
        assert line["agreement"] == 1 and line["kl"] < 1e-6 and line["dropped"] == 0
        assert line["bytes_prompt"] == line["bytes_full"] or name == "think"


@pytest.mark.parametrize("name", METHODS)
def test_a_question_finds_the_compressed_cache_as_if_it_were_the_only_one(asked, all_at_once, name):
    (llava, samples), together = asked, all_at_once(name)
    for sample in samples:
        alone = lines(llava, [sample], at(name), is_known=False)
        assert alone == {key: line for key, line in together.items() if key[0] == sample.name}


@pytest.mark.parametrize("name", METHODS)
def test_before_the_question_is_context_then_compression_then_question_and_answer(asked, all_at_once, name):
    """And so on in a conversation: compressed again after an answer, then asked."""
    llava, samples = asked
    talk, policy = samples[-1], at(name).policy
    found = all_at_once(name)
    context, question = llava.halves(talk.open(), talk.turns[0].question)
    state = prefill(llava, context, policy.needs)
    for number, turn in enumerate(talk.turns):
        state = compress(state, policy)
        line = found["talk", turn.skill, name]
        held = sum(state.cache.bytes_held)
        assert (line["prompt"], line["bytes_prompt"]) == (state.seen, held)
        extend(state, llava.next_turn(turn.question) if number else question)
        assert line["bytes_question"] == sum(state.cache.bytes_held) - held
        ids, _ = spelled(state, Wanted(turn.answer))
        loss = -sum(step.logprob for step in decode(state, len(ids), forced=ids))
        assert line["loss"] == pytest.approx(loss, rel=1e-4)
        assert line["tokens"] == len(ids)


def test_samples_about_one_context_share_a_chunk_where_questions_are_unknown():
    samples = [*about(Drawing("one")), *(replace(s, name=f"{s.name} b") for s in about(Drawing("two")))]
    for is_known, sizes in ((False, [3, 3]), (True, [1] * 6)):
        todo = chunks(samples, [FULL], {(s.name, *FULL.key): 0 for s in samples}, {}, 1, Chunk(is_known=is_known))
        assert [len(chunk.samples) for chunk in todo] == sizes
        assert all(len({sample.context for sample in chunk.samples}) == 1 for chunk in todo)


def test_what_shares_a_compressed_cache_is_one_unit_and_else_every_sample_is(tiny_text):
    samples = [replace(sample, about="story") for sample in about(STORY)]
    assert {line["unit"] for line in lines(tiny_text, samples, is_known=False).values()} == {"story"}
    alone = [lines(tiny_text, [sample]) for sample in samples]
    assert {line["unit"] for found in alone for line in found.values()} == {"sample 0", "sample 1", "talk"}


def test_a_question_that_comes_first_stands_before_the_context(asked):
    llava, samples = asked
    first = lines(llava, samples[:1], at("snapkv"), is_question_first=True)["sample 0", "asked", "snapkv"]
    prompt = llava.first_turn(samples[0].open(), samples[0].turns[0].question, question_first=True)
    state = compress(prefill(llava, prompt, at("snapkv").policy.needs), at("snapkv").policy)
    ids, _ = spelled(state, Wanted(samples[0].turns[0].answer))
    loss = -sum(step.logprob for step in decode(state, len(ids), forced=ids))
    assert first["loss"] == pytest.approx(loss, rel=1e-4) and first["prompt"] == prompt.ids.shape[1]


@pytest.mark.parametrize("name", ["elastic", "h2o", "snapkv", "vlcache", "random"])
@pytest.mark.parametrize("tokens", [24, 40])
def test_a_budget_in_tokens_holds_so_many_of_a_prompt_of_any_length(tiny_text, name, tokens):
    for story in (STORY, STORY[:200]):
        state = prefill(tiny_text, tiny_text.first_turn(story, "Where?"), POLICIES[name]().needs)
        ready = compressed(state, Variant(name, POLICIES[name](), tokens).at(state.seen), 8)
        assert sum(ready.state.cache.slots) / tiny_text.layers == pytest.approx(tokens, abs=1)
    assert Variant(name, POLICIES[name](), tokens).at(tokens - 1).keep == 1, "of fewer, all"


def test_a_prompt_too_long_for_a_budget_in_tokens_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"h2o keeps 1% or more.*8 tokens are 0.8% of 1,000.*--keep-tokens 10"):
        Variant("h2o", POLICIES["h2o"](), 8).at(1000)
    assert all(Variant("h2o", POLICIES["h2o"](), n).at(100 * n).keep == 0.01 for n in range(2, 100))


def test_lines_say_the_budget_in_tokens_and_the_share_that_it_was(tiny_text):
    found = lines(tiny_text, about(STORY)[:1], Variant("h2o", POLICIES["h2o"](), 24))
    line = found["sample 0", "asked", "h2o"]
    assert (line["budget"], line["keep"]) == (24, 24 / line["prompt"]) and budget_of(line) == 24
    assert budget_of(found["sample 0", "asked", "full"]) == 1


def test_token_budgets_are_whole_numbers_and_not_for_methods_that_hold_every_token():
    assert token_budgets("64, 128") == [64, 128]
    for wrong in ("0.5", "1", "", "many", "64,", "٦٤", "9" * 5000):
        with pytest.raises(ValueError, match="--keep-tokens"):
            token_budgets(wrong)
    found, left_out = variants(methods("think,h2o,full"), [], [64])
    assert [variant.key for variant in found] == [("full", 1), ("h2o", 64)]
    assert list(left_out) == ["think at 64 tokens"] and "cannot hold less than 0.55" in left_out["think at 64 tokens"]


def test_methods_that_need_a_picture_are_left_out_for_texts_with_their_sentence():
    found, left_out = without_picture(*variants(methods("tgvkv,h2o"), [0.5]))
    assert [variant.label for variant in found] == ["full", "h2o"] and "no picture" in left_out["tgvkv"]


def test_fronts_stand_alone_or_before_a_method_and_both_keep_as_much_together():
    found, left_out = variants(methods("visionzip,divprune+snapkv:window=8"), [0.25], [64])
    shown = [(each.label, each.policy, each.front, each.keep) for each in found[1:]]
    assert shown == [
        ("visionzip", Full(), VisionZip(keep=0.25), 0.25),
        ("divprune+snapkv:window=8", SnapKV(keep=0.25, window=8), DivPrune(keep=0.5), 0.25),
    ]
    assert set(left_out) == {"visionzip", "divprune+snapkv:window=8"} and "give --keep" in left_out["visionzip"]
    assert without_picture(found, {})[0] == found[:1] and not any(each.batches for each in found[1:])
    with pytest.raises(ValueError, match="There is no front 'visionzap'"):
        methods("visionzap+snapkv")


def test_who_writes_a_front_where_none_can_stand_or_misspells_it_is_told_where_it_stands():
    with pytest.raises(ValueError, match="There is no front 'snapkv', which would come first, as in visionzip"):
        methods("snapkv+divprune")
    for written in ("divprune:keep=0.5", "visionzip+divprune"):
        with pytest.raises(ValueError, match="is no policy: a front has no options, and stands alone or before one"):
            methods(written)
    with pytest.raises(ValueError, match="Before a policy, or alone, may stand a front: visionzip, divprune"):
        methods("divprun")


@pytest.mark.parametrize("is_known", [True, False])
def test_a_front_is_judged_as_a_method_beside_the_same_full_cache(pocket, is_known):
    chosen, _ = variants(methods("visionzip,snapkv,divprune+snapkv"), [0.3])
    talk = about(Drawing("protocols"))[-1]
    talk = replace(talk, turns=(replace(talk.turns[0], needs=((0.5, 0.5),)), *talk.turns[1:]))
    found = run_chunk(pocket, Chunk((talk,), chosen, 8, is_known=is_known))[1:]
    assert not [line for line in found if "error" in line]
    by_label = {each.label: [line for line in found if line["policy"] == each.label] for each in chosen}
    assert all(len(of_one) == 2 for of_one in by_label.values())
    full = by_label["full"][0]
    for label in ("visionzip", "snapkv", "divprune+snapkv"):
        first = by_label[label][0]
        assert (
            first["keep"] == 0.3 and first["prompt"] == full["prompt"] and first["bytes_full"] == full["bytes_prompt"]
        )
        assert first["bytes_prompt"] / full["bytes_prompt"] == pytest.approx(int(0.3 * full["prompt"]) / full["prompt"])
    assert by_label["visionzip"][0]["dropped"] == 0, "VisionZip merges, and drops nothing"
    assert by_label["divprune+snapkv"][0]["dropped"] > 0.3


def test_methods_that_need_kernels_are_left_out_for_models_that_have_none_with_their_sentence():
    found, left_out = without_kernels(*variants(methods("less,h2o"), [0.5]))
    assert [variant.label for variant in found] == ["full", "h2o"]
    assert "kernels that are trained for a model, and there are none for this one" in left_out["less"]


def owners(*layers):
    """A state of one sequence whose tokens have these owners, by layer and head."""
    table = torch.tensor(layers)
    tables = type("T", (), {"owners": lambda self: table})()
    parts = {"cache": type("C", (), {"tables": tables})(), "ids": torch.zeros(1, table.shape[2]), "shortened": None}
    return type("S", (), parts)()


def test_a_token_counts_as_dropped_only_where_no_layer_and_no_head_holds_it():
    state = owners([[0, -1, -1, 3], [0, -1, 2, 3]], [[0, 0, -1, -1], [0, -1, -1, -1]])
    # Token 1 was merged into token 0 in one head of one layer, token 2 kept in one; none is gone.
    assert dropped_everywhere(state).tolist() == [[False, False, False, False]]
    state = owners([[-1, 1, -1, 3]], [[-1, 1, 1, -1]])
    assert dropped_everywhere(state).tolist() == [[True, False, False, False]]


def test_sequences_of_a_batch_are_not_mixed_up_in_what_is_dropped():
    state = owners([[-1, 1], [0, -1], [-1, 1], [-1, 1]])
    state.ids = torch.zeros(2, 2)
    assert dropped_everywhere(state).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("needs, shares", [((0, 1, 2, 3), 0.5), ((0,), 1.0), ((2, 3), 0.0), ((), None)])
def test_what_an_answer_needs_is_judged_apart(needs, shares):
    dropped = torch.tensor([[True, True, False, False, False]])
    found = judged_by_hand([[0.0, 9.0], [9.0, 0.0]], [1, 0], (0, 1), dropped, needs)
    assert found.dropped == pytest.approx(0.4) and found.dropped_needed == shares


def judged_by_hand(logits, reference, judged, dropped=None, needs=()):
    tensor = torch.tensor([logits])
    wanted = Wanted("ab", is_written=False, needs=needs)
    base = Baseline([], "", reference, "ab", tensor[0], 7, wanted, judged)
    llava = type("L", (), {"text": lambda self, ids: "".join("ab"[one] for one in ids), "end_ids": frozenset()})()
    state = type("S", (), {"llava": llava, "ids": torch.zeros(1, 5), "compress_seconds": 0.0, "policy": Full()})()
    ready = Ready(state, 3, torch.zeros(1, 5, dtype=torch.bool) if dropped is None else dropped, 5.0)
    (found,) = outcomes(Answered(ready, tensor, [3] * 3, [3] * 2, [0.1] * 2, [[]]), [base])
    return found


def test_of_an_answer_that_nobody_writes_the_judged_tokens_decide():
    wrong, right = [9.0, 0.0], [0.0, 9.0]
    found = judged_by_hand([wrong, right], [1, 1], (1,))
    assert (found.exact, found.value_right, found.text) == (True, 1.0, "b"), "what stands before the value may differ"
    found = judged_by_hand([wrong, right], [1, 1], (0, 1))
    assert (found.exact, found.value_right, found.text) == (False, 0.5, "ab")
    assert found.rouge_l is None and found.repetition is None
    assert found.loss == pytest.approx(9 + 2 * math.log(1 + math.exp(-9)))


def test_a_value_is_the_tokens_of_its_stretch_and_no_end_is_fed(tiny_text):
    state = prefill(tiny_text, tiny_text.first_turn(STORY, "What?"))
    answer = "The number is 53."
    ids, value = spelled(state, Wanted(answer, is_written=False, value=(14, 16)))
    assert tiny_text.tokenizer.decode([ids[at] for at in value]).strip() == "53"
    assert tiny_text.tokenizer.decode(ids).strip() == answer and not tiny_text.end_ids & set(ids)


def test_a_lead_that_is_read_and_the_rest_that_is_fed_are_the_whole_answer(tiny_text):
    prompt, answer = tiny_text.first_turn(STORY, "What?"), "The number is 53"
    whole, _ = spelled(prefill(tiny_text, prompt), Wanted(answer, is_written=False))
    begun = led(prompt, tiny_text, "The number is")
    rest, value = spelled(prefill(tiny_text, begun), Wanted(" 53", is_written=False, value=(1, 3)))
    assert [*begun.ids[0, prompt.ids.shape[1] :].tolist(), *rest] == whole
    assert begun.asked - prompt.asked == begun.ids.shape[1] - prompt.ids.shape[1] and value
    assert led(prompt, tiny_text, "") is prompt


def test_what_an_answer_needs_are_the_tokens_of_its_words_or_what_shows_its_places(tiny, tiny_text, picture):
    prompt = tiny_text.first_turn(STORY, "What?")
    found = needed(tiny_text, prompt, "The number is 53.")
    assert tiny_text.tokenizer.decode(prompt.ids[0, list(found)]).strip() == "The number is 53."
    assert found == tuple(range(found[0], found[-1] + 1))
    with pytest.raises(ValueError, match="does not hold the words"):
        needed(tiny_text, prompt, "Nobody said this.")
    prompt = tiny.first_turn(picture, "What?")
    patches = (prompt.ids[0] == tiny.model.config.image_token_id).nonzero()[:, 0].tolist()
    assert needed(tiny, prompt, ((0.999, 0.999), (0.001, 0.001), (0.002, 0.001))) == (patches[0], patches[-1])
    assert needed(tiny, prompt, ((0.5 / 16, 2.5 / 16), (3.5 / 16, 0.5 / 16))) == (patches[3], patches[32])
    # Of a wide picture the model sees the middle alone, in which the same places are others.
    wide = tiny.first_turn(picture.resize((448, 224)), "What?")
    assert needed(tiny, wide, ((0.5 - 0.5 / 32, 0.999),)) == (patches[15 * 16 + 7],)
    with pytest.raises(ValueError, match="20% from the left and 50% from the top, that the model does not see"):
        needed(tiny, wide, ((0.2, 0.5),))
    # What is shown twice, in a tile and in the whole, is there in both.
    tile = View(np.zeros((4, 4, 3), np.uint8), 2, 2, (0.0, 0.0, 0.5, 0.5))
    both = tile, replace(tile, box=(0.0, 0.0, 1.0, 1.0))
    place = np.concatenate([words(1), *(cells(number, view) for number, view in enumerate(both))])
    tiled = Reading(torch.zeros(1, 9, dtype=torch.long), views=both, place=place)
    assert needed(tiny, tiled, ((0.3, 0.1),)) == (2, 5) and needed(tiny, tiled, ((0.8, 0.8),)) == (8,)


def test_words_are_found_where_tokens_read_without_the_spaces_before_them(tiny_text):
    """As the tokenizers of Llama 2 and Mistral decode a token that stands alone."""

    class Unspaced(TextModel):
        def pieces(self, ids):
            return [piece.strip() for piece in super().pieces(ids)]

    prompt = tiny_text.first_turn(STORY, "What?")
    reader = Unspaced(tiny_text.model, tiny_text.processor, tiny_text.name)
    assert needed(reader, prompt, "The number is 53.") == needed(tiny_text, prompt, "The number is 53.")


def test_a_passage_is_read_without_a_template_and_what_follows_is_judged(tiny_text):
    sample = Sample(
        "p", None, (Turn("", " The cat is here.", "passage", is_written=False),), False, "The dog is there."
    )
    line = lines(tiny_text, [sample], at("h2o"))["p", "passage", "h2o"]
    ids = tiny_text.passage("The dog is there. The cat is here.").ids
    with torch.inference_mode():
        logits = tiny_text.model(ids).logits[0].log_softmax(-1)
    begin = tiny_text.passage("The dog is there.").ids.shape[1]
    full = lines(tiny_text, [sample])["p", "passage", "full"]
    expected = -logits[begin - 1 : -1].gather(1, ids[0, begin:, None]).sum().item()
    assert full["loss"] == pytest.approx(expected, rel=1e-4) and full["exact"] is None
    assert line["tokens"] == ids.shape[1] - begin and line["prompt"] == begin


def test_samples_about_several_contexts_in_one_chunk_are_each_asked_about_their_own(tiny_text):
    samples = [
        replace(sample, name=f"{sample.name} of {len(text)}", text=text)
        for text in (STORY, STORY[26:])
        for sample in about(STORY)[:2]
    ]
    together = lines(tiny_text, samples, at("h2o"), is_known=False)
    for sample in samples:
        alone = lines(tiny_text, [sample], at("h2o"), is_known=False)
        assert alone == {key: line for key, line in together.items() if key[0] == sample.name}
