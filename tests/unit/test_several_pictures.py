"""Several pictures in a conversation, how many tokens each may have, and what is said where a model cannot."""

import json
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from elastic import model
from elastic.policies.elastic import Elastic
from elastic.policies.full import Full
from elastic.session import Comparison, run
from page import incoming
from page.asking import AskedQuestion
from page.comparing import Table, plan_rows
from page.conversing import Conversation, place_of
from page.gate import Refused
from page.model import Watched
from page.pictures import NO_LIST, TOO_MANY, PictureList, cost_line, read_tokens, token_choices
from tests.families import MAKERS
from tests.older_traces import parts_of_file
from tests.unit.test_archive import assert_same, opened, saved

POLICIES = [Full(), Elastic(keep=0.4)]
WIDE, TALL = (
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8))
    for seed, size in enumerate([(120, 200), (200, 90)])
)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A SmolVLM: tiles, then the whole picture."""
    folder = tmp_path_factory.mktemp("tiled") / "smolvlm"
    MAKERS["smolvlm"](folder)
    return model.load(str(folder), "cpu")


def test_a_record_has_every_view_of_every_picture_and_opens_again(reader):
    record = run(Comparison(reader, [WIDE, TALL], POLICIES), "What?", 4)
    expected = reader.first_turn([WIDE, TALL], "What?")
    for side in record.sides:
        side.check()
        assert np.array_equal(side.place, expected.place)
        assert [(view.rows, view.columns, view.box, view.picture) for view in side.views] == [
            (view.rows, view.columns, view.box, view.picture) for view in expected.views
        ]
    assert len(record.pictures) == len(expected.views) == len(parts_of_file(saved(record))) - 3
    assert sum(map(len, record.pictures)) < 200_000
    assert_same(record, opened(saved(record)))


@pytest.mark.parametrize("before", [False, True])
def test_a_picture_that_comes_later_is_of_the_record_behind_the_others(reader, before):
    comparison = Comparison(reader, WIDE, POLICIES, "first")
    run(comparison, "What?", 3)
    for _ in comparison.ask("And this?", 3, before_question=before, pictures=[TALL], source=("second",)):
        pass
    record = comparison.record()
    expected = reader.first_turn(WIDE, "What?").views + reader.first_turn(TALL, "What?").views
    assert [(view.rows, view.columns, view.box) for view in record.sides[1].views] == [
        (view.rows, view.columns, view.box) for view in expected
    ]
    assert {view.picture for view in record.sides[0].views} == {0, 1}
    assert comparison.source == ("first", "second") and len(record.pictures) == len(expected)
    assert_same(record, opened(saved(record)))
    run(comparison, "And now?", 2)
    assert len(comparison.record().pictures) == len(expected)


def test_a_model_that_knows_one_picture_refuses_more_with_one_sentence(tiny, picture, reader):
    said = r"is asked about one picture at a time, not about 2\. Leave 1 out and ask again\."
    with pytest.raises(ValueError, match=said):
        Comparison(tiny, [picture, picture], POLICIES)
    comparison = Comparison(tiny, picture, POLICIES)
    run(comparison, "What is here?", 2)
    with pytest.raises(ValueError, match=said):
        next(comparison.ask("And here?", 2, pictures=[picture]))
    with pytest.raises(ValueError, match="at most 8 pictures, not about 9"):
        Comparison(reader, [WIDE] * 9, POLICIES)


def filled(llava, further=(), picture_tokens=0):
    """Rows of a table about a picture and further ones, by a program's model."""
    table = Table("a", WIDE, "What?", 4, plan_rows(["elastic"], [0.5], {}), list(further), picture_tokens)
    program = SimpleNamespace(llava=llava, line=SimpleNamespace(beat=lambda within_step=False: None))
    for _ in table.fill(Watched(program, picture_tokens)):
        pass
    return table


