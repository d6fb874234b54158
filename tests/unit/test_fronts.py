"""Fewer picture tokens before the language model: which are chosen, what the model then reads, and what is recorded."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch

from elastic.engine import compress, decode, extend, link, prefill
from elastic.fronts import FRONTS, front_of
from elastic.fronts.base import PictureCells
from elastic.fronts.divprune import DivPrune
from elastic.fronts.visionzip import VisionZip
from elastic.model import load, together
from elastic.policies.base import PATCH
from elastic.policies.full import Full
from elastic.policies.h2o import H2O
from elastic.policies.snapkv import SnapKV
from elastic.record.archive import open_run, save_run
from elastic.record.recorder import RECORDED
from elastic.record.shortened import Shortened
from elastic.session import Comparison
from elastic.shortening import of_what_is_read, shorten
from tests import families

QUESTION, LATER = "How many objects are there?", "What is in the middle?"
EVERY = [pytest.param(kind, id=name) for name, kind in FRONTS.items()]


def drawn(cells: int, seed: int = 0) -> PictureCells:
    """Random cells, whose projector is a matrix."""
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.randn(6, 5, generator=draw)
    hidden, keys = torch.randn(cells, 6, generator=draw), torch.randn(cells, 4, generator=draw)
    return PictureCells(hidden, keys, torch.rand(cells, generator=draw), lambda hidden: hidden @ matrix)


def visionzip_by_loops(cells: PictureCells, dominant: int, contextual: int):
    """Kept cells, features and owners, one cell at a time."""
    hidden, keys, looked = (one.numpy().astype(float) for one in (cells.hidden, cells.keys, cells.looked))
    best = sorted(sorted(range(len(looked)), key=lambda cell: -looked[cell])[:dominant])
    rest = [cell for cell in range(len(looked)) if cell not in best]
    targets = [rest[at] for at in range(0, len(rest), max(1, len(rest) // contextual))][:contextual]
    joined = {target: [] for target in targets}
    owner = {cell: cell for cell in best + targets}
    for cell in rest:
        if cell not in targets:
            alike = [keys[cell] @ keys[to] / np.linalg.norm(keys[cell]) / np.linalg.norm(keys[to]) for to in targets]
            owner[cell] = targets[int(np.argmax(alike))]
            joined[owner[cell]].append(hidden[cell])
    tokens = [hidden[cell] for cell in best]
    tokens += [hidden[to] + (np.mean(joined[to], 0) if joined[to] else 0) for to in targets]
    return best + targets, tokens, [owner[cell] for cell in range(len(looked))]


@pytest.mark.parametrize(("cells", "tokens", "contextual"), [(40, 13, 4), (64, 32, 5), (9, 8, 1), (50, 6, 6)])
def test_visionzip_keeps_what_was_looked_at_and_merges_the_rest_into_a_few(cells, tokens, contextual):
    picture = drawn(cells)
    found = VisionZip(contextual=contextual / tokens).choose(picture, tokens)
    kept, hidden, owner = visionzip_by_loops(picture, tokens - contextual, contextual)
    assert found.kept.tolist() == kept and found.owner.tolist() == owner
    expected = picture.project(torch.tensor(np.array(hidden), dtype=torch.float32))
    assert torch.allclose(found.features, expected, atol=1e-5)


def test_a_setting_of_the_authors_is_54_dominant_tokens_and_10_contextual_ones():
    found = VisionZip().choose(drawn(576), 64)
    assert len(found.kept) == 64 and (found.kept[:54].diff() > 0).all() and (found.kept[54:].diff() > 0).all()
    assert found.kept[:54].tolist() == drawn(576).looked.topk(54).indices.sort().values.tolist()


@pytest.mark.parametrize(("cells", "tokens"), [(30, 1), (30, 2), (30, 12), (30, 29)])
def test_divprune_takes_again_and_again_what_is_farthest_from_all_it_has(cells, tokens):
    picture = drawn(cells, seed=3)
    features = picture.project(picture.hidden).numpy().astype(float)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    away = [[1 - unit[one] @ unit[other] for other in range(cells)] for one in range(cells)]
    taken = [max(range(cells), key=lambda one: min(away[one][other] for other in range(cells) if other != one))]
    while len(taken) < tokens:
        left = [cell for cell in range(cells) if cell not in taken]
        taken.append(max(left, key=lambda one: min(away[one][other] for other in taken)))
    found = DivPrune().choose(picture, tokens)
    assert found.kept.tolist() == sorted(taken)
    assert np.allclose(found.features.numpy(), features[sorted(taken)], atol=1e-5)
    assert found.owner.tolist() == [cell if cell in taken else -1 for cell in range(cells)]


@pytest.mark.parametrize("kind", EVERY)
def test_with_a_token_for_every_cell_the_picture_is_as_it_was(kind, pocket, picture):
    prompt = pocket.first_turn(picture, QUESTION)
    shorter = shorten(pocket, prompt, kind(keep=1.0))
    assert shorter.ids.tolist() == prompt.ids.tolist()
    # VisionZip reads the dominant patches first, so that only their order differs.
    order = np.argsort(shorter.shortened.number)
    whole = pocket.encode_image(prompt).encoded["image"].pooler_output[0]
    features, patches = shorter.encoded["image"].pooler_output[0], (prompt.place[:, 3] >= 0)
    assert torch.allclose(features[order[patches] - order[patches].min()], whole, atol=1e-5)
    if kind is DivPrune:
        full, other = prefill(pocket, prompt), prefill(pocket, shorter)
        assert torch.allclose(full.logits, other.logits, atol=1e-4)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoints of true structure: a tower with a class token of which the last but one layer is read, and SigLIP."""
    made = {}
    for build in (families.llava_15, families.llava_interleave, families.vipllava, families.pixtral):
        folder = tmp_path_factory.mktemp(build.__name__)
        build(folder)
        made[build.__name__] = load(folder, device="cpu")
    return made


