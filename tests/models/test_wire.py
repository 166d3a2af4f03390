"""Answers back into pictures: every documented layout, partial results, and the frames of a stream."""

from __future__ import annotations

import unittest
from typing import Any, Sequence

from qianwen.models import wire
from qianwen.models.wire import Failure


def choices(*contents: list[dict[str, Any]], **usage: Any) -> dict[str, Any]:
    return {"output": {"choices": [{"message": {"content": content}} for content in contents]}, "usage": usage}


class Decode(unittest.TestCase):
    def test_two_choices_of_one_and_one_choice_of_four(self) -> None:  # B13
        two = choices([{"type": "image", "image": "https://a/1"}], [{"type": "image", "image": "https://a/2"}])
        self.assertEqual(wire.decode(two).urls, ("https://a/1", "https://a/2"))
        four = choices([{"image": f"https://a/{n}"} for n in range(4)])
        self.assertEqual(wire.decode(four).urls, tuple(f"https://a/{n}" for n in range(4)))

    def test_a_result_with_a_code_is_a_failure_of_its_own(self) -> None:  # B14
        body = {"output": {"results": [{"url": "https://a/1"}, {"code": "InternalError.Timeout", "message": "late"}]}}
        result = wire.decode(body)
        self.assertEqual(result.urls, ("https://a/1",))
        self.assertEqual(result.failures, (Failure(2, "InternalError.Timeout", "late"),))

    def test_a_flood_of_results_is_cut(self) -> None:
        many = wire.MOST_RESULTS + 7
        links = [f"https://a/{number}" for number in range(many)]
        for body in (
            choices([{"image": link} for link in links]),
            {"output": {"results": [{"url": link} for link in links]}},
        ):
            result = wire.decode(body)
            self.assertEqual((result.urls, result.left_out), (tuple(links[: wire.MOST_RESULTS]), 7))
        failed = wire.decode({"output": {"results": [{"code": "x"}] * many}})
        self.assertEqual(len(failed.failures), wire.MOST_RESULTS)

    def test_sizes_from_every_spelling_of_usage(self) -> None:
        for usage, size in (
            ({"width": 1664, "height": 928}, (1664, 928)),
            ({"output_width": 1920, "output_height": 1080, "output_image_count": 1}, (1920, 1080)),
            ({"output_width": "1920", "output_height": 1080}, (None, None)),
            ({"width": None, "output_width": 5, "height": 6}, (5, 6)),
            ({"size": "1376*768"}, (1376, 768)),
            ({"size": "0*0"}, (None, None)),
            ({"size": "1K"}, (None, None)),
            ({}, (None, None)),
            ({"width": "a", "height": None}, (None, None)),
        ):
            with self.subTest(usage=usage):
                result = wire.decode({"output": {}, "usage": usage})
                self.assertEqual((result.width, result.height), size)

    def test_text_is_content_only_when_it_was_asked_for(self) -> None:
        body = choices([{"image": "https://a/1"}, {"text": "the rewritten prompt"}])
        self.assertEqual(wire.decode(body).content, ())
        content = wire.decode(body, interleaved=True).content
        self.assertEqual([item["type"] for item in content], ["image", "text"])

    def test_whatever_comes_is_read_without_an_exception(self) -> None:
        bodies: tuple[dict[str, Any], ...] = (
            {},
            {"output": None},
            {"output": []},
            {"output": {"choices": {}}},
            {"output": {"choices": [None, 3, {"message": []}, {"message": {"content": "text"}}]}},
            {"output": {"choices": [{"message": {"content": [None, {"image": 7}, {"text": None}]}}]}},
            {"output": {"results": ["https://a", {"url": None}, {"url": 7}]}, "usage": "none"},
        )
        for body in bodies:
            with self.subTest(body=body):
                self.assertEqual(wire.decode(body).urls, ())

    def test_sdk_renderings_are_tolerated(self) -> None:  # sheet 3.12
        body = choices([{"image": "https://a/1"}], input_tokens=0, characters=0)
        body["output"].update(text=None, finish_reason=None, audio=None)
        self.assertEqual(wire.decode({**body, "status_code": 200, "code": "", "message": ""}).urls, ("https://a/1",))