def test_a_table_is_about_several_pictures_too_and_with_as_many_tokens_of_each_as_was_chosen(reader, tiny):
    bytes_of = {}
    for name, further, tokens in (("one", [], 0), ("two", [("b", TALL)], 0), ("few", [("b", TALL)], 32)):
        rows = filled(reader, further, tokens).rows
        assert not any(row["refused"] for row in rows) and len(rows) == 2
        bytes_of[name] = rows[0]["bytes_prompt"]
        llava = reader.capped(tokens) if tokens else reader
        read = llava.first_turn([WIDE, *(picture for _, picture in further)], "What?").ids.shape[1]
        slot = 2 * reader.shape["layers"] * reader.shape["kv_heads"] * reader.shape["head_dim"] * 4
        assert bytes_of[name] == read * slot
    assert bytes_of["few"] < bytes_of["one"] < bytes_of["two"]
    with pytest.raises(ValueError, match="one picture at a time"):
        filled(tiny, [("b", TALL)])


@pytest.mark.parametrize(
    ("pictures", "tokens", "can", "goes_on"),
    [
        (["a"], 0, False, True),
        (["a"], 64, False, True),
        (["a", "b"], 0, True, True),
        (["a", "b"], 0, False, False),
        (["b", "a"], 0, True, False),
        (["b"], 0, True, False),
    ],
)
def test_a_question_goes_on_with_the_same_pictures_or_more_of_them(pictures, tokens, can, goes_on):
    held = Conversation(("a",), [WIDE])
    first, *further = pictures
    asked = AskedQuestion(
        picture=first, further=further, picture_tokens=tokens, question="?", sides=["full", "elastic"]
    )
    assert place_of(asked, held, [held], can) == ((held, 0) if goes_on else (None, 0))
    assert place_of(asked, None, [held], can) == (None, 0)


def test_what_a_prompt_costs_is_that_of_the_prompt_that_is_read(reader):
    said = cost_line(reader, [WIDE], "What?")
    record = run(Comparison(reader, WIDE, [Full()]), "What?", 1)
    tokens, held = len(record.sides[0].pieces), int(record.sides[0].prompt_bytes.sum())
    assert f"**{tokens:,} tokens**" in said and f"{held / 1024:.3g} KiB" in said
    fewer = cost_line(reader.capped(40), [WIDE], "What?")
    assert int(fewer.split("**")[1].split()[0]) < tokens


def test_only_as_many_tokens_can_be_chosen_as_the_model_can_have(reader, tiny):
    assert token_choices(tiny) == [("as the model likes", 0)]
    counts = [count for _, count in token_choices(reader)]
    assert counts[0] == 0 and len(counts) > 3
    for count in counts[1:]:
        assert (reader.capped(count).first_turn(WIDE, "?").place[:, 3] >= 0).sum() <= count


@pytest.mark.parametrize(
    ("given", "tokens"), [(None, 0), ("", 0), (0, 0), (64, 64), ("1,024", 1024), (" 16384 ", 16384)]
)
def test_tokens_are_read_as_people_write_them(given, tokens):
    assert read_tokens(given) == tokens


@pytest.mark.parametrize("given", ["many", "-1", "1e3", "16385", "٣", 0.5, True])
def test_what_is_no_number_of_tokens_gets_a_sentence(given):
    with pytest.raises(ValueError, match="is no number of tokens"):
        read_tokens(given)


@pytest.fixture
def listed(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks():
        return PictureList()


def test_a_list_of_pictures_gets_in_as_uploads_in_its_order(listed):
    scenes = sorted((incoming.ASSETS / "scenes").glob("*.png"))[:3]
    for given in (json.dumps([str(path) for path in scenes]), [{"path": str(path)} for path in scenes]):
        checked = json.loads(listed.checked(given))
        assert [incoming.content_of(path) for path in checked] == [path.read_bytes() for path in scenes]
        assert listed.preprocess(json.dumps(checked)) == checked
    assert [listed.checked(nothing) for nothing in (None, "", "[]", [])] == ["[]"] * 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{", NO_LIST),
        ("{}", NO_LIST),
        (7, NO_LIST),
        ([None], NO_LIST),
        ("[" * 30_000, NO_LIST),
        (["/etc/passwd"], incoming.NO_UPLOAD),
        (["/etc/passwd"] * 9, TOO_MANY),
        ([{"path": 3}], incoming.NO_UPLOAD),
    ],
)
def test_what_is_no_list_of_uploads_is_refused_with_a_sentence(listed, given, sentence):
    with pytest.raises(Refused) as error:
        listed.checked(given)
    assert str(error.value) == sentence
