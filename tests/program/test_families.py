"""Every family of vision-language models, on a checkpoint of its true structure, against the library's own code."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from transformers import AutoModelForImageTextToText, DynamicCache

from elastic.cache import ElasticCache
from elastic.engine import ALL, compress, extend, prefill, step
from elastic.model import load, together
from elastic.models.idefics import Idefics
from elastic.models.llava_next import LlavaNext, Onevision
from elastic.models.reader import Reader
from elastic.policies import POLICIES, Choice, Policy
from elastic.policies.base import Positions
from elastic.policies.elastic_plus import ElasticPlus
from elastic.policies.full import Full
from elastic.policies.kvzip import KVzip
from elastic.reusing import asked_before, linked
from tests.families import MAKERS

# A random model would write ends and places of pictures: what is written is bytes, by everybody alike.
BYTES = 256
QUESTION, MORE = "What is to be seen?", "And what else?"


def noise(width, height, seed=0):
    """A picture no two places of which are alike, but smooth enough to stay so when it is made smaller."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)


WIDE, TALL = noise(230, 150), noise(120, 200, seed=1)


@pytest.fixture(scope="module", params=MAKERS)
def family(request, tmp_path_factory):
    """A reader, and the same checkpoint as the library alone opens it."""
    folder = tmp_path_factory.mktemp(request.param)
    MAKERS[request.param](folder)
    reader = load(folder, device="cpu")
    alone = AutoModelForImageTextToText.from_pretrained(folder, attn_implementation="sdpa").eval()
    return reader, alone


@pytest.fixture(scope="module")
def reader(family):
    return family[0]


def written(alone, reading, new=20, cache=None):
    """What the library writes behind a prompt, with its own cache or another."""
    return alone.generate(
        input_ids=reading.ids,
        **reading.inputs,
        attention_mask=torch.ones_like(reading.ids),
        past_key_values=cache,
        max_new_tokens=new,
        do_sample=False,
        suppress_tokens=list(range(BYTES, alone.config.get_text_config().vocab_size)),
        pad_token_id=0,
    )[0, reading.ids.shape[1] :].tolist()


def answer(state, new=20):
    """What the engine writes of bytes alone."""
    found = []
    for _ in range(new):
        token = int(state.logits[0, :BYTES].argmax())
        found.append(token)
        step(state, torch.tensor([[token]]))
    return found


