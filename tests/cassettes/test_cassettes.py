"""Recording and replaying: the same conversation again without network, key or time, and a clear word when it differs."""

from __future__ import annotations

import copy
import json
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time
import tracemalloc
import unittest
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator
from unittest import mock
from urllib.parse import quote

from qianwen.cassettes import file as cassette_file
from qianwen.cassettes import recorder as cassette
from qianwen.cassettes.difference import difference
from qianwen.cassettes.file import FORMAT, bodies_folder
from qianwen.cassettes.placeholders import MADE_UP, SHORTEST, Placeholders
from qianwen.cassettes.recorder import INLINE_BYTES, Player, Recorder, Unplayable
from qianwen.cassettes.serialize import RECORDED_HEADERS, recorded_response
from qianwen.errors import UsageError
from qianwen.http.messages import Fault, Request, Response, Stream
from qianwen.models import wire
from qianwen.plain import redact
from qianwen.plain.record import changed
from qianwen.sandbox import placeholder
from qianwen.storage import results

from .. import ROOT, SCRIPTS
from ..generate_cassettes import FOLDER, SEED, Place, Scenario, at, complaint, record, replay, scenarios
from ..support import KEY, PHOTO, Case, Clock, Script, answer, breaking

MEDIA_PROOFS = ("etag", "content-md5", "x-oss-hash-crc64ecma", "content-length", "content-range")


# A text, and the part of it that nobody may read.
SECRETS = (
    (f"Incorrect API key {KEY}", KEY),
    ("st-0123456789abcdef.", "0123456789"),
    ("MY_sk-0123456789abcdef=", "0123456789"),
    (r"no\nsk-0123456789abcdef", "0123456789"),
    ("key%3Dsk-0123456789abcdef%26x", "0123456789"),
    ("id LTAI0123456789abcd", "0123456789"),
    ("STS.NUgYrLnoC37mZZCNnAbez8Qxz", "NUgYrLno"),
    ("Authorization: Bearer abc.def", "abc.def"),
    ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("https://user:passed@proxy/x", "passed"),
    ("https://h/x.png?Expires=17&OSSAccessKeyId=AB&Signature=a%2Bb=", "a%2Bb"),
    ("https://h/x.png?se=1&sig=a%2Bb=", "a%2Bb"),
    ("https://h/x.png?auth_key=17-0-0-abcdef", "abcdef"),
    ("x-oss-security-token: abcdef", "abcdef"),
    ("https%3A%2F%2Fh%3FSignature%3Da%252Bb%26n%3D1", "a%252Bb"),
    ("https://h/x?access_token=abcdef", "abcdef"),
    ('"security_token": "abcdefgh', "abcdefgh"),
    ("<SecurityToken>abcdef</SecurityToken>", "abcdef"),
    ("<StringToSign>abcdef", "abcdef"),
)


@contextmanager
def cut_off() -> Iterator[None]:
    """No socket opens, no name is looked up and nobody sleeps inside the block."""

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a replay neither opens sockets nor sleeps")

    doors = ((socket, "socket"), (socket, "create_connection"), (socket, "getaddrinfo"), (time, "sleep"))
    with ExitStack() as stack:
        for module, name in doors:
            stack.enter_context(mock.patch.object(module, name, refuse))
        yield


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def undated(path: Path) -> Any:
    return {name: value for name, value in read(path).items() if name not in ("recorded_at", "source")}


def without_pictures(cassette: Any) -> Any:
    """A cassette without the bytes of media, which another zlib packs in another way."""
    cassette = copy.deepcopy(cassette)
    for exchange in cassette["exchanges"]:
        response = exchange.get("response", {})
        if "sha256" in response.get("body", {}):
            response["body"] = {}
            response["headers"] = {n: v for n, v in response["headers"].items() if n not in MEDIA_PROOFS}
        exchange["request"]["headers"].pop("If-Match", None)
    return cassette


def named(scenario: str) -> Scenario:
    return next(each for each in scenarios() if each.name == scenario)


class Kept(unittest.TestCase):
    """The cassettes of tests/data."""

    def replayed(self, scenario: Scenario) -> str:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(Path(folder))
            ran = replay(scenario, FOLDER / f"{scenario.name}.json", place)
            self.assertEqual(list(place.home.iterdir()), [], "a replay leaves no trace in the ledger")
            return complaint(scenario, ran)

    def test_each_replays_cut_off_and_the_set_in_under_three_seconds(self) -> None:
        began = time.process_time()  # of this process: a busy machine fails no test
        for scenario in scenarios():
            with self.subTest(scenario.name), cut_off():
                self.assertEqual(self.replayed(scenario), "")
        self.assertLess(time.process_time() - began, 9 if sys.gettrace() else 3)  # a tracer is slow

    def test_each_is_what_is_recorded_now_and_both_runs_tell_the_same(self) -> None:
        """Whatever ids, ports and names the stand-in gives this time."""
        hint = "run python3 tests/generate_cassettes.py when the change is meant"
        for scenario in scenarios():
            with (
                self.subTest(scenario.name),
                tempfile.TemporaryDirectory() as one,
                tempfile.TemporaryDirectory() as two,
            ):
                path, kept = Path(one) / "now.json", FOLDER / f"{scenario.name}.json"
                recorded = record(scenario, path, Place(Path(one)), SEED + 1)
                self.assertEqual(without_pictures(undated(path)), without_pictures(undated(kept)), hint)
                self.assertEqual(complaint(scenario, recorded), "")
                replayed = replay(scenario, path, Place(Path(two)))
                self.assertEqual(_alike(replayed.json), _alike(recorded.json))

    def test_every_scenario_has_one_and_every_one_a_scenario(self) -> None:
        names = [scenario.name for scenario in scenarios()]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual({path.stem for path in FOLDER.iterdir()}, set(names))

    def test_what_they_show(self) -> None:
        """The headline cases of both programs, and every kind of failure."""
        codes = {scenario.code for scenario in scenarios()}
        self.assertEqual(codes, {0, 1, 2, 4, 5, 6, 7})
        self.assertEqual({scenario.program for scenario in scenarios()}, {"image.py", "video.py"})
        for name in ("t2v", "i2v", "kf2v", "r2v", "vace", "videoedit", "interleave-task", "interleave-stream"):
            self.assertEqual(named(name).code, 0)

    def test_each_says_where_it_comes_from(self) -> None:
        for path in FOLDER.glob("*.json"):
            source = read(path)["source"]
            with self.subTest(path.name):
                self.assertRegex(source, r"^recorded against the sandbox|^transcribed from the official page ")

    def test_no_secret_is_in_any_of_them(self) -> None:
        odd = re.compile(
            rf"{KEY}|LTAI|\bsk-|STS\.|Bearer (?!{{{{key}}}})|127\.0\.0\.1|localhost|apikey:"
            r"|(?:Signature|Expires|OSSAccessKeyId|x-oss-[a-z-]+)=|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
            r"|dashscope-instant|20\d\d-\d\d-\d\d \d\d:",
            re.IGNORECASE,
        )
        for path in FOLDER.glob("*.json"):
            with self.subTest(path.name):
                self.assertEqual(odd.findall(path.read_text(encoding="utf-8")), [])
                self.assertEqual(read(path)["base"].replace("{{loopback-1}}", "HOST").count("{{"), 0)

    def test_a_folder_of_bodies_holds_what_its_cassette_names(self) -> None:
        for path in FOLDER.glob("*.json"):
            bodies = [exchange.get("response", {}).get("body", {}) for exchange in read(path)["exchanges"]]
            wanted = {body["sha256"] for body in bodies if "sha256" in body and "base64" not in body}
            beside = Path(bodies_folder(str(path)))
            found = {entry.name for entry in beside.iterdir()} if beside.exists() else set()
            with self.subTest(path.name):
                self.assertEqual(found, wanted)


