"""Build pocket-llava untrained: tokenizer, processor and model, saved in the file layout of llava-hf checkpoints.

Nothing here knows how the model is trained; `AutoProcessor` and `AutoModelForImageTextToText` read what it writes.
"""

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import (
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from scenes.asides import lines
from scenes.questions import ask
from scenes.scene import GRID, IMAGE_SIZE, PATCH_SIZE, random_scene
from scenes.talk import conversation
from scenes.typing import messy
from scenes.words import vocabulary

SPECIAL_TOKENS = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
# The template of llava-1.5, with its end-of-sequence token after each answer, as LLaVA was trained.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ message['role'].upper() + ': ' if message['role'] == 'user' else message['role'].upper() + ':' }}"
    "{% for content in message['content'] if content['type'] == 'image' %}{{ '<image>\\n' }}{% endfor %}"
    "{% for content in message['content'] if content['type'] == 'text' %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' + content['text'] + '</s>' }}"
    "{% else %}{{ content['text'] + ' ' }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)


def corpus(sentences: int) -> list[str]:
    """What people ask and the model answers, and ordinary sentences where they were collected."""
    rng = random.Random("tokenizer")
    texts = [f" {word}" for word in vocabulary() for _ in range(200)]
    for number in range(sentences):
        scene = random_scene(f"tokenizer {number}")
        for question in (*conversation(scene, 3, rng, typed=messy, asides=0.3), ask(scene, "number", rng, typed=messy)):
            texts.append(f"USER: \n{question.text} ASSISTANT: {question.answer}")
    return [*texts, *lines("english.txt")[::3]]


def build_tokenizer(sentences: int = 6_000, size: int = 2048) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer, so that any text encodes, in which every word that is asked about is one token.

    Digits stay apart: a number is read digit by digit.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        corpus(sentences),
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    bos = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", bos)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        model_max_length=2048,
        padding_side="left",
    )
    split = [word for word in vocabulary() if len(fast.encode(f" {word}", add_special_tokens=False)) != 1]
    if split:
        raise ValueError(f"These words are more than one token: {split}; raise the vocabulary size above {size}.")
    return fast


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Images to pixels as CLIP takes them, text to tokens, one placeholder per patch."""
    side = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = CLIPImageProcessorPil(size={"shortest_edge": IMAGE_SIZE}, crop_size=side)
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH_SIZE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" drops again
        image_token="<image>",
        chat_template=CHAT_TEMPLATE,
    )


def build_config(tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    """A CLIP tower of 4 x 192 and a Llama of 6 x 256 with heads of 64.

    Small heads and a small rotary base leave too few slowly turning dimensions for finding a patch by a word: with
    heads of 32 at base 10,000 only a dozen of them turn by less than one radian over a prompt.
    """
    vision = CLIPVisionConfig(
        hidden_size=192,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=6,
        image_size=IMAGE_SIZE,
        patch_size=PATCH_SIZE,
        projection_dim=192,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    return LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=GRID * GRID,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """The untrained model; seed torch before calling."""
    model = LlavaForConditionalGeneration(build_config(tokenizer))
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model
