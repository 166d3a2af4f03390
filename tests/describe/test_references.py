"""The references: what is generated is current, what they tell of the service is what the code knows, examples agree."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import subprocess
import sys
import unittest
from typing import TYPE_CHECKING, Any, Iterator, NamedTuple
from urllib.parse import urlsplit

from qianwen import environment, errors, regions
from qianwen.account import purchase
from qianwen.models import image_rules, shared_rows, video_rules
from qianwen.models.catalog import Rule, find
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS
from qianwen.models.wire import SHAPES
from qianwen.plain import strict_json
from qianwen.service import codes
from qianwen.service.answers import KINDS

from .. import ROOT, generate_references
from ..support import KEY, Case
from ..whole.test_docs import (
    MODELS,
    REFERENCES,
    SOURCES,
    Line,
    Rehearsal,
    blocks,
    commands,
    fields,
    ours,
    params,
    table_rows,
    text,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ..support import Recording

FOLDER = ROOT / "references"
EXAMPLES = FOLDER / "examples.md"
PICTURES = FOLDER / "examples-pictures.md"
EXECUTION = FOLDER / "execution-guide.md"
GENERATED = generate_references.documents()
LONGEST_WITHOUT_CONTENTS = 100


def all_errors(kind: type[errors.QianwenError] = errors.QianwenError) -> Iterator[type[errors.QianwenError]]:
    for below in kind.__subclasses__():
        yield below
        yield from all_errors(below)


def is_single(line: Line) -> bool:
    """Whether a line is one request, not a batch."""
    return "--batch" not in line.argv


class Examples(Rehearsal):
    def test_an_example_says_the_same_twice(self) -> None:
        """The two lines of a block: flags, and a request."""
        pairs = [line for line in ours(EXAMPLES) if line.program == "video.py" and is_single(line)]
        self.assertEqual(len(pairs) % 2, 0)
        for with_flags, request in zip(pairs[::2], pairs[1::2]):
            with self.subTest(with_flags.argv):
                self.assertEqual(request.argv[0], "--request")
                self.make_files(with_flags.argv)
                self.assertEqual(self.sent(with_flags), self.sent(request))

    def sent(self, line: Line) -> Any:
        """What would go out. The order of media matters only among those of one type."""
        shown = self.dry_run(line)
        media = shown["request"]["body"]["input"].get("media", [])
        media.sort(key=lambda item: item["type"])
        return shown["request"], shown["bills"]

    def test_every_mode_and_function_has_an_example(self) -> None:
        shown = {self.mode_of(line) for line in ours(EXAMPLES) if line.program == "video.py" and is_single(line)}
        self.assertEqual(shown, {mode.name for model in VIDEOS.models for mode in model.modes})

    def test_every_way_of_a_picture_has_an_example(self) -> None:
        shown = {self.mode_of(line) for line in ours(PICTURES) if line.program == "image.py" and is_single(line)}
        self.assertEqual(shown, {mode.name for model in IMAGES.models for mode in model.modes})

    def mode_of(self, line: Line) -> str:
        """The mode that stderr names."""
        self.make_files(line.argv)
        argv = [word for word in line.argv if word != "--submit-only"]
        ran = self.run_line(line._replace(argv=[*argv, "--dry-run"]))
        match = re.search(r"Model: \S+ \(([\w ]+)", ran.stderr)
        assert match
        return match[1]


class Call(NamedTuple):
    """A curl of the execution guide."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any


def calls() -> Iterator[Call]:
    for line in commands(EXECUTION, "sh"):
        words = shlex.split(line, comments=True)
        if words[0] != "ask" or "()" in line:
            continue
        flag = dict(zip(words, words[1:]))
        headers = dict(value.split(": ", 1) for name, value in zip(words, words[1:]) if name == "-H")
        (url,) = (word for word in words if word.startswith("$BASE"))
        body = strict_json.load(flag["-d"]) if "-d" in flag else None
        yield Call(flag.get("-X", "GET"), url[len("$BASE") :], headers, body)


