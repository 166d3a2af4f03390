"""Sizes, tiers and ratios in the words of the model that is asked; what cannot be said exactly is refused with the right field."""

from __future__ import annotations

from typing import Any

from ..support import Case

FRAME = "https://example.com/a.png"


class Words(Case):
    SAID: tuple[tuple[str, dict[str, Any], dict[str, Any], bool], ...] = (
        # model, what is given, what is sent, whether a notice tells the change
        ("wan2.6-t2v", {}, {"size": "1280*720"}, False),
        ("wan2.6-t2v", {"size": "1920x1080"}, {"size": "1920*1080"}, False),
        ("wan2.6-t2v", {"size": "9:16"}, {"size": "720*1280"}, True),
        ("wan2.6-t2v", {"size": "1080p"}, {"size": "1920*1080"}, True),
        ("wan2.6-t2v", {"resolution": "1080P"}, {"size": "1920*1080"}, True),
        ("wan2.6-t2v", {"resolution": "1080P", "ratio": "9:16"}, {"size": "1080*1920"}, True),
        ("wan2.6-t2v", {"ratio": "1:1"}, {"size": "960*960"}, True),
        ("wan2.6-t2v", {"resolution": "1280*720"}, {"size": "1280*720"}, True),
        ("wan2.6-t2v", {"size": "1280*720", "resolution": "720P"}, {"size": "1280*720"}, True),
        ("wan2.6-t2v", {"size": "9:16", "resolution": "1080P"}, {"size": "1080*1920"}, True),
        ("wan2.5-t2v-preview", {"resolution": "480P"}, {"size": "832*480"}, True),
        ("wan2.2-t2v-plus", {}, {"size": "1920*1080"}, False),
        ("wan2.7-t2v", {}, {"resolution": "720P"}, False),
        ("wan2.7-t2v", {"resolution": "1080P", "ratio": "9:16"}, {"resolution": "1080P", "ratio": "9:16"}, False),
        ("wan2.7-t2v", {"size": "1280*720"}, {"resolution": "720P", "ratio": "16:9"}, True),
        ("wan2.7-t2v", {"size": "1104x832"}, {"resolution": "720P", "ratio": "4:3"}, True),
        ("wan2.7-t2v", {"size": "1080P"}, {"resolution": "1080P"}, True),
        ("wan2.7-t2v", {"size": "3:4"}, {"ratio": "3:4", "resolution": "720P"}, True),
        ("wan2.7-t2v", {"resolution": "720p"}, {"resolution": "720P"}, False),
        ("happyhorse-1.0-t2v", {"size": "21:9"}, {"ratio": "21:9", "resolution": "720P"}, True),
        ("wan2.6-i2v-flash", {"size": "1080P", "img_url": FRAME}, {"resolution": "1080P"}, True),
    )  # fmt: skip
    REFUSED: tuple[tuple[str, dict[str, Any], str, str], ...] = (
        # model, what is given, path of the problem, what is allowed
        ("wan2.6-t2v", {"size": "1280*721"}, "size", "1280*720"),
        ("wan2.6-t2v", {"resolution": "480P"}, "resolution", "size 1280*720"),
        ("wan2.6-t2v", {"size": "1280*720", "resolution": "1080P"}, "resolution", "size 1280*720"),
        ("wan2.6-t2v", {"size": "1280*720", "ratio": "9:16"}, "ratio", "size 1280*720"),
        ("wan2.6-t2v", {"ratio": "21:9"}, "ratio", "size"),
        ("wan2.2-t2v-plus", {"size": "1280*720"}, "size", "832*480"),
        ("wan2.2-t2v-plus", {"size": "720P"}, "size", "832*480"),
        ("wan2.7-t2v", {"size": "1088*832"}, "size", "resolution 720P, 1080P; ratio 16:9"),
        ("wan2.7-t2v", {"size": "1280*720", "ratio": "9:16"}, "size", "resolution"),
        ("wan2.7-t2v", {"resolution": "4K"}, "resolution", "720P, 1080P"),
        ("wan2.6-i2v-flash", {"size": "1280*720", "img_url": FRAME}, "size", "resolution 720P, 1080P"),
        ("wan2.6-i2v-flash", {"size": "16:9", "img_url": FRAME}, "size", "resolution 720P, 1080P"),
        ("wan2.7-t2v", {"size": 720}, "size", "resolution"),
        ("wan2.6-t2v", {"resolution": {}}, "resolution", "size"),
    )  # fmt: skip

    def ask(self, model: str, given: dict[str, Any], code: int = 0) -> Any:
        import json

        request = json.dumps({"model": model, "prompt": "x", **given})
        return self.video_json("--request", request, "--dry-run", code=code)

    def test_what_is_sent(self) -> None:
        for model, given, sent, told in self.SAID:
            with self.subTest(model=model, given=given):
                reply = self.ask(model, given)
                parameters = reply["request"]["body"]["parameters"]
                words = {name: parameters[name] for name in ("size", "resolution", "ratio") if name in parameters}
                self.assertEqual(words, sent)
                self.assertEqual(bool(reply["warnings"]), told, reply["warnings"])

    def test_what_is_refused(self) -> None:
        for model, given, path, allowed in self.REFUSED:
            with self.subTest(model=model, given=given):
                (problem,) = self.ask(model, given, code=3)["problems"]
                self.assertEqual(problem["path"], path)
                self.assertIn(allowed, problem["allowed"])
