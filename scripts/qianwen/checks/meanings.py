"""Which field an unknown name probably means: by its meaning, as a typo, or none.

People and agents apply a suggestion without asking, so a wrong one costs more than none. Only fields of the chosen
model are suggested.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection, Mapping

TYPO = 0.84  # similarity of two names that differ in a letter or two
_PICTURE = ("reference_images", "img_url", "first_frame_url", "base_image_url", "ref_img", "reference_urls")
_SHAPE = ("ratio", "size")
_COUNT = ("n",)

MEANINGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("count", "num", "number", "num_images", "num_outputs", "number_of_images", "image_count", "batch_size"), _COUNT
    ),
    **dict.fromkeys(
        ("image", "images", "image_url", "image_urls", "img_urls", "input_image", "input_images"), _PICTURE
    ),
    **dict.fromkeys(("picture", "pictures", "ref_image", "ref_images", "reference"), _PICTURE),
    **dict.fromkeys(("aspect", "aspect_ratio"), _SHAPE),
    **dict.fromkeys(("image_size", "dimensions", "resolution", "ratio"), ("size",)),
    **dict.fromkeys(("quality", "tier", "video_size"), ("resolution", "size")),
    **dict.fromkeys(("seconds", "length", "video_length", "duration_seconds"), ("duration",)),
    **dict.fromkeys(("negative", "avoid", "exclude"), ("negative_prompt",)),
    **dict.fromkeys(("text", "description", "instruction"), ("prompt",)),
    **dict.fromkeys(("random_seed",), ("seed",)),
    **dict.fromkeys(("enhance_prompt", "rewrite_prompt", "prompt_rewrite", "expand_prompt"), ("prompt_extend",)),
    **dict.fromkeys(("add_watermark", "logo"), ("watermark",)),
    **dict.fromkeys(("mask", "mask_url", "mask_image"), ("mask_image_url",)),
    **dict.fromkeys(("video", "clip", "input_video"), ("video_url", "first_clip_url")),
    **dict.fromkeys(("sound", "music", "input_audio"), ("audio_url", "driving_audio_url")),
    **dict.fromkeys(("thinking", "think"), ("enable_thinking", "thinking_mode")),
    **dict.fromkeys(("first_frame", "start_frame", "start_image"), ("first_frame_url", "img_url")),
    **dict.fromkeys(("last_frame", "end_frame", "end_image", "tail_image"), ("last_frame_url",)),
}
"""A name that other APIs use → our fields with that meaning, the likeliest first."""


def meant(name: str, fields: Collection[str]) -> str | None:
    """The field that a name probably means, or None. fields: those of the model."""
    import difflib

    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:100]).replace("-", "_").lower()
    if plain in fields:
        return plain
    meaning = next((field for field in MEANINGS.get(plain, ()) if field in fields), None)
    return meaning or next(iter(difflib.get_close_matches(plain, sorted(fields), 1, TYPO)), None)