class ByHand(Case):
    """The curl lines and the program in the execution guide, against the stand-in."""

    def send(self, base: str, call: Call, key: bool = True) -> tuple[int, Any]:
        place = urlsplit(base)
        connection = http.client.HTTPConnection(place.netloc, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {KEY}"} if key else {}
            headers.update({"Content-Type": "application/json", **call.headers})
            body = call.body if isinstance(call.body, bytes) else json.dumps(call.body or "").encode()
            connection.request(call.method, place.path + call.target, body if call.body else None, headers)
            answer = connection.getresponse()
            told = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(told) if told[:1] == b"{" else told

    def test_every_request_is_accepted(self) -> None:
        seen = set()
        with self.standin() as standin:
            base = self.env["DASHSCOPE_HTTP_BASE_URL"]
            for call in calls():
                if call.body and "UPLOAD_DIR" not in str(call.body):
                    with self.subTest(call.body):
                        status, answer = self.send(base, call)
                        self.assertEqual(status, 200, answer)
                        seen.add(call.target)
            ends = [self.send(base, Call("GET", f"/tasks/{task_id}", {}, None))[1] for task_id in standin.tasks]
        self.assertEqual(seen, {shape.path for shape in SHAPES.values()})
        self.assertGreater(len(ends), 10)
        for answer in ends:  # a wrong value is found out late, as it is by the service
            self.assertEqual(answer["output"]["task_status"], "SUCCEEDED", answer)

    def test_every_request_is_one_of_a_model_of_ours(self) -> None:
        known = fields() | {"messages", "images", "media"}
        for call in calls():
            if call.body:
                with self.subTest(call.body):
                    found = find(IMAGES, call.body["model"]) or find(VIDEOS, call.body["model"])
                    assert found
                    ways = [SHAPES[key] for mode in found.model.modes for key in (mode.sync, mode.task) if key]
                    is_task = "X-DashScope-Async" in call.headers
                    self.assertIn((call.target, is_task), [(shape.path, shape.is_task) for shape in ways])
                    self.assertLessEqual({*call.body["input"], *call.body["parameters"]}, known)

    def test_every_mode_of_video_is_there(self) -> None:
        found = [find(VIDEOS, call.body["model"]) for call in calls() if call.body]
        kinds = {kind for each in found if each for kind in each.model.kinds[:1]}
        self.assertEqual(kinds, set(VIDEOS.kinds))

    def test_tasks_can_be_asked_for(self) -> None:
        with self.standin(delay=60.0) as standin:
            self.video("x", "--submit-only")
            (task_id,) = standin.tasks
            for call in calls():
                if call.target.startswith("/tasks"):
                    with self.subTest(call.target):
                        asked = call._replace(target=call.target.replace("TASK_ID", task_id))
                        status, answer = self.send(self.env["DASHSCOPE_HTTP_BASE_URL"], asked)
                        self.assertEqual(status, 200, answer)

    def test_a_local_file_goes_up_and_can_be_used(self) -> None:
        self.picture("cat.png")
        policy_call = next(call for call in calls() if call.target.startswith("/uploads"))
        using = next(call for call in calls() if "UPLOAD_DIR" in str(call.body))
        with self.standin() as standin:
            base = self.env["DASHSCOPE_HTTP_BASE_URL"]
            _, policy = self.send(base, policy_call)
            status, told = self.upload(policy["data"])
            self.assertEqual((status, told), (200, b""))
            body = json.loads(json.dumps(using.body).replace("UPLOAD_DIR", policy["data"]["upload_dir"]))
            status, answer = self.send(base, using._replace(body=body))
            self.assertEqual(status, 200, answer)
            self.assertNotIn("authorization", map(str.lower, standin.of("upload")[0].headers))

    def upload(self, policy: dict[str, str]) -> tuple[int, Any]:
        """The form of the guide, its words in capitals replaced by those of the policy."""
        (line,) = (line for line in commands(EXECUTION, "sh") if "Signature=SIGNATURE" in line)
        words = shlex.split(line)
        parts = b""
        for name, shown in (word.split("=", 1) for flag, word in zip(words, words[1:]) if flag == "-F"):
            value = re.sub(r"[A-Z][A-Z_]{3,}", lambda match: str(policy[match[0].lower()]), shown)
            kind = ""
            data = value.encode()
            if value.startswith("@"):
                kind, data = f'; filename="{value[1:]}"', (self.cwd / value[1:]).read_bytes()
            head = f'--guide\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'
            parts += head.encode() + data + b"\r\n"
        place = urlsplit(policy["upload_host"])
        header = {"Content-Type": "multipart/form-data; boundary=guide"}
        call = Call("POST", place.path or "/", header, parts + b"--guide--\r\n")
        return self.send(f"{place.scheme}://{place.netloc}", call, key=False)

    def test_the_program_in_python_makes_a_video(self) -> None:
        (code,) = blocks(EXECUTION, "python")
        with self.standin() as standin:
            environment = {**os.environ, **self.env, "PAUSE": "0.01", "NO_PROXY": "127.0.0.1"}
            ran = subprocess.run(
                [sys.executable, "-c", code], cwd=self.cwd, env=environment, capture_output=True, text=True, check=False
            )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual((self.cwd / "boat.mp4").read_bytes()[4:8], b"ftyp")
        self.assert_no_key_left(standin)

    def assert_no_key_left(self, standin: Recording) -> None:
        for sent in standin.of("result"):
            self.assertNotIn("authorization", map(str.lower, sent.headers))


class Generated(unittest.TestCase):
    def test_they_are_current(self) -> None:
        for path, expected in GENERATED.items():
            with self.subTest(path.name):
                self.assertTrue(path.is_file() and text(path) == expected, f"run: {generate_references.COMMAND}")

    def test_nothing_is_left_of_a_page_that_is_no_longer_written(self) -> None:
        self.assertEqual(
            set(FOLDER.glob("fields-*.md")), {path for path in GENERATED if path.stem.startswith("fields-")}
        )

    def test_no_page_of_fields_is_longer_than_one_reading(self) -> None:
        for path, content in GENERATED.items():
            if "fields" in path.stem:
                with self.subTest(path.name):
                    self.assertLessEqual(len(content.encode()), generate_references.LARGEST_PAGE)

    def test_every_page_of_fields_is_one_link_away(self) -> None:
        linked = re.findall(r"\]\((fields-[\w-]+\.md)\)", text(FOLDER / "request-fields.md"))
        self.assertEqual(set(linked), {path.name for path in FOLDER.glob("fields-*.md")})

    def test_every_name_in_them_exists(self) -> None:
        """A name in backticks without a dot or a dash is a field, a function, or a value of one."""
        known = {name for param in params() for name in (param.name, *param.also, *map(str, param.choices))}
        known |= {mode.name for model in MODELS for mode in model.modes}
        known |= {"media", "reference_voice", *regions.names()}
        for path, content in GENERATED.items():
            for name in set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)*)`", content)):
                with self.subTest(path=path.name, name=name):
                    self.assertIn(name, known)

    def test_they_name_everything(self) -> None:
        content = "".join(GENERATED.values())
        for param in params():
            for name in (param.name, *param.also, *filter(None, map(str, param.choices))):
                self.assertTrue(f"`{name}`" in content, name)
        for model in MODELS:
            self.assertTrue(f"| `{model.id}`" in content, model.id)

    def test_every_rule_has_a_sentence_and_every_sentence_a_rule(self) -> None:
        used = {rule for model in MODELS for mode in model.modes for rule in mode.rules}
        for rule in used:
            self.assertRegex(rule.sentence, r"^[`A-Z].*[^.]\.$")
        written = {
            name
            for module in (image_rules, video_rules, shared_rows)
            for name, value in vars(module).items()
            if isinstance(value, Rule) or getattr(value, "__annotations__", {}).get("return") == "Rule"
        }
        self.assertEqual({rule.check.__qualname__.partition(".")[0] for rule in used}, written)

    def test_silence_is_what_the_rows_say(self) -> None:
        for model in VIDEOS.models:
            with self.subTest(model.id):
                said = "silent" in model.summary.replace("or silent", "")
                if said or "with sound" in model.summary:
                    self.assertEqual(generate_references.sound(model) == "no", said)