@torch.inference_mode()
@pytest.mark.parametrize("name", ["llava_15", "llava_interleave"])
def test_cells_are_what_the_library_makes_of_the_picture_in_the_layer_that_is_read(name, checkpoints, picture):
    llava = checkpoints[name]
    prompt, number = llava.first_turn(picture, QUESTION), llava.model.config.vision_feature_layer
    (cells,) = llava.picture_cells(prompt)
    whole = llava.encode_image(prompt).encoded["image"].pooler_output[0]
    assert torch.allclose(cells.project(cells.hidden), whole, atol=1e-5)
    tower = llava.model.model.vision_tower
    tower.set_attn_implementation("eager")
    seen = tower(prompt.inputs["pixel_values"], output_attentions=True, output_hidden_states=True)
    classes = seen.hidden_states[number].shape[1] - len(whole)
    assert classes == (name == "llava_15")
    weights = seen.attentions[number][0]  # (heads, queries, keys)
    looked = (weights[:, 0] if classes else weights.mean(1)).sum(0)[classes:]
    assert torch.allclose(cells.looked, looked, atol=1e-5)
    assert torch.allclose(cells.hidden, seen.hidden_states[number][0, classes:], atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("kind", EVERY)
def test_the_model_reads_words_and_chosen_tokens_one_behind_the_other(kind, pocket, picture):
    prompt = pocket.first_turn(picture, QUESTION)
    state = prefill(pocket, shorten(pocket, prompt, kind(keep=0.3)))
    (cells,) = pocket.picture_cells(prompt)
    is_patch = prompt.ids[0] == pocket.image_id
    tokens = int(0.3 * len(is_patch)) - int((~is_patch).sum())
    chosen = kind().choose(cells, tokens)
    words = pocket.model.get_input_embeddings()(prompt.ids[0, ~is_patch])
    first = int(is_patch.nonzero()[0])
    given = torch.cat([words[:first], chosen.features, words[first:]])
    expected = pocket.model(inputs_embeds=given[None]).logits[0, -1]
    assert torch.allclose(state.logits[0], expected, atol=1e-4)
    assert state.seen == len(given) == state.cache.slots[0]


@pytest.mark.parametrize("kind", EVERY)
def test_of_a_batch_each_picture_is_thinned_by_itself(kind, pocket, picture):
    other = picture.rotate(90)
    prompts = [pocket.first_turn(one, QUESTION) for one in (picture, other)]
    both = prefill(pocket, shorten(pocket, together(prompts), kind(keep=0.3)))
    for row, prompt in enumerate(prompts):
        alone = prefill(pocket, shorten(pocket, prompt, kind(keep=0.3)))
        assert torch.allclose(both.logits[row], alone.logits[0], atol=1e-4)


def test_pictures_share_what_is_left_and_each_has_a_token(checkpoints, picture):
    llava = checkpoints["llava_interleave"]
    prompt = llava.first_turn([picture, picture.rotate(90)], QUESTION)
    for keep in (0.5, 0.01):
        shorter = shorten(llava, prompt, VisionZip(keep=keep))
        words = int((prompt.ids != llava.image_id).sum())
        left = [(shorter.place[:, 0] == number).sum() for number in (0, 1)]
        wanted = max(2, int(keep * prompt.ids.shape[1]) - words)
        assert sum(left) == wanted and abs(left[0] - left[1]) <= 1 and min(left) >= 1
        assert len(shorter.encoded["image"].pooler_output) == 2
        prefill(llava, shorter)


def ask(comparison, question, front, tokens=10, **how):
    for _ in comparison.ask(question, tokens, front=front, **how):
        pass
    return comparison.record()


@torch.inference_mode()
@pytest.mark.parametrize("kind", EVERY)
def test_the_record_shows_what_was_left_out_as_merged_or_dropped_in_every_layer(kind, pocket, picture):
    run = ask(Comparison(pocket, picture, [Full(), Full()]), QUESTION, kind(keep=0.3))
    prompt = pocket.first_turn(picture, QUESTION)
    a, b = run.sides
    assert b.pieces == a.pieces and np.array_equal(a.place, b.place) and len(b.pieces) == prompt.ids.shape[1]
    (cells,) = pocket.picture_cells(prompt)
    kept = int(0.3 * len(a.pieces)) - int((~a.is_image).sum())
    owner = kind().choose(cells, kept).owner.numpy()
    first = a.patches[0]
    for layer in b.owner[:, 0]:
        assert np.array_equal(layer[b.patches], np.where(owner < 0, -1, owner + first))
        assert np.array_equal(layer[~b.is_image], np.flatnonzero(~b.is_image))
    assert b.fewer.front == kind.title and b.fewer.keep == 0.3
    assert b.fewer.tokens == (np.flatnonzero(owner != np.arange(len(owner))) + first).tolist()
    assert np.isnan(b.score[:, b.fewer.tokens]).all() and not np.isnan(np.delete(b.score, b.fewer.tokens, 1)).any()
    assert not b.looked[:, :, b.fewer.tokens].any() and np.allclose(b.looked.sum(2), 1, atol=2e-3)
    assert b.prompt_slots.tolist() == [int(0.3 * len(a.pieces))] * len(b.owner)
    assert b.visible[0] == len(b.pieces) - len(b.fewer.tokens)
    # What it says and thinks is what the engine makes of the shorter prompt.
    state = prefill(pocket, shorten(pocket, prompt, kind(keep=0.3)), RECORDED)
    steps = list(decode(compress(state, Full()), 10))
    assert b.answer_ids.tolist() == [step.token for step in steps]
    # It comes back from a file as it was.
    file = BytesIO()
    save_run(run, file)
    again = open_run(file).sides[1]
    assert again.fewer == b.fewer and np.array_equal(again.owner, b.owner)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("policy", [SnapKV(keep=0.2), H2O(keep=0.2)], ids=["snapkv", "h2o"])
@pytest.mark.parametrize("before_question", [False, True])
def test_behind_a_front_a_prompt_leaves_a_method_as_much_as_without_one(kind, policy, before_question, pocket, picture):
    comparison = Comparison(pocket, picture, [policy, policy])
    for question in (QUESTION, LATER):
        run = ask(comparison, question, front_of_kind(kind, 0.2), before_question=before_question)
        a, b = run.sides
        b.check()
        assert len(b.pieces) - len(b.answer_pieces) > 0 and b.fewer.keep == pytest.approx(0.2)
        assert b.options["keep"] == 0.2, "the record says what was asked for"
        # The sides wrote other answers in the turn before, and a share of slots is whole.
        apart = abs(len(a.pieces) - len(b.pieces)) + 1
        assert np.allclose(a.prompt_slots, b.prompt_slots, atol=apart)


def test_what_a_front_leaves_beyond_its_share_is_said_under_its_own_name(pocket, picture):
    comparison = Comparison(pocket, picture, [Full(), Full()])
    ask(comparison, "Describe the image in detail.", DivPrune(keep=0.05), tokens=40)
    assert comparison.beyond_share.startswith("DivPrune holds ") and "asked for 5%" in comparison.beyond_share


def front_of_kind(kind, keep):
    return front_of(next(name for name, one in FRONTS.items() if one is kind), keep, is_alone=False)


def test_evicted_tokens_have_their_numbers_in_the_whole_prompt(pocket, picture):
    front = VisionZip(keep=0.5)
    run = ask(Comparison(pocket, picture, [Full(), H2O(keep=0.25)]), "Describe the image.", front, tokens=24)
    side = run.sides[1]
    prompt = shorten(pocket, pocket.first_turn(picture, "Describe the image."), front)
    state = compress(prefill(pocket, prompt, RECORDED | H2O().needs), replace(H2O(keep=0.25), keep=0.5))
    number = prompt.shortened.number
    assert (side.dropped >= 0).any()
    for told, step in zip(side.dropped, decode(state, 24), strict=True):
        if step.evicted is None:
            assert (told == -1).all()
            continue
        for found, evicted in zip(told.ravel(), step.evicted[0].ravel().tolist(), strict=True):
            beyond = evicted - len(number) + len(side.pieces)
            assert found == (-1 if evicted < 0 else number[evicted] if evicted < len(number) else beyond)


def test_numbers_owners_and_values_are_spread_as_loops_do_it():
    draw = np.random.default_rng(5)
    number = np.array([0, 4, 2, 6, 7])  # of 8, read in this order
    shortened = Shortened("", 0.5, np.full((8, 4), -1, np.int32), number, np.array([0, 4, 2, -1, 4, 2, 6, 7]))
    owner = np.array([[[0, 2, 2, -1, 4]]])  # of the five that are read
    expected = [0, 2, 2, -1, 2, 2, -1, 7]
    assert shortened.owners(owner)[0, 0].tolist() == expected
    values = draw.random((2, 7))
    spread, shared = shortened.spread(values), shortened.shared(values)
    for row in range(2):
        of = dict(zip(number.tolist(), values[row], strict=False))
        assert spread[row].tolist() == [*(of.get(token, 0) for token in range(8)), *values[row, 5:]]
        holders = shortened.owner.tolist()
        assert shared[row].tolist() == [*(of.get(holder, 0) for holder in holders), *values[row, 5:]]
    assert shortened.numbered(np.array([-1, 0, 1, 4, 5, 9])).tolist() == [-1, 0, 4, 7, 8, 12]
    assert shortened.left_out == [1, 3, 5]


def test_a_picture_of_a_later_turn_is_thinned_as_well(checkpoints, picture):
    llava = checkpoints["llava_interleave"]
    comparison = Comparison(llava, picture, [Full(), Full()])
    ask(comparison, QUESTION, VisionZip(keep=0.5), tokens=3)
    run = ask(comparison, LATER, VisionZip(keep=0.5), tokens=3, pictures=[picture.rotate(90)])
    b = run.sides[1]
    b.check()
    for number in (0, 1):
        of_one = np.flatnonzero((b.place[:, 0] == number) & b.is_image)
        held = (b.owner[0, 0, of_one] == of_one).sum()
        assert 0 < held < len(of_one)
    assert len(b.views) == 2 and set(b.fewer.tokens) <= set(b.patches.tolist())


def test_the_text_after_a_shorter_prompt_goes_on_as_any_other(pocket, picture):
    prompt = shorten(pocket, pocket.first_turn(picture, QUESTION), DivPrune(keep=0.3))
    state = prefill(pocket, prompt)
    list(decode(state, 8))
    extend(state, pocket.next_turn(LATER))
    at_once = prefill(pocket, replace(prompt, ids=state.ids, place=np.zeros((0, 4), np.int32), shortened=None))
    assert torch.allclose(state.logits, at_once.logits, atol=1e-3)
    assert (state.cache.tables.kinds == PATCH).sum() == (prompt.ids == pocket.image_id).sum()


def test_what_cannot_be_shortened_is_refused_in_a_sentence(pocket, picture, tiny_text, checkpoints):
    prompt = pocket.first_turn(picture, QUESTION)
    with pytest.raises(ValueError, match="this prompt has none"):
        shorten(tiny_text, tiny_text.first_turn("Some words.", QUESTION), VisionZip())
    with pytest.raises(ValueError, match="this prompt has none"):
        shorten(pocket, pocket.next_turn(LATER), VisionZip())
    with pytest.raises(ValueError, match="erase of one that is read whole"):
        shorten(pocket, prompt.without([int(prompt.place[:, 3].argmax())]), VisionZip())
    with pytest.raises(ValueError, match="reads several layers"):
        shorten(checkpoints["vipllava"], checkpoints["vipllava"].first_turn(picture, QUESTION), VisionZip())
    with pytest.raises(ValueError, match="has another vision tower than LLaVA"):
        shorten(checkpoints["pixtral"], checkpoints["pixtral"].first_turn(picture, QUESTION), DivPrune())
    with pytest.raises(ValueError, match="linked whole"):
        link(pocket, [prefill(pocket, shorten(pocket, prompt, VisionZip())), pocket.next_turn(LATER)], 1)
    with pytest.raises(ValueError, match=r"keep must be above 0"):
        VisionZip(keep=0.0)
    with pytest.raises(ValueError, match="There is no front"):
        front_of("visionzap", 0.2, is_alone=True)


def test_a_share_of_all_that_was_said_is_a_larger_one_of_what_was_read(pocket, picture):
    prompt = pocket.first_turn(picture, QUESTION)
    state = prefill(pocket, shorten(pocket, prompt, VisionZip(keep=0.5)))
    assert of_what_is_read(SnapKV(keep=0.2), state).keep == pytest.approx(0.2 * prompt.ids.shape[1] / state.seen)
    assert of_what_is_read(Full(), state) == Full()
    assert of_what_is_read(SnapKV(keep=0.9), state).keep == 1.0
    assert of_what_is_read(SnapKV(keep=0.2), prefill(pocket, prompt)) == SnapKV(keep=0.2)
