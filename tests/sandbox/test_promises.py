"""What the stand-in promises beside its answers: many clients, repeatable runs, fast time, every trouble, loopback."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
import unittest
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Iterator
from urllib.parse import urlsplit

from qianwen.sandbox.faults import ROUTES, Faults
from qianwen.sandbox.server import Server, running
from qianwen.sandbox.standin import StandIn

from .. import IS_SAMPLE, SCRIPTS
from ..support import Case, Clock
from .test_standin import SYNC, T2I, TASK, TEXT, message

KEY = {"Authorization": "Bearer any", "Content-Type": "application/json"}
CLIENTS = 80 if IS_SAMPLE else 200
STREAM = "/services/aigc/multimodal-generation/generation"
SYNTHESIS = "/services/aigc/video-generation/video-synthesis"
PICTURE = {"model": "wan2.2-t2i-flash", "input": {"prompt": "x"}, "parameters": {"n": 1, "size": "512*512"}}
SMALL = message(TEXT, model="qwen-image-2.0", size="512*512")
TALE = message(TEXT, model="wan2.6-image", enable_interleave=True, stream=True, max_images=1, size="768*768")


class Client:
    """One plain connection after another to a base URL."""

    def __init__(self, base: str, timeout: float = 30) -> None:
        self.parts = urlsplit(base)
        self.timeout = timeout

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Paths of the service begin below its base. Raises what http.client raises."""
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=self.timeout)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        target = path if path.startswith("/results") or path == "/" else self.parts.path + path
        try:
            connection.request(method, target, data, {**KEY, **(headers or {})} if target != path else headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        status, raw = self.send(method, path, body, headers)
        assert status == 200, (status, raw[:300])
        return json.loads(raw)

    def fetch(self, url: str) -> bytes:
        parts = urlsplit(url)
        status, raw = self.send("GET", f"{parts.path}?{parts.query}", headers={})
        assert status == 200, (status, raw[:300])
        return raw

    def finish(self, path: str, body: Any) -> Any:
        """A task from its submission to the end; the last answer."""
        task_id = self.json("POST", path, body, TASK)["output"]["task_id"]
        while True:
            answer = self.json("GET", f"/tasks/{task_id}")
            if answer["output"]["task_status"] not in ("PENDING", "RUNNING"):
                return answer
            time.sleep(0.05)


@contextmanager
def program(*argv: str) -> Iterator[str]:
    """sandbox.py as a program; its base URL."""
    command = [sys.executable, str(SCRIPTS / "sandbox.py"), *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip().partition("=")[2]
        finally:
            process.terminate()


class Crowd(unittest.TestCase):
    def test_many_clients_at_once(self) -> None:
        """Every one submits, polls, lists, makes a picture in one exchange, reads a stream, uploads and downloads."""
        errors: list[str] = []
        ids: list[str] = []
        start = threading.Barrier(CLIENTS)

        def work(number: int) -> None:
            try:
                start.wait(30)
                client = Client(base, 60)
                done = client.finish(T2I, PICTURE)["output"]
                ids.append(done["task_id"])
                picture = client.fetch(done["results"][0]["url"])
                assert picture.startswith(b"\x89PNG") and picture.endswith(b"IEND\xaeB`\x82")
                if number % 4 == 0:
                    video = client.finish(SYNTHESIS, {"model": "wan2.2-t2v-plus", "input": {"prompt": "x"}})
                    assert client.fetch(video["output"]["video_url"])[4:8] == b"ftyp"
                elif number % 4 == 1:
                    client.json("POST", SYNC, SMALL)
                elif number % 4 == 2:
                    _, stream = client.send("POST", STREAM, TALE, {"X-DashScope-Sse": "enable"})
                    assert b'"finish_reason":"stop"' in stream
                else:
                    upload(client)
                client.json("GET", "/tasks/?page_size=3")
            except Exception as error:
                errors.append(f"{number}: {type(error).__name__} {error}")

        with running(StandIn(delay=0.2)) as base:
            threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(errors, [])
        self.assertEqual(len(set(ids)), CLIENTS)


def upload(client: Client) -> str:
    given = client.json("GET", "/uploads?action=getPolicy&model=wan2.6-image")["data"]
    fields = {
        "OSSAccessKeyId": given["oss_access_key_id"],
        "Signature": given["signature"],
        "policy": given["policy"],
        "x-oss-forbid-overwrite": "true",
        "key": f"{given['upload_dir']}/x.png",
    }
    form = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()
    )
    form += '--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nbytes\r\n--b--\r\n'
    status, raw = client.send("POST", "/", form.encode(), {"Content-Type": "multipart/form-data; boundary=b"})
    assert status == 204, (status, raw)
    return str(fields["key"])


class Repeats(unittest.TestCase):
    def run_once(self, seed: str) -> tuple[list[str], list[bytes]]:
        """All texts and all files of a run, without the port and the times."""
        with program("--seed", seed) as base:
            client = Client(base)
            answers = [
                client.json("POST", SYNC, SMALL),
                client.finish(T2I, PICTURE),
                client.finish(
                    SYNTHESIS, {"model": "wan2.6-t2v", "input": {"prompt": "x"}, "parameters": {"duration": 3}}
                ),
                client.json("GET", "/uploads?action=getPolicy&model=m"),
            ]
            _, stream = client.send("POST", STREAM, TALE, {"X-DashScope-Sse": "enable"})
            texts = [json.dumps(answer) for answer in answers] + [stream.decode()]
            links = [url for text in texts for url in re.findall(r'http://[^"]+/results/[^"]+', text)]
            files = [client.fetch(url) for url in links]
        port = str(urlsplit(base).port)
        return [re.sub(r"\d{4}-\d\d-\d\d( [\d:.]+)?", "", text.replace(port, "PORT")) for text in texts], files

    def test_a_seed_gives_the_same_ids_links_and_bytes(self) -> None:
        first, second = self.run_once("7"), self.run_once("7")
        self.assertEqual(first, second)
        self.assertEqual(len(first[1]), 4)
        others = self.run_once("8")
        self.assertNotEqual(first[0], others[0])
        self.assertEqual(first[1], others[1], "what is made does not hang on the seed")

    def test_on_another_day_too(self) -> None:
        found = []
        for moment in (1_700_000_000.0, 1_800_000_000.0):
            clock = Clock()
            clock.moment = moment
            with running(StandIn(seed=7, clock=clock)) as base:
                url = Client(base).finish(T2I, PICTURE)["output"]["results"][0]["url"]
                Client(base).fetch(url)
            found.append(url.partition("/results/")[2])
        self.assertEqual(found[0], found[1])

    def test_without_a_seed_ids_differ(self) -> None:
        ids = set()
        for _ in range(2):
            with running(StandIn()) as base:
                ids.add(Client(base).finish(T2I, PICTURE)["output"]["task_id"])
        self.assertEqual(len(ids), 2)


class Time(unittest.TestCase):
    def test_the_scale_alone_makes_a_task_take_a_minute_of_it(self) -> None:
        with program("--time-scale", "200") as base:
            started = time.monotonic()
            Client(base).finish(SYNTHESIS, {"model": "wan2.6-t2v", "input": {"prompt": "x"}})
        self.assertGreater(time.monotonic() - started, 0.25)

    def test_ten_minutes_in_a_second(self) -> None:
        with program("--delay", "600", "--time-scale", "600") as base:
            started = time.monotonic()
            output = Client(base).finish(SYNTHESIS, {"model": "wan2.6-t2v", "input": {"prompt": "x"}})["output"]
            took = time.monotonic() - started
        self.assertLess(0.9, took)
        self.assertLess(took, 10)
        moments = [datetime.fromisoformat(output[name]) for name in ("submit_time", "scheduled_time", "end_time")]
        self.assertEqual([round((moment - moments[0]).total_seconds()) for moment in moments], [0, 120, 600])

    def test_one_exchange_and_a_stream_take_their_time_too(self) -> None:
        with program("--delay", "300", "--time-scale", "600") as base:
            client = Client(base)
            for headers, body in (({}, SMALL), ({"X-DashScope-Sse": "enable"}, TALE)):
                started = time.monotonic()
                self.assertEqual(client.send("POST", SYNC, body, headers)[0], 200)
                self.assertLess(0.4, time.monotonic() - started)


class Trouble(unittest.TestCase):
    """Each action on each route, as a client sees it."""

    def ask(self, client: Client, route: str, known: dict[str, str]) -> tuple[int, bytes]:
        bodies: dict[str, tuple[str, str, Any, dict[str, str]]] = {
            "sync": ("POST", SYNC, SMALL, {}),
            "stream": ("POST", STREAM, TALE, {"X-DashScope-Sse": "enable"}),
            "submit": ("POST", T2I, PICTURE, TASK),
            "poll": ("GET", f"/tasks/{known['task']}", None, {}),
            "list": ("GET", "/tasks/", None, {}),
            "cancel": ("POST", f"/tasks/{known['waiting']}/cancel", None, {}),
            "policy": ("GET", "/uploads?action=getPolicy&model=m", None, {}),
            "result": ("GET", known["result"], None, {}),
        }
        if route != "upload":
            return client.send(*bodies[route])
        try:
            return 204, upload(client).encode()
        except AssertionError as error:
            return int(error.args[0][0]), error.args[0][1]

    @contextmanager
    def prepared(self, *specs: str) -> Iterator[tuple[Client, dict[str, str], StandIn]]:
        """A stand-in that has a task of each kind and a result before the trouble begins."""
        standin = StandIn(delay=0)
        with running(standin) as base:
            client = Client(base)
            done = client.finish(T2I, PICTURE)["output"]
            link = urlsplit(done["results"][0]["url"])
            standin.delay = 1000
            waiting = client.json("POST", T2I, PICTURE, TASK)["output"]["task_id"]
            standin.delay = 0 if specs[0].startswith(("sync", "stream")) else standin.delay
            standin.faults = Faults(specs)
            yield client, {"task": done["task_id"], "waiting": waiting, "result": f"{link.path}?{link.query}"}, standin

    def test_every_action_on_every_route(self) -> None:
        routes = [route for route in ROUTES if route != "task"]
        self.assertEqual(len(routes), 9)
        for route in routes:
            for action in ("503", "429:Throttling.RateQuota:slow down", "drop", "lose", "cut", "stall:0.2"):
                with self.subTest(route=route, action=action), self.prepared(f"{route}={action}*1") as prepared:
                    client, known, standin = prepared
                    before = len(standin.tasks)
                    self.check(action, client, route, known)
                    acted = action in ("lose", "cut", "stall:0.2")
                    if route == "submit":
                        self.assertEqual(len(standin.tasks) - before, 1 if acted else 0)
                    if route == "upload":
                        self.assertEqual(len(standin.storage.uploads), 1 if acted else 0)
                    if route == "cancel":
                        self.assertEqual(standin.tasks[known["waiting"]].canceled, acted)
                        return_code = 400 if acted else 200
                        self.assertEqual(self.ask(client, route, known)[0], return_code, "it was for once")
                    else:
                        self.assertIn(self.ask(client, route, known)[0], (200, 204), "it was for once")

    def check(self, action: str, client: Client, route: str, known: dict[str, str]) -> None:
        if action[0].isdigit():
            status, _, rest = action.partition(":")
            found, raw = self.ask(client, route, known)
            self.assertEqual(found, int(status))
            code, _, words = rest.partition(":")
            self.assertIn((code or "InternalError").encode(), raw)
            self.assertIn(words.encode(), raw)
            self.assertEqual(raw[:1], b"<" if route in ("upload", "result") else b"{")
            return
        if route == "upload" and action == "cut":  # its answer has no body that could be cut
            self.assertEqual(self.ask(client, route, known)[0], 204)
            return
        started = time.monotonic()
        broken = http.client.IncompleteRead if action == "cut" else ConnectionError
        with self.assertRaises(broken):
            self.ask(client, route, known)
        if action.startswith("stall"):
            self.assertGreaterEqual(time.monotonic() - started, 0.2)

    def test_how_tasks_end(self) -> None:
        for spec, state, code in (
            ("task=fail", "FAILED", "InternalError.Timeout"),
            ("task=fail:DataInspectionFailed:no", "FAILED", "DataInspectionFailed"),
            ("task=unknown", "UNKNOWN", ""),
            ("task=partial:X:y", "SUCCEEDED", ""),
        ):
            with self.subTest(spec), running(StandIn(faults=Faults([spec + "*1"]))) as base:
                client = Client(base)
                body = {**PICTURE, "parameters": {"n": 2, "size": "512*512"}}
                output = client.finish(T2I, body)["output"]
                self.assertEqual((output["task_status"], output.get("code", "")), (state, code))
                if "partial" in spec:
                    self.assertEqual(output["results"][1], {"code": "X", "message": "y"})
                self.assertEqual(client.finish(T2I, body)["output"]["task_status"], "SUCCEEDED", "it was for once")

    def test_a_stream_that_fails_on_its_way(self) -> None:
        with running(StandIn(faults=Faults(["task=fail:InternalError.Algo:broken*1"]))) as base:
            status, raw = Client(base).send("POST", STREAM, TALE, {"X-DashScope-Sse": "enable"})
        self.assertEqual(status, 200)
        events = raw.decode().strip().split("\n\n")
        self.assertIn("event:result", events[0])
        self.assertIn('event:error\n:HTTP_STATUS/400\ndata:{"code":"InternalError.Algo","message":"broken"', events[-1])

    def test_the_program_takes_several(self) -> None:
        with program("--fault", "poll=503*2", "--fault", "poll=429*1", "--fault", "task=fail*1") as base:
            client = Client(base)
            task_id = client.json("POST", T2I, PICTURE, TASK)["output"]["task_id"]
            found = [client.send("GET", f"/tasks/{task_id}")[0] for _ in range(4)]
            self.assertEqual(found, [503, 503, 429, 200])
            self.assertEqual(client.json("GET", f"/tasks/{task_id}")["output"]["task_status"], "FAILED")


class Loopback(Case):
    def test_it_listens_on_loopback_only(self) -> None:
        server = Server(StandIn())
        try:
            address, port = server.server_address[:2]
            self.assertEqual(address, "127.0.0.1")
            for own in own_addresses():
                with self.subTest(own), self.assertRaises(OSError):
                    socket.create_connection((own, int(port)), 1).close()
        finally:
            server.server_close()


def own_addresses() -> set[str]:
    """This machine's addresses beside loopback, as far as its own name leads to them."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    except OSError:
        return set()
    return {str(entry[4][0]) for entry in found if not str(entry[4][0]).startswith("127.")}


if __name__ == "__main__":
    unittest.main()
