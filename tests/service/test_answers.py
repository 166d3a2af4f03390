"""API calls: headers, errors out of refusals, and server-sent events."""

from __future__ import annotations

import json
import time
import unittest
from typing import Any, Union

from qianwen.errors import AuthError, ContentRefused, QianwenError, Refused, Unavailable, UnknownOutcome
from qianwen.http.messages import Fault, Response
from qianwen.models import results
from qianwen.service import answers, requests
from qianwen.service.endpoint import Endpoint
from qianwen.service.salvage import LINKS, salvage

from ..support import KEY, Script, answer, breaking

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


LINK = "https://x.oss-cn-beijing.aliyuncs.com/1.png?Expires=1&Signature=a%2B"
PICTURE = {"output": {"choices": [{"finish_reason": "stop", "message": {"content": [{"image": LINK}]}}]}}
TASK = requests.request_for(ENDPOINT, "POST", "/services/x", BODY, task=True)


class Odd(unittest.TestCase):
    """Answers that were paid for, whatever their form. The whole run is shown by the table of faults."""

    def read(self, body: bytes | Response, request: Any = PAID, is_poll: bool = False) -> dict[str, Any]:
        self.warnings: list[str] = []
        response = body if isinstance(body, Response) else answer(body)
        return answers.answer(Script(response), request, is_poll, self.warnings.append)

    def test_strict_answers_cause_no_warning(self) -> None:
        self.assertEqual(self.read(json.dumps(PICTURE).encode()), PICTURE)
        self.assertEqual(self.warnings, [])

    def test_links_have_the_same_names_in_an_answer_that_is_whole(self) -> None:
        self.assertEqual(LINKS, results.LINKS)  # neither of the two may import the other

    def test_a_field_that_is_odd_costs_only_itself(self) -> None:
        whole = json.dumps(PICTURE).encode()
        for field, value in (
            (b'"\xff\xfe"', "\ufffd\ufffd"),
            (b'"\x01\t"', "\x01\t"),
            (b"9" * 10_000, None),
            (b"-" + b"9" * 10_000, None),
        ):
            with self.subTest(field[:9]):
                self.assertEqual(self.read(b'{"x": ' + field + b", " + whole[1:]), {"x": value, **PICTURE})
                self.assertEqual(len(self.warnings), 1)
        deep = self.read(b'{"x": ' + b"[" * 70 + b"]" * 70 + b", " + whole[1:])
        self.assertEqual(deep["output"], PICTURE["output"])
        self.assertLess(json.dumps(deep["x"]).count("["), 70)
        self.assertEqual(self.read(whole + b"\n\0</html>"), PICTURE)
        self.assertEqual(self.read(b"\xef\xbb\xbf" + whole), PICTURE)
        self.assertEqual(self.read(json.dumps(json.dumps(whole.decode())).encode()), PICTURE)

    def test_an_output_in_quotes_is_read(self) -> None:
        for output, read in (
            (json.dumps(PICTURE["output"]), PICTURE["output"]),
            ('{"task_id": "\ud800", "task_status": "PENDING"}', {"task_id": "\ufffd", "task_status": "PENDING"}),
            ('{"task_id": "t", "x": NaN} ', {"task_id": "t", "x": None}),
            ("a cat", "a cat"),
            ("[1]", "[1]"),
            ("{}", "{}"),
        ):
            with self.subTest(output):
                body = self.read(json.dumps({"request_id": "r", "output": output}).encode())
                self.assertEqual(body, {"request_id": "r", "output": read})
                self.assertEqual(len(self.warnings), isinstance(read, dict))

    def test_what_is_no_json_is_searched(self) -> None:
        data = "data:image/png;base64," + "A" * 100
        for body, links in (
            (b'{"output": {"results": [{"url": "%s"}, {"url": "https://cut.off/' % LINK.encode(), [LINK]),
            (b'x: 1, "url" : "' + LINK.replace("/", "\\/").replace("&", "\\u0026").encode() + b'"', [LINK]),
            (b'"url": "%s", "url": "%s"' % (LINK.encode(), LINK.encode()), [LINK]),
            (b'"image": "%s", x' % data.encode(), [data]),
            (b'"b64_json": "iVBOR", x', ["iVBOR"]),
        ):
            with self.subTest(body[:30]):
                (choice,) = self.read(body)["output"]["choices"]
                self.assertEqual([item["image"] for item in choice["message"]["content"]], links)
                self.assertEqual(len(self.warnings), 1)
        task = b'{"request_id": "r", "output": {"task_id": "t-1", "task_status": "PENDING"'
        expected = {"request_id": "r", "output": {"task_id": "t-1", "task_status": "PENDING"}}
        self.assertEqual(self.read(task, TASK), expected)
        self.assertEqual(self.read(task, FREE, is_poll=True), expected)

    def test_what_holds_nothing_that_was_paid_for_stays_unknown(self) -> None:
        own = requests.request_for(ENDPOINT, "POST", "/x", {"input": {"image": LINK}})
        for body, request in (
            (b'"task_id": "t", x', PAID),
            (b'"image": "%s", x' % LINK.encode(), TASK),
            (b'"image": "%s", x' % LINK.encode(), own),
            (b'"image": "a cat", x', PAID),
            (b'"url": "ftp://x/y.png", x', PAID),
        ):
            with self.subTest(body), self.assertRaises(UnknownOutcome):
                self.read(body, request)

    def test_a_break_behind_the_last_link_does_no_harm(self) -> None:
        whole = json.dumps(PICTURE).encode()
        for arrived in (len(whole), len(whole) - 3):
            found = self.read(Response(200, {}, breaking(whole[:arrived])))["output"]["choices"]
            self.assertEqual(found[0]["message"]["content"][0]["image"], LINK)
            self.assertIn("the connection broke", self.warnings[-1])

    def test_an_answer_of_any_text_is_searched_in_linear_time(self) -> None:
        for piece in (b'"url":', b'"url":"\\"', b'"url":"\\x\\x"', b'{"url":[', b'"url":"' + b"\\" * 50, b"\xff"):
            with self.subTest(piece):
                body = piece * (2**19 // len(piece))
                began = time.thread_time()
                with self.assertRaises(UnknownOutcome):
                    self.read(body)
                self.assertLess(time.thread_time() - began, 2)  # it takes a tenth of a second; its square, minutes
        began = time.thread_time()
        salvage(b'"url":"https://x"' * 2**15, bytes(2**20))
        self.assertLess(time.thread_time() - began, 2)


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

    def test_lines_may_end_in_three_ways_and_the_kind_may_be_written_as_it_likes(self) -> None:
        for end in (b"\n", b"\r\n", b"\r"):
            data = end.join((b"id:1", b'data:{"a":1}', b"", b"event:result", b'data:{"a":2}', b"", b""))
            for kind in ("text/event-stream", "Text/Event-Stream; x", "TEXT/EVENT-STREAM", "text/plain", ""):
                for size in (1, 2, 1000):
                    blocks = [data[start : start + size] for start in range(0, len(data), size)]
                    with self.subTest(end=end, kind=kind, size=size):
                        self.assertEqual(events(*blocks, content_type=kind), [{"a": 1}, {"a": 2}])

    def test_a_frame_that_is_cut_off_is_searched(self) -> None:
        (found,) = events(b'data:{"output":{"choices":[{"message":{"content":[{"image":"%s"},{"te' % LINK.encode())
        self.assertEqual(found["output"]["choices"][0]["message"]["content"], [{"image": LINK}])

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
        response = Response(200, {"content-type": "text/event-stream"}, breaking(b'data:{"a":1}\n\n'))
        frames = answers.events(Script(response), STREAM)
        self.assertEqual(next(frames), {"a": 1})
        with self.assertRaises(UnknownOutcome):
            next(frames)

    def test_a_stream_without_end_is_cut(self) -> None:
        response = Response(200, {"content-type": "text/event-stream"}, lambda _: b"x" * 65536)
        with self.assertRaises(UnknownOutcome):
            list(answers.events(Script(response), STREAM))
