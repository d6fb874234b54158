"""Where a chat template writes pictures and question, and who may be asked to turn them about."""

import pytest
from PIL import Image

from elastic.model import load
from elastic.models.checkpoint import Unfit
from tests.families import CHATML, WORDS, llava_interleave

PICTURE = Image.new("RGB", (40, 30), "navy")
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
BEHIND = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n" + WORDS
    + "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("order")
    llava_interleave(folder)
    reader = load(folder, device="cpu")

    def by(template):
        reader.processor.chat_template = template
        return reader

    return by


def written(reader, reading):
    """A prompt as text, each picture as one mark."""
    text = reader.tokenizer.decode(reading.ids[0].tolist())
    pictures = len({view.picture for view in reading.views})
    tokens = text.count("<image>") // pictures
    return text.replace("<image>" * tokens, "[P]")


@pytest.mark.parametrize("question", ["a", "e", "user", "You", "assistant", "", "What is to be seen?"])
@pytest.mark.parametrize("pictures", [1, 2])
def test_a_question_before_its_pictures_stands_there_though_its_words_stand_elsewhere_too(asked, question, pictures):
    reader = asked(SYSTEM + CHATML)
    turned = reader.first_turn([PICTURE] * pictures, question, question_first=True)
    shown = "[P]\n" * pictures
    expected = f"{SYSTEM}<|im_start|>user\n{question} {shown}<|im_end|>\n<|im_start|>assistant\n"
    assert written(reader, turned) == expected


def test_a_template_that_trims_a_question_does_so_before_its_picture_too(asked):
    reader = asked(CHATML.replace("part['text']", "part['text'] | trim"))
    turned = written(reader, reader.first_turn(PICTURE, "  a b ", question_first=True))
    assert turned == "<|im_start|>user\na b [P]\n<|im_end|>\n<|im_start|>assistant\n"


def test_a_question_that_the_template_writes_first_anyway_stays_as_it_is(asked):
    reader = asked(BEHIND)
    plain, turned = (reader.first_turn(PICTURE, "What is it?", question_first=first) for first in (False, True))
    assert written(reader, plain) == written(reader, turned)
    assert written(reader, plain) == "<|im_start|>user\nWhat is it?[P]<|im_end|>\n<|im_start|>assistant\n"


def test_what_stands_behind_the_question_is_not_compressed_before_it(asked):
    with pytest.raises(Unfit, match="writes pictures behind the question"):
        asked(BEHIND).halves(PICTURE, "What is it?")


def test_an_order_that_cannot_be_told_is_refused(asked):
    split = CHATML.replace(WORDS, "<image>" + WORDS)
    reader = asked(split)
    with pytest.raises(Unfit, match="cannot be told"):
        reader.first_turn(PICTURE, "What is it?", question_first=True)


def test_a_template_that_writes_no_empty_messages_can_go_on_all_the_same(asked):
    refuses = "{% if not message['content'][-1]['text'] %}{{ raise_exception('an empty message') }}{% endif %}"
    plain, strict = (
        asked(template).next_turn("And more?").ids.tolist()
        for template in (CHATML, CHATML.replace("<|im_start|>{{ m", refuses + "<|im_start|>{{ m"))
    )
    assert plain == strict
    reader = asked(CHATML.replace("<|im_start|>{{ m", refuses + "<|im_start|>{{ m"))
    assert (
        reader.tokenizer.convert_tokens_to_ids("<|im_end|>")
        in type(reader)(reader.model, reader.processor, "x").end_ids
    )
