"""Checkpoints of vision-language models of true class and structure: few layers, random weights, saved by the library.

Each is what a person would download, but small: a tokenizer with the family's special tokens and a chat template that
writes what the family's writes, an image processor of the kind that prepares its pictures, and weights under the names
that the hub's files have, since `save_pretrained` writes those.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPVisionConfig,
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaProcessor,
    PixtralVisionConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.idefics3.processing_idefics3 import Idefics3Processor
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from elastic.models.stills import (
    InternVLStills,
    OnevisionStills,
    PixtralStills,
    Qwen2VLStills,
    Qwen3VLStills,
    Qwen25VLStills,
    SmolVLMStills,
)

# What each family's publisher has people write, without what concerns tools and systems.
WORDS = "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
VICUNA = (
    "{% for message in messages %}{{ message['role'].upper() }}: "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}" + WORDS + " {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}" + WORDS + "<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}" + WORDS + "<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "{% for message in messages %}{% if message['role'] == 'user' %}[INST] "
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}" + WORDS + " [/INST]"
    "{% else %} " + WORDS + "{{ eos_token }}{% endif %}{% endfor %}"
)
PIXTRAL = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}[INST]"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}[IMG]{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}[/INST]{% else %}" + WORDS + "{{ eos_token }}{% endif %}{% endfor %}"
)

SMOLVLM = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}"
    "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)

QWEN_VL = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(special: list[str], template: str, bos: str = "", eos: str = "", **named: str) -> PreTrainedTokenizerFast:
    """A token for every byte, and the special ones; bos before every text where it is named, as Llama's do."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    of_bytes = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    of_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    of_bytes.decoder = decoders.ByteLevel()
    every = list(dict.fromkeys([*filter(None, (bos, eos)), *special]))
    of_bytes.add_special_tokens(every)
    if bos:
        pair = (bos, of_bytes.token_to_id(bos))
        of_bytes.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[pair])
    said = {"bos_token": bos} if bos else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=of_bytes,
        **said,
        eos_token=eos or special[0],
        pad_token=special[-1],
        extra_special_tokens=named,
        chat_template=template,
        padding_side="left",
    )


def text(kind: str, words: PreTrainedTokenizerFast, **other: object) -> dict[str, object]:
    """Settings of a text model of three layers with grouped queries, whose weights are large enough to look about.

    With the usual ones an untrained model attends to everything alike, and a lost token would make no difference.
    """
    return {
        "model_type": kind,
        "vocab_size": len(words) + 3,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.25,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    } | other


TOWER = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 14}
CLIP = {**TOWER, "image_size": 112, "projection_dim": 32}
SIGLIP = {**TOWER, "image_size": 90}  # six patches and six pixels that none sees, as 384 has


def clip_pictures(size: int = 112) -> CLIPImageProcessorPil:
    """Pictures of one size, of which the middle is seen."""
    return CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})


def siglip_pictures(size: int = 90) -> SiglipImageProcessorPil:
    """Pictures squashed to one size."""
    return SiglipImageProcessorPil(size={"height": size, "width": size}, image_mean=[0.5] * 3, image_std=[0.5] * 3)