class Guides(unittest.TestCase):
    def test_they_say_when_to_read_them(self) -> None:
        for path in REFERENCES:
            with self.subTest(path.name):
                self.assertRegex(
                    "\n".join(text(path).splitlines()[:10]), r"(?m)(^|。)Read this (after|before|when|to) "
                )

    def test_long_ones_have_contents(self) -> None:
        for path in REFERENCES:
            lines = text(path).splitlines()
            if len(lines) > LONGEST_WITHOUT_CONTENTS:
                with self.subTest(path.name):
                    self.assertGreater("\n".join(lines[:30]).count("](#"), 2)

    def test_links_within_and_between_them_resolve(self) -> None:
        for path in [*REFERENCES, ROOT / "README.md", ROOT / "SKILL.md"]:
            for file, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text(path)):
                with self.subTest(path=path.name, file=file, anchor=anchor):
                    target = (path.parent / file).resolve() if file else path
                    self.assertTrue(target.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(target))

    def test_they_are_one_level_deep(self) -> None:
        self.assertEqual([path for path in FOLDER.iterdir() if path.is_dir()], [])

    def test_the_usual_times_are_those_of_the_rows(self) -> None:
        guide = text(FOLDER / "polling-guide.md")
        for model in VIDEOS.models:
            for mode in model.modes:
                self.assertIn(mode.usual, guide)


