"""The stand-in answers as the pages of the service say: every example of the sheets, and what they say is refused.

`data/documented/*.json` are the examples: `source` names the section, `steps` are exchanges in order, `after` seconds of
the service's time. An answer must have the same keys and types and the same values of `SAID`, except where it says
"x" or "…", or where the example depends on pictures that are not here (`free`). Keys that an example leaves out and
another section has are `optional`. `data/documented/refused.tsv` is the table of refusals.
"""

from __future__ import annotations

import json
import re
import unittest
from typing import Any

from ..sandbox.test_standin import Http
from ..support import DATA, KEY, PHOTO, Recording, cases, data_url

SAID = frozenset(
    (
        *("task_status", "status", "code", "message", "finish_reason", "role", "type", "model_name", "region"),
        *("image_count", "size", "width", "height", "TOTAL", "SUCCEEDED", "FAILED", "total", "total_page", "page_no"),
        *("duration", "input_video_duration", "output_video_duration", "video_duration", "video_count", "video_ratio"),
        *("SR", "ratio", "audio", "page_size", "expire_in_seconds", "x_oss_object_acl", "x_oss_forbid_overwrite"),
    )
)
ANY_TEXT = re.compile(r"xx|\.\.\.|…")
FORMS = {
    "submit_time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}",
    "scheduled_time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}",
    "end_time": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}|\d{13}",
    "request_id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "url": r"https?://.+\.png\?.+",
    "image": r"https?://.+\.png\?.+",
    "video_url": r"https?://.+\.mp4\?.+",
    "upload_dir": r"dashscope-instant/[^/]+/\d{4}-\d\d-\d\d/[^/]+",
    "user_api_unique_key": r"apikey:v1:aigc:text2image:image-synthesis:wanx2\.1-t2i-turbo",
}


class Examples(Http):
    def test_the_examples_are_answered_as_documented(self) -> None:
        for name, case in cases("documented"):
            with self.subTest(name), self.standin(case.get("delay", 0), case.get("faults", ())) as standin:
                self.play(case, standin)

    def test_every_section_that_shows_an_answer_is_there(self) -> None:
        sources = " ".join(case["source"] for _, case in cases("documented"))
        image = [f"3.{number}" for number in range(1, 12)] + ["1.3", "1.4", "4.4", "6.3"]
        video = ["0.3", "0.5", "0.6"] + [f"2.{number}" for number in range(1, 9)]
        sheets = (("image", image), ("video", video), ("transport", ["4.1", "5.1", "5.2"]), ("newer", ["1", "2", "2a"]))
        for sheet, sections in sheets:
            for section in sections:
                self.assertRegex(sources, rf"{sheet}\.md (\d\.\d+ (to|and) )*{re.escape(section)}\b")

    def play(self, case: dict[str, Any], standin: Recording) -> None:
        self.free = set(case.get("free", ()))
        self.optional = set(case.get("optional", ()))
        task_id = ""
        for step in case["steps"]:
            self.clock.sleep(step.get("after", 0))
            request = step["request"]
            body = self.own_files(request.get("body"), request["headers"])
            path = request["path"].replace("{task_id}", task_id)
            status, answer = self.ask(request["method"], path, body, request["headers"], step.get("key", KEY))
            self.assertEqual(status, step["status"], answer)
            if "events" in step:
                self.compare_streams(answer, step["events"])
                continue
            self.compare(answer, step["answer"], "answer")
            task_id = (answer.get("output") or {}).get("task_id", task_id)

    def own_files(self, body: Any, headers: dict[str, str]) -> Any:
        """The body with files that exist where the example names some of its own; web addresses are not opened."""
        text = json.dumps(body)
        text = re.sub(r"data:image/png;base64,[^\"]+", data_url(800, 600), text)
        if "X-DashScope-OssResourceResolve" in headers:
            text = re.sub(r"oss://[^\"]+", lambda _: self.upload(body["model"]), text)
        return None if body is None else json.loads(text)

    def upload(self, model: str) -> str:
        _, answer = self.ask("GET", f"/uploads?action=getPolicy&model={model}")
        given = answer["data"]
        fields = {
            "OSSAccessKeyId": given["oss_access_key_id"],
            "Signature": given["signature"],
            "policy": given["policy"],
            "x-oss-object-acl": given["x_oss_object_acl"],
            "x-oss-forbid-overwrite": given["x_oss_forbid_overwrite"],
            "key": f"{given['upload_dir']}/photo.jpg",
            "success_action_status": "200",
        }
        parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
        parts.append(b'name="file"; filename="photo.jpg"\r\n\r\n' + PHOTO.read_bytes())
        form = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--b--\r\n"
        status, _ = self.ask("POST", "/", form, {"Content-Type": "multipart/form-data; boundary=b"}, key="")
        self.assertEqual(status, 200)
        return f"oss://{fields['key']}"

    def compare(self, found: Any, told: Any, path: str) -> None:
        """The same keys, types, lengths, and the values that are told."""
        name = path.rpartition(".")[2]
        self.assertEqual(_kind(found), _kind(told), path)
        if isinstance(told, dict):
            self.assertEqual(set(found) - self.optional, set(told) - self.optional, path)
            for key in set(told) & set(found):
                self.compare(found[key], told[key], f"{path}.{key}")
        elif isinstance(told, list):
            self.assertEqual(len(found), len(told), path)
            for index, (left, right) in enumerate(zip(found, told)):
                self.compare(left, right, f"{path}[{index}]")
        elif name in SAID - self.free and not (isinstance(told, str) and ANY_TEXT.search(told)):
            self.assertEqual(found, told, path)
        elif name in FORMS:
            self.assertRegex(str(found), rf"^({FORMS[name]})$", path)

    def compare_streams(self, raw: bytes, told: list[dict[str, Any]]) -> None:
        """Frames of the documented makes and no others, framed as documented, ending as documented."""
        self.assertTrue(self.headers["content-type"].startswith("text/event-stream"))
        found = []
        for number, event in enumerate(raw.decode().strip("\n").split("\n\n"), 1):
            match = re.fullmatch(r"id:(\d+)\nevent:(\w+)\n:HTTP_STATUS/(\d+)\ndata:(\{.*\})", event)
            assert match, event
            self.assertEqual(int(match[1]), number)
            found.append({"event": match[2], "status": int(match[3]), "data": json.loads(match[4])})
        for one, others in ((found, told), (told, found)):
            makes = {_make(other) for other in others}
            self.assertEqual({_make(frame) for frame in one} - makes, set())
        self.compare(found[-1]["data"], told[-1]["data"], "data")
        self.assertEqual(found[-1]["event"], told[-1]["event"])
        endings = [_ending(frame) for frame in found[:-1]]
        self.assertEqual(set(endings), {"null"})
        self.assertEqual(len({frame["data"]["request_id"] for frame in found}), 1)


