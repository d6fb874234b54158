"""What a model reads at once: joined, parted and gone on with, whatever comes with it."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from elastic.cache import ElasticCache
from elastic.cache.positions import behind
from elastic.engine import extend, prefill
from elastic.model import together
from elastic.models.llava import seen_box
from elastic.models.reader import stitched
from elastic.models.reading import Reading, View, cells, words
from elastic.policies.full import Full


def reading(rows=2, columns=3, asked=4, seed=0):
    """Two words, a picture whose tokens stand in rows and columns, and words behind it."""
    generator = torch.Generator().manual_seed(seed)
    tokens = 2 + rows * columns + asked
    view = View(np.zeros((rows, columns, 3), np.uint8), rows, columns)
    place = np.concatenate([words(2), cells(0, view), words(asked)])
    row, column = np.divmod(np.arange(rows * columns), columns)
    end = 2 + max(rows, columns)
    axes = [[0, 1, *[2] * len(row)], [0, 1, *(2 + row)], [0, 1, *(2 + column)]]
    positions = torch.tensor([[*axis, *range(end, end + asked)] for axis in axes])[:, None]
    kinds = torch.tensor(place[:, 3] >= 0).long()[None]
    inputs = {"pixel_values": torch.rand(1, 3, 4, 4, generator=generator), "mm_token_type_ids": kinds}
    return Reading(torch.arange(tokens)[None], inputs, None, positions, asked, (view,), place)


def test_positions_go_on_behind_the_longer_side_of_a_picture():
    whole = reading()
    assert whole.offset == 2 + 3 + 4 - 12 == behind(whole.positions) - 12
    assert Reading(whole.ids).offset == 0


def test_what_stands_behind_a_prompt_is_words_at_the_next_positions():
    more = reading().followed_by(torch.tensor([[50, 51]]))
    assert more.ids[0, -2:].tolist() == [50, 51] and more.asked == 6
    assert more.positions[:, 0, -3:].tolist() == [[8, 9, 10]] * 3
    assert more.place[-2:].tolist() == [[-1] * 4] * 2 and more.inputs["mm_token_type_ids"][0, -3:].tolist() == [0] * 3
    assert more.offset == reading().offset


def test_a_prompt_is_parted_behind_its_picture_and_each_part_counts_from_its_own_beginning():
    whole = reading()
    first, rest = whole.split(8)
    assert torch.equal(torch.cat([first.ids, rest.ids], 1), whole.ids)
    assert torch.equal(first.positions, whole.positions[..., :8])
    assert torch.equal(rest.positions + 8 + first.offset, whole.positions[..., 8:])
    assert (first.asked, rest.asked) == (0, 4) and first.views == whole.views and not rest.views
    assert set(first.inputs) == {"pixel_values", "mm_token_type_ids"} and set(rest.inputs) == {"mm_token_type_ids"}
    assert rest.inputs["mm_token_type_ids"].tolist() == [[0] * 4]
    with pytest.raises(ValueError, match="A picture goes on behind token 7"):
        whole.split(7)


def test_prompts_are_joined_with_all_that_comes_with_them():
    one, other = reading(), reading(seed=1)
    both = together([one, other])
    assert (
        both.ids.shape == (2, 12) and both.inputs["pixel_values"].shape[0] == 2 and both.positions.shape == (3, 2, 12)
    )
    assert torch.equal(both.inputs["pixel_values"][1], other.inputs["pixel_values"][0]) and both.views == one.views


def test_prompts_that_would_go_on_at_other_positions_are_not_joined():
    with pytest.raises(ValueError, match="stands at other positions: read them one at a time"):
        together([reading(2, 6), reading(3, 4)])
    other = Reading(reading().ids, {"pixel_values": torch.rand(1, 3, 8, 4)})
    with pytest.raises(ValueError, match=r"other shapes \(pixel_values\)"):
        together([Reading(reading().ids, {"pixel_values": torch.rand(1, 3, 4, 4)}), other])


def test_tiles_are_put_together_where_they_lie():
    colours = np.arange(1, 7, dtype=np.uint8).reshape(2, 3) * 40
    tiles = [
        View(np.full((4, 5, 3), colours[row, column]), 2, 2, (column / 3, row / 2, (column + 1) / 3, (row + 1) / 2))
        for row in range(2)
        for column in range(3)
    ]
    whole = View(np.zeros((4, 5, 3), np.uint8), 2, 2)
    found = np.asarray(stitched([*tiles, whole]))
    assert np.array_equal(found[..., 0], colours.repeat(4, 0).repeat(5, 1))
    assert np.array_equal(np.asarray(stitched([whole])), whole.pixels)


def test_later_pictures_are_numbered_behind_the_earlier_ones(tiny, picture):
    first = tiny.first_turn([picture, picture], "Where is the dog?")
    state = prefill(tiny, first)
    extend(state, tiny.next_turn("And here?", [Image.new("RGB", (300, 200))]))
    assert [view.picture for view in state.views] == [0, 1, 2]
    assert [sorted(set(state.place[:, of].tolist())) for of in (0, 1)] == [[-1, 0, 1, 2]] * 2
    is_patch = (state.ids[0] == tiny.image_id).numpy()
    assert np.array_equal(state.place[:, 3] >= 0, is_patch)


@pytest.mark.parametrize(
    ("kind", "how", "expected"),
    [
        (CLIPImageProcessorPil, {}, (0.375, 0, 0.625, 1)),
        (CLIPImageProcessorPil, {"do_center_crop": False}, (0, 0, 1, 1)),
        (LlavaImageProcessorPil, {}, (0.375, 0, 0.625, 1)),
        (LlavaImageProcessorPil, {"do_pad": True}, (0, -1.5, 1, 2.5)),
    ],
)
def test_a_box_is_what_is_left_of_a_picture_or_what_was_added_to_it(kind, how, expected):
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    processor = kind(**size | how)
    assert seen_box((400, 100), processor) == pytest.approx(expected)
    turned = expected[1], expected[0], expected[3], expected[2]
    assert seen_box((100, 400), processor) == pytest.approx(turned)
    # What is seen in the middle of the box is in the middle of the picture: a stripe of another colour.
    stripes = Image.new("RGB", (400, 100))
    stripes.paste((255, 255, 255), (180, 0, 220, 100))
    pixels = processor(stripes, return_tensors="np")["pixel_values"][0][0]
    left, top, right, bottom = expected
    row = pixels[round((0.5 - top) / (bottom - top) * (pixels.shape[0] - 1))]
    white = np.flatnonzero(row > row.max() - 0.1)
    seen = [(0.45 - left) / (right - left), (0.55 - left) / (right - left)]
    assert [white[0] / len(row), (white[-1] + 1) / len(row)] == pytest.approx(seen, abs=2 / len(row))


def test_what_is_cut_off_a_picture_is_not_in_its_box(tiny):
    (view,) = tiny.first_turn(Image.new("RGB", (400, 100)), "Where is the dog?").views
    assert view.box == pytest.approx((0.375, 0, 0.625, 1)) and view.pixels.shape == (224, 224, 3)


def test_an_offset_goes_with_its_cache_and_ends_with_it(tiny_text):
    cache = ElasticCache(Full(), tiny_text.model)
    cache.offset = 5
    assert cache.fork().offset == deepcopy(cache).offset == 5
    assert cache.enter(torch.tensor([[3, 4]])).positions.tolist() == [[5, 6]]
    cache.reset()
    assert cache.offset == 0


def test_text_models_refuse_pictures(tiny_text):
    with pytest.raises(ValueError, match="reads text only: ask without pictures"):
        tiny_text.next_turn("And?", [Image.new("RGB", (8, 8))])