def save(folder: Path, kind: type, config: object, processor: object, words: PreTrainedTokenizerFast) -> None:
    """Write a random model with its processor, as people find them."""
    torch.manual_seed(3)
    model = kind(config)
    for name, weights in model.named_parameters():
        # What comes from a picture must be as loud as words are, or nobody would look at it.
        if any(part in name for part in ("projector", "connector", "merger", "multi_modal")) and weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.6)
    model.generation_config = GenerationConfig(
        bos_token_id=words.bos_token_id, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def llava(folder: Path, words: PreTrainedTokenizerFast, of_text: dict[str, object], tower: str = "clip") -> None:
    """A LLaVA with a tower of CLIP, or of SigLIP as in llava-interleave."""
    is_clip = tower == "clip"
    vision = CLIPVisionConfig(**CLIP) if is_clip else SiglipVisionConfig(**SIGLIP, vision_use_head=False)
    strategy = "default" if is_clip else "full"
    processor = LlavaProcessor(
        image_processor=clip_pictures() if is_clip else siglip_pictures(),
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy=strategy,
        num_additional_image_tokens=int(is_clip),
        chat_template=words.chat_template,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=of_text,
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy=strategy,
        vision_feature_layer=-2 if is_clip else -1,
        image_seq_length=64 if is_clip else 36,
        tie_word_embeddings=bool(of_text.get("tie_word_embeddings")),
    )
    save(folder, LlavaForConditionalGeneration, config, processor, words)


def llava_15(folder: Path) -> None:
    words = tokenizer(["<image>", "<pad>"], VICUNA, "<s>", "</s>")
    llava(folder, words, text("llama", words, num_key_value_heads=4, head_dim=16))


def bakllava(folder: Path) -> None:
    words = tokenizer(["<image>", "<pad>"], VICUNA, "<s>", "</s>")
    llava(folder, words, text("mistral", words, sliding_window=4096, head_dim=16))


def llava_interleave(folder: Path) -> None:
    words = tokenizer(["<|im_start|>", "<|im_end|>", "<image>", "<|endoftext|>"], CHATML, eos="<|im_end|>")
    llava(folder, words, text("qwen2", words, tie_word_embeddings=True), "siglip")


def llava_llama_3(folder: Path) -> None:
    heads = ["<|start_header_id|>", "<|end_header_id|>", "<image>", "<pad>"]
    words = tokenizer(heads, LLAMA3, "<|begin_of_text|>", "<|eot_id|>")
    llava(folder, words, text("llama", words, head_dim=16))


def vipllava(folder: Path) -> None:
    words = tokenizer(["<image>", "<pad>"], VICUNA, "<s>", "</s>")
    config = VipLlavaConfig(
        vision_config=CLIPVisionConfig(**CLIP),
        text_config=text("llama", words, head_dim=16),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=(-2, -1, 1),
        image_seq_length=64,
    )
    processor = LlavaProcessor(
        image_processor=clip_pictures(),
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    )
    save(folder, VipLlavaForConditionalGeneration, config, processor, words)


def pixtral(folder: Path) -> None:
    words = tokenizer(["[INST]", "[/INST]", "[IMG]", "[IMG_BREAK]", "[IMG_END]", "<pad>"], PIXTRAL, "<s>", "</s>")
    config = LlavaConfig(
        vision_config=PixtralVisionConfig(**TOWER | {"patch_size": 16}, image_size=1024, head_dim=16),
        # As in the original, heads are wider than the model divided by their number.
        text_config=text("mistral", words, head_dim=24, sliding_window=None),
        image_token_index=words.convert_tokens_to_ids("[IMG]"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_seq_length=1,
    )
    pictures = PixtralImageProcessorPil(size={"longest_edge": 160}, patch_size={"height": 16, "width": 16})
    processor = PixtralStills(image_processor=pictures, tokenizer=words, patch_size=16, chat_template=PIXTRAL)
    save(folder, LlavaForConditionalGeneration, config, processor, words)


def smolvlm(folder: Path, is_second: bool) -> None:
    """SmolVLM, or SmolVLM2, whose code has other names: up to four by four tiles, less here, and the whole picture."""
    size, tile = 3, 64
    places = [f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)]
    special = ["<|im_start|>", "<fake_token_around_image>", "<image>", "<global-img>", *places, "<pad>"]
    words = tokenizer(special, SMOLVLM, "<|im_start|>", "<end_of_utterance>")
    # Its tokenizer adds nothing: the template begins with what others would add.
    words.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    of_text = text("llama", words, head_dim=16, tie_word_embeddings=True)
    vision = {**TOWER, "patch_size": 8, "image_size": tile}
    kinds = (
        (SmolVLMConfig, SmolVLMForConditionalGeneration)
        if is_second
        else (Idefics3Config, Idefics3ForConditionalGeneration)
    )
    config = kinds[0](
        vision_config={"model_type": "smolvlm_vision" if is_second else "idefics3_vision", **vision},
        text_config=of_text,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        tie_word_embeddings=True,
    )
    of_pictures = SmolVLMImageProcessorPil if is_second else Idefics3ImageProcessorPil
    pictures = of_pictures(size={"longest_edge": size * tile}, max_image_size={"longest_edge": tile})
    kind = SmolVLMStills if is_second else Idefics3Processor
    processor = kind(pictures, words, image_seq_len=16, chat_template=SMOLVLM)
    save(folder, kinds[1], config, processor, words)


def qwen_vl(folder: Path, kind: str, text_settings: dict[str, object] | None = None) -> None:
    """Qwen2-VL, 2.5 or 3: three positions to a token, and in the third what the tower adds to the first layers."""
    special = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    words = tokenizer([*special, "<|endoftext|>"], QWEN_VL, eos="<|im_end|>")
    patch = 16 if kind == "qwen3_vl" else 14
    tower = {"depth": 4, "num_heads": 2, "intermediate_size": 48, "patch_size": patch, "hidden_size": 32}
    if kind == "qwen2_vl":
        # The names are turned about: what is hidden is the width of what comes out.
        tower = {"depth": 4, "num_heads": 2, "mlp_ratio": 2, "patch_size": patch, "embed_dim": 32, "hidden_size": 64}
    elif kind == "qwen2_5_vl":
        tower |= {"out_hidden_size": 64, "fullatt_block_indexes": [1, 3], "window_size": 56}
    else:
        tower |= {"out_hidden_size": 64, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 64}
    sections = [2, 3, 3] if kind != "qwen3_vl" else [4, 2, 2]
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": sections}
    rope |= {"mrope_interleaved": True} if kind == "qwen3_vl" else {}
    config, model, processor = QWENS[kind]
    of_text = text(f"{kind}_text", words, rope_parameters=rope)
    of_text |= ({"head_dim": 16} if kind == "qwen3_vl" else {}) | (text_settings or {})
    named = {"vision_start": "vision_start", "vision_end": "vision_end", "image": "image_pad", "video": "video_pad"}
    ids = {f"{name}_token_id": words.convert_tokens_to_ids(f"<|{token}|>") for name, token in named.items()}
    made = config(vision_config=tower, text_config=of_text, **ids, tie_word_embeddings=False)
    cell = (2 * patch) ** 2
    pictures = Qwen2VLImageProcessorPil(size={"shortest_edge": 4 * cell, "longest_edge": 30 * cell}, patch_size=patch)
    save(folder, model, made, processor(pictures, words, chat_template=QWEN_VL), words)


def llava_next(folder: Path) -> None:
    """LLaVA-NeXT with Mistral."""
    words = tokenizer(["[INST]", "[/INST]", "<image>", "<pad>"], MISTRAL, "<s>", "</s>")
    pinpoints = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**CLIP | {"image_size": 56}),
        text_config=text("mistral", words, head_dim=16, sliding_window=None),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        image_seq_length=16,
    )
    pictures = LlavaNextImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}, image_grid_pinpoints=pinpoints
    )
    processor = LlavaNextProcessor(
        image_processor=pictures,
        tokenizer=words,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=MISTRAL,
    )
    save(folder, LlavaNextForConditionalGeneration, config, processor, words)