class RoundTrip(Case):
    def test_record_replay_record_again(self) -> None:
        """The two files are equal but for the date."""
        for name in ("edit-local-references", "interleave-stream", "answer-lost", "polls-in-trouble", "r2v"):
            scenario, paths = named(name), [self.cwd / f"{name}-{turn}.json" for turn in range(2)]
            with self.subTest(name), ExitStack() as stack:
                places = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3)]
                record(scenario, paths[0], Place(places[0]), 1)
                before = paths[0].read_text()
                with cut_off():
                    self.assertEqual(complaint(scenario, replay(scenario, paths[0], Place(places[1]))), "")
                later = Place(places[2])
                later.clock.sleep(2_000_000)
                record(scenario, paths[1], later, 2)
                self.assertEqual(paths[0].read_text(), before)
                dates = re.findall(r"\n  \"recorded_at\": (.*)", before + paths[1].read_text())
                self.assertEqual(len(set(dates)), 2)
                self.assertEqual(before.replace(dates[0], dates[1]), paths[1].read_text())

    def test_both_programs_in_processes_of_their_own(self) -> None:
        env = {name: value for name, value in os.environ.items() if "KEY" not in name and "proxy" not in name.lower()}
        for scenario in (named("t2i-sync"), named("t2v")):
            with self.subTest(scenario.program):
                argv = [sys.executable, str(SCRIPTS / scenario.program), *scenario.argv, "--print-response"]
                home = {"HOME": str(self.home), "QIANWEN_REPLAY": str(FOLDER / f"{scenario.name}.json")}
                ran = subprocess.run(argv, cwd=self.cwd, env={**env, **home}, capture_output=True, text=True)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                for file in json.loads(ran.stdout)["files"]:
                    self.assertTrue(Path(file["path"]).is_file())

    def test_the_sandbox_can_be_recorded(self) -> None:
        self.env = {}
        self.json("x", "--sandbox", "--record", "a.json")
        self.json("x", "--replay", "a.json")

    def test_many_files_go_in_the_order_in_which_they_were_named(self) -> None:
        names = [f"{number}.png" for number in range(5)]
        for number, name in enumerate(names):
            self.picture(name, 400 + number, 400)
        argv = ["x", *(word for name in names for word in ("--image", name)), "-n", "4"]
        for turn in range(3):
            with self.standin() as standin:
                self.json(*argv, "--record", f"{turn}.json")
            self.assertEqual(
                [sent.route for sent in standin.sent], ["policy", "upload"] * 5 + ["sync"] + ["result"] * 4
            )
            self.assertEqual(undated(self.cwd / f"{turn}.json"), undated(self.cwd / "0.json"))
        with cut_off():
            reply = self.json(*argv, "--replay", "0.json")
        self.assertEqual(len(reply["files"]), 4)

    def test_the_users_own_bucket(self) -> None:
        """Signatures, dates and names are others on another day; none of them is in the cassette."""
        key_id, secret = "LTAI5tTestTestTestTest01", "ThisIsTheSecretOfATest0123456789"
        self.env = {
            "DASHSCOPE_API_KEY": KEY,
            "QWEN_TMP_OSS_BUCKET": "my-bucket",
            "QWEN_TMP_OSS_REGION": "cn-beijing",
            "QWEN_TMP_OSS_AK_ID": key_id,
            "QWEN_TMP_OSS_AK_SECRET": secret,
        }
        made = {"output": {"choices": [{"message": {"content": [{"image": "https://x.aliyuncs.com/a.png"}]}}]}}
        picture = answer(placeholder.png(500, 500, "x", []))
        send = Script(answer(b"", x_oss_hash_crc64ecma="not told"), made, picture)
        argv = ("x", "--image", str(PHOTO))
        self.json(*argv, "--record", "a.json", send=send)
        text = (self.cwd / "a.json").read_text()
        for part in (key_id, secret, KEY, "OSS4-HMAC-SHA256 Credential", "x-oss-signature="):
            self.assertNotIn(part, text)
        self.assertEqual(len(re.findall(r"my-bucket\.oss-cn-beijing\.[^\"]+/{{day}}/{{name-1}}_photo\.jpg", text)), 2)
        self.clock.sleep(3 * 86400)
        with cut_off():
            self.json(*argv, "--replay", "a.json")

    def test_another_host_does_not_tell_whose_it_is(self) -> None:
        host = "llm-my-workspace.cn-beijing.maas.aliyuncs.com"
        self.env["DASHSCOPE_HTTP_BASE_URL"] = f"https://{host}/api/v1"
        refused = {"code": "InvalidParameter", "message": f"Not at {host}", "request_id": "r"}
        self.json("x", "--record", "a.json", code=1, send=Script(answer(refused, 400)))
        self.assertNotIn("my-workspace", (self.cwd / "a.json").read_text())
        self.env = {}
        self.assertEqual(self.json("x", "--replay", "a.json", code=1)["error"]["code"], "InvalidParameter")

    def test_the_path_of_a_gateway_is_as_secret_as_its_host(self) -> None:
        for base in (
            "https://gateway.example/v1/My0Account9/api/v1",
            "http://127.0.0.1:1/My0Account9",
            "https://h.example/My0",
        ):
            with self.subTest(base):
                self.env = {"DASHSCOPE_HTTP_BASE_URL": base, "DASHSCOPE_API_KEY": KEY}
                task = {"output": {"task_id": "0123456789", "task_status": "FAILED", "message": f"Not at {base}"}}
                script = Script(task, answer(b"{}", 500), task)
                self.json("x", "--async", "--again", "--record", "a.json", "--overwrite", code=1, send=script)
                text = (self.cwd / "a.json").read_text()
                self.assertEqual([part for part in ("My0", "gateway", "h.example") if part in text], [], text)
                self.env = {}
                self.json("x", "--async", "--replay", "a.json", code=1)

    def test_a_fault_names_nothing_of_this_machine(self) -> None:
        self.env["SSL_CERT_FILE"], self.env["https_proxy"] = "/corp/ca.pem", "http://u:p@Proxy.corp.example:3128/"
        fault = Fault(
            f"the proxy (proxy.corp.example:3128) and /corp/ca.pem and {self.home}/x",
            sent=False,
            permanent=True,
            hint="h",
        )
        self.json("x", "--record", "a.json", code=5, send=Script(fault))
        text = (self.cwd / "a.json").read_text()
        self.assertEqual([part for part in ("corp", str(self.home), "3128") if part in text], [], text)
        self.env = {}
        self.json("x", "--replay", "a.json", code=5)

    def test_a_key_that_is_repeated_in_another_spelling(self) -> None:
        key = "p+r/o=x_y%41Key:with;stuff~12345"
        self.env["DASHSCOPE_API_KEY"] = key
        spelled = (key.upper(), key.lower(), quote(key, safe=""), json.dumps(key))
        self.json(
            "x", "--record", "a.json", code=1, send=Script(answer({"code": "X", "message": " ".join(spelled)}, 400))
        )
        text = (self.cwd / "a.json").read_text().lower()
        self.assertEqual([part for part in ("12345", "stuff", "y%41") if part in text], [], text)

    def test_a_fault_is_played_as_it_was(self) -> None:
        fault = Fault("the connection was refused", sent=False, hint="is it running?")
        one = self.json("x", "--record", "a.json", code=5, send=Script(*[fault] * 5))
        with cut_off():
            self.assertEqual(_alike(self.json("x", "--replay", "a.json", code=5)), _alike(one))

    def test_secrets_that_a_service_repeats(self) -> None:
        words = f"Incorrect API key {KEY}; request 6f9619ff-8b86-d011-b42d-00c04fc964ff of sk-another-0123456789abcdef"
        self.json(
            "x", "--record", "a.json", code=4, send=Script(answer({"code": "InvalidApiKey", "message": words}, 401))
        )
        text = (self.cwd / "a.json").read_text()
        for part in (KEY, "sk-another", "6f9619ff"):
            self.assertNotIn(part, text)
        self.assertIn("Incorrect API key {{key-1}}; request {{id-1}} of {{secret-1}}", text)


