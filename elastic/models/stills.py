"""The library's processors for people who show pictures and no films.

Those that read films want packages for it (torchvision, num2words) before they read a word. None of that is needed for
a picture, so it is left out: the processors are the library's own, less what prepares films.
"""

from typing import Any

from transformers import ProcessorMixin
from transformers.models.internvl.processing_internvl import InternVLProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.processing_qwen2_vl import Qwen2VLProcessor
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor
from transformers.models.smolvlm.processing_smolvlm import SmolVLMProcessor


class NoFilms(ProcessorMixin):
    """Before a processor of the library: that it has nothing which prepares films."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """What it is made of."""
        found: list[str] = super().get_attributes()  # type: ignore[no-untyped-call]
        return [name for name in found if name != "video_processor"]


class Qwen2VLStills(NoFilms, Qwen2VLProcessor):
    """Of Qwen2-VL."""


class Qwen25VLStills(NoFilms, Qwen2_5_VLProcessor):
    """Of Qwen2.5-VL."""


class Qwen3VLStills(NoFilms, Qwen3VLProcessor):
    """Of Qwen3-VL."""


class OnevisionStills(NoFilms, LlavaOnevisionProcessor):
    """Of LLaVA-OneVision."""


class InternVLStills(NoFilms, InternVLProcessor):
    """Of InternVL."""


class SmolVLMStills(NoFilms, SmolVLMProcessor):
    """Of SmolVLM2; the library's own spells out the times of films, and begins with asking for what does."""

    def __init__(
        self, image_processor: Any, tokenizer: Any, image_seq_len: int = 169, chat_template: str | None = None
    ) -> None:
        self.fake_image_token = getattr(tokenizer, "fake_image_token", "<fake_token_around_image>")
        self.image_token = getattr(tokenizer, "image_token", "<image>")
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.end_of_utterance_token = getattr(tokenizer, "end_of_utterance_token", "<end_of_utterance>")
        self.global_image_token = getattr(tokenizer, "global_image_token", "<global-img>")
        self.image_seq_len = image_seq_len
        self.video_token = getattr(tokenizer, "video_token", "<video>")
        # Past the library's own, which asks for a package before it does anything.
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def apply_chat_template(self, *args: Any, **kwargs: Any) -> Any:
        """A conversation by the chat template, without what the library's own adds about films."""
        return ProcessorMixin.apply_chat_template(self, *args, **kwargs)


class PixtralStills(ProcessorMixin):
    """Of Pixtral; the file of the library's own cannot be imported without torchvision."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        patch_size: int = 16,
        spatial_merge_size: int = 1,
        chat_template: str | None = None,
        image_token: str = "[IMG]",
        image_break_token: str = "[IMG_BREAK]",
        image_end_token: str = "[IMG_END]",
    ) -> None:
        super().__init__(image_processor, tokenizer, chat_template=chat_template)  # type: ignore[no-untyped-call]
        self.patch_size, self.spatial_merge_size = patch_size, spatial_merge_size
        self.image_token, self.image_break_token, self.image_end_token = image_token, image_break_token, image_end_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        belong = image_token, image_break_token, image_end_token
        self.image_token_ids = [tokenizer.convert_tokens_to_ids(one) for one in belong]

    @property
    def cell(self) -> int:
        """Pixels along a side of what one token stands for."""
        return self.patch_size * self.spatial_merge_size

    def _process_images(self, images: Any, **options: Any) -> Any:
        return super()._process_images(images, **options | {"patch_size": self.cell})

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """What stands in the text for a picture: a token for every cell, and one behind each row."""
        height, width = (int(length) // self.cell for length in image_inputs["image_sizes"][image_idx])
        rows = self.image_break_token.join([self.image_token * width] * height)
        return rows + self.image_end_token