def onevision(folder: Path) -> None:
    """LLaVA-OneVision: the grid is made smaller where it would have more than two tiles' cells, in place of nine."""
    special = ["<|im_start|>", "<|im_end|>", "<image>", "<video>", "<|endoftext|>"]
    words = tokenizer(special, CHATML, eos="<|im_end|>")
    size = 60  # four patches, and four pixels that none sees
    pinpoints = [[rows * size, columns * size] for rows in range(1, 4) for columns in range(1, 4)]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**SIGLIP | {"image_size": size}, vision_use_head=False),
        text_config=text("qwen2", words, tie_word_embeddings=True),
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_2",
        tie_word_embeddings=True,
    )
    pictures = LlavaOnevisionImageProcessorPil(
        size={"height": size, "width": size}, image_grid_pinpoints=pinpoints, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    processor = OnevisionStills(
        pictures,
        words,
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_2",
        chat_template=CHATML,
    )
    save(folder, LlavaOnevisionForConditionalGeneration, config, processor, words)


def internvl(folder: Path) -> None:
    """InternVL3, whose frequencies of RoPE would move far beyond what is read here."""
    template = CHATML.replace("<image>", "<IMG_CONTEXT>")
    special = ["<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>", "<|endoftext|>"]
    named = {"start_image_token": "<img>", "end_image_token": "</img>"}
    named |= {"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
    words = tokenizer(special, template, eos="<|im_end|>", **named)
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    config = InternVLConfig(
        vision_config={**TOWER, "image_size": 56, "patch_size": 7},
        text_config=text("qwen2", words, rope_parameters=rope),
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    pictures = GotOcr2ImageProcessorPil(size={"height": 56, "width": 56}, crop_to_patches=True, max_patches=6)
    processor = InternVLStills(pictures, words, image_seq_length=16, chat_template=template)
    save(folder, InternVLForConditionalGeneration, config, processor, words)


QWENS = {
    "qwen2_vl": (Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLStills),
    "qwen2_5_vl": (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen25VLStills),
    "qwen3_vl": (Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLStills),
}
MAKERS: dict[str, Callable[[Path], None]] = {
    "llava-1.5": llava_15,
    "bakllava": bakllava,
    "llava-interleave-qwen": llava_interleave,
    "llava-llama-3": llava_llama_3,
    "vipllava": vipllava,
    "pixtral": pixtral,
    "smolvlm": partial(smolvlm, is_second=False),
    "smolvlm2": partial(smolvlm, is_second=True),
    "qwen2-vl": partial(qwen_vl, kind="qwen2_vl"),
    "qwen2.5-vl": partial(qwen_vl, kind="qwen2_5_vl"),
    "qwen3-vl": partial(qwen_vl, kind="qwen3_vl"),
    "llava-next": llava_next,
    "llava-onevision": onevision,
    "internvl": internvl,
}