def _sparse(path: Path) -> None:
    """A terabyte that takes no room."""
    path.touch()
    os.truncate(path, 2**40)


def _alike(reply: Any) -> Any:
    """A reply without what differs from run to run."""
    text = json.dumps(reply)
    text = re.sub(r"https?://[^\s\"\\]+", "URL", text)
    text = re.sub(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "ID", text)
    text = re.sub(r"/[^\s\"\\]*/cwd/", "CWD/", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?|\b1[67]\d{11}\b", "TIME", text)
    text = (
        re.sub(r" \(the key is [^)]*\)|\"model\": (null|\"wan2.6-t2i\")", "", text)
        .replace("{, ", "{")
        .replace(", ,", ",")
    )
    text = re.sub(r"\"(api_key_id|caller_\w+|user_api_unique_key)\": \"[^\"]*\"", "ACCOUNT", text)
    return json.loads(text.replace("ACCOUNT", '"account": 0'))


class Misses(Case):
    def setUp(self) -> None:
        super().setUp()
        with self.standin(delay=30):
            self.json("a cat on a windowsill", "--async", "--image", str(PHOTO), "--record", "tape.json")

    def missed(self, *argv: str, path: str = "tape.json") -> str:
        with cut_off():
            reply = self.json(*argv, "--replay", path, code=3)
        self.assertEqual((reply["error"]["kind"], reply["error"]["billed"]), ("usage", "no"))
        self.assertIn("--record --overwrite", reply["error"]["hint"])
        return str(reply["error"]["message"])

    def test_the_very_character_is_shown(self) -> None:
        told = self.missed("a cot on a windowsill", "--async", "--image", str(PHOTO))
        self.assertIn("its request 3 is not the recorded one", told)
        recorded, sent, sign = told.splitlines()[-3:]
        self.assertEqual(recorded.strip(), 'recorded: "a cat on a windowsill"')
        self.assertEqual(sent.strip(), 'sent:     "a cot on a windowsill"')
        self.assertEqual((recorded[sign.index("^")], sent[sign.index("^")]), ("a", "o"))
        self.assertIn("body.json.input.messages[0].content[1].text, from character 4:", told)

    def test_a_character_in_a_payload_encoder(self) -> None:
        encode = wire.encode
        argv = ("a cat on a windowsill", "--async", "--image", str(PHOTO))
        for old, new, shown in (
            ('"role": "user"', '"role": "usef"', 'sent:     "usef"'),
            ('"n": 1', '"n": 2', "sent:     2"),
            ('"n": 1', '"n": 1.0', "sent:     1.0"),
            ('"n": 1', '"n": true', "sent:     true"),
            ('"n": 1', '"n": "1"', 'sent:     "1"'),
            ('"n": 1', '"n": 1, "seed": 5', "body.json.parameters.seed: 5 is sent, nothing was recorded"),
            ('"n": 1', '"m": 1', "body.json.parameters.n: 1 was recorded, nothing is sent"),
            ("oss://", "oss:/", 'sent:     "oss:/{{folder-1}}/{{name-1}}_photo.jpg"'),
        ):

            def altered(*given: Any, old: str = old, new: str = new) -> wire.Call:
                call = encode(*given)
                return changed(call, body=json.loads(json.dumps(call.body).replace(old, new)))

            with self.subTest(new), mock.patch.object(wire, "encode", altered):
                self.assertIn(shown, self.missed(*argv))

    def test_other_bytes_of_a_file(self) -> None:
        path = self.cwd / "photo.jpg"
        data = bytearray(PHOTO.read_bytes())
        data[-100] ^= 1
        path.write_bytes(data)
        told = self.missed("a cat on a windowsill", "--async", "--image", "photo.jpg")
        self.assertIn("body.file.sha256, from character", told)

    def test_another_protocol(self) -> None:
        told = self.missed("a cat on a windowsill", "--image", str(PHOTO))
        self.assertIn("headers.X-DashScope-Async", told)

    def test_the_nearest_request_is_shown_when_the_order_has_changed(self) -> None:
        told = self.missed("a cat on a windowsill", "--async")
        self.assertIn("its request 1 is not the recorded one", told)
        self.assertRegex(told, r"nearest:  POST .* \(request 3, which comes later\)")

    def test_a_miss_within_polls_ends_the_run_at_once(self) -> None:
        tape = read(self.cwd / "tape.json")
        polls = [exchange for exchange in tape["exchanges"] if "/tasks/" in exchange["request"]["url"]]
        self.assertGreater(len(polls), 2)
        polls[1]["request"]["headers"]["Accept"] = "application/jsonx"
        (self.cwd / "odd.json").write_text(json.dumps(tape))
        self.assertIn("jsonx", self.missed("a cat on a windowsill", "--async", "--image", str(PHOTO), path="odd.json"))

    def test_a_miss_within_downloads(self) -> None:
        tape = read(self.cwd / "tape.json")
        tape["exchanges"][-1]["request"]["url"] += "0"
        (self.cwd / "odd.json").write_text(json.dumps(tape))
        told = self.missed("a cat on a windowsill", "--async", "--image", str(PHOTO), path="odd.json")
        self.assertIn("url, from character", told)

    def test_a_run_that_is_longer_or_shorter(self) -> None:
        tape = read(self.cwd / "tape.json")
        argv = ("a cat on a windowsill", "--async", "--image", str(PHOTO))
        last = tape["exchanges"].pop()
        (self.cwd / "short.json").write_text(json.dumps(tape))
        count = len(tape["exchanges"])
        self.assertIn(f"more requests than the {count} that were recorded", self.missed(*argv, path="short.json"))
        tape["exchanges"] += [last, last]
        (self.cwd / "long.json").write_text(json.dumps(tape))
        self.assertRegex(self.missed(*argv, path="long.json"), "the recorded run made 1 more request, next GET")
        self.assertRegex(self.missed(*argv, "--submit-only"), r"the recorded run made \d+ more requests, next GET")
        tape["exchanges"] = []
        (self.cwd / "none.json").write_text(json.dumps(tape))
        self.assertIn("more requests than the 0", self.missed(*argv, path="none.json"))

    def test_the_way_on_is_none_of_a_miss(self) -> None:
        with cut_off():
            reply = self.json("a dog", "--async", "--replay", "tape.json", code=3)
        self.assertNotIn("next", reply)

    def test_differences_in_words(self) -> None:
        def request(**body: object) -> dict[str, Any]:
            return {"method": "POST", "url": "https://x/y", "headers": {}, "body": {"json": body}}

        self.assertEqual(difference(request(a=1), [request(a=1)], 0), "")
        self.assertEqual(difference(request(a=1, b=2), [request(b=2, a=1)], 0), "", "order is none of a JSON object's")
        for sent, recorded, shown in (
            (request(a=[]), request(a={}), "sent:     []"),
            (request(a=[1, 2]), request(a=[2, 1]), "body.json.a[1]"),
            (request(a="x" * 200 + "y"), request(a="x" * 200 + "z"), "from character 201:"),
            (request(a="短"), request(a="长"), 'sent:     "短"'),
            (request(a="line\nbreak"), request(a="line break"), r"line\nbreak"),
            (request(**{f"f{n}": 1 for n in range(9)}), request(), "and 4 more differences"),
        ):
            self.assertIn(shown, difference(sent, [recorded], 0))
        long = difference(request(a="x" * 5000), [request(a="y" * 5000)], 0)
        self.assertLess(len(long), 600)


class Damaged(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tape = read(FOLDER / "t2i-sync.json")

    def told(self, content: object, code: int = 3) -> str:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.cwd / "odd.json").write_text(text, encoding="utf-8")
        with cut_off():
            reply = self.json("A paper boat on a pond", "--size", "1280*1280", "--replay", "odd.json", code=code)
        return str(reply["error"]["message"]) if code else ""

    def altered(self, change: Callable[[Any], object]) -> str:
        tape = copy.deepcopy(self.tape)
        change(tape)
        return self.told(tape)

    def test_whole(self) -> None:
        self.told(self.tape, code=0)
        self.told("\ufeff" + json.dumps(self.tape), code=0)

    def test_what_is_no_cassette(self) -> None:
        for content, words in (
            ("", "it is not valid JSON"),
            ("{", "it is not valid JSON"),
            ("[" * 100_000, "it is not valid JSON"),
            ("[]", "is not a recording of this program"),
            ('{"format": "vcr"}', "is not a recording of this program"),
            ({"format": FORMAT}, "has version null"),
            ({**self.tape, "version": 2}, "has version 2 of the format; this program reads 1"),
            ({**self.tape, "version": "1"}, 'has version "1"'),
            ({**self.tape, "version": True}, "has version true"),
            ({**self.tape, "base": 5}, "base is not a URL"),
            ({**self.tape, "exchanges": {}}, "exchanges is not a list"),
            ({**self.tape, "exchanges": [5]}, "exchange 1 lacks"),
        ):
            with self.subTest(content=str(content)[:40]):
                self.assertIn(words, self.told(content))

    def test_exchanges_that_are_not_whole(self) -> None:
        def first(tape: Any) -> Any:
            return tape["exchanges"][0]

        def last(tape: Any) -> Any:
            return tape["exchanges"][-1]["response"]

        for change, words in (
            (lambda tape: first(tape).pop("request"), "exchange 1 lacks"),
            (lambda tape: first(tape).pop("response"), "exchange 1: it needs one of"),
            (lambda tape: first(tape).update(fault={"reason": "x", "sent": True}), "exchange 1: it needs one of"),
            (lambda tape: first(tape)["request"].update(url=None), "the request has no URL"),
            (lambda tape: first(tape)["request"].update(headers=[]), "the headers of the request are not an object"),
            (lambda tape: first(tape).update(seconds=-1), "seconds is not a number"),
            (lambda tape: first(tape).update(seconds="1"), "seconds is not a number"),
            (lambda tape: first(tape)["response"].update(status="200"), "the status is not an HTTP status"),
            (lambda tape: first(tape)["response"].update(status=20), "the status is not an HTTP status"),
            (lambda tape: first(tape)["response"].update(headers={"a": 1}), "a header is not a string"),
            (lambda tape: first(tape)["response"].update(body=[]), "the body is not an object"),
            (lambda tape: first(tape)["response"].update(body={"text": 1}), "the text of the body"),
            (lambda tape: first(tape)["response"].update(body={"text": "a", "charset": "rot13"}), "the charset of the"),
            (
                lambda tape: first(tape)["response"].update(body={"text": "a", "charset": 8}),
                "lacks response.body.charset",
            ),
            (lambda tape: first(tape)["response"].update(body={"lines": [1]}), "a line is neither"),
            (lambda tape: first(tape)["response"].update(body={"lines": [["data"]]}), "a line is neither"),
            (lambda tape: first(tape)["response"].update(body={"lines": 1}), "exchange 1 lacks response.body.lines"),
            (lambda tape: first(tape)["response"].update(broke={"reason": "x"}), "exchange 1 lacks"),
            (lambda tape: last(tape)["body"].update(base64="!"), "not base64"),
            (lambda tape: last(tape)["body"].update(base64="QUJD"), "do not match their digest"),
            (lambda tape: last(tape)["body"].update(sha256="../../etc/passwd"), "sha256 is not a digest"),
        ):
            with self.subTest(words):
                self.assertIn(words, self.altered(change))

    def test_files_that_cannot_be_read(self) -> None:
        (self.cwd / "folder").mkdir()
        paths = ["none.json", "folder", "nowhere/x.json", "nul\0.json"]
        if hasattr(os, "mkfifo"):
            os.mkfifo(self.cwd / "pipe")
            paths.append("pipe")
        for path in paths:
            with self.subTest(path):
                reply = self.json("x", "--replay", path, code=3)
                self.assertIn("the recording", reply["error"]["message"])

    def test_bodies_beside_that_are_gone_or_others(self) -> None:
        tape, clip = self.cwd / "tape.json", placeholder.clip(words=placeholder.caption("x"))
        self.assertGreater(len(clip), INLINE_BYTES)
        with self.standin():
            self.video_json("x", "--record", "tape.json")
        (body,) = Path(bodies_folder(str(tape))).iterdir()
        self.assertEqual(body.read_bytes(), clip)
        with cut_off():
            self.video_json("x", "--replay", "tape.json")
            body.write_bytes(clip[:-1] + b"x")
            message = self.video_json("x", "--replay", "tape.json", code=3)["error"]["message"]
            self.assertIn("does not have the recorded bytes", message)
            body.unlink()
            message = self.video_json("x", "--replay", "tape.json", code=3)["error"]["message"]
            self.assertIn("cannot be read: No such file", message)


class Strangers(Case):
    """Cassettes that come with somebody else's repository, and folders that are in the way of our own."""

    def setUp(self) -> None:
        super().setUp()
        self.tape = read(FOLDER / "t2i-sync.json")

    def refused(self, *argv: str) -> str:
        began = time.process_time()
        tracemalloc.start()
        reply = self.json(*argv, code=3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.assertLess(time.process_time() - began, 1 if not sys.gettrace() else 5)
        self.assertLess(peak, 16 * 2**20)
        return str(reply["error"]["message"])

    def replayed(self, **changes: Any) -> str:
        (self.cwd / "odd.json").write_text(json.dumps({**self.tape, **changes}))
        with cut_off():
            return self.refused("A paper boat on a pond", "--size", "1280*1280", "--replay", "odd.json")

    def test_values_that_nobody_can_use(self) -> None:
        deep: list[Any] = []
        for _ in range(600):
            deep = [deep]
        self.assertIn("nested too deeply", self.replayed(extra=deep))
        self.assertIn("half a character", self.replayed(extra="\ud83d"))
        self.assertIn("half a character", self.replayed(extra={"\udc00": 1}))
        for base in ("", "x", "http://", "http://[", "http://x:99999999", "http://x:y", "file:///etc", "http://a\nb",
                     "http://{{loopback-999999}}", "://"):  # fmt: skip
            with self.subTest(base):
                self.assertIn("base is not a URL", self.replayed(base=base))
        exchanges = copy.deepcopy(self.tape["exchanges"])
        exchanges[-1]["response"]["body"] = {"bytes": -1}
        self.assertIn("size of the body", self.replayed(exchanges=exchanges))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_bodies_that_are_no_small_files(self) -> None:
        with self.standin():
            self.video_json("x", "--record", "tape.json")
        (body,) = (self.cwd / "tape.files").iterdir()
        kept = self.folder / "kept"
        body.rename(kept)
        makers: dict[str, Callable[[], object]] = {
            "a device": lambda: body.symlink_to("/dev/zero"),
            "a link to the right bytes": lambda: body.symlink_to(kept),
            "a pipe": lambda: os.mkfifo(body),
            "a folder": body.mkdir,
            "a terabyte of nothing": lambda: _sparse(body),
        }
        for name, make in makers.items():
            make()
            with self.subTest(name), cut_off():
                ran = self.video("x", "--replay", "tape.json", "--print-response")
                self.assertEqual(ran.code, 3, ran.stderr)
                self.assertIn("which belongs to the recording", ran.json["error"]["message"])
            body.rmdir() if name == "a folder" else body.unlink()
        tape = read(self.cwd / "tape.json")
        tape["exchanges"][-1]["response"]["body"].update(bytes=2**40)
        (self.cwd / "tape.json").write_text(json.dumps(tape))
        _sparse(body)
        with cut_off():
            self.assertEqual(self.video("x", "--replay", "tape.json").code, 3)
        os.truncate(self.cwd / "tape.json", 2**40)
        self.assertIn("is larger than", self.refused("x", "--replay", "tape.json"))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_recording_deletes_and_replaces_nothing_of_others(self) -> None:
        with self.standin():
            self.video_json("x", "--record", "first.json")
        (clip,) = (path.name for path in (self.cwd / "first.files").iterdir())
        theirs = self.folder / "theirs"
        theirs.mkdir()
        for name in ("0" * 64, clip, "letter.txt"):
            (theirs / name).write_text("precious")
        beside = self.cwd / "tape.files"
        for overwrite in ((), ("--overwrite",)):
            beside.symlink_to(theirs)
            with self.subTest("a link", overwrite=overwrite), self.standin() as standin:
                self.assertIn("tape.files exists", self.refused("x", "--record", "tape.json", *overwrite))
                self.assertEqual(standin.sent, [])
            beside.unlink()
        theirs.rename(beside)
        with self.standin() as standin:
            self.assertIn("tape.files exists", self.refused("x", "--record", "tape.json"))
            self.assertEqual(standin.sent, [])
            told = self.video_json("x", "--record", "tape.json", "--overwrite")["warnings"]
        self.assertEqual({path.read_text() for path in beside.iterdir()}, {"precious"})
        self.assertEqual(len(list(beside.iterdir())), 3)
        broke = read(self.cwd / "tape.json")["exchanges"][-1]["response"]["broke"]["reason"]
        self.assertIn("the recording has no more of it", broke, told)
        precious = self.folder / "precious"
        precious.write_text("precious")
        (self.cwd / "link.json").symlink_to(precious)
        with self.standin():
            self.json("x", "--record", "link.json", code=3)
            self.json("x", "--record", "link.json", "--overwrite", "--again")
        self.assertEqual(precious.read_text(), "precious")
        self.assertFalse((self.cwd / "link.json").is_symlink())

    def test_what_others_make_during_the_run_stays(self) -> None:
        path, folder = self.cwd / "late.json", self.cwd / "late.files"

        def send(request: Request) -> Response:
            path.write_text("precious")
            folder.mkdir(exist_ok=True)
            (folder / "letter").write_text("precious")
            return answer({"code": "InvalidParameter", "message": "no"}, 400)

        ran = self.image("x", "--record", "late.json", send=send)
        self.assertEqual((ran.code, path.read_text()), (1, "precious"))
        self.assertIn("another program has made a file of that name", ran.stderr)
        self.assertEqual((folder / "letter").read_text(), "precious")


class Recording(Case):
    def test_a_path_that_cannot_be_written_is_known_before_anything_is_sent(self) -> None:
        (self.cwd / "file").write_text("precious")
        (self.cwd / "folder").mkdir()
        for path in ("file/tape.json", "folder", "nul\0.json", "long" * 99, "file"):
            with self.subTest(path), self.standin() as standin:
                reply = self.json("x", "--record", path, code=3)
                self.assertEqual((reply["error"]["kind"], standin.sent), ("usage", []))
                self.assertIn("the recording", reply["error"]["message"])
        self.assertEqual((self.cwd / "file").read_text(), "precious")
        self.assertEqual(list((self.cwd / "folder").iterdir()), [])

    def test_nothing_that_exists_is_replaced_unasked(self) -> None:
        with self.standin():
            self.json("x", "--record", "tape.json")
            before = (self.cwd / "tape.json").read_text()
            error = self.json("y", "--record", "tape.json", code=3)["error"]
            self.assertIn("already exists", error["message"])
            self.assertEqual((self.cwd / "tape.json").read_text(), before)
            self.json("y", "--record", "tape.json", "--overwrite")
        self.assertIn('"text": "y"', (self.cwd / "tape.json").read_text())

    def test_a_run_that_sends_nothing_leaves_what_was_there(self) -> None:
        (self.cwd / "tape.json").write_text("{}")
        self.env = {}
        self.json("x", "--record", "tape.json", "--overwrite", code=4)
        self.assertEqual((self.cwd / "tape.json").read_text(), "{}")
        self.assertEqual([path.name for path in self.cwd.iterdir()], ["tape.json"])

    def test_folders_are_made_and_files_are_for_their_owner(self) -> None:
        with self.standin():
            self.video_json("x", "--record", "deep/down/tape.json")
        path = self.cwd / "deep/down/tape.json"
        for entry in (path, *Path(bodies_folder(str(path))).iterdir()):
            self.assertEqual(stat.S_IMODE(entry.stat().st_mode), 0o600)
        self.assertEqual(len(list(path.parent.iterdir())), 2, "no draft is left")

    def test_an_interrupted_run_leaves_what_has_happened(self) -> None:
        with self.standin(delay=40) as standin:
            folder = self.cwd

            def interrupt(seconds: float) -> None:
                if len(standin.of("poll")) == 2:
                    self.assertTrue((folder / "tape.json").exists(), "it is written as the run goes on")
                    raise KeyboardInterrupt
                Clock.sleep(self.clock, seconds)

            with mock.patch.object(self.clock, "sleep", interrupt):
                self.assertEqual(
                    self.json("x", "--async", "--record", "tape.json", code=130)["error"]["kind"], "interrupted"
                )
        self.assertEqual(len(read(self.cwd / "tape.json")["exchanges"]), 3)
        with cut_off():
            message = self.json("x", "--async", "--replay", "tape.json", code=3)["error"]["message"]
        self.assertIn("more requests than the 3 that were recorded", message)

    def test_interrupted_in_the_middle_of_an_answer(self) -> None:
        def broken(_: int) -> bytes:
            raise KeyboardInterrupt

        def unanswered(_: Request) -> Response:
            raise KeyboardInterrupt

        for send, words in (
            (lambda _: Response(200, {}, broken), "stopped listening here"),
            (lambda _: Response(200, {"content-length": "²"}, broken), "stopped listening here"),
            (unanswered, "ended before its request 1 was answered"),
        ):
            with self.subTest(words):
                self.json("x", "--record", "tape.json", "--overwrite", "--again", code=130, send=send)
                with cut_off():
                    ran = self.image("x", "--replay", "tape.json")
                self.assertIn(ran.code, (3, 6))
                self.assertIn(words, ran.stderr)

    def test_a_disk_that_takes_no_more_costs_the_recording_and_not_the_run(self) -> None:
        full = OSError(28, "No space left on device")
        with self.standin(), mock.patch.object(cassette_file, "write", side_effect=full):
            reply = self.video_json("x", "--record", "a.json", "--output", "x.mp4")
        told = [warning for warning in reply["warnings"] if "No space left" in warning]
        self.assertEqual(len(told), 1, reply["warnings"])
        self.assertTrue((self.cwd / "x.mp4").is_file())
        with self.standin(), mock.patch.object(cassette_file, "new_body", side_effect=full):
            self.video_json("x", "--record", "b.json", "--output", "y.mp4")
        self.assertTrue((self.cwd / "y.mp4").is_file())
        broke = read(self.cwd / "b.json")["exchanges"][-1]["response"]["broke"]
        self.assertEqual(broke["reason"], "the recording has no more of it: No space left on device")

    def test_an_answer_that_cannot_be_written_down_costs_no_run(self) -> None:
        with self.standin(), mock.patch.object(cassette, "recorded_response", side_effect=ValueError("odd")):
            reply = self.json("x", "--record", "tape.json", "--output", "x.png")
        self.assertTrue((self.cwd / "x.png").is_file())
        self.assertEqual(len([warning for warning in reply["warnings"] if "is incomplete" in warning]), 1)

    def test_an_earlier_recordings_bodies_stay_and_serve_again(self) -> None:
        """This run did not make them."""
        with self.standin():
            self.video_json("x", "--record", "tape.json")
            (body,) = (self.cwd / "tape.files").iterdir()
            before = body.stat()
            self.json("x", "--record", "tape.json", "--overwrite")
            self.video_json("x", "--record", "tape.json", "--overwrite", "--again")
        self.assertEqual(list((self.cwd / "tape.files").iterdir()), [body])
        self.assertEqual((body.stat().st_ino, body.stat().st_mtime_ns), (before.st_ino, before.st_mtime_ns))
        self.video_json("x", "--replay", "tape.json")

    def test_the_variables_do_the_same(self) -> None:
        with self.standin():
            self.env["QIANWEN_RECORD"] = "tape.json"
            self.json("x", "--dry-run")
            self.json("--tasks")
            self.assertEqual(list(self.cwd.iterdir()), [])
            self.json("x")
            self.assertTrue((self.cwd / "tape.json").exists())
        self.env = {"QIANWEN_REPLAY": "tape.json"}
        with cut_off():
            self.json("x")
            self.json("y", code=3)
            self.json("x", "--replay", "none.json", code=3)
        self.env = {"QIANWEN_REPLAY": "", "QIANWEN_RECORD": ""}
        self.json("x", code=4)

    def test_what_does_not_go_together(self) -> None:
        for env, argv, words in (
            ({}, ("x", "--record", "a", "--replay", "b"), "--record and --replay cannot be combined"),
            (
                {"QIANWEN_RECORD": "a", "QIANWEN_REPLAY": "b"},
                ("x",),
                "QIANWEN_RECORD and QIANWEN_REPLAY cannot be combined",
            ),
            ({}, ("x", "--sandbox", "--replay", "b"), "--replay and --sandbox cannot be combined: both stand in"),
            ({"QIANWEN_REPLAY": "b"}, ("x", "--sandbox"), "QIANWEN_REPLAY and --sandbox cannot be combined: both"),
            ({}, ("--resume", "--record", "b"), "and --resume cannot be combined: a cassette holds one run"),
            ({"QIANWEN_REPLAY": "b"}, ("--resume",), "and --resume cannot be combined: a cassette holds one run"),
            ({}, ("x", "--dry-run", "--replay", "b"), "--dry-run sends nothing"),
            ({}, ("--tasks", "--record", "b"), "--tasks sends nothing"),
            ({}, ("x", "--record", ""), "--record is empty"),
        ):
            with self.subTest(argv):
                self.env = env
                self.assertIn(words, self.json(*argv, code=3)["error"]["message"])

    def test_the_ledger_remembers_what_was_recorded_and_forgets_what_was_replayed(self) -> None:
        with self.standin():
            self.json("x", "--async", "--record", "tape.json")
        self.assertEqual([run.state for run in self.ledger.runs()], ["done"])
        base = dict(self.env)
        with cut_off():
            self.env = {}
            reply = self.json("x", "--async", "--replay", "tape.json")
            self.json("y", "--async", "--replay", "tape.json", code=3)
        self.env = base
        self.assertEqual(len(self.ledger.runs()), 1)
        self.assertEqual(reply["task_id"], MADE_UP["task"](1))

    def test_a_recording_of_an_earlier_version_still_plays(self) -> None:
        """Which left some shapes of a secret in a prompt as they were."""
        prompt = "a sign that reads token=FREE at https://me:pass@example.com, Bearer of LTAI0123456789abcd, sk-0123456789abcdef"
        with self.standin():
            self.json(prompt, "--record", "tape.json")
        text = (self.cwd / "tape.json").read_text()
        hidden = "token={{hidden}} at https://{{hidden}}@example.com, Bearer {{hidden}} {{secret-1}}, {{secret-2}}"
        self.assertIn(hidden, text)
        earlier = "token=FREE at https://me:pass@example.com, Bearer of {{secret-1}}, {{secret-2}}"
        (self.cwd / "tape.json").write_text(text.replace(hidden, earlier))
        with cut_off():
            self.json(prompt, "--replay", "tape.json")

    def test_a_slow_answer_counts_for_the_time_of_a_replay(self) -> None:
        with self.standin(delay=100):
            self.json("x", "--model", "qwen-image-max", "--record", "tape.json")
        self.assertEqual(read(self.cwd / "tape.json")["exchanges"][0]["seconds"], 100)
        moment = self.clock.moment
        player = Player(str(self.cwd / "tape.json"), self.clock, self.clock)
        player.sleep(7)
        self.assertEqual((player.clock(), self.clock.moment), (moment + 7, moment))


class Bodies(Case):
    """What stands in a cassette for a body, and what comes back of it, through Recorder and Player themselves."""

    base = "https://dashscope.aliyuncs.com/api/v1"

    def there_and_back(self, url: str, response: Response, request: Request | None = None) -> tuple[Any, Response]:
        path = self.cwd / "tape.json"
        request = request or Request("GET", url)
        warnings: list[str] = []
        with Recorder(str(path), True, self.clock, self.clock, warnings.append) as recorder:
            recorder.connect(lambda _: response, self.clock.sleep, self.base, ())
            with recorder.send(request) as recorded:
                while recorded.status < 300 and recorded.read(1000):
                    pass
        self.assertEqual(warnings, [])
        player = Player(str(path), self.clock, self.clock)
        played = player.send(request)
        self.addCleanup(played.close)
        return read(path)["exchanges"][0], played

    def test_they_come_back_as_they_were(self) -> None:
        poll, file = f"{self.base}/tasks/x", "https://x.aliyuncs.com/y"
        odd_json = '{"a": 1, "a": 2, "b": 1e999}'
        for url, data, key in (
            (poll, b'{"a": "\\u5927\\ud83d\\ude00", "b": 1.5, "c": []}', "json"),
            (poll, odd_json.encode(), "text"),
            (poll, b'{"cut": "of', "text"),
            (poll, b'{"half": "\\ud800"}', "text"),
            (poll, b"\xff\xfe", "base64"),
            (poll, b'{"a": "\xe5\xa4', "base64"),
            (poll, b'data:{"a":1}\r\n\n: ping\ndata: [DONE]\n', "lines"),
            (file, b"<Error><Code>X</Code></Error>", "text"),
            (file, b"GIF89a\0\1\2", "base64"),
            (file, bytes(range(256)) * 100, "sha256"),
            (file, b"", ""),
        ):
            with self.subTest(data=data[:30]):
                exchange, played = self.there_and_back(url, answer(data))
                body = exchange["response"]["body"]
                self.assertIn(key, body) if key else self.assertEqual(body, {})
                found = played.read_all(10**6)
                if key == "json":
                    self.assertEqual(json.loads(found), json.loads(data))
                elif key == "lines":
                    self.assertEqual(found.split(b"\n")[1:], data.split(b"\n")[1:])
                    self.assertEqual(json.loads(found.split(b"\n")[0][5:]), {"a": 1})
                else:
                    self.assertEqual(found, data)

    def test_a_break_comes_at_the_same_byte(self) -> None:
        read = breaking(b"a" * 20_000, b"b" * 5)
        path = self.cwd / "tape.json"
        request = Request("GET", "https://x.aliyuncs.com/y")
        with Recorder(str(path), True, self.clock, self.clock, print) as recorder:
            recorder.connect(lambda _: Response(200, {}, read), self.clock.sleep, self.base, ())
            with recorder.send(request) as response, self.assertRaises(Fault):
                response.read_all(10**6)
        played = Player(str(path), self.clock, self.clock).send(request)
        self.addCleanup(played.close)
        data = b""
        with self.assertRaisesRegex(Fault, "the connection broke"):
            while block := played.read(777):
                data += block
        self.assertEqual(data, b"a" * 20_000 + b"b" * 5)

    def test_a_refusal_hides_what_storage_repeats(self) -> None:
        xml = b"<Error><Code>AccessDenied</Code><RequestId>ABC</RequestId><OSSAccessKeyId>my</OSSAccessKeyId></Error>"
        exchange, played = self.there_and_back("https://x.aliyuncs.com/y", answer(xml, 403))
        self.assertEqual(
            exchange["response"]["body"]["text"],
            "<Error><Code>AccessDenied</Code><RequestId>{{hidden}}</RequestId>"
            "<OSSAccessKeyId>{{hidden}}</OSSAccessKeyId></Error>",
        )
        self.assertIn(b"<Code>AccessDenied</Code>", played.refusal)

    def test_a_redirect_hides_where_it_leads(self) -> None:
        link = "https://r.oss-cn-beijing.aliyuncs.com/1d/abcdef/9af3.png?Expires=17&Signature=vjb%2Ba"
        exchange, played = self.there_and_back("https://x.aliyuncs.com/y", answer(b"", 302, location=link))
        hidden = "https://r.oss-cn-beijing.aliyuncs.com/{{path-1}}.png?{{query-1}}"
        self.assertEqual(exchange["response"]["headers"], {"location": hidden})
        self.assertEqual(played.headers["location"], Placeholders().fill(hidden))

    def test_an_answer_that_is_cut_off_hides_its_links_too(self) -> None:
        cut = rb'{"task_id": "0385dc79-5ff8", "url": "https:\/\/x.com\/a.png?OSSAccessKeyId=LTAI5t&Signature=vjb%2Ba'
        exchange, _ = self.there_and_back(f"{self.base}/tasks/x", answer(cut))
        text = exchange["response"]["body"]["text"]
        self.assertEqual([part for part in ("0385dc79", "LTAI5t", "vjb") if part in text], [], text)

    def test_bytes_that_are_not_quite_text_hide_the_same(self) -> None:
        told = '{"url": "https://x.com/a.png?OSSAccessKeyId=LTAI5t&Signature=vjb%2Ba", "key": "sk-0123456789abcdef", "a": "'
        for name, data in (
            ("cut within a character", told.encode() + b"\xe5\xa4"),
            ("a control character", told.encode() + b'\0"}'),
            ("UTF-16", told.encode("utf-16-le")),
            ("UTF-16 with a mark", told.encode("utf-16")),
        ):
            for status in (200, 400):
                with self.subTest(name, status=status):
                    exchange, played = self.there_and_back(f"{self.base}/tasks/x", answer(data, status))
                    text = exchange["response"]["body"]["text"]
                    self.assertEqual([part for part in ("LTAI5t", "vjb", "0123456789") if part in text], [], text)
                    found = played.read_all(10**6) if status == 200 else played.refusal
                    self.assertEqual((found[:12], found[-2:]), (data[:12], data[-2:]))

    def test_a_secret_that_cannot_be_hidden_is_not_recorded(self) -> None:
        data = "sk-0123456789abcdef ".encode("utf-16") + b"x"
        with self.assertRaisesRegex(ValueError, "a secret among bytes"):
            recorded_response(answer(data), data, None, None, Placeholders(), True)

    def test_headers_are_few(self) -> None:
        noise: dict[str, Any] = {
            "date": "x",
            "server": "y",
            "set_cookie": "secret",
            "x_request_id": "z",
            "content_length": "2",
        }
        exchange, _ = self.there_and_back(f"{self.base}/x", answer(b"{}", content_type="application/json", **noise))
        self.assertEqual(exchange["response"]["headers"], {"content-type": "application/json"})

    def test_every_header_that_the_program_looks_at_is_kept(self) -> None:
        looked_at = set()
        wings = ("http", "service", "storage")
        for path in (path for wing in wings for path in (SCRIPTS / "qianwen" / wing).glob("*.py")):
            if path.stem not in ("proxies", "connections"):
                looked_at |= set(re.findall(r"headers\.get\(\"([a-z0-9-]+)\"", path.read_text(encoding="utf-8")))
        self.assertGreater(len(looked_at), 6)
        self.assertLessEqual(looked_at, RECORDED_HEADERS)

    def test_memory_stays_flat(self) -> None:
        """Thirty megabytes up, down onto the tape, and back from it."""
        size, block = 30 * 2**20, bytes(2**18)

        def blocks() -> Iterator[bytes]:
            for _ in range(size // len(block)):
                yield block

        def respond(_: Request) -> Response:
            left = blocks()
            return Response(200, {"content-length": str(size)}, lambda _: next(left, b""))

        request = Request("PUT", "https://x.aliyuncs.com/y", {}, Stream(size, blocks))
        path = str(self.cwd / "tape.json")
        tracemalloc.start()
        try:
            with Recorder(path, True, self.clock, self.clock, print) as recorder:
                recorder.connect(respond, self.clock.sleep, self.base, ())
                with recorder.send(request) as response:
                    while response.read(results.BLOCK_BYTES):
                        pass
            with Player(path, self.clock, self.clock).send(request) as response:
                total = 0
                while got := len(response.read(results.BLOCK_BYTES)):
                    total += got
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        self.assertEqual(total, size)
        self.assertLess(peak, 4 * 2**20)

    def test_a_picture_in_a_request_is_named_by_its_digest(self) -> None:
        data = "data:image/png;base64," + "A" * 5000
        request = Request("POST", f"{self.base}/x", {}, json.dumps({"image": data, "small": data[:100]}).encode())
        exchange, _ = self.there_and_back("", answer({}), request)
        sent = exchange["request"]["body"]["json"]
        self.assertRegex(sent["image"], r"^data:image/png;base64,\(sha256 [0-9a-f]{64} of 5022 characters\)$")
        self.assertEqual(sent["small"], data[:100])


class Names(unittest.TestCase):
    """Values to placeholders and back."""

    def test_values_are_hidden_where_their_place_tells_what_they_are(self) -> None:
        task, other = "0385dc79-5ff8-4d82-bcb6-0123456789ab", "1385dc79-5ff8-4d82-bcb6-0123456789ab"
        link = "https://r.oss-cn-beijing.aliyuncs.com/1d/ab/20260101/9af3/8c1f-1.png?Expires=17&Signature=vjb%2Ba"
        for value, hidden in (
            ({"task_id": task, "again": task}, {"task_id": "{{task-1}}", "again": "{{task-1}}"}),
            (
                {"request_id": task, "message": f"see {other}."},
                {"request_id": "{{request-1}}", "message": "see {{id-1}}."},
            ),
            ({"url": link}, {"url": "https://r.oss-cn-beijing.aliyuncs.com/{{path-1}}.png?{{query-1}}"}),
            (
                {"urls": [link, link]},
                {"urls": ["https://r.oss-cn-beijing.aliyuncs.com/{{path-1}}.png?{{query-1}}"] * 2},
            ),
            ({"url": "https://example.com/a.png?size=2"}, {"url": "https://example.com/a.png?size=2"}),
            ({"submit_time": "2026-01-10 14:18:52.331"}, {"submit_time": "{{time}}"}),
            (
                {"submit_time": "soon", "gmt_create": 1768025932331},
                {"submit_time": "soon", "gmt_create": "{{milliseconds}}"},
            ),
            ({"seed": 1768025932331, "n": True, "x": None}, {"seed": 1768025932331, "n": True, "x": None}),
            ({"caller_uid": "1234567890"}, {"caller_uid": "{{account}}"}),
            ('{"caller_uid": "1234567890", ', '{"caller_uid": "{{account}}", '),
            (r'"{\"uid\": \"1234567890\"}"', r'"{\"uid\": \"{{account}}\"}"'),
            (r'"\"{\\\"task_id\\\": \\\"task-of-a-run\\\"}\""', r'"\"{\\\"task_id\\\": \\\"{{task-1}}\\\"}\""'),
            ({"output": '{"policy":"cG9saWN5"}'}, {"output": '{"policy":"{{policy-1}}"}'}),
            ({"task_id": "t"}, {"task_id": "t"}),
        ):
            with self.subTest(value=value):
                names = Placeholders()
                names.learn_received(value)
                self.assertEqual(names.hide_received(value), hidden)

    def test_what_is_shaped_like_a_secret_is_in_no_message_and_in_no_cassette(self) -> None:
        for shape in (shape for _, shape in redact._PATTERNS):
            self.assertTrue(any(re.search(shape, text) for text, _ in SECRETS), shape)
        for text, secret in SECRETS:
            names = Placeholders()
            for value in (text, {"message": text}, [{"a": [f"{text} {text}"]}], {text: 1}):
                names.learn_received(value)
                names.learn_sent(value)
                told = json.dumps([names.hide_received(value), names.hide_sent(value)])
                with self.subTest(value=value):
                    self.assertNotIn(secret, told)
            with self.subTest(text):
                self.assertNotIn(secret, names.hide_header("Location", text))
                self.assertNotIn(secret, redact.safe(text))

    def test_a_long_answer_takes_no_time(self) -> None:
        for part in (
            "sk-.",
            "http://a?",
            "http://",
            "data:\n",
            '"task_id": "',
            '"uid' + "\\" * 99,
            '"uid": ' + "\\" * 99,
            "://127.1.1.1:",
            "<RequestId",
            "0385dc79-",
        ):
            text = part * (2**17 // len(part))
            began = time.thread_time()
            recorded_response(Response(200, {}, lambda _: b""), text.encode(), None, None, Placeholders())
            self.assertLess(time.thread_time() - began, 1.25, part)
        began = time.thread_time()
        for part in ("/0123456789abcdef_a", "/tasks/", "sk-."):
            names = Placeholders()
            names.learn_url("https://x/" + part * 2**15)
            names.hide_url("https://x/" + part * 2**15)
        self.assertLess(time.thread_time() - began, 5)

    def test_an_answer_that_names_too_much_is_not_written_down(self) -> None:
        """Each value would slow down all that follows; a page of the task list is nowhere near."""
        ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(2**14)]
        for value in ({"ids": ids}, [{"task_id": text} for text in ids], " ".join(ids)):
            names = Placeholders()
            began = time.thread_time()
            with self.assertRaisesRegex(ValueError, "more than 1000 ids"):
                names.learn_received(value)
            self.assertLess(time.thread_time() - began, 2)
            names.learn("key", "another-key-0123456789")

    def test_what_is_made_up_is_distinct_and_long_enough_to_be_known_again(self) -> None:
        made = [make(number) for make in MADE_UP.values() for number in (1, 2, 11)]
        self.assertEqual(len(made), len(set(made)))
        self.assertGreaterEqual(min(map(len, made)), SHORTEST)
        for one in MADE_UP.values():  # no value of a kind is a part of another
            self.assertTrue(one(1) not in one(2) and one(2) not in one(3))

    def test_back_and_forth(self) -> None:
        names = Placeholders(lambda: 1_700_000_000.0)
        for text in ("{{task-1}} and {{task-2}}", "https://{{host-1}}/{{path-3}}.png?{{query-3}}", "{{name-1}}_x"):
            self.assertEqual(names.hide(names.fill(text)), text)
        self.assertEqual(names.fill("{{unknown-1}} {{x}} {{task}}"), "{{unknown-1}} {{x}} {{task}}")
        self.assertEqual(
            names.fill_json({"a": ["{{milliseconds}}", "{{time}}"]}),
            {"a": [1_700_000_000_000, "2023-11-15 06:13:20.000"]},
        )

    def test_what_the_client_makes_up_is_numbered_as_it_comes(self) -> None:
        names = Placeholders()
        names.learn_url("https://b.oss-cn-beijing.aliyuncs.com/p/20260101/0123456789abcdef_photo.jpg")
        self.assertEqual(
            names.hide_url("https://b.oss-cn-beijing.aliyuncs.com/p/20260101/0123456789abcdef_photo.jpg"),
            "https://b.oss-cn-beijing.aliyuncs.com/p/{{day}}/{{name-1}}_photo.jpg",
        )
        self.assertEqual(names.hide("oss://x/0123456789abcdef_photo.jpg"), "oss://x/{{name-1}}_photo.jpg")
        self.assertEqual(names.hide_header("Authorization", "Bearer sk-x"), "Bearer {{key}}")
        self.assertEqual(names.hide_header("x-oss-date", "20260101T000000Z"), "{{time}}")

    def test_an_error_that_nobody_may_handle(self) -> None:
        self.assertFalse(issubclass(Unplayable, (UsageError, Fault)))


class Helpers(unittest.TestCase):
    def test_parts_of_a_reply(self) -> None:
        reply = {"a": [{"b": 1}], "c": None}
        self.assertEqual([at(reply, path) for path in ("a.0.b", "a.1.b", "c.d", "x")], [1, None, None, None])

    def test_the_generator_says_what_it_is(self) -> None:
        script = ROOT / "tests" / "generate_cassettes.py"
        ran = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True)
        self.assertEqual((ran.returncode, "--seed" in ran.stdout), (0, True), ran.stderr)


if __name__ == "__main__":
    unittest.main()