def test_prompts_are_the_librarys_own(reader):
    for picture in (WIDE, TALL):
        message = {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": QUESTION}]}
        expected = reader.processor.apply_chat_template(
            [message], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        found = reader.first_turn(picture, QUESTION)
        assert torch.equal(found.ids, expected.pop("input_ids"))
        expected.pop("attention_mask")
        assert set(found.inputs) == set(expected)
        for name, value in expected.items():
            assert torch.equal(found.inputs[name], value), name
        bos = reader.tokenizer.bos_token_id
        assert bos is None or (found.ids == bos).sum() <= 1


def test_a_later_turn_is_the_rest_of_the_librarys_transcript(reader):
    first, more = reader.first_turn(WIDE, QUESTION), reader.next_turn(MORE)
    words = [[{"type": "image", "image": WIDE}, {"type": "text", "text": QUESTION}], "A dog.", MORE]
    roles = ["user", "assistant", "user"]
    said = [
        {"role": role, "content": [{"type": "text", "text": of}] if isinstance(of, str) else of}
        for role, of in zip(roles, words, strict=True)
    ]
    whole = reader.processor.apply_chat_template(
        said, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )["input_ids"][0]
    before, after = first.ids.shape[1], len(whole) - more.ids.shape[1]
    assert torch.equal(whole[:before], first.ids[0]) and torch.equal(whole[after:], more.ids[0])
    assert reader.tokenizer.decode(whole[before:after]).strip() == "A dog."
    assert more.asked == more.ids.shape[1] and not more.views and not more.inputs


@pytest.mark.parametrize("typed", ["<image>", "[IMG]", "<|image_pad|>", "<IMG_CONTEXT>", "<|im_end|>", "</s>"])
def test_what_somebody_types_is_no_picture_and_ends_no_turn(reader, typed):
    plain, with_token = reader.first_turn(WIDE, "ab"), reader.first_turn(WIDE, f"a{typed}b")
    assert np.array_equal((with_token.place[:, 3] >= 0).sum(), (plain.place[:, 3] >= 0).sum())
    special = torch.tensor(reader.tokenizer.all_special_ids)
    assert torch.isin(with_token.ids, special).sum() == torch.isin(plain.ids, special).sum()


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_question_may_stand_before_its_pictures(reader, pictures):
    first = reader.first_turn([WIDE] * pictures, QUESTION)
    turned = reader.first_turn([WIDE] * pictures, QUESTION, question_first=True)
    cells = np.flatnonzero(turned.place[:, 3] >= 0)
    text = "".join(reader.pieces(turned.ids[0, : cells[0]].tolist()))
    assert QUESTION in text and turned.asked < first.asked
    assert len(cells) == (first.place[:, 3] >= 0).sum()


def test_every_image_token_has_a_place_and_no_other_token_a_cell(reader):
    reading = reader.first_turn(WIDE, QUESTION)
    is_patch = (reading.ids[0] == reader.image_id).numpy()
    place = reading.place
    assert place.shape == (len(is_patch), 4) and place.dtype == np.int32
    assert ((place[:, 3] >= 0) <= is_patch).all()
    for number, view in enumerate(reading.views):
        mine = place[(place[:, 1] == number) & (place[:, 3] >= 0)]
        assert mine[:, 2:].tolist() == [[row, column] for row in range(view.rows) for column in range(view.columns)]
        height, width, _ = view.pixels.shape
        left, top, right, bottom = view.box
        assert view.pixels.dtype == np.uint8 and -0.2 < left < right < 1.2 and -0.2 < top < bottom < 1.2
        assert height >= view.rows and width >= view.columns
    assert (reading.place[-reading.asked :, 1] == -1).all() and reading.place[-reading.asked - 1, 1] >= 0


@pytest.mark.parametrize("picture", [WIDE, TALL], ids=["wide", "tall"])
def test_a_view_shows_what_its_box_says(reader, picture):
    for view in reader.first_turn(picture, QUESTION).views:
        left, top, right, bottom = (side * length for side, length in zip(view.box, picture.size * 2, strict=True))
        height, width, _ = view.pixels.shape
        whole = picture.transform((width, height), Image.Transform.EXTENT, (left, top, right, bottom), Image.BILINEAR)
        # Where a picture ends, padding may be seen.
        expected, found = (
            np.asarray(of, int)[height // 8 : -height // 8, width // 8 : -width // 8] for of in (whole, view.pixels)
        )
        # Between OneVision's tiles some pixels are seen by no patch, here many, so that what is shown is a little off.
        assert np.abs(expected - found).mean() < (7 if isinstance(reader, Onevision) else 3)


def test_the_ends_of_rows_have_the_row_and_no_column(reader):
    reading = reader.first_turn(WIDE, QUESTION)
    marked = reading.place[(reading.place[:, 1] >= 0) & (reading.place[:, 3] < 0)].tolist()
    last = len(reading.views) - 1
    if type(reader).__name__ in ("Pixtral", "LlavaNext", "Onevision"):
        assert marked == [[0, last, row, -1] for row in range(reading.views[-1].rows)]
    elif type(reader).__name__ in ("Idefics", "SmolVLM"):  # what says where a tile is
        assert [place[:2] for place in marked] == sorted([0, view] for view in range(last + 1) for _ in range(2))
    else:
        assert not marked


def test_a_prompt_in_two_halves_is_read_as_in_one(reader):
    whole = prefill(reader, reader.first_turn(WIDE, QUESTION))
    context, asked = reader.halves(WIDE, QUESTION)
    state = prefill(reader, context)
    extend(state, asked)
    assert torch.allclose(state.logits, whole.logits, atol=1e-4)
    assert state.cache.offset == whole.cache.offset and np.array_equal(state.place, whole.place)


def test_several_pictures_are_read_as_the_library_reads_them(family):
    reader, alone = family
    pictures = [WIDE, TALL, WIDE]
    shown = [{"type": "image", "image": picture} for picture in pictures]
    message = {"role": "user", "content": [*shown, {"type": "text", "text": QUESTION}]}
    expected = reader.processor.apply_chat_template(
        [message], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    found = reader.first_turn(pictures, QUESTION)
    assert torch.equal(found.ids, expected["input_ids"])
    assert all(torch.equal(value, expected[name]) for name, value in found.inputs.items())
    assert [view.picture for view in found.views] == sorted(view.picture for view in found.views)
    assert {view.picture for view in found.views} == {0, 1, 2} == set(found.place[:, 0].tolist()) - {-1}
    state = prefill(reader, found)
    assert answer(state, 5) == written(alone, found, 5)


@pytest.mark.parametrize("drive", ["engine", "library"])
def test_a_picture_may_come_with_a_later_question(family, drive):
    reader, alone = family
    if isinstance(reader, Onevision):
        with pytest.raises(ValueError, match="ask about all of them at first"):
            reader.next_turn(MORE, [TALL])
        return
    first, more = reader.first_turn(WIDE, QUESTION), reader.next_turn(MORE, [TALL])
    theirs = DynamicCache(config=alone.config.get_text_config())
    with torch.no_grad():
        alone(input_ids=first.ids, **first.inputs, past_key_values=theirs)
        begin = first.ids.shape[1] + first.offset
        positions = {} if more.positions is None else {"position_ids": more.positions + begin}
        expected = alone(input_ids=more.ids, **more.inputs, **positions, past_key_values=theirs).logits[0, -1]
    if drive == "engine":
        state = prefill(reader, first)
        extend(state, more)
        found = state.logits[0]
        assert [view.picture for view in state.views] == [0] * len(first.views) + [1] * len(more.views)
        assert (state.place[first.ids.shape[1] :, 1].max(), state.place[:, 0].max()) == (len(state.views) - 1, 1)
    else:
        cache = ElasticCache(Full(), reader.model)
        with torch.no_grad():
            reader.model(input_ids=first.ids, **first.inputs, past_key_values=cache)
            found = reader.model(input_ids=more.ids, **more.inputs, past_key_values=cache).logits[0, -1]
        assert cache.offset == first.offset + more.offset
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_picture_has_no_more_tokens_than_is_allowed(reader):
    whole = reader.first_turn(WIDE, QUESTION)
    if not reader.can_be_capped:
        with pytest.raises(ValueError, match="not for anybody to choose"):
            reader.capped(64)
        return
    tokens = int((whole.place[:, 3] >= 0).sum())
    counts = []
    for most in (tokens, 48, 33, 16):
        capped = reader.capped(most)
        assert capped.decoder is reader.decoder and capped.tokenizer is reader.tokenizer
        for picture in (WIDE, TALL, noise(40, 40), noise(500, 30)):
            found = capped.first_turn(picture, QUESTION)
            assert 0 < (found.place[:, 3] >= 0).sum() <= most
        counts.append(int((capped.first_turn(WIDE, QUESTION).place[:, 3] >= 0).sum()))
        assert prefill(capped, found).logits.isfinite().all()
    assert counts[0] > counts[-1]
    assert torch.equal(reader.first_turn(WIDE, QUESTION).ids, whole.ids), "the one it was made from stays as it was"
    with pytest.raises(ValueError, match=r"has \d+ tokens or more"):
        reader.capped(0)


@pytest.mark.parametrize("size", [(1, 1), (60, 400), (401, 70), (57, 56), (3000, 2000)])
def test_a_picture_of_any_size_has_as_many_places_as_the_tower_gives_tokens(reader, size):
    found = reader.encode_image(reader.first_turn(noise(*size), QUESTION))
    made = found.encoded["image"].pooler_output
    count = sum(map(len, made)) if isinstance(made, list | tuple) else made.shape[0] * made.shape[1]
    is_patch = found.ids[0] == reader.image_id
    assert count == is_patch.sum() and (found.place[is_patch.numpy(), 1] >= 0).all()


def test_a_picture_of_which_nothing_would_be_left_is_refused_in_so_many_words(reader):
    with pytest.raises(ValueError, match="300 x 2 pixels is too narrow to be read: cut a part of it out"):
        reader.first_turn(noise(300, 2), QUESTION)
    if isinstance(reader, LlavaNext):
        with pytest.raises(ValueError, match=r"400 x 8 pixels is too narrow for .*nothing would be left of its tiles"):
            reader.first_turn(noise(400, 8), QUESTION)


def test_the_full_cache_writes_what_the_library_writes_and_goes_on_so(family):
    reader, alone = family
    first = reader.first_turn(WIDE, QUESTION)
    state = prefill(reader, first)
    found = answer(state)
    assert found == written(alone, first) and len(set(found)) > 5
    more = reader.next_turn(MORE)
    whole = first.followed_by(torch.tensor([found])).followed_by(more.ids)
    extend(state, more)
    assert answer(state) == written(alone, whole)


def test_a_picture_that_was_encoded_before_is_read_the_same(reader):
    first = reader.first_turn(WIDE, QUESTION)
    at_once, before = (prefill(reader, prompt).logits for prompt in (first, reader.encode_image(first)))
    assert torch.allclose(at_once, before, atol=1e-5)


def test_the_librarys_generate_writes_the_same_with_a_cache_of_everything(family):
    reader, alone = family
    first, cache = reader.first_turn(WIDE, QUESTION), ElasticCache(Full(), reader.model)
    found = written(reader.model, first, cache=cache)
    assert found == written(alone, first)
    more = reader.next_turn(MORE)
    whole = first.followed_by(torch.tensor([found])).followed_by(more.ids)
    without = replace(whole, inputs={n: v for n, v in whole.inputs.items() if v.shape == whole.ids.shape})
    assert written(reader.model, without, cache=cache) == written(alone, whole)


@pytest.mark.parametrize("drive", ["engine", "generate"])
def test_a_compressed_cache_holds_its_budget(reader, drive):
    policy, first = ElasticPlus(keep=0.3), reader.first_turn(WIDE, QUESTION)
    tokens = first.ids.shape[1]
    if drive == "engine":
        cache = compress(prefill(reader, first, policy.needs), policy)
        answer(cache, 15)
        cache = cache.cache
    else:
        cache = ElasticCache(policy, reader.model)
        written(reader.model, first, 16, cache)
    assert cache.seen == tokens + 15
    assert cache.slots == [policy.limit(tokens + 15, tokens)] * reader.layers
    assert sum(cache.bytes_held) < 0.45 * sum(layer.slot_bytes for layer in cache.layers) * cache.seen


@dataclass(frozen=True)
class DropSome(Policy):
    """Drops every third token of a stretch that words and pictures share."""

    def compress(self, layers, seen):
        owner = torch.arange(seen)
        owner[7 : seen - 4 : 3] = -1
        return [Choice(owner[None]) for _ in layers]


def test_dropping_tokens_equals_masking_them(family):
    reader, alone = family
    first = reader.first_turn(TALL, QUESTION)
    state = compress(prefill(reader, first, DropSome().needs), DropSome())
    tokens, found = first.ids.shape[1], []
    ours = []
    for _ in range(6):
        ours.append(state.logits[0].log_softmax(-1))
        found += answer(state, 1)
    whole = first.followed_by(torch.tensor([found]))
    visible = torch.ones(whole.ids.shape[1], whole.ids.shape[1], dtype=torch.bool).tril()
    logprobs = []
    for dropped in (slice(0, 0), slice(7, tokens - 4, 3)):
        visible[tokens:, dropped] = False
        bias = torch.zeros(visible.shape).masked_fill(~visible, torch.finfo(torch.float32).min)
        positions = {} if whole.positions is None else {"position_ids": whole.positions}
        with torch.no_grad():
            logits = alone(input_ids=whole.ids, **whole.inputs, **positions, attention_mask=bias[None, None]).logits[0]
        logprobs.append(logits[tokens - 1 : -1].log_softmax(-1))
    unmasked, oracle = logprobs
    assert torch.allclose(torch.stack(ours), oracle, atol=2e-3)
    assert (unmasked - oracle).abs().max() > 0.05, "the mask matters"


def test_erasing_tokens_equals_masking_them_while_the_prompt_is_read(family):
    reader, alone = family
    prompt = reader.first_turn(WIDE, QUESTION)
    count = prompt.ids.shape[1]
    erased = [0, *np.flatnonzero(prompt.place[:, 3] >= 0)[::3].tolist(), count - 8]
    bias = torch.zeros(count, count)
    for token in erased:
        bias[token + 1 :, token] = -torch.inf
    bias = bias.masked_fill(torch.ones(count, count).triu(1).bool(), -torch.inf)
    positions = torch.arange(count)[None] if prompt.positions is None else prompt.positions
    how = {"attention_mask": bias[None, None], "position_ids": positions, "use_cache": False}
    with torch.no_grad():
        oracle = alone(input_ids=prompt.ids, **prompt.inputs, **how).logits[0, -1]
    assert torch.allclose(prefill(reader, prompt.without(erased)).logits[0], oracle, atol=1e-4)
    assert (prefill(reader, prompt).logits[0] - oracle).abs().max() > 0.5, "the mask matters"


def embedded(reader, reading):
    """What the text model is given for every token (T, d)."""
    given = []

    def note(module, args, kwargs):
        given.append(kwargs["inputs_embeds"])

    text = reader.model.get_decoder()
    hook = text.register_forward_pre_hook(note, with_kwargs=True)
    with torch.no_grad():
        prefill(reader, reading)
    hook.remove()
    return given[0][0]


def test_a_picture_read_before_is_linked_and_refused_where_tokens_have_three_positions(reader):
    prompt, first = asked_before(reader, [WIDE], QUESTION)
    assert torch.allclose(reader.embedded(prompt)[0], embedded(reader, prompt), atol=1e-5)
    if prompt.positions is not None:
        with pytest.raises(ValueError, match="three positions"):
            linked(reader, prompt, first, 4, ())
        return
    full = prefill(reader, prompt)
    everything, some = (linked(reader, prompt, first, k, ()) for k in (ALL, 4))
    assert torch.allclose(everything.logits, full.logits, atol=1e-4)
    assert not torch.allclose(some.logits, full.logits, atol=1e-2) and len(some.reuse.tokens) > 16
    assert np.array_equal(some.place, full.place) and len(some.views) == len(full.views)


@pytest.mark.parametrize("picture", [WIDE, TALL], ids=["wide", "tall"])
@pytest.mark.parametrize("at", [(0.4, 0.3), (0.62, 0.78)])
def test_the_place_of_a_repainted_square_is_the_token_that_changes_most(reader, picture, at):
    x, y = at
    width, height = picture.size
    before = reader.first_turn(picture, QUESTION)
    for number, view in enumerate(before.views):
        left, top, right, bottom = view.box
        if not (left < x < right and top < y < bottom):
            continue
        column, row = int((x - left) / (right - left) * view.columns), int((y - top) / (bottom - top) * view.rows)
        # The cell's own square of the original, so that it alone is repainted.
        wide, high = (right - left) / view.columns, (bottom - top) / view.rows
        corner = left + column * wide, top + row * high
        painted = picture.copy()
        inner = [corner[0] + 0.2 * wide, corner[1] + 0.2 * high, corner[0] + 0.8 * wide, corner[1] + 0.8 * high]
        scaled = [part * length for part, length in zip(inner, (width, height) * 2, strict=True)]
        ImageDraw.Draw(painted).rectangle(scaled, fill=(255, 0, 255))
        after = reader.first_turn(painted, QUESTION)
        changed = (embedded(reader, after) - embedded(reader, before)).norm(dim=-1)
        mine = np.flatnonzero((before.place[:, 1] == number) & (before.place[:, 3] >= 0))
        most = mine[int(changed[torch.from_numpy(mine)].argmax())]
        assert before.place[most].tolist() == [0, number, row, column]
        difference = np.abs(after.views[number].pixels.astype(int) - before.views[number].pixels.astype(int)).sum(-1)
        of_cell = np.unravel_index(difference.argmax(), difference.shape)
        assert of_cell[0] * view.rows // difference.shape[0] == row
        assert of_cell[1] * view.columns // difference.shape[1] == column


@pytest.mark.parametrize("drive", ["engine", "generate"])
def test_prompts_that_are_read_together_are_answered_as_each_alone(reader, drive):
    prompts = [reader.first_turn(noise(*WIDE.size, seed), QUESTION) for seed in (0, 4)]
    policy, both = ElasticPlus(keep=0.4), together(prompts)
    alone = []
    for prompt in prompts:
        state = compress(prefill(reader, prompt, policy.needs), policy)
        alone.append(answer(state, 8))
    assert alone[0] != alone[1]
    if drive == "generate":
        bytes_alone = list(range(BYTES, reader.text_config.vocab_size))
        how = {"max_new_tokens": 8, "do_sample": False, "suppress_tokens": bytes_alone, "pad_token_id": 0}
        cache = ElasticCache(policy, reader.model)
        found = reader.model.generate(input_ids=both.ids, **both.inputs, past_key_values=cache, **how)
        assert found[:, both.ids.shape[1] :].tolist() == alone
        return
    state = compress(prefill(reader, reader.encode_image(both), policy.needs), policy)
    found = []
    for _ in range(8):
        tokens = state.logits[:, :BYTES].argmax(-1)
        found.append(tokens.tolist())
        step(state, tokens[:, None])
    assert [list(of_one) for of_one in zip(*found, strict=True)] == alone


def test_two_conversations_in_turn_on_one_model_do_not_disturb_each_other(reader):
    def begun(picture):
        return prefill(reader, reader.first_turn(picture, QUESTION))

    apart = []
    for picture in (WIDE, TALL):
        state = begun(picture)
        first = answer(state, 6)
        extend(state, reader.next_turn(MORE))
        apart.append(first + answer(state, 6))
    states = [begun(picture) for picture in (WIDE, TALL)]
    mixed = [[], []]
    for _ in range(6):
        for said, state in zip(mixed, states, strict=True):
            said += answer(state, 1)
    for state in states:
        extend(state, reader.next_turn(MORE))
    for _ in range(6):
        for said, state in zip(mixed, states, strict=True):
            said += answer(state, 1)
    assert mixed == apart


def test_two_conversations_by_generate_do_not_disturb_each_other(family):
    reader, alone = family
    firsts = [reader.first_turn(picture, QUESTION) for picture in (WIDE, TALL)]
    caches = [ElasticCache(Full(), reader.model) for _ in firsts]
    said = [written(reader.model, first, 6, cache) for first, cache in zip(firsts, caches, strict=True)]
    more = reader.next_turn(MORE).ids
    for first, cache, words in zip(firsts, caches, said, strict=True):
        whole = first.followed_by(torch.tensor([words])).followed_by(more)
        without = replace(whole, inputs={n: v for n, v in whole.inputs.items() if v.shape == whole.ids.shape})
        assert written(reader.model, without, 6, cache) == written(alone, whole, 6)


def test_methods_that_move_keys_are_refused_where_a_token_has_three_positions(reader):
    three = reader.first_turn(WIDE, QUESTION).positions is not None
    for name in POLICIES:
        policy = POLICIES[name]()
        moves = policy.align or policy.positions != Positions.TRUE
        if three and moves:
            with pytest.raises(ValueError, match=r"which has three \(time, row, column\)"):
                ElasticCache(policy, reader.model)
        elif not policy.memory:  # for which a model must have kernels
            assert ElasticCache(policy, reader.model).seen == 0


def test_picture_and_words_are_rehearsed_as_the_library_reads_them_a_second_time(family, monkeypatch):
    """One prompt of the library's own, with everything in it twice; then a further turn, and whatever comes with it."""
    reader, alone = family
    context, asked = reader.halves(WIDE, QUESTION)
    state, found, own = prefill(reader, context, KVzip().needs), [], Reader.read
    monkeypatch.setattr(Reader, "read", lambda *given: found.append(own(*given)) or found[-1])
    rehearsed = compress(state, KVzip(keep=0.4))
    monkeypatch.undo()
    opening = reader.opening(context.ids[0].tolist())
    assert opening and (context.place[opening:, 3] >= 0).any()
    if not isinstance(reader, Onevision):  # which sees two pictures otherwise than one
        told = reader.halves(reader.blank, "Repeat the previous context exactly.")[1].ids
        ids, inputs = torch.cat([context.ids, told, context.ids[:, opening:]], 1), {}
        for name, value in context.inputs.items():
            if value.shape == context.ids.shape:
                inputs[name] = torch.cat([value, value.new_zeros(told.shape), value[:, opening:]], 1)
            else:
                inputs[name] = torch.cat([value, value], 1 if isinstance(reader, Idefics) else 0)
        with torch.no_grad():
            expected = alone(input_ids=ids, **inputs, attention_mask=torch.ones_like(ids)).logits[:, -1]
        assert torch.allclose(found[-1], expected, atol=1e-3 * float(expected.abs().max()))
    extend(rehearsed, asked)
    answer(rehearsed, 3)
    extend(rehearsed, reader.next_turn(MORE, [TALL] if reader.can_add_pictures else []))
    again = compress(rehearsed, KVzip(keep=0.3, norms=True))
    assert again.cache.slots == [int(0.3 * again.seen)] * reader.layers and len(answer(again, 3)) == 3


def test_sides_that_are_compressed_before_a_question_know_the_same_places_and_positions(reader):
    context, asked = reader.halves(WIDE, QUESTION)
    policies = Full(), ElasticPlus(keep=0.4)
    start = prefill(reader, reader.encode_image(context), frozenset().union(*(policy.needs for policy in policies)))
    sides = [compress(start, policy) for policy in policies]
    for more in (asked, reader.next_turn(MORE)):
        for side in sides:
            extend(side, more)
            answer(side, 2)
    assert [side.place.shape for side in sides] == [(side.seen, 4) for side in sides]
    assert np.array_equal(sides[0].place, sides[1].place) and sides[0].views == sides[1].views
    whole = reader.first_turn(WIDE, QUESTION)
    assert {side.cache.offset for side in sides} == {whole.offset} and sides[0].cache.slots > sides[1].cache.slots
    assert np.array_equal(sides[1].place[: len(whole.place)], whole.place)
