"""What a checkpoint's processor must know of its model: old files leave it out, and some say what is not so.

How many tokens a picture takes is a fact of the vision tower, so it is taken from the model's settings whatever the
processor's files say.
"""

from collections.abc import Iterator
from typing import Any

from PIL import Image
from transformers import PretrainedConfig

from elastic.models.bounds import check_pictures
from elastic.models.checkpoint import Unfit, reason_of

PUBLISHED = "from where the weights were published"


def fit_processor(processor: Any, config: PretrainedConfig, name: str) -> None:
    """Give a processor of pictures what the settings of its model say of the vision tower.

    Raises:
        Unfit: if the processor has no chat template, another token for pictures, or prepares pictures of another
            size than the tower reads; one sentence.
    """
    image_id = config.image_token_id
    if not getattr(processor, "chat_template", None):
        raise Unfit(
            f"{name!r} has no chat template, so nothing says how a question is written for it: "
            "put the chat_template.jinja of its publisher beside the weights."
        )
    if getattr(processor, "image_token_id", None) != image_id:
        raise Unfit(
            f"The processor of {name!r} has another token for pictures than the model ({image_id}): "
            f"take tokenizer and processor {PUBLISHED}."
        )
    for fact, value in facts(config):
        if hasattr(processor, fact):
            setattr(processor, fact, value)
    images: Any = processor.image_processor
    check_pictures(name, images)
    if hasattr(images, "merge_size"):  # Qwen's, which cut a picture into patches themselves
        vision: Any = config.vision_config
        images.patch_size, images.merge_size = vision.patch_size, vision.spatial_merge_size
        images.temporal_patch_size = vision.temporal_patch_size
    if hasattr(config, "image_grid_pinpoints"):  # the shapes that tiles are put together in
        images.image_grid_pinpoints = config.image_grid_pinpoints
    _check_size(images, config, name)


def facts(config: Any) -> Iterator[tuple[str, object]]:
    """What settings say of the vision tower, by the names that processors of the library have for it."""
    vision = config.vision_config
    patch, size = _one(vision.patch_size), _one(getattr(vision, "image_size", None))
    yield "patch_size", patch
    yield "vision_feature_select_strategy", getattr(config, "vision_feature_select_strategy", "default")
    if hasattr(config, "vision_aspect_ratio"):
        yield "vision_aspect_ratio", config.vision_aspect_ratio  # LLaVA-OneVision: how much of a grid is left
    # CLIP's tower puts one vector for the whole picture before those of the patches; others have patches only.
    yield "num_additional_image_tokens", int("clip" in vision.model_type and "siglip" not in vision.model_type)
    if size is None:
        return
    patches = (size // patch) ** 2
    yield "num_image_tokens", patches  # LLaVA-OneVision
    if hasattr(config, "scale_factor"):
        yield "image_seq_len", patches // config.scale_factor**2  # Idefics3, SmolVLM
    if hasattr(config, "downsample_ratio"):
        yield "image_seq_length", int(patches * config.downsample_ratio**2)  # InternVL


def _one(size: Any) -> Any:
    """A side's length, where both sides are named, too."""
    return size[0] if isinstance(size, list | tuple) else size


def _check_size(images: Any, config: Any, name: str) -> None:
    """See that pictures, or tiles of them, come in the size that the tower reads, where it reads one size only."""
    vision = config.vision_config
    size = _one(getattr(vision, "image_size", None))
    try:
        blank = Image.new("RGB", (size or 64, size or 64))
        pixels = images(blank, return_tensors="pt")["pixel_values"]
    except Exception as error:  # settings of an image processor can be wrong in more ways than can be listed
        raise Unfit(
            f"The processor of {name!r} cannot prepare a picture ({reason_of(error)}): take "
            f"preprocessor_config.json and processor_config.json {PUBLISHED}."
        ) from error
    if not pixels.isfinite().all():
        raise Unfit(
            f"The processor of {name!r} makes of a picture what is no number: take preprocessor_config.json "
            f"{PUBLISHED}."
        )
    # Pixtral's tower reads any size up to that one, and Qwen's gets patches in place of pictures.
    if size is None or vision.model_type == "pixtral" or pixels.ndim < 4:
        return
    height, width = pixels.shape[-2:]
    if (height, width) != (size, size):
        raise Unfit(
            f"The processor of {name!r} prepares pictures of {width} x {height} pixels, and its vision tower reads "
            f"{size} x {size}: take preprocessor_config.json {PUBLISHED}."
        )
