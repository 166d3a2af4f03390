"""Requests of video.py that are refused before a byte leaves, and those that only get a warning.

Every row follows the contract of the API, not the tables of the program. Files are made here: headers with the facts
that matter, and holes for their weight.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
from typing import Any, ClassVar

from .. import IS_SAMPLE
from ..files.test_movies_and_sounds import box, clock, ftyp, moov, tkhd, track
from ..support import DATA, Case, Script
from .test_media_files import chunk

FRAME, LAST, CLIP, SOUND = (f"https://example.com/{name}" for name in ("a.png", "b.png", "c.mp4", "d.mp3"))
MEGA = 2**20


def png(width: int, height: int, color: int = 2) -> bytes:
    """The header of a PNG; color 2 is RGB, 6 has transparency."""
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def mp4(seconds: float, width: int = 1280, height: int = 720, fps: float = 25, brand: bytes = b"isom") -> bytes:
    """The boxes of a clip without its pictures."""
    length = clock(b"mdhd", 0, 1000, int(seconds * 1000))
    pictures = track(b"vide", tkhd(0, width, height), length, int(seconds * fps))
    return ftyp(brand) + moov(pictures, duration=int(seconds * 1000)) + box(b"mdat", bytes(20))


def wav(seconds: float) -> bytes:
    length = int(16000 * seconds)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + length, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", length
    )
    return head + bytes(length)


FILES: dict[str, tuple[bytes, int]] = {
    # name: content, weight in bytes (0: as it is)
    "ok.png": (png(640, 480), 0),
    "alpha.png": (png(640, 480, 6), 0),
    "small.png": (png(239, 400), 0),
    "huge.png": (png(8001, 4000), 0),
    "narrow.png": (png(300, 2401), 0),
    "299.png": (png(299, 400), 0),
    "3to1.png": (png(1200, 400), 0),
    "399.png": (png(399, 500), 0),
    "359.png": (png(359, 500), 0),
    "2001.png": (png(2001, 1000), 0),
    "21MB.png": (png(640, 480), 21 * MEGA),
    "11MB.png": (png(640, 480), 11 * MEGA),
    "mask.png": (png(640, 480), 0),
    "picture.gif": (b"GIF89a" + struct.pack("<HH", 640, 480) + bytes(9), 0),
    "5s.mp4": (mp4(5), 0),
    "1s.mp4": (mp4(1), 0),
    "2s.mp4": (mp4(2), 0),
    "4s.mp4": (mp4(4), 0),
    "11s.mp4": (mp4(11), 0),
    "16s.mp4": (mp4(16), 0),
    "31s.mp4": (mp4(31), 0),
    "61s.mp4": (mp4(61), 0),
    "half.mp4": (mp4(0.5), 0),
    "tiny.mp4": (mp4(5, 200, 200), 0),
    "4100.mp4": (mp4(5, 4100, 2000), 0),
    "350.mp4": (mp4(5, 500, 350), 0),
    "ribbon.mp4": (mp4(5, 2700, 300), 0),
    "wide.mp4": (mp4(5, 1200, 400), 0),
    "slow.mp4": (mp4(5, fps=6), 0),
    "12fps.mp4": (mp4(5, fps=12), 0),
    "120fps.mp4": (mp4(5, fps=120), 0),
    "101MB.mp4": (mp4(5), 101 * MEGA),
    "51MB.mp4": (mp4(5), 51 * MEGA),
    "5s.mov": (mp4(5, brand=b"qt  "), 0),
    **{f"{length}s.mp4": (mp4(length), 0) for length in (4.5, 4.9, 4.958)},
    **{f"{length}s.wav": (wav(length), 0) for length in (5.1, 5.5)},
    "hole.png": (png(1280, 720, 6), 0),
    "sound.wav": (wav(5), 0),
    "1s.wav": (wav(1.2), 0),
    "2s.wav": (wav(2.3), 0),
    "half.wav": (wav(0.5), 0),
    "11s.wav": (wav(11), 0),
    "31s.wav": (wav(31), 0),
    "16MB.mp3": ((DATA / "clips/cbr.mp3").read_bytes(), 16 * MEGA),
    "16MB.wav": (wav(5), 16 * MEGA),
    "notes.txt": (b"These are notes and no picture.\n", 0),
    "clip.webm": (b"\x1aE\xdf\xa3" + bytes(60), 0),
    "empty.png": (b"", 0),
}

HORSE, EDIT, REF, VACE = "happyhorse-1.0-", "wan2.7-videoedit", "wan2.7-r2v", "wanx2.1-vace-plus"
I27, I26, T26, T27 = "wan2.7-i2v", "wan2.6-i2v-flash", "wan2.6-t2v", "wan2.7-t2v"
KF = "wan2.2-kf2v-flash"
BOTH = {"first_frame_url": FRAME, "last_frame_url": LAST}
PAINT = {"function": "video_repainting", "video_url": CLIP}
MASK = {"function": "video_edit", "video_url": CLIP, "mask_image_url": FRAME}


def item(kind: str, url: str = FRAME, **more: Any) -> dict[str, Any]:
    return {"type": kind, "url": url, **more}


# (name, model, fields beside prompt "x", path of the problem, part of what is allowed or of the message)
REFUSED: tuple[tuple[str, str, dict[str, Any], str, str], ...] = (
    # prompts and types
    ("no prompt for text to video", T26, {"prompt": None}, "prompt", "missing"),
    ("an empty prompt", T27, {"prompt": "  "}, "prompt", "empty"),
    ("no prompt for references", REF, {"prompt": None, "reference_urls": [FRAME]}, "prompt", "missing"),
    ("no prompt for references of 2.6", "wan2.6-r2v", {"prompt": None, "reference_urls": [FRAME]}, "prompt", "missing"),
    ("no prompt for HappyHorse t2v", HORSE + "t2v", {"prompt": None}, "prompt", "missing"),
    ("no prompt for HappyHorse r2v", HORSE + "r2v", {"prompt": None, "reference_urls": [FRAME]}, "prompt", "missing"),
    ("no prompt for HappyHorse video-edit", HORSE + "video-edit", {"prompt": None, "video_url": CLIP}, "prompt", "missing"),
    ("a prompt that is a number", T26, {"prompt": 5}, "prompt", "text"),
    ("a negative prompt that is a list", T26, {"negative_prompt": ["a"]}, "negative_prompt", "text"),
    ("seed below", T26, {"seed": -1}, "seed", "0 to 2147483647"),
    ("seed above", I27, {"img_url": FRAME, "seed": 2**31}, "seed", "0 to 2147483647"),
    ("seed as text", HORSE + "t2v", {"seed": "seven"}, "seed", "2147483647"),
    ("watermark as text", T26, {"watermark": "no"}, "watermark", "true or false"),
    ("prompt_extend as a number", I26, {"img_url": FRAME, "prompt_extend": 1}, "prompt_extend", "true or false"),
    ("audio as text", I26, {"img_url": FRAME, "audio": "off"}, "audio", "true or false"),
    ("template as a number", I26, {"img_url": FRAME, "template": 3}, "template", "text"),
    ("an unknown field", T26, {"motion_strength": 0.5}, "motion_strength", "no such field"),
    ("a field with a slip", T26, {"durration": 5}, "durration", "no such field"),
    ("fps", T27, {"fps": 30}, "fps", "no such field"),
    ("the deprecated list", "wan2.6-r2v", {"reference_video_urls": [CLIP]}, "reference_video_urls", "no such field"),
    ("an unknown mode", "", {"mode": "animate"}, "mode", "t2v, i2v, kf2v, r2v, vace, videoedit"),
    ("a mode that is a number", "", {"mode": 1}, "mode", "t2v"),
    ("a mode of another model", T26, {"mode": "i2v", "img_url": FRAME}, "mode", "t2v"),
    # durations
    ("wan2.7-t2v 1 s", T27, {"duration": 1}, "duration", "2 to 15"),
    ("wan2.7-t2v 16 s", T27, {"duration": 16}, "duration", "2 to 15"),
    ("wan2.6-t2v 5.5 s", T26, {"duration": 5.5}, "duration", "2 to 15"),
    ("wan2.6-t2v as text", T26, {"duration": "5s"}, "duration", "2 to 15"),
    ("wan2.6-t2v as a switch", T26, {"duration": True}, "duration", "2 to 15"),
    ("wan2.6-t2v 0 s", T26, {"duration": 0}, "duration", "2 to 15"),
    ("wan2.6-t2v-us 7 s", "wan2.6-t2v-us", {"duration": 7}, "duration", "5, 10"),
    ("wan2.5-t2v 15 s", "wan2.5-t2v-preview", {"duration": 15}, "duration", "5, 10"),
    ("wan2.2-t2v 10 s", "wan2.2-t2v-plus", {"duration": 10}, "duration", "5"),
    ("wanx2.1-t2v 3 s", "wanx2.1-t2v-turbo", {"duration": 3}, "duration", "5"),
    ("HappyHorse 2 s", HORSE + "t2v", {"duration": 2}, "duration", "3 to 15"),
    ("HappyHorse 16 s", "happyhorse-1.1-i2v", {"img_url": FRAME, "duration": 16}, "duration", "3 to 15"),
    ("wan2.7-i2v 1 s", I27, {"img_url": FRAME, "duration": 1}, "duration", "2 to 15"),
    ("wan2.6-i2v 16 s", "wan2.6-i2v", {"img_url": FRAME, "duration": 16}, "duration", "2 to 15"),
    ("wan2.6-i2v-us 6 s", "wan2.6-i2v-us", {"img_url": FRAME, "duration": 6}, "duration", "5, 10, 15"),
    ("wan2.5-i2v 3 s", "wan2.5-i2v-preview", {"img_url": FRAME, "duration": 3}, "duration", "5, 10"),
    ("wan2.2-i2v 4 s", "wan2.2-i2v-flash", {"img_url": FRAME, "duration": 4}, "duration", "5"),
    ("wanx2.1-i2v-turbo 6 s", "wanx2.1-i2v-turbo", {"img_url": FRAME, "duration": 6}, "duration", "3, 4, 5"),
    ("wanx2.1-i2v-plus 4 s", "wan2.1-i2v-plus", {"img_url": FRAME, "duration": 4}, "duration", "5"),
    ("kf2v 10 s", KF, {**BOTH, "duration": 10}, "duration", "5"),
    ("wan2.6-r2v 11 s", "wan2.6-r2v", {"reference_urls": [FRAME], "duration": 11}, "duration", "2 to 10"),
    ("wan2.7-r2v 16 s", REF, {"reference_urls": [FRAME], "duration": 16}, "duration", "2 to 15"),
    ("wan2.7-r2v 11 s with a clip", REF, {"reference_urls": [FRAME, CLIP], "duration": 11}, "duration", "2 to 10"),
    ("wan2.7-r2v 15 s with a reference_video", REF, {"media": [item("reference_video", "https://example.com/stream")], "duration": 15}, "duration", "2 to 10"),
    ("vace 4 s", VACE, {**PAINT, "control_condition": "depth", "duration": 4}, "duration", "5"),
    ("videoedit 1 s", EDIT, {"video_url": CLIP, "duration": 1}, "duration", "2"),
    ("videoedit 11 s", EDIT, {"video_url": CLIP, "duration": 11}, "duration", "10"),
    ("wan3.0 31 s", "wan3.0-video", {"media": [item("first_frame")], "duration": 31}, "duration", "2 to 30, or -1"),
    # sizes, tiers, ratios
    ("a size between", T26, {"size": "1280*721"}, "size", "1280*720"),
    ("480P of wan2.6", T26, {"size": "832*480"}, "size", "1280*720"),
    ("720P of wan2.2-t2v-plus", "wan2.2-t2v-plus", {"size": "1280*720"}, "size", "832*480"),
    ("1080P of wanx2.1-t2v-turbo", "wanx2.1-t2v-turbo", {"size": "1920*1080"}, "size", "1280*720"),
    ("480P of wanx2.1-t2v-plus", "wanx2.1-t2v-plus", {"size": "832*480"}, "size", "1280*720"),
    ("4:3 in 480P", "wan2.5-t2v-preview", {"resolution": "480P", "ratio": "4:3"}, "ratio", "832*480"),
    ("a size of no tier for wan2.7", T27, {"size": "1088*832"}, "size", "720P, 1080P"),
    ("480P of wan2.7-t2v", T27, {"resolution": "480P"}, "resolution", "720P, 1080P"),
    ("4K", T27, {"resolution": "4K"}, "resolution", "720P, 1080P"),
    ("a tier as a number", T27, {"resolution": 720}, "resolution", "720P"),
    ("21:9 of wan2.7", T27, {"ratio": "21:9"}, "ratio", "16:9, 9:16, 1:1, 4:3, 3:4"),
    ("2:1 of HappyHorse", HORSE + "t2v", {"ratio": "2:1"}, "ratio", "9:21, 21:9"),
    ("pixels for HappyHorse", HORSE + "t2v", {"size": "1280*720"}, "size", "720P"),
    ("480P of wan2.7-i2v", I27, {"img_url": FRAME, "resolution": "480P"}, "resolution", "720P, 1080P"),
    ("480P of wan2.6-i2v-flash", I26, {"img_url": FRAME, "resolution": "480P"}, "resolution", "720P, 1080P"),
    ("pixels for a picture that decides", I26, {"img_url": FRAME, "size": "1280*720"}, "size", "720P, 1080P"),
    ("720P of wan2.2-i2v-plus", "wan2.2-i2v-plus", {"img_url": FRAME, "resolution": "720P"}, "resolution", "480P, 1080P"),
    ("1080P of wanx2.1-i2v-turbo", "wanx2.1-i2v-turbo", {"img_url": FRAME, "resolution": "1080P"}, "resolution", "480P, 720P"),
    ("1080P of wanx2.1-kf2v-plus", "wanx2.1-kf2v-plus", {**BOTH, "resolution": "1080P"}, "resolution", "720P"),
    ("480P of wan2.6-r2v", "wan2.6-r2v", {"reference_urls": [FRAME], "resolution": "480P"}, "resolution", "1280*720"),
    ("480P of videoedit", EDIT, {"video_url": CLIP, "resolution": "480P"}, "resolution", "720P, 1080P"),
    ("480P of HappyHorse video-edit", HORSE + "video-edit", {"video_url": CLIP, "resolution": "480P"}, "resolution", "720P, 1080P"),
    ("5:4 of videoedit", EDIT, {"video_url": CLIP, "ratio": "5:4"}, "ratio", "16:9"),
    ("1080P of vace", VACE, {"function": "image_reference", "ref_images_url": [FRAME], "size": "1920*1080"}, "size", "1280*720"),
    ("size and ratio at odds", T26, {"size": "1280*720", "ratio": "9:16"}, "ratio", "1280*720"),
    ("size and tier at odds", T27, {"size": "1280*720", "resolution": "1080P"}, "size", "720P, 1080P"),
    # choices
    ("two shots", T26, {"shot_type": "double"}, "shot_type", "single, multi"),
    ("multi without rewriting, t2v", T26, {"shot_type": "multi", "prompt_extend": False}, "prompt_extend", "true"),
    ("multi without rewriting, i2v", I26, {"img_url": FRAME, "shot_type": "multi", "prompt_extend": False}, "prompt_extend", "true"),
    ("shots of references", "wan2.6-r2v-flash", {"reference_urls": [FRAME], "shot_type": "many"}, "shot_type", "single, multi"),
    ("audio_setting", EDIT, {"video_url": CLIP, "audio_setting": "keep"}, "audio_setting", "auto, origin"),
    # media in the wrong place
    ("a picture for text to video", T26, {"img_url": FRAME}, "img_url", "has no such field"),
    ("media for text to video", T27, {"media": [item("first_frame")]}, "media", "has no such field"),
    ("references for text to video", HORSE + "t2v", {"reference_urls": [FRAME]}, "reference_urls", "has no such field"),
    ("a sound track for wan2.2-t2v", "wan2.2-t2v-plus", {"audio_url": SOUND}, "audio_url", "has no such field"),
    ("a sound track for wan2.2-i2v", "wan2.2-i2v-flash", {"img_url": FRAME, "audio_url": SOUND}, "audio_url", "has no such field"),
    ("a sound track for kf2v", KF, {**BOTH, "audio_url": SOUND}, "audio_url", "has no such field"),
    ("a sound track for HappyHorse", HORSE + "t2v", {"audio_url": SOUND}, "audio_url", "has no such field"),
    ("a sound track for references", "wan2.6-r2v", {"reference_urls": [FRAME], "audio_url": SOUND}, "audio_url", "has no such field"),
    ("a last frame for wan2.6-i2v", "wan2.6-i2v", {**BOTH}, "last_frame_url", "has no such field"),
    ("a last frame for HappyHorse", HORSE + "i2v", {**BOTH}, "last_frame_url", "has no such field"),
    ("a first clip for HappyHorse", HORSE + "i2v", {"img_url": FRAME, "first_clip_url": CLIP}, "first_clip_url", "has no such field"),
    ("a driving sound for HappyHorse", HORSE + "i2v", {"img_url": FRAME, "driving_audio_url": SOUND}, "driving_audio_url", "has no such field"),
    ("voices for wan2.6-r2v", "wan2.6-r2v", {"reference_urls": [FRAME], "reference_voices": [SOUND]}, "reference_voices", "has no such field"),
    ("a first frame for wan2.6-r2v", "wan2.6-r2v", {"reference_urls": [FRAME], "first_frame_url": FRAME}, "first_frame_url", "has no such field"),
    ("a first frame for HappyHorse r2v", HORSE + "r2v", {"media": [item("reference_image"), item("first_frame")]}, "media[1]", "has no such field"),
    ("a clip for HappyHorse r2v", HORSE + "r2v", {"media": [item("reference_video", CLIP)]}, "media[0]", "reference_image"),
    ("a clip by its ending for HappyHorse r2v", HORSE + "r2v", {"reference_urls": [CLIP]}, "reference_urls[0]", ""),
    ("a reference clip for videoedit", EDIT, {"media": [item("video", CLIP), item("reference_video", CLIP)]}, "media[1]", "reference_image"),
    ("a clip by its ending for videoedit", EDIT, {"video_url": CLIP, "reference_urls": [CLIP]}, "reference_urls[0]", ""),
    ("a voice for videoedit", EDIT, {"media": [item("video", CLIP), item("reference_image", reference_voice=SOUND)]}, "media[1]", ""),
    ("a first frame for videoedit", EDIT, {"media": [item("video", CLIP), item("first_frame")]}, "media[1]", "has no such field"),
    # what is missing
    ("no picture, wan2.6", I26, {}, "img_url", "missing"),
    ("no picture, HappyHorse", HORSE + "i2v", {}, "first_frame_url", "missing"),
    ("no references, HappyHorse", HORSE + "r2v", {}, "reference_urls", "1 to 9"),
    ("no references, wan2.6", "wan2.6-r2v", {"reference_urls": []}, "reference_urls", "1 to 5"),
    ("no clip, HappyHorse", HORSE + "video-edit", {"reference_urls": [FRAME]}, "video_url", "missing"),
    ("no clip, videoedit", EDIT, {}, "video_url", "missing"),
    ("no last frame", KF, {"first_frame_url": FRAME}, "last_frame_url", "missing"),
    ("no first frame", KF, {"last_frame_url": FRAME}, "first_frame_url", "missing"),
    ("neither words nor media for wan3.0", "wan3.0-video", {"prompt": None}, "prompt", "missing"),
    # references
    ("a first frame alone", REF, {"first_frame_url": FRAME}, "reference_urls", "1 to 5"),
    ("six references, wan2.7", REF, {"reference_urls": [FRAME] * 6}, "reference_urls", "1 to 5"),
    ("six references, wan2.6", "wan2.6-r2v", {"reference_urls": [FRAME] * 6}, "reference_urls", "1 to 5"),
    ("four clips, wan2.6", "wan2.6-r2v-flash", {"reference_urls": [CLIP] * 4}, "reference_urls", "3"),
    ("ten references, HappyHorse", HORSE + "r2v", {"reference_urls": [FRAME] * 10}, "reference_urls", "1 to 9"),
    ("five references, videoedit", EDIT, {"video_url": CLIP, "reference_urls": [FRAME] * 5}, "reference_urls", "4"),
    ("six references, HappyHorse video-edit", HORSE + "video-edit", {"video_url": CLIP, "reference_urls": [FRAME] * 6}, "reference_urls", "5"),
    ("more voices than references", REF, {"reference_urls": [FRAME], "reference_voices": [SOUND] * 2}, "reference_voices", "1"),
    ("references that are a number", REF, {"reference_urls": 5}, "reference_urls", "list"),
    ("a reference that is a number", "wan2.6-r2v", {"reference_urls": [5]}, "reference_urls[0]", "URL"),
    # the media array
    ("media as text", I27, {"media": FRAME}, "media", "list"),
    ("media as one item", I27, {"media": item("first_frame")}, "media", "list"),
    ("an item as text", I27, {"media": [FRAME]}, "media[0]", "type"),
    ("an item without url", I27, {"media": [{"type": "first_frame"}]}, "media[0]", "url"),
    ("an item of an unknown type", I27, {"media": [item("middle_frame")]}, "media[0].type", "first_frame"),
    ("an item without type", I27, {"media": [{"url": FRAME}]}, "media[0].type", "first_frame"),
    ("a reference for wan2.7-i2v", I27, {"media": [item("first_frame"), item("reference_image")]}, "media[1]", "has no such field"),
    ("reference_audio", REF, {"media": [item("reference_image"), item("reference_audio", SOUND)]}, "media[1].type", "reference_image"),
    ("a description in an item", REF, {"media": [item("reference_image", reference_description="a girl")]}, "media[0].reference_description", "reference_voice"),
    ("a voice of a frame", REF, {"media": [item("reference_image"), item("first_frame", reference_voice=SOUND)]}, "media[1].reference_voice", "reference"),
    ("two first frames", I27, {"media": [item("first_frame"), item("first_frame", LAST)]}, "media[1].type", "once"),
    ("two clips to edit", EDIT, {"media": [item("video", CLIP), item("video", CLIP)]}, "media[1].type", "once"),
    ("media and a flat field", I27, {"media": [item("first_frame")], "first_frame_url": LAST}, "media[0].type", "once"),
    ("a file that is not there, in media", I27, {"media": [item("first_frame", "no/such.png")]}, "media[0].url", ""),
    ("a voice that is not there", REF, {"media": [item("reference_image", reference_voice="no.wav")]}, "media[0].reference_voice", ""),
    # vace
    ("no function", VACE, {"video_url": CLIP}, "function", "image_reference, video_repainting, video_edit, video_extension, video_outpainting"),
    ("an unknown function", VACE, {"function": "video_painting", "video_url": CLIP}, "function", "video_repainting"),
    ("a function that is a list", VACE, {"function": ["video_edit"], "video_url": CLIP}, "function", "video_repainting"),
    ("no prompt for image_reference", VACE, {"prompt": None, "function": "image_reference", "ref_images_url": [FRAME]}, "prompt", "missing"),
    ("no prompt for video_repainting", VACE, {"prompt": None, **PAINT, "control_condition": "depth"}, "prompt", "missing"),
    ("no prompt for video_edit", VACE, {"prompt": None, **MASK}, "prompt", "missing"),
    ("no prompt for video_extension", VACE, {"prompt": None, "function": "video_extension", "first_frame_url": FRAME}, "prompt", "missing"),
    ("no prompt for video_outpainting", VACE, {"prompt": None, "function": "video_outpainting", "video_url": CLIP}, "prompt", "missing"),
    ("image_reference without pictures", VACE, {"function": "image_reference"}, "ref_images_url", "1 to 3"),
    ("image_reference with four", VACE, {"function": "image_reference", "ref_images_url": [FRAME] * 4, "obj_or_bg": ["obj"] * 4}, "ref_images_url", "1 to 3"),
    ("obj_or_bg missing for two", VACE, {"function": "image_reference", "ref_images_url": [FRAME] * 2}, "obj_or_bg", "2"),
    ("obj_or_bg of another length", VACE, {"function": "image_reference", "ref_images_url": [FRAME] * 2, "obj_or_bg": ["obj"]}, "obj_or_bg", "2"),
    ("obj_or_bg for one picture too long", VACE, {"function": "image_reference", "ref_images_url": [FRAME], "obj_or_bg": ["obj", "bg"]}, "obj_or_bg", "1"),
    ("two backgrounds", VACE, {"function": "image_reference", "ref_images_url": [FRAME] * 2, "obj_or_bg": ["bg", "bg"]}, "obj_or_bg", "one bg"),
    ("obj_or_bg with another word", VACE, {"function": "image_reference", "ref_images_url": [FRAME], "obj_or_bg": ["subject"]}, "obj_or_bg", "obj"),
    ("obj_or_bg as text", VACE, {"function": "image_reference", "ref_images_url": [FRAME], "obj_or_bg": "obj"}, "obj_or_bg", "obj"),
    ("video_repainting without a clip", VACE, {"function": "video_repainting", "control_condition": "depth"}, "video_url", "missing"),
    ("video_repainting without a condition", VACE, {**PAINT}, "control_condition", "posebodyface, posebody, depth, scribble"),
    ("video_repainting with an empty condition", VACE, {**PAINT, "control_condition": ""}, "control_condition", "posebodyface"),
    ("video_repainting with another condition", VACE, {**PAINT, "control_condition": "canny"}, "control_condition", "scribble"),
    ("strength above", VACE, {**PAINT, "control_condition": "depth", "strength": 1.5}, "strength", "0.0 to 1.0"),
    ("two subjects", VACE, {**PAINT, "control_condition": "depth", "ref_images_url": [FRAME] * 2}, "ref_images_url", "1"),
    ("video_edit without a clip", VACE, {"function": "video_edit", "mask_image_url": FRAME}, "video_url", "missing"),
    ("video_edit without a mask", VACE, {"function": "video_edit", "video_url": CLIP}, "mask_image_url", "missing"),
    ("video_edit with two masks", VACE, {**MASK, "mask_video_url": CLIP}, "mask_video_url", "mask_image_url"),
    ("video_edit with two subjects", VACE, {**MASK, "ref_images_url": [FRAME] * 2}, "ref_images_url", "1"),
    ("scribble for video_edit", VACE, {**MASK, "control_condition": "scribble"}, "control_condition", "posebodyface"),
    ("mask_frame_id zero", VACE, {**MASK, "mask_frame_id": 0}, "mask_frame_id", "1"),
    ("mask_frame_id as text", VACE, {**MASK, "mask_frame_id": "first"}, "mask_frame_id", "1"),
    ("mask_type", VACE, {**MASK, "mask_type": "moving"}, "mask_type", "tracking, fixed"),
    ("expand_ratio", VACE, {**MASK, "expand_ratio": 2}, "expand_ratio", "0.0 to 1.0"),
    ("expand_mode", VACE, {**MASK, "expand_mode": "box"}, "expand_mode", "hull, bbox, original"),
    ("video_extension of nothing", VACE, {"function": "video_extension"}, "first_clip_url", "last_clip_url"),
    ("video_extension of a guide alone", VACE, {"function": "video_extension", "video_url": CLIP, "control_condition": "depth"}, "first_clip_url", "missing"),
    ("a guide without a condition", VACE, {"function": "video_extension", "first_frame_url": FRAME, "video_url": CLIP}, "control_condition", "posebodyface, depth"),
    ("a guide with an empty condition", VACE, {"function": "video_extension", "first_frame_url": FRAME, "video_url": CLIP, "control_condition": ""}, "control_condition", "posebodyface, depth"),
    ("posebody for video_extension", VACE, {"function": "video_extension", "first_frame_url": FRAME, "video_url": CLIP, "control_condition": "posebody"}, "control_condition", "posebodyface"),
    ("video_outpainting without a clip", VACE, {"function": "video_outpainting"}, "video_url", "missing"),
    ("a scale below", VACE, {"function": "video_outpainting", "video_url": CLIP, "top_scale": 0.5}, "top_scale", "1.0 to 2.0"),
    ("a scale above", VACE, {"function": "video_outpainting", "video_url": CLIP, "right_scale": 2.5}, "right_scale", "1.0 to 2.0"),
    ("a scale as text", VACE, {"function": "video_outpainting", "video_url": CLIP, "left_scale": "double"}, "left_scale", "1.0 to 2.0"),
    ("Chinese in a URL of vace", VACE, {"function": "video_outpainting", "video_url": "https://example.com/视频.mp4"}, "video_url", "ASCII"),
    ("a picture as data for vace", VACE, {"function": "image_reference", "ref_images_url": ["data:image/png;base64,iVBORw0KGgo="]}, "ref_images_url[0]", ""),
    # files: kinds
    ("a sound as a picture", I26, {"img_url": "sound.wav"}, "img_url", "PNG"),
    ("a clip as a picture", I27, {"first_frame_url": "5s.mp4"}, "first_frame_url", "PNG"),
    ("a GIF as a picture", I26, {"img_url": "picture.gif"}, "img_url", "PNG"),
    ("notes as a picture", KF, {"first_frame_url": "notes.txt", "last_frame_url": FRAME}, "first_frame_url", "PNG"),
    ("an empty file", I26, {"img_url": "empty.png"}, "img_url", ""),
    ("a file that is not there", I26, {"img_url": "no/such.png"}, "img_url", ""),
    ("a folder", I26, {"img_url": "."}, "img_url", ""),
    ("a strange scheme", I26, {"img_url": "ftp://example.com/a.png"}, "img_url", ""),
    ("a picture as a clip", EDIT, {"video_url": "ok.png"}, "video_url", "MP4, MOV"),
    ("a sound as a clip", I27, {"first_clip_url": "sound.wav"}, "first_clip_url", "MP4, MOV"),
    ("WebM", EDIT, {"video_url": "clip.webm"}, "video_url", "MP4, MOV"),
    ("MOV for vace", VACE, {"function": "video_outpainting", "video_url": "5s.mov"}, "video_url", "MP4"),
    ("a picture as a sound", T26, {"audio_url": "ok.png"}, "audio_url", "WAV, MP3"),
    ("a clip as a sound", I27, {"first_frame_url": FRAME, "driving_audio_url": "5s.mp4"}, "driving_audio_url", "WAV, MP3"),
    ("a sound as a reference", REF, {"reference_urls": ["sound.wav"]}, "reference_urls[0]", "MP4"),
    ("a picture as a voice", REF, {"reference_urls": [FRAME], "reference_voices": ["ok.png"]}, "reference_voices[0]", "WAV, MP3"),
    ("a local clip for HappyHorse r2v", HORSE + "r2v", {"reference_urls": ["5s.mp4"]}, "reference_urls[0]", "PNG"),
    ("a local clip as a reference of videoedit", EDIT, {"video_url": CLIP, "reference_urls": ["5s.mp4"]}, "reference_urls[0]", "PNG"),
    ("a local clip called a picture", REF, {"media": [item("reference_image", "5s.mp4")]}, "media[0]", "reference_video"),
    ("a local picture called a clip", REF, {"media": [item("reference_video", "ok.png")]}, "media[0]", "reference_image"),
    ("BMP for HappyHorse", HORSE + "i2v", {"img_url": "data:image/bmp;base64,Qk0="}, "img_url", "PNG"),
    ("a clip as data", EDIT, {"video_url": "data:video/mp4;base64,AAAA"}, "video_url", ""),
    ("a picture as data for wan2.6-r2v", "wan2.6-r2v", {"reference_urls": ["data:image/png;base64,iVBORw0KGgo="]}, "reference_urls[0]", ""),
    # files: pixels
    ("a picture too small", I26, {"img_url": "small.png"}, "img_url", "240 to 8000"),
    ("a picture too large", I27, {"first_frame_url": FRAME, "last_frame_url": "huge.png"}, "last_frame_url", "240 to 8000"),
    ("a picture too narrow", I27, {"media": [item("first_frame", "narrow.png")]}, "media[0].url", "1:8 to 8:1"),
    ("a frame of kf2v too small", KF, {"first_frame_url": FRAME, "last_frame_url": "small.png"}, "last_frame_url", "240 to 8000"),
    ("a reference too small", "wan2.6-r2v", {"reference_urls": [FRAME, "small.png"]}, "reference_urls[1]", "240 to 8000"),
    ("299 pixels for HappyHorse", HORSE + "i2v", {"img_url": "299.png"}, "img_url", "300"),
    ("3:1 for HappyHorse", HORSE + "i2v", {"img_url": "3to1.png"}, "img_url", "1:2.5 to 2.5:1"),
    ("399 pixels for HappyHorse r2v", HORSE + "r2v", {"reference_urls": ["399.png"]}, "reference_urls[0]", "400"),
    ("3:1 for HappyHorse video-edit", HORSE + "video-edit", {"video_url": CLIP, "reference_urls": ["3to1.png"]}, "reference_urls[0]", "1:2.5 to 2.5:1"),
    ("359 pixels for vace", VACE, {"function": "image_reference", "ref_images_url": ["359.png"]}, "ref_images_url[0]", "360 to 2000"),
    ("2001 pixels for vace", VACE, {"function": "video_extension", "first_frame_url": "2001.png"}, "first_frame_url", "360 to 2000"),
    ("a clip too small", EDIT, {"video_url": "tiny.mp4"}, "video_url", "240 to 4096"),
    ("a clip too large", I27, {"first_clip_url": "4100.mp4"}, "first_clip_url", "240 to 4096"),
    ("a clip too narrow", REF, {"reference_urls": ["ribbon.mp4"]}, "reference_urls[0]", "1:8 to 8:1"),
    ("a small clip for HappyHorse", HORSE + "video-edit", {"video_url": "350.mp4"}, "video_url", "360 to 4096"),
    ("3:1 clip for HappyHorse", HORSE + "video-edit", {"video_url": "wide.mp4"}, "video_url", "1:2.5 to 2.5:1"),
    ("a mask of another size", VACE, {"function": "video_edit", "video_url": "5s.mp4", "mask_image_url": "mask.png"}, "mask_image_url", "1280*720"),
    ("a mask beyond the end", VACE, {"function": "video_edit", "video_url": "2s.mp4", "mask_image_url": FRAME, "mask_frame_id": 52}, "mask_frame_id", "1 to 51"),
    # files: lengths, rates, weights
    ("a first clip of 11 s", I27, {"first_clip_url": "11s.mp4", "duration": 15}, "first_clip_url", "2 to 10 s"),
    ("a first clip of 1 s", I27, {"media": [item("first_clip", "1s.mp4")]}, "media[0].url", "2 to 10 s"),
    ("a continuation of a clip of some 5 s", I27, {"first_clip_url": "4.958s.mp4"}, "duration", "6 to 15"),
    ("a continuation a tenth of a second longer", I27, {"first_clip_url": "4.9s.mp4", "duration": 5}, "duration", "6 to 15"),
    ("a continuation that is no longer", I27, {"first_clip_url": "5s.mp4", "duration": 5}, "duration", "6 to 15"),
    ("a clip of 11 s to edit", EDIT, {"video_url": "11s.mp4"}, "video_url", "2 to 10 s"),
    ("a reference of 31 s, wan2.7", REF, {"reference_urls": ["31s.mp4"]}, "reference_urls[0]", "1 to 30 s"),
    ("a reference of 31 s, wan2.6", "wan2.6-r2v", {"reference_urls": ["31s.mp4"]}, "reference_urls[0]", "1 to 30 s"),
    ("a reference of half a second", REF, {"reference_urls": ["half.mp4"]}, "reference_urls[0]", "1 to 30 s"),
    ("11 s made with a local clip", REF, {"reference_urls": ["5s.mp4"], "duration": 11}, "duration", "2 to 10"),
    ("HappyHorse and 2 s", HORSE + "video-edit", {"video_url": "2s.mp4"}, "video_url", "3 to 60 s"),
    ("HappyHorse and 61 s", HORSE + "video-edit", {"video_url": "61s.mp4"}, "video_url", "3 to 60 s"),
    ("HappyHorse and 6 pictures a second", HORSE + "video-edit", {"video_url": "slow.mp4"}, "video_url", "8 to 60"),
    ("HappyHorse and 120 pictures a second", HORSE + "video-edit", {"video_url": "120fps.mp4"}, "video_url", "8 to 60"),
    ("vace and 12 pictures a second", VACE, {"function": "video_outpainting", "video_url": "12fps.mp4"}, "video_url", "16"),
    ("vace and 12 pictures a second of a piece", VACE, {"function": "video_extension", "first_clip_url": "12fps.mp4"}, "first_clip_url", "16"),
    ("a sound of 31 s", T26, {"audio_url": "31s.wav"}, "audio_url", "3 to 30 s"),
    ("a sound of 2.3 s, wan2.6", I26, {"img_url": FRAME, "audio_url": "2s.wav"}, "audio_url", "3 to 30 s"),
    ("a sound of 2.3 s, wan2.5", "wan2.5-t2v-preview", {"audio_url": "2s.wav"}, "audio_url", "3 to 30 s"),
    ("a sound of 1.2 s, wan2.7", T27, {"audio_url": "1s.wav"}, "audio_url", "2 to 30 s"),
    ("a driving sound of 31 s", I27, {"media": [item("first_frame"), item("driving_audio", "31s.wav")]}, "media[1].url", "2 to 30 s"),
    ("a voice of 11 s", REF, {"reference_urls": [FRAME], "reference_voices": ["11s.wav"]}, "reference_voices[0]", "1 to 10 s"),
    ("a voice of half a second", REF, {"media": [item("reference_image", reference_voice="half.wav")]}, "media[0].reference_voice", "1 to 10 s"),
    ("an MP3 of 16 MB", T26, {"audio_url": "16MB.mp3"}, "audio_url", "15 MB"),
    ("a WAV of 16 MB", I27, {"first_frame_url": FRAME, "driving_audio_url": "16MB.wav"}, "driving_audio_url", "15 MB"),
    ("a picture of 21 MB", I27, {"img_url": "21MB.png"}, "img_url", "20 MB"),
    ("a picture of 11 MB, wan2.2", "wan2.2-i2v-plus", {"img_url": "11MB.png"}, "img_url", "10 MB"),
    ("a picture of 11 MB, kf2v", KF, {"first_frame_url": "11MB.png", "last_frame_url": FRAME}, "first_frame_url", "10 MB"),
    ("a picture of 11 MB, vace", VACE, {"function": "image_reference", "ref_images_url": ["11MB.png"]}, "ref_images_url[0]", "10 MB"),
    ("a clip of 101 MB", EDIT, {"video_url": "101MB.mp4"}, "video_url", "100 MB"),
    ("a clip of 51 MB for vace", VACE, {"function": "video_outpainting", "video_url": "51MB.mp4"}, "video_url", "50 MB"),
)  # fmt: skip

# (name, model, fields beside prompt "x", what the warning says)
WARNED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("no name of a reference, wan2.6", "wan2.6-r2v", {"reference_urls": [FRAME]}, "character1"),
    ("no name of a reference, wan2.7", REF, {"reference_urls": [FRAME]}, "Image 1"),
    ("no name of a reference, HappyHorse", HORSE + "r2v", {"reference_urls": [FRAME]}, r"\[Image 1\]"),
    ("the names of another model", REF, {"prompt": "character1 waves", "reference_urls": [FRAME]}, "Image 1"),
    ("the names of the newer models", "wan2.6-r2v", {"prompt": "Image 1 waves", "reference_urls": [FRAME]}, "character1"),
    ("a sound of 2.3 s, wan2.7", T27, {"audio_url": "2s.wav"}, "lasts 2.3 s and the video 5 s: the last 2.7 s are silent"),
    ("a sound that outlasts a text's video", T26, {"audio_url": "11s.wav"}, "its end is not heard; duration 11 makes room"),
    ("a sound that outlasts a frame's video", I26, {"img_url": FRAME, "audio_url": "11s.wav", "duration": 10}, "duration 11 makes room"),
    ("a sound between two lengths", "wan2.5-t2v-preview", {"audio_url": "5.5s.wav"}, "duration 10 makes room"),
    ("a sound longer than any video", "wan2.5-i2v-preview", {"img_url": FRAME, "audio_url": "11s.wav"}, "10 s are the most, so cut the sound"),
    ("a driving sound that outlasts the video", I27, {"media": [item("first_frame"), item("driving_audio", "11s.wav")]}, "duration 11 makes room"),
    ("a continuation with half a second more", I27, {"first_clip_url": "4.5s.mp4", "duration": 5}, "lasts 4.5 s and is part of the result: 0.5 s of the 5 s are new"),
    ("a continuation of 15 s", I27, {"first_clip_url": "5s.mp4", "duration": 15}, "10.0 s of the 15 s are new"),
    ("a continuation of unknown length", I27, {"first_clip_url": CLIP}, "length of the clip is not known here"),
    ("a vace piece is part of the result", VACE, {"function": "video_extension", "first_clip_url": "2s.mp4"}, "3.0 s of its 5 s are new"),
    ("an edit longer than its clip", EDIT, {"video_url": "5s.mp4", "duration": 8}, "lasts 5.0 s, and an edit is no longer"),
    ("an expansion without a direction", VACE, {"function": "video_outpainting", "video_url": CLIP, "top_scale": 1.0}, "nothing is painted"),
    ("a mask with a transparent hole", VACE, {"function": "video_edit", "video_url": "5s.mp4", "mask_image_url": "hole.png"}, "its transparency is ignored"),
    ("a ratio with a first frame", REF, {"prompt": "Image 1", "reference_urls": [FRAME], "first_frame_url": FRAME, "ratio": "1:1"}, "ignores ratio"),
    ("template with a prompt, i2v", I26, {"img_url": FRAME, "template": "flying"}, "prompt"),
    ("template with a prompt, kf2v", KF, {"first_frame_url": FRAME, "template": "solaron"}, "prompt"),
    ("template with a last frame", KF, {"prompt": None, **BOTH, "template": "solaron"}, "last_frame_url"),
    ("a vace clip of 16 s", VACE, {"function": "video_outpainting", "video_url": "16s.mp4"}, "first 5 s"),
    ("a vace piece of 4 s", VACE, {"function": "video_extension", "first_clip_url": "4s.mp4"}, "first 3 s"),
    ("two vace pieces of 2 s", VACE, {"function": "video_extension", "first_clip_url": "2s.mp4", "last_clip_url": "2s.mp4"}, "together"),
    ("a HappyHorse clip of 16 s", HORSE + "video-edit", {"video_url": "16s.mp4"}, "first 15 s"),
    ("a transparent picture, wan2.7", I27, {"img_url": "alpha.png"}, "transparency"),
    ("a transparent picture, wan2.2", "wan2.2-i2v-flash", {"img_url": "alpha.png"}, "transparency"),
    ("a prompt of 1501", T26, {"prompt": "a" * 1501}, "1501.*cuts it after 1500"),
    ("a prompt of 801", "wan2.2-t2v-plus", {"prompt": "a" * 801}, "after 800"),
    ("a prompt of 801, kf2v", KF, {"prompt": "a" * 801, **BOTH}, "after 800"),
    ("a prompt of 801, vace", VACE, {"prompt": "a" * 801, "function": "video_outpainting", "video_url": CLIP}, "after 800"),
    ("a prompt of 5001", T27, {"prompt": "图" * 5001}, "after 5000"),
    ("a prompt of 5001, HappyHorse", HORSE + "t2v", {"prompt": "a" * 5001}, "after 5000"),
    ("2501 Chinese characters for HappyHorse", HORSE + "t2v", {"prompt": "图" * 2501}, "5002"),
    ("half and half for HappyHorse", HORSE + "video-edit", {"prompt": "图" * 2000 + "a" * 1001, "video_url": CLIP}, "5001"),
    ("a negative prompt of 501", T26, {"negative_prompt": "a" * 501}, "after 500"),
    ("audio on text to video", T26, {"audio": False}, "audio"),
    ("audio on wan2.6-i2v", "wan2.6-i2v", {"img_url": FRAME, "audio": False}, "has no field audio"),
    ("shot_type on wan2.7", T27, {"shot_type": "multi"}, "has no field shot_type"),
    ("ratio on a picture that decides", I27, {"img_url": FRAME, "ratio": "1:1"}, "has no field ratio"),
    ("negative_prompt of HappyHorse", HORSE + "t2v", {"negative_prompt": "fog"}, "has no field negative_prompt"),
    ("prompt_extend of HappyHorse", HORSE + "i2v", {"img_url": FRAME, "prompt_extend": True}, "has no field prompt_extend"),
    ("ratio of HappyHorse video-edit", HORSE + "video-edit", {"video_url": CLIP, "ratio": "1:1"}, "has no field ratio"),
    ("duration of HappyHorse video-edit", HORSE + "video-edit", {"video_url": CLIP, "duration": 5}, "has no field duration"),
    ("prompt_extend of wan2.6-r2v", "wan2.6-r2v", {"prompt": "character1", "reference_urls": [FRAME], "prompt_extend": True}, "has no field prompt_extend"),
    ("negative_prompt of vace", VACE, {"function": "video_outpainting", "video_url": CLIP, "negative_prompt": "fog"}, "has no field negative_prompt"),
    ("resolution of a function without", VACE, {"function": "video_outpainting", "video_url": CLIP, "size": "1280*720"}, "size has no effect"),
    ("mask_frame_id without a mask picture", VACE, {"function": "video_edit", "video_url": CLIP, "mask_video_url": CLIP, "mask_frame_id": 2}, "mask_frame_id"),
    ("expand_ratio of a fixed mask", VACE, {**MASK, "mask_type": "fixed", "expand_ratio": 0.1}, "expand_ratio"),
    ("an unknown model", "wan9-t2v", {}, "unknown model id"),
)  # fmt: skip

# (name, model, fields beside prompt "x"): at the edge of what is allowed, without a warning
ALLOWED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("2500 Chinese characters for HappyHorse", HORSE + "t2v", {"prompt": "图" * 2500}),
    ("5000 characters for HappyHorse", HORSE + "t2v", {"prompt": "a" * 5000}),
    ("5000 Chinese characters for wan2.7", T27, {"prompt": "图" * 5000}),
    ("a picture of kf2v without a prompt", KF, {"prompt": None, **BOTH}),
    ("no prompt for wan2.7-videoedit", EDIT, {"prompt": None, "video_url": CLIP}),
    ("no prompt for HappyHorse i2v", HORSE + "i2v", {"prompt": None, "img_url": FRAME}),
    ("three clips and two pictures", "wan2.6-r2v", {"prompt": "Character1", "reference_urls": [CLIP] * 3 + [FRAME] * 2}),
    ("Chinese names", REF, {"prompt": "图1和视频1", "reference_urls": [FRAME, CLIP], "duration": 10}),
    ("a single reference by its word", REF, {"prompt": "参考图片里的人在跳舞", "reference_urls": [FRAME]}),
    ("multi without rewriting, references", "wan2.6-r2v", {"prompt": "character1", "reference_urls": [FRAME], "shot_type": "multi"}),
    ("a clip of 10 s", EDIT, {"video_url": "5s.mov", "duration": 2}),
    ("300 pixels of HappyHorse", HORSE + "i2v", {"img_url": "ok.png"}),
    ("a picture of 11 MB, wan2.6", I26, {"img_url": "11MB.png"}),
    ("Chinese in a URL", I26, {"img_url": "https://example.com/图.png"}),
    ("a sound of 5 s, wan2.7", T27, {"audio_url": "sound.wav"}),
    ("a sound a tenth of a second longer", T27, {"audio_url": "5.1s.wav"}),
    ("a sound without sound", I26, {"img_url": FRAME, "audio": False}),
    ("a mask of the size of the clip", VACE, {"function": "video_edit", "video_url": "5s.mp4", "mask_image_url": FRAME, "mask_frame_id": 126}),
    ("an empty condition of video_edit", VACE, {**MASK, "control_condition": ""}),
)  # fmt: skip

FLAT = {"first_frame": FRAME, "last_frame": LAST, "first_clip": CLIP, "driving_audio": SOUND}
LEGAL = (
    ("first_frame",),
    ("first_frame", "driving_audio"),
    ("first_frame", "last_frame"),
    ("first_frame", "last_frame", "driving_audio"),
    ("first_clip",),
    ("last_frame", "first_clip"),
)


class Fields(Case):
    """files: content and weight of what lies in the current folder."""

    files: ClassVar = FILES

    def setUp(self) -> None:
        super().setUp()
        for name, (content, weight) in self.files.items():
            path = self.cwd / name
            path.write_bytes(content)
            if weight:
                os.truncate(path, weight)

    def argv(self, model: str, fields: dict[str, Any]) -> tuple[str, str]:
        given: dict[str, Any] = {"prompt": "x", **({"model": model} if model else {}), **fields}
        return ("--request", json.dumps({name: value for name, value in given.items() if value is not None}))

    def refuse(self, *argv: str) -> Any:
        """The problems, told before anything was sent."""
        script = Script()
        reply = self.video_json(*argv, code=3, send=script)
        self.assertEqual(script.requests, [])
        self.assertEqual((reply["ok"], reply["error"]["kind"], reply["error"]["billed"]), (False, "usage", "no"))
        self.assertTrue(reply["problems"])
        return reply["problems"]


class Refused(Fields):
    def test_the_field_is_named_with_what_is_allowed_and_nothing_is_sent(self) -> None:
        self.assertGreater(len(REFUSED), 80)
        for name, model, fields, path, allowed in REFUSED:
            with self.subTest(name):
                problems = self.refuse(*self.argv(model, fields))
                told = [problem for problem in problems if f"{problem['path']}.".startswith(f"{path}.")]
                self.assertTrue(told, [problem["path"] for problem in problems])
                texts = [f"{problem['message']} {problem.get('allowed')}" for problem in told]
                self.assertTrue(any(allowed in text for text in texts), texts)

    def test_a_person_reads_it_too(self) -> None:
        for name, model, fields, path, _ in REFUSED[::8] if IS_SAMPLE else REFUSED:
            with self.subTest(name):
                ran = self.video(*self.argv(model, fields), send=Script())
                self.assertEqual((ran.code, ran.stdout), (3, ""))
                self.assertIn(path, ran.stderr)
                self.assertIn("Error: ", ran.stderr)

    def test_every_illegal_combination_of_media(self) -> None:
        for count in range(len(FLAT) + 1):
            for kinds in itertools.combinations(FLAT, count):
                if set(kinds) in map(set, LEGAL):
                    continue
                flat = {f"{kind}_url": FLAT[kind] for kind in kinds}
                media = {"media": [item(kind, FLAT[kind]) for kind in kinds]}
                for fields in (flat, media):
                    with self.subTest(kinds=kinds, fields=fields):
                        problems = self.refuse(*self.argv(I27, fields))
                        (problem,) = [problem for problem in problems if problem["path"] == "media"]
                        self.assertIn("first_frame_url", problem["allowed"])

    def test_every_legal_combination_of_media(self) -> None:
        for kinds in LEGAL:
            for order in itertools.permutations(kinds):
                with self.subTest(order):
                    media = {"media": [item(kind, FLAT[kind]) for kind in order]}
                    reply = self.video_json(*self.argv(I27, media), "--dry-run")
                    sent = reply["request"]["body"]["input"]["media"]
                    self.assertEqual({part["type"]: part["url"] for part in sent}, {kind: FLAT[kind] for kind in kinds})
                    told = ["the length of the clip is not known here: only what exceeds it of the 5 s is new"]
                    self.assertEqual(reply["warnings"], told if "first_clip" in kinds else [])

    def test_all_problems_are_told_at_once(self) -> None:
        fields = {
            "first_frame_url": "small.png",
            "driving_audio_url": "31s.wav",
            "duration": 20,
            "resolution": "4K",
            "seed": -1,
            "fps": 3,
        }
        paths = {problem["path"] for problem in self.refuse(*self.argv(I27, fields))}
        self.assertEqual(paths, {"first_frame_url", "driving_audio_url", "duration", "resolution", "seed", "fps"})

    def test_flags_are_checked_as_fields_are(self) -> None:
        for argv, path in (
            (["x", "--duration", "99"], "duration"),
            (["x", "--duration", "soon"], "duration"),
            (["x", "--seed", "many"], "seed"),
            (["x", "--size", "large"], "size"),
            (["x", "--resolution", "HD"], "resolution"),
            (["x", "--ratio", "wide"], "ratio"),
            (["x", "--mode", "movie"], "mode"),
            (["x", "--image", "sound.wav"], "img_url"),
            (["x", "--first-frame", "ok.png", "--last-frame", "small.png"], "last_frame_url"),
            (["x", "--video", "ok.png"], "video_url"),
            (["x", "--audio", "ok.png"], "audio_url"),
            (["x", "--reference", "notes.txt"], "reference_urls[0]"),
            (["Image 1", "--reference", "ok.png", "--voice", "ok.png"], "reference_voices[0]"),
            (["x", "--voice", "sound.wav"], "reference_urls"),
        ):
            with self.subTest(argv):
                self.assertIn(path, [problem["path"] for problem in self.refuse(*argv)])


class Warned(Fields):
    def test_soft_limits_only_warn(self) -> None:
        for name, model, fields, warning in WARNED:
            with self.subTest(name):
                reply = self.video_json(*self.argv(model, fields), "--dry-run")
                self.assertRegex("\n".join(reply["warnings"]), warning)

    def test_a_person_sees_the_warning(self) -> None:
        ran = self.video("x" * 1501, "--dry-run")
        self.assertIn("Warning: prompt has 1501 characters", ran.stderr)
        self.assertIn("Warning", self.video("x", "--image", "alpha.png", "--dry-run").stderr)

    def test_the_edges_are_allowed_without_a_warning(self) -> None:
        for name, model, fields in ALLOWED:
            with self.subTest(name):
                self.assertEqual(self.video_json(*self.argv(model, fields), "--dry-run")["warnings"], [])
