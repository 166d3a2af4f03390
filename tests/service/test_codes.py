"""The service's codes: throttling, exhausted quota, account matters and content refusals are never confused."""

from __future__ import annotations

import time
import unittest
from typing import Iterator

from qianwen.errors import ContentRefused, Refused, Unavailable, UnknownOutcome
from qianwen.service import answers, codes, requests
from qianwen.service.codes import blames_the_key, meaning, words_of
from qianwen.service.endpoint import Endpoint

from ..support import DATA, KEY

# status, code, message, kind, passing
TABLE = (
    (400, "InvalidParameter", "num_images_per_prompt must be 1", "failed", False),
    (400, "InvalidParameter", "Model not exist.", "failed", False),
    (400, "InvalidParameter", "url error, please check url！", "failed", False),
    (400, "invalid_parameter_error", "InternalError.Algo.InvalidParameter: The provided URL …", "failed", False),
    (400, "InvalidParameter.DataInspection", "Unable to download the media resource", "failed", False),
    (400, "DataInspectionFailed", "Input data may contain inappropriate content.", "content", False),
    (400, "data_inspection_failed", "", "content", False),
    (400, "IPInfringementSuspect", "Input data is suspected of …", "content", False),
    (400, "CustomRoleBlocked", "", "content", False),
    (400, "FaqRuleBlocked", "", "content", False),
    (400, "InvalidParameter", "The image content does not comply with green network verification.", "content", False),
    (400, "Arrearage", "Access denied, please make sure your account is in good standing.", "auth", False),
    (400, "InvalidURL.Timeout", "", "failed", False),
    (400, "BadRequest.InputDownloadFailed", "Failed to download the input file.", "failed", False),
    (400, "UnsupportedOperation", "Failed to cancel the task", "failed", False),
    (401, "InvalidApiKey", "Invalid API-key provided.", "auth", False),
    (401, "NOT AUTHORIZED", "Access denied: Either you are not authorized …", "auth", False),
    (401, "", "invalid access token or token expired", "auth", False),
    (403, "AccessDenied", "Access denied.", "auth", False),
    (403, "AccessDenied", "current user api does not support synchronous calls.", "failed", False),
    (403, "AccessDenied", "Current user api does not support asynchronous calls.", "failed", False),
    (403, "AccessDenied.Unpurchased", "Access to model denied.", "auth", False),
    (403, "Model.AccessDenied", "", "auth", False),
    (403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted…", "auth", False),
    (403, "", "invalid api-key", "auth", False),
    (403, "AccessDenied", "Access denied, please make sure your account is in good standing.", "auth", False),
    (403, "AccessDenied", "Coding Plan is currently only available for Coding Agents", "auth", False),
    (404, "ModelNotFound", "Model can not be found.", "failed", False),
    (400, "invalid_parameter_error", "model 'wan9' is not supported", "failed", False),
    (404, "WorkSpaceNotFound", "WorkSpace can not be found.", "auth", False),
    (400, "ServiceUnavailableError", "", "failed", False),
    (404, "NotFound", "Not found!", "failed", False),
    (429, "Throttling", "Requests throttling triggered.", "unavailable", True),
    (429, "Throttling.RateQuota", "Requests rate limit exceeded", "unavailable", True),
    (429, "limit_burst_rate", "Request rate increased too quickly", "unavailable", True),
    (
        429,
        "Throttling.AllocationQuota",
        "Allocated quota exceeded, please increase your quota limit.",
        "unavailable",
        True,
    ),
    (429, "Throttling.AllocationQuota", "Free allocated quota exceeded.", "auth", False),
    (429, "insufficient_quota", "week allocated quota exceeded", "auth", False),
    (429, "CommodityNotPurchased", "", "auth", False),
    (429, "PostpaidBillOverdue", "", "auth", False),
    (429, "", "", "unavailable", True),
    (500, "InternalError", "An internal error has occured", "unavailable", True),
    (500, "InternalError.Algo", "inference internal error.", "unavailable", True),
    (500, "RequestTimeOut", "Request timed out, please try again later.", "unavailable", True),
    (503, "ModelUnavailable", "Model is unavailable", "unavailable", True),
    (502, "", "", "unavailable", True),
    (504, "", "<html>", "unavailable", True),
    (418, "Teapot", "short and stout", "failed", False),
)


class Meanings(unittest.TestCase):
    def test_table(self) -> None:
        for status, code, message, kind, passing in TABLE:
            with self.subTest(status=status, code=code, message=message):
                means = meaning(code, message, status)
                self.assertEqual((means.kind, means.passing), (kind, passing))

    def test_whether_the_key_itself_is_refused(self) -> None:
        blamed = {(401, "InvalidApiKey"), (401, "NOT AUTHORIZED"), (401, ""), (403, "")}
        for status, code, message, *_ in TABLE:
            with self.subTest(status=status, code=code, message=message):
                self.assertEqual(blames_the_key(code, message, status), (status, code) in blamed)
        self.assertTrue(blames_the_key("invalid_api_key", "invalid_api_key: Incorrect API key provided.", 401))
        self.assertFalse(blames_the_key("", "no API key was found", None))

    def test_what_can_be_mended_comes_with_advice(self) -> None:
        for status, code, message, kind, _ in TABLE:
            if kind in ("auth", "content", "unavailable"):
                self.assertTrue(meaning(code, message, status).hint, code)


MEANINGS = {
    "content": codes.CONTENT, "fetch": codes.FETCH, "media": codes.MEDIA, "request": codes.REQUEST, "trouble": codes.SERVER,
    "throttled": codes.THROTTLED, "quota": codes.QUOTA, "account": codes.ACCOUNT, "key": codes.KEY, "permission": codes.PERMISSION,
    "route": codes.ROUTE, "model": codes.MODEL, "workspace": codes.WORKSPACE, "not there": codes.NOT_THERE,
}  # fmt: skip
STATUSES = (200, 400, 401, 403, 404, 408, 429, 500, 502, 503)
PAID = requests.request_for(Endpoint("https://dashscope.aliyuncs.com/api/v1", KEY), "POST", "/x", {})


def pairs() -> Iterator[tuple[int, str, str, str]]:
    for line in (DATA / "codes.tsv").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            status, code, message, what, source = line.split("\t")
            assert source, line
            yield int(status), code, message, what


class RealPairs(unittest.TestCase):
    """tests/data/codes.tsv: what was seen in logs and stands on pages, each line with its source."""

    def test_what_each_means(self) -> None:
        for status, code, message, what in pairs():
            with self.subTest(status=status, code=code, message=message):
                means, expected = meaning(code, message, status), MEANINGS[what]
                kind = (
                    "failed" if status == 400 and not message.startswith("<5") and expected.passing else expected.kind
                )
                self.assertEqual((means.hint, means.kind), (expected.hint, kind))

    def test_there_are_many_and_of_every_meaning(self) -> None:
        self.assertGreaterEqual(len(set(pairs())), 60)
        self.assertEqual({what for *_, what in pairs()}, set(MEANINGS))

    def test_the_status_never_turns_content_inputs_and_trouble_into_each_other(self) -> None:
        for _, code, message, what in pairs():
            for status in STATUSES if what in ("content", "fetch", "media", "trouble", "request") else ():
                with self.subTest(status=status, code=code, message=message):
                    self.assertEqual(meaning(code, message, status).hint, MEANINGS[what].hint)

    def test_what_a_paid_request_learns_of_its_bill(self) -> None:
        for status in (200, 400, 500, 503):
            for _, code, message, what in pairs():
                error = answers.refused({"code": code, "message": message}, status, PAID)
                with self.subTest(status=status, code=code, message=message):
                    if what == "content":
                        self.assertIs(type(error), ContentRefused)
                    elif what in ("fetch", "media", "request", "model", "route"):
                        self.assertIs(type(error), Refused)
                    elif what == "trouble" and status != 400:
                        self.assertIs(type(error), UnknownOutcome)
                    elif what == "trouble":
                        self.assertIn(type(error), (Refused, Unavailable))
                    self.assertEqual(error.billed, "unknown" if isinstance(error, UnknownOutcome) else "no")

    def test_in_a_failed_task_only_content_is_told_apart(self) -> None:
        for _, code, message, what in pairs():
            error = answers.refused({"code": code, "message": message}, 200)
            self.assertIs(type(error), ContentRefused if what == "content" else Refused)


class Words(unittest.TestCase):
    TABLE: tuple[tuple[dict[str, object], tuple[str, str]], ...] = (
        ({"code": "InvalidParameter", "message": "no", "request_id": "r"}, ("InvalidParameter", "no")),
        ({"code": "InvalidParameter", "msg": "no"}, ("InvalidParameter", "no")),
        ({"error": {"code": "Arrearage", "type": "x", "message": "no"}}, ("Arrearage", "no")),
        ({"error": {"code": None, "type": "Arrearage", "message": "no"}}, ("Arrearage", "no")),
        ({"error": {"code": 400, "type": "invalid_request_error", "message": "no"}}, ("invalid_request_error", "no")),
        ({"error": {"code": 400, "message": "no"}}, ("400", "no")),
        ({"error": {}, "code": "A", "message": "b"}, ("A", "b")),
        ({"error": "Not Found"}, ("", "Not Found")),
        ({"error_code": "InvalidImage", "error_message": "no face"}, ("InvalidImage", "no face")),
        ({"error_code": 0, "error_message": ""}, ("", "")),
        ({"code": "", "message": ""}, ("", "")),
        ({"code": True, "message": ["x"]}, ("", "")),
        ({"code": {"a": 1}, "message": None, "error": None}, ("", "")),
        ({}, ("", "")),
    )

    def test_code_and_message_in_every_envelope(self) -> None:
        for answer, expected in self.TABLE:
            with self.subTest(answer=answer):
                self.assertEqual(words_of(answer), expected)

    def test_a_404_that_is_not_the_services_blames_the_base_url(self) -> None:
        for code, message in (("", ""), ("", "Not Found"), ("", "no Route matched with those values")):
            hint = meaning(code, message, 404).hint
            self.assertIn("DASHSCOPE_HTTP_BASE_URL", hint)
            self.assertNotIn("spelling", hint)
        self.assertIn("spelling", meaning("ModelNotFound", "Model can not be found.", 404).hint)

    def test_odd_texts_cost_little(self) -> None:
        for code, message in (
            ("." * 100_000, "x"),
            ("A." * 50_000, "x" * 1_000_000),
            ("", "<400> " + "A." * 100 + "B: x"),
            ("", "a." * 1_000_000),
            ("InternalError." + "é" * 1000, "\0" * 1000),
        ):
            began = time.thread_time()
            meaning(code, message, 500)
            self.assertLess(time.thread_time() - began, 0.5)