def _kind(value: Any) -> str:
    """The JSON type; a number is a number with or without a point."""
    return "number" if type(value) in (int, float) else type(value).__name__


def _make(frame: dict[str, Any]) -> str:
    """Which keys a frame of a stream has, and what kind of item it brings."""
    data = frame["data"]
    if "output" not in data:
        return f"{frame['event']} {sorted(data)}"
    (choice,) = data["output"]["choices"]
    (item,) = choice["message"]["content"]
    keys = (sorted(data), sorted(data["output"]), sorted(choice), sorted(choice["message"]), sorted(data["usage"]))
    return f"{frame['event']} {keys} {sorted(item)} {item['type']}"


def _ending(frame: dict[str, Any]) -> str:
    return str(frame["data"]["output"]["choices"][0]["finish_reason"])


ROUTES = {
    "sync": "/services/aigc/multimodal-generation/generation",
    "task": "/services/aigc/image-generation/generation",
    "t2i": "/services/aigc/text2image/image-synthesis",
    "i2i": "/services/aigc/image2image/image-synthesis",
    "video": "/services/aigc/video-generation/video-synthesis",
    "frames": "/services/aigc/image2video/video-synthesis",
}


def refusals() -> list[list[str]]:
    lines = (DATA / "documented" / "refused.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]


class Refusals(Http):
    def test_the_table(self) -> None:
        """Columns are explained in the file."""
        rows = refusals()
        self.assertGreater(len(rows), 80)
        with self.standin() as standin:
            for row in rows:
                source, route, model, given, parameters, headers, status, code, pattern = row
                with self.subTest(source=source, model=model, given=given, parameters=parameters):
                    late = status == "late"
                    found, answer = self.send(route, model, given, parameters, headers)
                    if late:
                        self.assertEqual(found, 200, answer)
                        self.assertEqual(answer["output"]["task_status"], "PENDING")
                        _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
                        self.assertEqual(answer["output"]["task_status"], "FAILED")
                        answer = answer["output"]
                    else:
                        self.assertEqual(found, int(status), answer)
                        self.assertEqual(set(answer), {"code", "message", "request_id"})
                    self.assertEqual(answer["code"], code, answer)
                    self.assertRegex(answer["message"], pattern)
        self.assertTrue(all(task.order.late for task in standin.tasks.values()), "nothing refused is ever made")

    def send(self, route: str, model: str, given: str, parameters: str, headers: str) -> tuple[int, Any]:
        body = _filled(given)
        if body is not None and not isinstance(body, bytes):
            if isinstance(body, list):
                body = {"messages": [{"role": "user", "content": body}]}
            body = {**({"model": model} if model else {}), "input": body}
            if parameters:
                body["parameters"] = json.loads(parameters)
        is_task = (route != "sync") != ("flip" in headers.split())
        sent = {"X-DashScope-Async": "enable"} if is_task else {}
        sent.update({"X-DashScope-OssResourceResolve": "enable"} if "resolve" in headers else {})
        sent.update({"X-DashScope-Sse": "enable"} if "sse" in headers else {})
        key = "" if "keyless" in headers else KEY
        return self.ask("POST", ROUTES.get(route, route), body, sent, key)


def _filled(text: str) -> Any:
    """What `input` is: JSON, in which PNG:W*H stands for a picture of that size; RAW:… is the whole body."""
    if text.startswith("RAW:"):
        return text[4:].encode()
    pictures = re.sub(r"PNG:(\d+)\*(\d+)", lambda match: data_url(int(match[1]), int(match[2])), text)
    return json.loads(pictures)


if __name__ == "__main__":
    unittest.main()