def anchors(path: Path) -> list[str]:
    return [generate_references.anchor(title.replace("`", "")) for title in re.findall(r"(?m)^#+ (.*)$", text(path))]


class ErrorsGuide(unittest.TestCase):
    """errors.md against errors.py and service/codes.py, both ways."""

    GUIDE = text(FOLDER / "errors.md")

    def codes(self) -> Iterator[tuple[list[int], list[str], str, int]]:
        """(HTTP statuses, codes, piece of the message, exit code) of each row."""
        for status, names, message, code, _ in table_rows(self.GUIDE, "Codes of the service"):
            statuses = [int(word) for word in status.split(", ")]
            yield statuses, re.findall(r"`([^`]+)`", names) or [""], message, int(code)

    def test_every_code_means_what_the_guide_says(self) -> None:
        count = 0
        for statuses, names, message, expected in self.codes():
            for status in statuses:
                for name in names:
                    with self.subTest(status=status, code=name, message=message):
                        means = codes.meaning(name, message, status)
                        self.assertEqual(KINDS[means.kind].exit_code, expected)
                        count += 1
        self.assertGreater(count, 60)

    def test_every_row_of_the_code_is_in_the_guide(self) -> None:
        reached = {
            id(row)
            for statuses, names, message, _ in self.codes()
            for status in statuses
            for name in names
            for row in [codes.row_of(name, message, status)]
        }
        for row in codes.ROWS:
            with self.subTest(row):
                self.assertIn(id(row), reached)

    def test_every_code_that_a_row_spells_out_is_in_the_guide(self) -> None:
        for row in codes.ROWS:
            for word in re.sub(r"\([^)]*\)\??", ".", row.code).replace("\\", "").split("|"):
                if re.fullmatch(r"[A-Za-z_. ]+[A-Za-z_]", word) and not word.startswith("."):
                    with self.subTest(word):
                        self.assertTrue(f"`{word}" in self.GUIDE, word)

    def test_exit_codes_and_kinds_are_those_of_the_errors(self) -> None:
        rows = table_rows(self.GUIDE, "Exit codes")
        told = {(int(code), kind.strip("`")) for code, kind, *_ in rows if kind}
        self.assertEqual(told, {(kind.exit_code, kind.kind) for kind in all_errors()})

    def test_what_is_quoted_is_what_the_programs_say(self) -> None:
        said = re.sub(r'"\s*f?"', "", " ".join(" ".join(SOURCES.values()).split()))
        for told, _, _ in table_rows(self.GUIDE, "Trouble before the service"):
            for phrase in re.findall(r'"([^"]+)"', told):
                with self.subTest(phrase):
                    self.assertTrue(phrase in said, phrase)

    def test_content_refusals_are_told_apart(self) -> None:
        for names, message, action in [
            (row[1], row[2], row[4]) for row in table_rows(self.GUIDE, "Codes of the service")
        ]:
            for name in re.findall(r"`([^`]+)`", names):
                is_content = codes.meaning(name, message, 400).kind == "content"
                self.assertEqual(action.startswith("content"), is_content, name)


