"""Which field an unknown name probably means: by its meaning, as a typo, or none. And what no model can do at all.

People and agents apply a suggestion without asking, so a wrong one costs more than none. Only fields of the chosen
model are suggested, and none that raises the price.
"""

from __future__ import annotations

import re

from ..plain.spelling import typo_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Collection, Mapping

_PICTURE = ("reference_images", "img_url", "first_frame_url", "base_image_url", "ref_img", "reference_urls")
_SHAPE = ("ratio", "size")
_COUNT = ("n",)

MEANINGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "count", "num", "number", "num_images", "images_count", "num_outputs", "number_of_images", "image_count",
            "batch_size", "number_results", "n_images", "num_samples", "samples",
        ),
        _COUNT,
    ),
    **dict.fromkeys(
        (
            "image", "images", "image_url", "image_urls", "img", "img_urls", "input_image", "input_images",
            "init_image", "picture", "pictures", "ref_image", "ref_images", "reference",
        ),
        _PICTURE,
    ),
    **dict.fromkeys(("aspect", "aspect_ratio", "ar", "shape"), _SHAPE),
    **dict.fromkeys(("image_size", "dimensions", "resolution", "ratio"), ("size",)),
    **dict.fromkeys(("tier", "video_size"), ("resolution", "size")),
    **dict.fromkeys(("seconds", "length", "video_length", "duration_seconds"), ("duration",)),
    **dict.fromkeys(("negative", "avoid", "exclude", "no"), ("negative_prompt",)),
    **dict.fromkeys(("text", "description", "instruction"), ("prompt",)),
    **dict.fromkeys(("random_seed",), ("seed",)),
    **dict.fromkeys(("enhance_prompt", "rewrite_prompt", "prompt_rewrite", "expand_prompt"), ("prompt_extend",)),
    **dict.fromkeys(("add_watermark", "logo"), ("watermark",)),
    **dict.fromkeys(("mask", "mask_url", "mask_image"), ("mask_image_url",)),
    **dict.fromkeys(("video", "clip", "input_video"), ("video_url", "first_clip_url")),
    **dict.fromkeys(("sound", "music", "input_audio"), ("audio_url", "driving_audio_url")),
    **dict.fromkeys(("thinking", "think"), ("enable_thinking", "thinking_mode")),
    **dict.fromkeys(
        ("first_frame", "first_image", "start_frame", "start_image", "head_frame"), ("first_frame_url", "img_url")
    ),
    **dict.fromkeys(
        ("last_frame", "last_image", "end_frame", "end_image", "tail_frame", "tail_image"), ("last_frame_url",)
    ),
}  # fmt: skip
"""A name that other APIs use → our fields with that meaning, the likeliest first."""


_FORMAT = (
    "the service chooses the format, PNG for pictures and MP4 for videos: convert the saved file, "
    "for example with ffmpeg -i cat.png cat.jpg, or ffmpeg -i cat.mp4 cat.gif"
)
_TUNING = "these models have no such setting: say it in the prompt"
_CLEAR = (
    "there is no field for it: qwen-image-2.1-pro makes a transparent background when the prompt asks for one; "
    "otherwise ask for a plain background and cut it out with another program"
)
_SPEECH = "no model here reads text aloud: make the sound elsewhere and give its file as audio"
_SIDES = "give both sides as size, such as 1280*720"
_LARGER = "a picture is enlarged by wanx2.1-imageedit with function=super_resolution and upscale_factor 1 to 4"
_NO_CALLS = "there are no callbacks: --resume collects what was submitted"

NOT_HERE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "format", "output_format", "image_format", "response_format", "output_type", "file_type", "mime_type",
            "gif", "jpg", "jpeg", "webp", "heic", "quality", "jpeg_quality", "output_quality", "compression",
        ),
        _FORMAT,
    ),
    **dict.fromkeys(
        (
            "steps", "num_inference_steps", "inference_steps", "cfg", "cfg_scale", "guidance", "guidance_scale",
            "sampler", "scheduler", "strength", "denoise", "denoising_strength", "image_strength", "lora", "loras",
            "controlnet", "clip_skip", "temperature", "creativity", "stylize", "fps", "frame_rate", "num_frames",
            "frames", "motion", "motion_strength", "camera_motion", "camera",
        ),
        _TUNING,
    ),
    **dict.fromkeys(
        ("transparent", "transparency", "transparent_background", "background", "alpha", "remove_background", "cutout"),
        _CLEAR,
    ),
    **dict.fromkeys(("tts", "speech", "text_to_speech", "narration", "voiceover", "voice_over", "say"), _SPEECH),
    **dict.fromkeys(("width", "height", "w", "h", "image_width", "image_height"), _SIDES),
    **dict.fromkeys(("upscale", "upscaler", "super_resolution", "enlarge", "hires"), _LARGER),
    **dict.fromkeys(("webhook", "webhook_url", "callback", "callback_url", "notify_hook"), _NO_CALLS),
}  # fmt: skip
"""A name that other APIs use for what no field of ours does → why, and the way around."""


def meant(name: str, fields: Collection[str]) -> str | None:
    """The field that a name probably means, or None. fields: those of the model."""
    plain = plainly(name)
    is_no_slip = plain in MEANINGS or plain in NOT_HERE
    return same_as(plain, fields) or (None if is_no_slip else typo_of(plain, fields))


def same_as(plain: str, fields: Collection[str]) -> str | None:
    """The field of this name or meaning, or None. plain: a name as `plainly` writes it."""
    return next((field for field in (plain, *MEANINGS.get(plain, ())) if field in fields), None)


def plainly(name: str) -> str:
    """A name in our spelling: numImages, num-images → num_images."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[:100]).replace("-", "_").lower()