def frame(item: dict[str, Any], finish: str = "null", **usage: Any) -> dict[str, Any]:
    choice = {"message": {"content": [item], "role": "assistant"}, "finish_reason": finish}
    return {"output": {"choices": [choice], "finished": True}, "usage": usage, "request_id": "r-1"}


def joined(frames: Sequence[dict[str, Any]]) -> dict[str, Any]:
    answer = wire.StreamedAnswer()
    for one in frames:
        answer.add(one)
    return answer.body()


class BilledSeconds(unittest.TestCase):
    def test_newer_and_older_fields_and_what_is_no_length(self) -> None:
        rows: tuple[tuple[Any, float], ...] = (
            ({"duration": 5, "output_video_duration": 3}, 5),
            ({"video_duration": 4.5}, 4.5),
            ({"duration": 0, "video_duration": 5}, 5),
            *(({"duration": value}, 0) for value in (True, "5", None, -5, float("nan"), float("inf"), 10**400, [5])),
            (None, 0),
            ([], 0),
            ("5", 0),
            ({}, 0),
        )
        for usage, seconds in rows:
            with self.subTest(usage=usage):
                self.assertEqual(wire.billed_seconds({"usage": usage}), seconds)


class Streamed(unittest.TestCase):
    FRAMES = (
        frame({"type": "text", "text": "Fold"}, image_count=0, size="0*0"),
        frame({"type": "text", "text": " a square."}, image_count=0, size="0*0"),
        frame({"type": "image", "image": "https://a/1.png"}, image_count=1, size="1280*1280"),
        frame({"type": "text", "text": "Then crease it."}, image_count=1, size="1280*1280"),
        frame({"type": "image", "image": "https://a/2.png"}, "stop", image_count=2, size="1280*1280"),
    )

    def test_the_sequence_of_the_sheet(self) -> None:  # B16
        body = joined(self.FRAMES)
        self.assertEqual(
            body["output"]["choices"][0]["message"]["content"],
            [
                {"type": "text", "text": "Fold a square."},
                {"type": "image", "image": "https://a/1.png"},
                {"type": "text", "text": "Then crease it."},
                {"type": "image", "image": "https://a/2.png"},
            ],
        )
        self.assertEqual(body["usage"], {"image_count": 2, "size": "1280*1280"})
        self.assertEqual((body["request_id"], body["output"]["finished"]), ("r-1", True))

    def test_only_the_finish_reason_says_that_it_is_complete(self) -> None:
        self.assertFalse(joined(self.FRAMES[:-1])["output"]["finished"])
        self.assertFalse(joined([])["output"]["finished"])

    def test_each_frame_tells_its_new_pictures(self) -> None:
        answer = wire.StreamedAnswer()
        self.assertEqual(
            [answer.add(one) for one in self.FRAMES], [[], [], ["https://a/1.png"], [], ["https://a/2.png"]]
        )

    def test_a_body_stays_as_it_was_when_more_comes(self) -> None:
        answer = wire.StreamedAnswer()
        answer.add(self.FRAMES[0])
        early = answer.body()
        answer.add(self.FRAMES[1])
        self.assertEqual(early["output"]["choices"][0]["message"]["content"], [{"type": "text", "text": "Fold"}])

    def test_frames_that_hold_nothing_usable(self) -> None:
        frames: list[dict[str, Any]] = [
            {},
            {"output": None},
            {"output": {"choices": "x"}},
            {"output": {"choices": [None, {"message": {"content": [3, {"image": 4}, {"text": None}]}}]}},
        ]
        self.assertEqual(joined(frames)["output"]["choices"][0]["message"]["content"], [])
