"""Wan 3.0, the animating models and the talking head: what is refused and how, what is warned of, and what is billed.

Rows follow the pages of the models, not the tables of the program. What is sent stands in data/video_requests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from qianwen.files.documents import DOCUMENTS, OLE, PDF, TEXT, ZIP, inside
from qianwen.files.media import probe_bytes

from ..support import Case, Script
from .test_refused_videos import CLIP, FRAME, LAST, MEGA, SOUND, Fields, item, mp4, wav

W, PRIME, MOVE, MIX, TALK = (
    "wan3.0-video",
    "wan3.0-video-prime",
    "wan2.2-animate-move",
    "wan2.2-animate-mix",
    "wan2.2-s2v",
)
PAGE, DECK = "https://example.com/article", "https://example.com/deck.pptx"
FRAMES = {"first_frame_url": FRAME, "last_frame_url": LAST}
PERSON = {"prompt": None, "image_url": FRAME, "video_url": CLIP}
SPEAKER = {"prompt": None, "image_url": FRAME, "audio_url": SOUND}

FILES: dict[str, tuple[bytes, int]] = {
    # name: content, weight in bytes (0: as it is)
    "8s.mp4": (mp4(8), 0),
    "9s.mp4": (mp4(9), 0),
    "14s.mp4": (mp4(14), 0),
    "15fps.mp4": (mp4(5, fps=15), 0),
    "2000.mp4": (mp4(5, 2060, 1000), 0),
    "8s.wav": (wav(8), 0),
    "9s.wav": (wav(9), 0),
    "15.4s.wav": (wav(15.4), 0),
    "21s.wav": (wav(21), 0),
    "deck.pptx": (b"PK\x03\x04" + bytes(30), 0),
    "deck.key": (b"PK\x03\x04" + bytes(30), 0),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(30), 0),
    "plan.pdf": (b"%PDF-1.7\n", 0),
    "notes.md": ("# 笔记\n".encode(), 0),
    "wide.txt": ("a note".encode("utf-16"), 0),
    "false.pdf": (b"PK\x03\x04" + bytes(30), 0),
    "false.docx": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(30), 0),
    "false.txt": (b"\x7fELF\x00\x01", 0),
    "movie.mp3": (b"%PDF-1.7\n", 0),
    "heavy.pdf": (b"%PDF-1.7\n", 101 * MEGA),
    "empty.pdf": (b"", 0),
}

# (name, model, fields beside prompt "x", path of the problem, what is allowed, the nearest legal value)
REFUSED: tuple[tuple[str, str, dict[str, Any], str, str, object], ...] = (
    # numbers, choices, switches
    ("31 s", W, {"duration": 31}, "duration", "2 to 30, or -1", 30),
    ("1 s", W, {"duration": 1}, "duration", "2 to 30, or -1", 2),
    ("-2 s", W, {"duration": -2}, "duration", "2 to 30, or -1", 2),
    ("7.5 s", W, {"duration": 7.5}, "duration", "2 to 30, or -1", 7),
    ("a length in words", PRIME, {"duration": "long"}, "duration", "2 to 30, or -1", None),
    ("4K", W, {"resolution": "4K"}, "resolution", "480P, 720P, 1080P", "480P"),
    ("2:1", W, {"ratio": "2:1"}, "ratio", "adaptive, 16:9, 4:3, 1:1, 3:4, 9:16", "16:9"),
    ("adapted", W, {"ratio": "adapted"}, "ratio", "adaptive", "adaptive"),
    ("a size that no tier makes", W, {"size": "1000*1000"}, "size", "480P, 720P, 1080P", None),
    ("a size and another ratio", W, {"size": "1280*720", "ratio": "adaptive"}, "size", "adaptive", None),
    ("a seed of -2", W, {"seed": -2}, "seed", "-1 to 2147483647", -1),
    ("a seed of 2**31", W, {"seed": 2**31}, "seed", "-1 to 2147483647", 2147483647),
    ("a sound that is neither on nor off", W, {"audio": "off"}, "audio", "true or false", False),
    ("thinking in words", W, {"enable_thinking": "yes"}, "enable_thinking", "true or false", True),
    # frames
    ("a last frame alone", W, {"last_frame_url": LAST}, "first_frame_url", "alone", None),
    ("a last frame alone, in the array", W, {"media": [item("last_frame")]}, "first_frame_url", "alone", None),
    ("a frame and a reference", W, {"first_frame_url": FRAME, "reference_urls": [FRAME]}, "reference_urls", "either reference_urls", None),
    ("a frame and a voice", W, {"img_url": FRAME, "reference_voices": [SOUND]}, "reference_voices", "either reference_voices", None),
    ("a frame and a document", W, {"first_frame_url": FRAME, "file": DECK}, "file", "either file", None),
    ("a frame and a page", W, {"first_frame_url": FRAME, "link": PAGE}, "link", "either link", None),
    ("a frame and a clip to edit", W, {"first_frame_url": FRAME, "video_url": CLIP}, "video_url", "either video_url", None),
    ("frames and references, in the array", W, {"media": [item("first_frame"), item("last_frame"), item("reference_audio", SOUND)]}, "media[2]", "either ", None),
    ("two first frames", W, {"media": [item("first_frame"), item("first_frame")]}, "media[1].type", "each type once", None),
    # documents and pages
    ("a document and a page", W, {"file": DECK, "link": PAGE}, "link", "file or link", None),
    ("two documents", W, {"media": [item("file", DECK), item("file", DECK)]}, "media[1].type", "each type once", None),
    ("a document that is not rewritten", W, {"file": DECK, "prompt_extend": False}, "prompt_extend", "true, or left out", True),
    ("a page that is not rewritten", W, {"link": PAGE, "prompt_extend": False}, "prompt_extend", "true, or left out", True),
    ("a page that is a path", W, {"link": "deck.pptx"}, "link", "http:// or https://", None),
    ("a page in storage", W, {"link": "oss://bucket/page"}, "link", "http:// or https://", None),
    ("a page of no host", W, {"link": "https:///page"}, "link", "http:// or https://", None),
    ("a page that is a number", W, {"link": 5}, "link", "http:// or https://", None),
    ("a document that is not there", W, {"file": "none.pdf"}, "file", "does not exist", None),
    ("a document in a data: URL", W, {"file": "data:application/pdf;base64,JVBERi0="}, "file", "data: URL", None),
    ("a document that is a list", W, {"file": [DECK, DECK]}, "file", "one path", None),
    ("an empty document", W, {"file": "empty.pdf"}, "file", "empty", None),
    ("a document of another suffix", W, {"file": "movie.mp3"}, "file", "docx, doc, xlsx, xls, pptx, ppt, pdf, txt, key, pages, numbers, md", None),
    ("a ZIP that is called a PDF", W, {"file": "false.pdf"}, "file", "a PDF", None),
    ("an old file that is called new", W, {"file": "false.docx"}, "file", "a ZIP", None),
    ("a program that is called a text", W, {"file": "false.txt"}, "file", "text", None),
    ("a document of 101 MB", W, {"file": "heavy.pdf"}, "file", "up to 100 MB", "100 MB"),
    ("a document for another model", "wan2.7-r2v", {"reference_urls": [FRAME], "file": DECK}, "file", "wan3.0-video", None),
    ("a page for another model", "wan2.6-t2v", {"link": PAGE}, "link", "wan3.0-video", None),
    # references
    ("eleven pictures", W, {"reference_urls": [FRAME] * 11}, "reference_urls", "up to 10 pictures", 10),
    ("six clips", W, {"reference_urls": [CLIP] * 6}, "reference_urls", "up to 5 clips", 5),
    ("five clips beside one to edit", W, {"video_url": CLIP, "reference_urls": [CLIP] * 5}, "reference_urls", "up to 5 clips", 5),
    ("six sounds", W, {"reference_urls": [SOUND] * 3, "reference_voices": [SOUND] * 3}, "reference_urls", "up to 5 sounds", 5),
    ("six voices", W, {"reference_voices": [SOUND] * 6}, "reference_voices", "0 to 5", None),
    ("twenty-one references", W, {"reference_urls": [FRAME] * 21}, "reference_urls", "0 to 20", None),
    ("clips of 17 s together", W, {"reference_urls": ["8s.mp4", "9s.mp4"]}, "reference_urls[1]", "clips of 15 s together", None),
    ("sounds of 17 s together", W, {"reference_urls": ["8s.wav"], "reference_voices": ["9s.wav"]}, "reference_voices[0]", "sounds of 15 s together", None),
    ("a clip of 16 s", W, {"reference_urls": ["16s.mp4"]}, "reference_urls[0]", "1 to 15 s", "15 s"),
    ("a clip of 16 s to edit", W, {"video_url": "16s.mp4"}, "video_url", "1 to 15 s", "15 s"),
    ("a clip of half a second", W, {"reference_urls": ["half.mp4"]}, "reference_urls[0]", "1 to 15 s", "1 s"),
    ("a sound of 15.4 s", W, {"reference_urls": ["15.4s.wav"]}, "reference_urls[0]", "1 to 15 s", "15 s"),
    ("no room beside a clip", W, {"reference_urls": ["14s.mp4"], "duration": 17}, "duration", "2 to 16", 16),
    ("no room beside a clip to edit", W, {"video_url": "14s.mp4", "duration": 20}, "duration", "2 to 16", 16),
    ("15 pictures a second", W, {"reference_urls": ["15fps.mp4"]}, "reference_urls[0]", "16 or more", None),
    ("a picture of 239 pixels", W, {"reference_urls": ["small.png"]}, "reference_urls[0]", "240 to 8000", "240*402"),
    ("a GIF", W, {"reference_urls": ["picture.gif"]}, "reference_urls[0]", "JPEG, PNG, BMP, WEBP", None),
    ("a clip in a data: URL", W, {"reference_urls": ["data:video/mp4;base64,AAAAGGZ0eXBpc29tAAAAAA=="]}, "reference_urls[0]", "data: URL", None),
    ("a type that is none", W, {"media": [item("reference_text")]}, "media[0].type", "reference_audio", None),
    ("a type of an older model", W, {"media": [item("first_clip", CLIP)]}, "media[0].url", "--ratio adaptive", None),
    ("a sound that is called a clip", W, {"media": [item("reference_video", "8s.wav")]}, "media[0].url", "reference_audio", "reference_audio"),
    ("a sound track", W, {"audio_url": SOUND}, "audio_url", "--reference song.mp3", None),
    ("a driving sound", W, {"first_frame_url": FRAME, "driving_audio_url": SOUND}, "driving_audio_url", "--reference song.mp3", None),
    ("a sound among the references of wan2.7", "wan2.7-r2v", {"reference_urls": [FRAME, SOUND]}, "reference_urls[1]", "reference_voices", None),
    ("a sound among the references of HappyHorse", "happyhorse-1.1-r2v", {"reference_urls": [SOUND]}, "reference_urls[0]", "reference_voices", None),
    # ways of working
    ("from text, with references", W, {"mode": "t2v", "reference_urls": [FRAME]}, "mode", "r2v", "r2v"),
    ("editing without a clip", W, {"mode": "videoedit"}, "mode", "t2v", "t2v"),
    ("a function", W, {"mode": "vace"}, "mode", "t2v, i2v, kf2v, r2v, videoedit", "t2v"),
    ("nothing at all", W, {"prompt": None}, "prompt", "missing", None),
    ("gaps and no prompt", W, {"prompt": None, "reference_voices": [None, ""]}, "prompt", "missing", None),
    ("an empty array and no prompt", W, {"prompt": None, "media": []}, "prompt", "missing", None),
    # a person moved by a clip
    ("an animated clip that is missing", MOVE, {**PERSON, "video_url": None}, "video_url", "missing", None),
    ("a person who is missing", MIX, {**PERSON, "image_url": None}, "image_url", "missing", None),
    ("another quality", MOVE, {**PERSON, "mode": "wan-max"}, "mode", "wan-std, wan-pro", None),
    ("a way of working as quality", MIX, {**PERSON, "mode": "i2v"}, "mode", "videoedit", "videoedit"),
    ("the quality of another model", "wan2.7-t2v", {"mode": "wan-pro"}, "mode", "t2v, i2v, kf2v, r2v, vace, videoedit", None),
    ("a clip of 31 s", MOVE, {**PERSON, "video_url": "31s.mp4"}, "video_url", "2 to 30 s", "30 s"),
    ("a clip of 1 s", MIX, {**PERSON, "video_url": "1s.mp4"}, "video_url", "2 to 30 s", "2 s"),
    ("a clip of 2060 pixels", MOVE, {**PERSON, "video_url": "2000.mp4"}, "video_url", "200 to 2048", "2048*994"),
    ("a person of 11 MB", MOVE, {**PERSON, "image_url": "11MB.png"}, "image_url", "up to 5 MB", "5 MB"),
    ("a Chinese URL", MOVE, {**PERSON, "image_url": "https://example.com/人.png"}, "image_url", "a URL in ASCII", None),
    ("references of a person", MIX, {**PERSON, "reference_urls": [FRAME]}, "reference_urls", "models that have it", None),
    # a talking head
    ("no voice", TALK, {**SPEAKER, "audio_url": None}, "audio_url", "missing", None),
    ("a voice of 21 s", TALK, {**SPEAKER, "audio_url": "21s.wav"}, "audio_url", "0 to 19.9 s", "19.9 s"),
    ("a face of 399 pixels", TALK, {**SPEAKER, "image_url": "399.png"}, "image_url", "400 to 7000", "400*502"),
    ("1080P of a talking head", TALK, {**SPEAKER, "resolution": "1080P"}, "resolution", "480P, 720P", "720P"),
    ("a clip for a talking head", TALK, {**SPEAKER, "video_url": CLIP}, "video_url", "models that have it", None),
)  # fmt: skip

# (name, model, fields beside prompt "x", what the warning says)
WARNED: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("21:9", W, {"ratio": "21:9"}, "21:9 is on only one copy"),
    ("a negative prompt", W, {"negative_prompt": "fog"}, "has no field negative_prompt; it is ignored"),
    ("several shots", PRIME, {"shot_type": "multi"}, "has no field shot_type; it is ignored"),
    ("a prompt of 20001", W, {"prompt": "图" * 20001}, "20001 characters.*cuts it after 20000"),
    ("a size", W, {"size": "832*480"}, r"size 832\*480 is sent as resolution 480P, ratio 16:9"),
    ("references without names", W, {"reference_urls": [FRAME, SOUND]}, "Audio 1"),
    ("a voice", W, {"prompt": "Audio 1", "reference_voices": [SOUND]}, "separate sounds"),
    ("a prompt for a person", MOVE, PERSON | {"prompt": "x"}, "has no field prompt; it is ignored"),
    ("a length of a person", MIX, {**PERSON, "duration": 5}, "has no field duration; it is ignored"),
    ("a seed of a talking head", TALK, {**SPEAKER, "seed": 5}, "has no field seed; it is ignored"),
)  # fmt: skip

# (name, model, fields beside prompt "x"): at the edge of what is allowed, without a warning
ALLOWED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("2 s", W, {"duration": 2, "seed": -1}),
    ("30 s", PRIME, {"duration": 30, "seed": 2147483647}),
    ("a length of its own beside a clip", W, {"prompt": "Video 1", "reference_urls": ["14s.mp4"], "duration": -1}),
    ("all the room beside a clip", W, {"prompt": "Video 1", "reference_urls": ["14s.mp4"], "duration": 16}),
    ("clips of 16 s for the frames that they have more", W, {"prompt": "Video 1", "reference_urls": ["8s.mp4", "5s.mp4", "2s.mp4"]}),
    ("ten pictures, five clips, five sounds", W, {"prompt": "Image 1", "reference_urls": [FRAME] * 10 + [CLIP] * 5 + [SOUND] * 5}),
    ("a first frame that the shape follows", W, {"prompt": None, "img_url": "ok.png", "ratio": "adaptive"}),
    ("a prompt of 20000", W, {"prompt": "图" * 20000}),
    ("an old document", W, {"file": "old.doc"}),
    ("a presentation of Keynote", W, {"prompt": None, "file": "deck.key"}),
    ("a text in Chinese", W, {"file": "notes.md", "prompt_extend": True}),
    ("a text of Windows", W, {"file": "wide.txt"}),
    ("a page with a query", W, {"link": "HTTPS://例子.中国/页?id=7#top"}),
    ("a talking head of 720P", TALK, {**SPEAKER, "resolution": "720P", "audio_url": "9s.wav"}),
)  # fmt: skip

# (name, model, fields beside prompt "x", seconds at most, of which are of clips)
BILLS: tuple[tuple[str, str, dict[str, Any], int, int], ...] = (
    ("text", W, {}, 5, 0),
    ("a length of its own", W, {"duration": -1}, 30, 0),
    ("a length of its own beside a clip", W, {"prompt": "Video 1", "reference_urls": ["8s.mp4"], "duration": -1}, 30, 8),
    ("a clip", W, {"prompt": "Video 1", "reference_urls": ["8s.mp4"]}, 13, 8),
    ("two clips", W, {"prompt": "Video 1", "reference_urls": ["8s.mp4", "5s.mp4"], "duration": 10}, 23, 13),
    ("a clip that cannot be looked at", W, {"prompt": "Video 1", "reference_urls": [CLIP]}, 20, 15),
    ("five of them are 15 s together", W, {"prompt": "Video 1", "reference_urls": [CLIP] * 5}, 20, 15),
    ("a sound is no clip", W, {"prompt": "Audio 1", "reference_urls": [SOUND], "reference_voices": ["8s.wav"]}, 5, 0),
    ("a type tells that it is none", W, {"prompt": "Image 1", "media": [item("reference_image", "https://example.com/x")]}, 5, 0),
    ("an edit", W, {"video_url": "8s.mp4"}, 23, 8),
    ("an edit with a length", W, {"video_url": "8s.mp4", "duration": 4}, 12, 8),
    ("an edit that cannot be looked at", W, {"video_url": CLIP}, 30, 15),
    ("a person moves as long as the clip", MOVE, {**PERSON, "video_url": "8s.mp4"}, 8, 0),
    ("a clip of a person that cannot be looked at", MIX, PERSON, 30, 0),
    ("a head talks as long as the voice", TALK, {**SPEAKER, "audio_url": "9s.wav"}, 9, 0),
    ("a voice that cannot be heard", TALK, SPEAKER, 20, 0),
)  # fmt: skip


class Newer(Fields):
    files: ClassVar = {**Fields.files, **FILES}

    def test_refusals_name_the_field_what_is_allowed_and_the_nearest_value(self) -> None:
        for name, model, fields, path, allowed, nearest in REFUSED:
            with self.subTest(name):
                problems = self.refuse(*self.argv(model, fields))
                told = [problem for problem in problems if f"{problem['path']}.".startswith(f"{path}.")]
                self.assertTrue(told, problems)
                texts = [f"{problem['message']} {problem.get('allowed')}" for problem in told]
                self.assertTrue(any(allowed in text for text in texts), texts)
                self.assertIn(nearest, [problem.get("nearest") for problem in told])

    def test_warnings(self) -> None:
        for name, model, fields, words in WARNED:
            with self.subTest(name):
                reply = self.video_json(*self.argv(model, fields), "--dry-run")
                self.assertRegex("\n".join(reply["warnings"]), words)

    def test_what_is_allowed_gets_no_warning(self) -> None:
        for name, model, fields in ALLOWED:
            with self.subTest(name):
                self.assertEqual(self.video_json(*self.argv(model, fields), "--dry-run")["warnings"], [])

    def test_bills_count_the_clips_and_say_so(self) -> None:
        for name, model, fields, seconds, clips in BILLS:
            with self.subTest(name):
                bills = {"unit": "second", "at_most": seconds, **({"input_clips": clips} if clips else {})}
                told = self.video_json(*self.argv(model, fields), "--dry-run")["bills"]
                self.assertEqual("no page says whether clips" in told.pop("unconfirmed", ""), clips > 0)
                self.assertEqual(told, bills)
        told = self.video(*self.argv(W, {"prompt": "Video 1", "reference_urls": ["8s.mp4"]}), "--dry-run").stdout
        self.assertIn("# bills at most 13 seconds, of which up to 8 are of the clips that are sent; no page says", told)


# (name, model, argv, width, height, seconds, usage that is told)
MADE: tuple[tuple[str, str, list[str], int, int, float, dict[str, Any]], ...] = (
    ("text", W, ["x"], 1280, 720, 5, {"ratio": "16:9", "SR": 720, "fps": 30, "duration": 5}),
    ("480P upright", W, ["x", "--size", "480*832", "--duration", "2"], 480, 832, 2, {"ratio": "9:16", "SR": 480}),
    ("its own length", W, ["x", "--duration", "-1"], 1280, 720, 8, {"duration": 8}),
    ("adaptive follows a frame", W, ["x", "--image", "tall.png", "--ratio", "adaptive"], 720, 1280, 5, {"ratio": "9:16"}),
    ("so does no ratio", W, ["x", "--image", "tall.png"], 720, 1280, 5, {"ratio": "9:16"}),
    ("a ratio wins over a frame", W, ["x", "--image", "tall.png", "--ratio", "1:1"], 960, 960, 5, {"ratio": "1:1"}),
    ("adaptive follows a reference", W, ["Image 1", "--reference", "tall.png", "--voice", "v.wav"], 720, 1280, 5, {"ratio": "9:16"}),
    ("a clip is billed too", W, ["Video 1", "--reference", "clip.mp4", "--duration", "3"], 1280, 720, 3, {"duration": 8, "input_video_duration": 5}),
    ("an edit", W, ["Make it snow", "--video", "clip.mp4"], 1280, 720, 5, {"duration": 10, "output_video_duration": 5}),
    ("a person", MOVE, ["--image", "tall.png", "--video", "clip.mp4"], 1280, 720, 5, {"video_duration": 5, "video_ratio": "standard"}),
    ("a talking head", TALK, ["--image", "tall.png", "--audio", "v.wav"], 720, 1280, 3, {"duration": 3, "size": "720*1280", "fps": 16, "SR": 720}),
)  # fmt: skip


class Placeholders(Case):
    def test_they_have_the_size_and_the_length_that_was_asked_for(self) -> None:
        self.picture("tall.png", 720, 1280)
        self.sound("v.wav", 3)
        self.clip("clip.mp4")
        for name, model, argv, width, height, seconds, usage in MADE:
            with self.subTest(name), self.standin():
                reply = self.video_json(*argv, "--model", model)
                (file,) = reply["files"]
                self.assertEqual((file["width"], file["height"]), (width, height))
                facts = probe_bytes(Path(reply["local_path"]).read_bytes())
                assert facts
                self.assertAlmostEqual(facts.seconds, seconds, delta=0.1)
                self.assertEqual({key: reply["usage"][key] for key in usage}, usage)

    def test_a_silent_one_has_no_sound(self) -> None:
        for value, has_sound in (("true", True), ("false", False)):
            with self.standin():
                path = self.video_json("x", "--model", W, "--set", f"audio={value}")["local_path"]
            self.assertEqual(b"mp4a" in Path(path).read_bytes(), has_sound)


class Documents(Case):
    def test_a_document_keeps_its_suffix_and_its_bytes(self) -> None:
        data = b"PK\x03\x04" + bytes(range(256))
        (self.cwd / "Plan für 2027.PPTX").write_bytes(data)
        with self.standin() as standin:
            self.video_json("a trailer", "--document", "Plan für 2027.PPTX")
            (sent,) = standin.of("submit")
            (kept,) = standin.storage.uploads.values()
        (media,) = sent.json["input"]["media"]
        self.assertRegex(media["url"], r"^oss://.*\.pptx$")
        self.assertEqual((media["type"], sent.json["model"]), ("file", W))
        self.assertEqual(kept.bytes, len(data))

    def test_a_dry_run_names_what_would_be_uploaded_and_reads_nothing_else(self) -> None:
        (self.cwd / "plan.pdf").write_bytes(b"%PDF-1.7\n")
        reply = self.video_json("x", "--document", "plan.pdf", "--dry-run")
        self.assertEqual([(each["field"], each["bytes"]) for each in reply["uploads"]], [("file", 9)])
        self.assertEqual(reply["request"]["body"]["input"]["media"][0]["url"], f"oss://(upload of {self.cwd}/plan.pdf)")

    def test_a_page_is_never_touched(self) -> None:
        """A path of that name is there, and it is no page; a page is sent letter by letter."""
        (self.cwd / "page.html").write_text("<p>")
        self.assertEqual(self.video("x", "--link", "page.html", send=Script()).code, 3)
        with self.standin() as standin:
            self.video_json("x", "--link", "http://127.0.0.1:1/a?b=%20c#d")
            (sent,) = standin.of("submit")
            self.assertEqual(standin.of("policy", "upload"), [])
        self.assertEqual(sent.json["input"]["media"], [{"type": "link", "url": "http://127.0.0.1:1/a?b=%20c#d"}])

    def test_a_model_without_a_row_gets_a_document_too(self) -> None:
        (self.cwd / "plan.pdf").write_bytes(b"%PDF-1.7\n")
        reply = self.video_json("x", "--model", "wan3.9-video", "--document", "plan.pdf", "--dry-run")
        self.assertEqual(reply["request"]["body"]["input"]["media"][0]["type"], "file")
        self.assertEqual([each["field"] for each in reply["uploads"]], ["file"])

    def test_what_the_first_bytes_tell(self) -> None:
        for head, said in (
            (b"%PDF-1.4", PDF),
            (b"PK\x03\x04...", ZIP),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
            ("Straße".encode("latin-1"), TEXT),
            ("文".encode("gb18030"), TEXT),
            (b"\xfe\xff\x00a", TEXT),
            (b"\x89PNG\r\n\x1a\n\0\0", ""),
            (b"", TEXT),
        ):
            self.assertEqual(inside(head), said)

    def test_every_suffix_of_the_page_is_there(self) -> None:
        page = "docx doc xlsx xls pptx ppt pdf txt key pages numbers md"
        self.assertEqual({suffix[1:] for suffix in DOCUMENTS}, set(page.split()))
        self.assertEqual(len({kind for kind, _ in DOCUMENTS.values()}), len(DOCUMENTS))


class Waiting(Case):
    def test_a_result_in_an_object_is_saved(self) -> None:
        with self.standin():
            reply = self.video_json(*("--model", MOVE, "--image", FRAME, "--video", CLIP, "--mode", "wan-pro"))
        self.assertEqual(reply["usage"], {"video_duration": 5.0, "video_ratio": "pro"})
        self.assertEqual(reply["video_url"], reply["output"]["results"]["video_url"])
        self.assertTrue(reply["local_path"])

    def test_a_task_that_waits_a_day_and_runs_eight_hours_is_not_given_up(self) -> None:
        """The service lets wan3.0 wait 1,440 minutes and run 480, and keeps the result for a day after that."""
        for model, hours, state in (
            (W, 33, "waiting"),
            (W, 55, "waiting"),
            (W, 57, "expired"),
            ("wan2.6-t2v", 25, "expired"),
        ):
            with self.subTest(model=model, hours=hours), self.standin(delay=1e6):
                self.env["QIANWEN_STATE_DIR"] = str(self.folder / f"state-{model}-{hours}")
                self.video_json("x", "--model", model, "--submit-only")
                self.clock.sleep(hours * 3600)
                (run,) = self.video_json("--tasks")["tasks"]
                self.assertEqual(run["state"], state)
