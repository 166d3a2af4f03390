"""The service's codes: throttling, exhausted quota, account matters and content refusals are never confused."""

from __future__ import annotations

import unittest

from qianwen.service.codes import blames_the_key, meaning

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
