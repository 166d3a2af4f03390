"""API calls: headers, errors out of refusals, and server-sent events."""

from __future__ import annotations

import unittest
from typing import Any, Union

from qianwen.errors import AuthError, ContentRefused, QianwenError, Refused, Unavailable, UnknownOutcome
from qianwen.http.messages import Fault, Response
from qianwen.service import answers, requests
from qianwen.service.endpoint import Endpoint

from ..support import KEY, Script, answer

ENDPOINT = Endpoint("https://dashscope.aliyuncs.com/api/v1", KEY)
BODY = {"model": "m", "input": {"prompt": "猫"}}
PAID = requests.request_for(ENDPOINT, "POST", "/services/x", BODY)
FREE = requests.request_for(ENDPOINT, "GET", "/tasks/t")


class Requests(unittest.TestCase):
    def test_headers(self) -> None:
        plain = {"Authorization", "User-Agent", "Accept", "Accept-Encoding"}
        for name, request, more in (
            ("look", FREE, set[str]()),
            ("call", PAID, {"Content-Type"}),
            (
                "task",
                requests.request_for(ENDPOINT, "POST", "/x", BODY, task=True),
                {"Content-Type", "X-DashScope-Async"},
            ),
            (
                "stream",
                requests.request_for(ENDPOINT, "POST", "/x", BODY, stream=True),
                {"Content-Type", "X-DashScope-Sse"},
            ),
        ):
            with self.subTest(name):
                self.assertEqual(set(request.headers), plain | more)
        self.assertEqual(PAID.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual(
            requests.request_for(ENDPOINT, "POST", "/x", BODY, stream=True).headers["Accept"], "text/event-stream"
        )

    def test_what_costs_money_is_marked(self) -> None:
        self.assertTrue(PAID.billable)
        self.assertFalse(FREE.billable)
        cancel = requests.request_for(ENDPOINT, "POST", "/tasks/t/cancel")
        self.assertEqual((cancel.billable, cancel.body), (False, b""))

    def test_the_resolve_header_for_oss_anywhere(self) -> None:  # B18
        for value, there in (
            ({"a": "oss://x"}, True),
            ({"a": [{"b": ["https://a", {"c": "oss://x"}]}]}, True),
            ({"a": "see oss://x"}, False),
            ({"oss://x": "a"}, False),
        ):
            with self.subTest(value=value):
                headers = requests.request_for(ENDPOINT, "POST", "/x", {"input": value}).headers
                self.assertEqual("X-DashScope-OssResourceResolve" in headers, there)

    def test_bodies_are_utf_8(self) -> None:
        self.assertIn("猫".encode(), PAID.body if isinstance(PAID.body, bytes) else b"")

    def test_ids_and_models_are_quoted_in_paths(self) -> None:
        self.assertEqual(requests.task_path("a/../b?c"), "/tasks/a%2F..%2Fb%3Fc")
        self.assertEqual(requests.policy_path("m&x=1"), "/uploads?action=getPolicy&model=m%26x%3D1")


class Errors(unittest.TestCase):
    # name, body and status or a fault, error of a paid request, error of a free one
    TABLE: tuple[tuple[str, Union[tuple[Any, int], Fault], type[QianwenError], type[QianwenError]], ...] = (
        ("refused", ({"code": "InvalidParameter", "message": "no"}, 400), Refused, Refused),
        ("content", ({"code": "DataInspectionFailed"}, 400), ContentRefused, ContentRefused),
        ("key", ({"code": "InvalidApiKey"}, 401), AuthError, AuthError),
        ("model", ({"code": "ModelNotFound"}, 404), Refused, Refused),
        ("throttled", ({"code": "Throttling"}, 429), Unavailable, Unavailable),
        (
            "quota",
            ({"code": "insufficient_quota", "message": "Free allocated quota exceeded"}, 429),
            AuthError,
            AuthError,
        ),
        ("server", ({"code": "InternalError"}, 500), UnknownOutcome, Unavailable),
        ("gateway", (b"<html>bad gateway</html>", 502), UnknownOutcome, Unavailable),
        ("redirect", (b"", 302), UnknownOutcome, Unavailable),
        ("not sent", Fault("refused", sent=False), Unavailable, Unavailable),
        ("broke off", Fault("reset", sent=True), UnknownOutcome, Unavailable),
        ("no JSON", (b"<html>hello</html>", 200), UnknownOutcome, Unavailable),
        ("no object", (b"[1]", 200), UnknownOutcome, Unavailable),
        ("deep", (b"[" * 100_000, 200), UnknownOutcome, Unavailable),
        ("an error with status 200", ({"code": "InvalidParameter", "message": "no"}, 200), Refused, Refused),
        (
            "a failure with status 200",
            ({"code": "InternalError.Timeout", "message": "late"}, 200),
            UnknownOutcome,
            Unavailable,
        ),
        ("a timeout with a client's status", (b"", 408), UnknownOutcome, Refused),
        ("a framed refusal", (b'id:1\nevent:error\ndata:{"code":"InvalidParameter"}\n\n', 400), Refused, Refused),
    )

    def test_table(self) -> None:
        for name, outcome, paid, free in self.TABLE:
            for request, kind in ((PAID, paid), (FREE, free)):
                with self.subTest(name, billable=request.billable), self.assertRaises(QianwenError) as caught:
                    answers.answer(Script(outcome if isinstance(outcome, Fault) else answer(*outcome)), request)
                self.assertIs(type(caught.exception), kind)
                self.assertEqual(caught.exception.billed, "unknown" if kind is UnknownOutcome else "no")

    def test_a_code_beside_an_output_is_a_remark(self) -> None:
        body = {"code": "200", "output": {"choices": []}}
        self.assertEqual(answers.answer(Script(body), PAID), body)

    def test_numbers_that_json_cannot_say_are_nothing(self) -> None:
        body = answers.answer(Script(answer(b'{"a": 1e999, "b": -1e999, "c": NaN, "d": Infinity, "e": 1.5}')), FREE)
        self.assertEqual(body, {"a": None, "b": None, "c": None, "d": None, "e": 1.5})

    def test_frames_within_frames_are_no_json(self) -> None:
        with self.assertRaises(UnknownOutcome):
            answers.answer(Script(answer(b"data:" * 5000 + b"{}", 200)), PAID)

    def test_halves_of_characters_are_replaced(self) -> None:
        body = answers.answer(Script(answer(b'{"a": "\\ud83d\\ude00 \\ud800 \\uDC00x"}')), FREE)
        self.assertEqual(body["a"], "\N{GRINNING FACE} \ufffd \ufffdx")

    def test_the_service_is_quoted(self) -> None:
        body = {"code": "InvalidParameter", "message": "num_images_per_prompt must be 1", "request_id": "r-1"}
        with self.assertRaises(Refused) as caught:
            answers.answer(Script(answer(body, 400)), PAID)
        error = caught.exception
        self.assertEqual(error.message, "InvalidParameter: num_images_per_prompt must be 1")
        self.assertEqual((error.code, error.http_status, error.request_id), ("InvalidParameter", 400, "r-1"))

    def test_an_unknown_model_comes_with_advice(self) -> None:
        with self.assertRaises(Refused) as caught:
            answers.answer(Script(answer({"code": "InvalidParameter", "message": "Model not exist."}, 400)), PAID)
        self.assertIn("--region", caught.exception.hint)
        self.assertIn("spelling", caught.exception.hint)


STREAM = requests.request_for(ENDPOINT, "POST", "/services/x", BODY, stream=True)


def events(*blocks: bytes, content_type: str = "text/event-stream;charset=UTF-8") -> list[dict[str, Any]]:
    """The frames of an answer that comes in these blocks."""
    left = list(blocks)
    response = Response(200, {"content-type": content_type}, lambda _: left.pop(0) if left else b"")
    return list(answers.events(Script(response), STREAM))


class Events(unittest.TestCase):
    def test_the_framing_of_the_sheet(self) -> None:
        data = b'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"a":1}\n\nid:2\nevent:result\ndata:{"a":2}\n\n'
        self.assertEqual(events(data), [{"a": 1}, {"a": 2}])

    def test_it_may_come_in_any_pieces(self) -> None:
        data = 'id:1\r\ndata: {"a":"猫"}\r\n\r\n: heartbeat\r\n\r\nodd line\r\ndata:{"a":2}\r\n\r\ndata:[DONE]\r\n\r\n'.encode()
        for size in (1, 2, 7, 1000):
            blocks = [data[start : start + size] for start in range(0, len(data), size)]
            with self.subTest(size):
                self.assertEqual(events(*blocks), [{"a": "猫"}, {"a": 2}])

    def test_a_last_event_without_an_empty_line(self) -> None:
        self.assertEqual(events(b'data:{"a":1}'), [{"a": 1}])

    def test_an_error_in_the_stream_is_an_error(self) -> None:  # B17
        data = b'event:error\n:HTTP_STATUS/400\ndata:{"code":"InvalidParameter","message":"x","request_id":"r"}\n\n'
        for framed in (data, data.replace(b"event:error\n", b"")):
            with self.assertRaises(Refused) as caught:
                events(framed)
            self.assertEqual((caught.exception.code, caught.exception.request_id), ("InvalidParameter", "r"))

    def test_what_is_no_json_is_a_heartbeat(self) -> None:
        self.assertEqual(events(b"data:...\n\n", b'data:{"a":1}\n\n'), [{"a": 1}])

    def test_a_plain_answer_to_a_stream_request(self) -> None:
        self.assertEqual(events(b'{"a":1}', content_type="application/json"), [{"a": 1}])

    def test_a_break_in_the_middle_is_an_unknown_outcome(self) -> None:
        def read(_: int) -> bytes:
            if not left:
                raise Fault("the connection broke", sent=True)
            return left.pop()

        left = [b'data:{"a":1}\n\n']
        response = Response(200, {"content-type": "text/event-stream"}, read)
        frames = answers.events(Script(response), STREAM)
        self.assertEqual(next(frames), {"a": 1})
        with self.assertRaises(UnknownOutcome):
            next(frames)

    def test_a_stream_without_end_is_cut(self) -> None:
        response = Response(200, {"content-type": "text/event-stream"}, lambda _: b"x" * 65536)
        with self.assertRaises(UnknownOutcome):
            list(answers.events(Script(response), STREAM))