class ApiGuide(Case):
    """api-guide.md against the envelope, the hosts and the ledger."""

    GUIDE = text(FOLDER / "api-guide.md")

    def told(self, *titles: str) -> set[str]:
        """Every name in backticks below the headings of some guides."""
        content = self.GUIDE + text(FOLDER / "errors.md")
        found: set[str] = set()
        for title in titles:
            below = re.split(rf"(?m)^#+ {re.escape(title)}$", content)[1]
            found |= set(re.findall(r"`(?:error\.)?(\w+)`", re.split(r"(?m)^#+ ", below)[0]))
        return found

    def test_every_field_of_an_answer_is_explained(self) -> None:
        told = self.told("The JSON of the programs", "The error object")
        for name, answer in self.answers():
            for field in names_in(answer):
                with self.subTest(answer=name, field=field):
                    self.assertTrue(field in told, field)

    def answers(self) -> Iterator[tuple[str, Any]]:
        """One answer of each kind."""
        self.picture("cat.png")
        yield "dry run", self.json("x", "--image", "cat.png", "--dry-run")
        yield "invalid", self.json("x", "--size", "9*9", code=3)
        with self.standin() as standin:
            yield "picture", self.json("x")
            yield "guide", self.json("x", "--set", "enable_interleave=true", "--set", "max_images=2")
            yield "video", self.video_json("x")
            yield "submitted", self.video_json("y", "--submit-only")
            yield "again", self.video_json("y", "--submit-only", code=3)
            yield "history", self.video_json("--tasks")
            yield "resumed", self.video_json("--resume")
            self.assertTrue(standin.tasks)
        with self.standin(delay=60.0) as standin:
            task_id = self.video_json("z", "--submit-only")["task_id"]
            yield "running", self.video_json("--task-id", task_id, "--poll-once", code=2)
            yield "canceled", self.video_json("--cancel", task_id)
        with self.standin(faults=["submit=lose"]):
            yield "lost", self.video_json("lost", code=6)

    def test_hosts_and_regions_are_those_of_the_settings(self) -> None:
        rows = [[re.findall(r"`([^`]+)`", cell) for cell in row[1:]] for row in table_rows(self.GUIDE, "Hosts")]
        expected = [
            [
                [region.id, *filter(None, (region.alias,))],
                [region.host or f"WORKSPACE_ID.{region.id}.maas.aliyuncs.com"],
            ]
            for region in regions.TABLE
        ]
        self.assertEqual(rows, expected)

    def test_routes_are_those_of_the_shapes(self) -> None:
        told = set(re.findall(r"`POST (/services/[^`]+)`", self.GUIDE))
        self.assertEqual(told, {shape.path for shape in SHAPES.values()})

    def test_states_of_a_run_are_those_of_the_ledger(self) -> None:
        (states,) = re.findall(r"States of a run: (.*?)are over", self.GUIDE, re.DOTALL)
        is_open, is_over = (set(re.findall(r"`(\w+)`", part)) for part in states.split("are open"))
        self.assertEqual(is_open, set(purchase.OPEN))
        over = {purchase.DONE, purchase.FAILED, purchase.CANCELED, purchase.REFUSED, purchase.EXPIRED}
        self.assertEqual(is_over, over)


# What is the service's own, or the user's, is not explained field by field.
THEIRS = ("output", "usage", "headers", "body", "value", "interleaved_content")


def names_in(answer: Any) -> Iterator[str]:
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield name
            if name not in THEIRS:
                yield from names_in(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from names_in(value)


class Settings(unittest.TestCase):
    """The table of variables against the settings."""

    def test_what_a_file_may_set_is_marked(self) -> None:
        rows = table_rows(text(FOLDER / "settings.md"), "Settings")
        marked = {name for cell, _ in rows if "†" in cell for name in re.findall(r"`(\w+)`", cell)}
        sisters = set(environment.BUCKET_NAMES[1:])
        self.assertEqual(marked, set(environment.names_in_files()) - sisters)

    def test_the_order_of_the_keys_is_that_of_the_code(self) -> None:
        from qianwen.plain.redact import KEY_NAMES

        first = table_rows(text(FOLDER / "settings.md"), "Settings")[0][0]
        self.assertEqual(re.findall(r"`(\w+)`", first), list(KEY_NAMES))
