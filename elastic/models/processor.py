"""What a checkpoint's processor must know of its model: old files leave it out, and some say what is not so.

How many tokens a picture takes is a fact of the vision tower, so it is taken from there whatever the files say.
"""

from PIL import Image
from transformers import LlavaProcessor, PreTrainedModel, ProcessorMixin


def fit_processor(processor: ProcessorMixin, model: PreTrainedModel, name: str) -> None:
    """See that a processor fits its model; one of LLaVA-1.5 is given the tower's patch size and number of tokens.

    Raises:
        ValueError: if the processor has no chat template, another token for pictures, or prepares pictures of another
            size than the tower reads; one sentence.
    """
    vision = model.config.vision_config
    if not getattr(processor, "chat_template", None):
        raise ValueError(
            f"{name!r} has no chat template, so nothing says how a question is written for it: "
            "put the chat_template.jinja of its publisher beside the weights."
        )
    if getattr(processor, "image_token_id", None) != model.config.image_token_id:
        raise ValueError(
            f"The processor of {name!r} has another token for pictures than the model ({model.config.image_token_id}): "
            "take tokenizer and processor from where the weights were published."
        )
    if not isinstance(processor, LlavaProcessor):
        return
    processor.patch_size = vision.patch_size
    processor.vision_feature_select_strategy = getattr(model.config, "vision_feature_select_strategy", "default")
    # CLIP's tower puts one vector for the whole picture before those of the patches; others have patches only.
    processor.num_additional_image_tokens = int("clip" in vision.model_type and "siglip" not in vision.model_type)
    _check_size(processor, vision.image_size, name)


def _check_size(processor: LlavaProcessor, size: int, name: str) -> None:
    try:
        blank = Image.new("RGB", (size, size))
        height, width = processor.image_processor(blank, return_tensors="pt")["pixel_values"].shape[-2:]
    except Exception as error:  # settings of an image processor can be wrong in more ways than can be listed
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"The processor of {name!r} cannot prepare a picture ({reason}): take preprocessor_config.json and "
            "processor_config.json from where the weights were published."
        ) from error
    if (height, width) != (size, size):
        raise ValueError(
            f"The processor of {name!r} prepares pictures of {width} x {height} pixels, and its vision tower reads "
            f"{size} x {size}: take preprocessor_config.json from where the weights were published."
        )
