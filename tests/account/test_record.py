"""What `--sidecar` writes down is what `--file` makes again: for every golden request, and for runs against a stand-in."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
import unittest
from contextlib import closing
from functools import partial
from typing import Any

from qianwen import regions
from qianwen.account import record
from qianwen.checks import defaults, sources, validate
from qianwen.checks.findings import Manner
from qianwen.command import parse
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from ..support import KEY, PHOTO, Case, cases, data_url


class Golden(Case):
    def test_a_record_makes_every_golden_request_again(self) -> None:
        for folder, catalog, run in (("requests", IMAGES, self.json), ("video_requests", VIDEOS, self.video_json)):
            for name, case in cases(folder):
                if "body" not in case:
                    continue
                with self.subTest(name):
                    ask = parse.parse(catalog, case["argv"], None, str(self.cwd))  # type: ignore[arg-type]
                    region = getattr(regions.named(ask.region), "id", "cn-beijing")
                    found = defaults.choose(catalog, ask.model, ask.fields, ask.kind, partial(str, region))
                    inspect = partial(sources.inspect, cwd=str(self.cwd))
                    manner = Manner(ask.kind, ask.wants_task)
                    checked = validate.check(catalog, found, ask.fields, inspect, manner)
                    first = run(*case["argv"], "--dry-run")["request"]
                    (self.cwd / "record.json").write_text(json.dumps({"request": checked.written, "seed": 1}))
                    # The region is a matter of the key, not of the request.
                    again = run("--file", "record.json", "--dry-run", "--region", region)["request"]
                    self.assertEqual((again["url"], again["body"]), (first["url"], first["body"]))


class Sidecar(Case):
    def records(self) -> list[Any]:
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.cwd.rglob("*.json"))]

    def test_each_picture_has_a_record_that_makes_it_again(self) -> None:
        with self.standin() as standin:
            self.json(
                "two cats", "--model", "wan2.6-t2i", "-n", "2", "--size", "16:9", "--sidecar", "--output", "cat.png"
            )
            records = self.records()
            self.assertEqual([one["files"][0]["path"] for one in records], ["cat_1.png", "cat_2.png"])
            self.assertEqual(self.image("--file", "cat_2.json", "--output", "again/").code, 0)
            first, again = standin.of("sync", "submit")
            self.assertEqual(first.json, again.json)
        one = records[0]
        self.assertEqual(one["request"]["prompt"], "two cats")
        self.assertEqual(one["request"]["size"], "16:9")  # as the user wrote it
        self.assertEqual((one["model"], one["program"], one["state"]), ("wan2.6-t2i", "image.py", "made"))
        for file in (file for each in records for file in each["files"]):
            self.assertEqual((self.cwd / file["path"]).stat().st_size, file["bytes"])
        self.assertNotIn(KEY, json.dumps(records))
        self.assertNotIn("http", json.dumps(records))
        self.assertNotIn(str(self.cwd), json.dumps(records))

    def test_a_seed_is_chosen_after_the_request_is_known(self) -> None:
        with self.standin() as standin:
            answer = self.json("a cat", "--model", "wan2.6-t2i", "--sidecar")
            (sent,) = standin.of("sync", "submit")
            self.assertEqual(sent.json["parameters"]["seed"], answer["seed"])
            self.assertEqual(self.records()[0]["seed"], answer["seed"])
            self.assertEqual(self.json("a cat", "--model", "wan2.6-t2i", "--reuse")["reused"], True)

    def test_a_picture_whose_answer_nobody_read_was_made_without_the_seed_of_the_next_run(self) -> None:
        with self.standin() as standin:
            self.json("a cat", "--model", "wan2.6-t2i")
            with closing(sqlite3.connect(os.path.join(self.ledger.folder, "account.db"))) as database, database:
                database.execute("UPDATE runs SET delivered = 0")
            again = self.json("a cat", "--model", "wan2.6-t2i", "--sidecar")
            self.assertEqual((again["reused"], again["seed"], len(standin.of("sync", "submit"))), (True, None, 1))
        (one,) = self.records()
        self.assertEqual((one["seed"], "seed" in one["request"]), (None, False))

    def test_a_seed_that_was_given_and_a_model_without_one(self) -> None:
        with self.standin():
            self.json("a cat", "--model", "wan2.6-t2i", "--sidecar", "--seed", "7")
            self.assertEqual(self.records()[0]["request"]["seed"], 7)

    def test_beside_a_clip_the_reply_holds_the_record_too(self) -> None:
        with self.standin():
            self.video_json("a fox", "--sidecar")
            (reply,) = self.records()
        self.assertEqual(reply["output"]["task_status"], "SUCCEEDED")
        self.assertEqual(reply["request"]["prompt"], "a fox")
        self.assertEqual(reply["files"][0]["media_type"], "video/mp4")

    def test_without_the_flag_nothing_changes(self) -> None:
        with self.standin() as standin:
            self.json("a cat", "--model", "wan2.6-t2i")
            (sent,) = standin.of("sync", "submit")
            self.assertNotIn("seed", sent.json["parameters"])
        self.assertEqual(self.records(), [])

    def test_what_was_made_before_gets_its_record(self) -> None:
        with self.standin() as standin:
            first = self.json("a cat", "--model", "wan2.6-t2i", "--output", "cat.png")
            again = self.json("a cat", "--model", "wan2.6-t2i", "--reuse", "--sidecar")
            (one,) = self.records()
            self.assertEqual((again["files"], again["seed"], one["seed"]), (first["files"], None, None))
            self.assertEqual(one["files"][0]["path"], "cat.png")
            self.json("a cat", "--model", "wan2.6-t2i", "--reuse", "--sidecar")
            self.assertEqual(len(self.records()), 1)
            (self.cwd / "cat.json").unlink()
            self.env["QIANWEN_KEEP_REQUESTS"] = "0"
            self.json("a bird", "--model", "wan2.6-t2i", "--seed", "3", "--output", "bird.png")
            self.assertEqual(self.json("a bird", "--model", "wan2.6-t2i", "--seed", "3", "--reuse")["seed"], 3)
            del self.env["QIANWEN_KEEP_REQUESTS"]
            seeded = self.json("a dog", "--model", "wan2.6-t2i", "--sidecar", "--output", "dog.png")
            (self.cwd / "dog.json").write_text('{"of": "somebody else"}')
            again = self.json("a dog", "--model", "wan2.6-t2i", "--sidecar", "--reuse")
            self.assertEqual(again["seed"], seeded["seed"])
            theirs, ours = sorted(self.records(), key=len)
            self.assertEqual((theirs, ours["request"]["seed"]), ({"of": "somebody else"}, seeded["seed"]))
            self.json("a dog", "--model", "wan2.6-t2i", "--sidecar", "--reuse")
            self.assertEqual(len(self.records()), 2)
            self.assertEqual(len(standin.of("sync", "submit")), 3)

    def test_a_run_of_an_earlier_process_has_the_record_that_its_account_knows(self) -> None:
        commands = (("--task-id", "last", "--sidecar"), ("--resume", "--sidecar"))
        with self.standin() as standin:
            for number, words in enumerate(commands):
                with self.subTest(words):
                    argv = (f"cat {number}", "--model", "wan2.6-t2i", "--async", "--output", f"{number}.png")
                    self.assertEqual(self.image(*argv, "--submit-only", "--seed", "5").code, 0)
                    self.assertEqual(self.image(*words).code, 0)
                    one = json.loads((self.cwd / f"{number}.json").read_text(encoding="utf-8"))
                    self.assertEqual((one["seed"], one["request"]["prompt"]), (5, f"cat {number}"))
                    self.assertEqual(self.json("--file", f"{number}.json", "--dry-run")["ok"], True)
            self.env["QIANWEN_KEEP_REQUESTS"] = "0"
            self.image("no", "--model", "wan2.6-t2i", "--async", "--submit-only")
            self.assertIn("QIANWEN_KEEP_REQUESTS", self.image("--resume", "--sidecar").stderr)
            self.env.pop("QIANWEN_KEEP_REQUESTS")
            edit = ("edit", "--model", "wan2.6-image", "--image", data_url(512, 512), "--async", "--submit-only")
            self.assertEqual(self.image(*edit).code, 0)
            self.assertIn("no bytes of data: URLs", self.image("--resume", "--sidecar").stderr)
            self.assertEqual((len(self.records()), len(standin.of("submit"))), (2, 4))

    def test_a_run_that_is_interrupted_keeps_its_seed_and_continues_with_records(self) -> None:
        with self.standin(faults=("result=500*6",)) as standin:
            reply = self.json("a cat", "--model", "wan2.6-t2i", "--sidecar", "--output", "cat.png", code=7)
            self.assertIn(" --sidecar", reply["next"])
            self.assertEqual(self.image("--resume", "--sidecar").code, 0)
            (sent,) = standin.of("sync")
        self.assertEqual(self.records()[0]["request"]["seed"], sent.json["parameters"]["seed"])

    def test_beside_a_cassette_no_seed_is_made_up(self) -> None:
        argv = ("a cat", "--model", "wan2.6-t2i", "--output", "cat.png", "--overwrite")
        self.env = {}
        for number, (recorded, replayed) in enumerate(((True, True), (True, False), (False, True))):
            with self.subTest(recorded=recorded, replayed=replayed):
                tape = f"c{number}.tape"
                self.json(*argv, "--sandbox", "--record", tape, *(["--sidecar"] if recorded else []))
                self.json(*argv, "--replay", tape, *(["--sidecar"] if replayed else []))
        self.assertEqual([one["seed"] for one in self.records()], [None])

    def test_overwrite_replaces_the_picture_and_no_stranger_of_its_name(self) -> None:
        stranger, argv = self.cwd / "package.json", ("--sidecar", "--overwrite", "--output", "package.png")
        stranger.write_text('{"name": "theirs"}')
        with self.standin():
            for prompt in ("one", "two"):
                self.assertEqual(self.image(prompt, *argv).code, 0)
        self.assertEqual(stranger.read_text(), '{"name": "theirs"}')
        self.assertEqual(len(self.records()), 3)

    def test_no_secret_of_the_user_is_in_a_record_or_a_name(self) -> None:
        other, link = "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "https://b.oss-cn-beijing.aliyuncs.com/a.png"
        argv = ("--model", "wan2.6-image", "--image", f"{link}?OSSAccessKeyId=LTAI5tA&Signature=abcdef")
        with self.standin() as standin:
            reply = self.json(f"{KEY} on a poster, {other}", *argv, "--sidecar")
            (sent,) = standin.of("sync", "submit")
        self.assertIn("Signature=abcdef", json.dumps(sent.json))
        self.assertIn("put them back", str(reply["warnings"]))
        (one,) = self.records()
        self.assertEqual(one["request"]["reference_images"], [link])
        kept = [json.dumps(one), *map(str, self.cwd.rglob("*")), json.dumps(dict(self.ledger.runs()[0].asked))]
        for secret in (KEY[3:20], other[:20]):
            self.assertNotIn(secret, "".join(kept))

    @unittest.skipUnless(sys.platform == "linux", "other systems refuse such names")
    def test_half_a_character_in_a_name_loses_neither_the_record_nor_the_text(self) -> None:
        odd = os.fsdecode(b"odd \xff.jpg")
        shutil.copy(PHOTO, self.cwd / odd)
        with self.standin() as standin:
            edit = ("a cat", "--model", "qwen-image-2.0", "--image", odd, "--sidecar", "--output", "cat.png")
            self.assertEqual([self.image(*edit, *more).code for more in ((), ("--reuse",))], [0, 0])
            self.assertEqual(self.records()[0]["request"]["reference_images"], [odd])
            self.assertEqual(self.image("--file", "cat.json", "--output", "again.png").code, 0)
            self.assertEqual(len(standin.of("sync")), 2)
            texts = ("two cats", "--model", "wan2.6-image", "--set", "enable_interleave=true", "--output")
            self.assertEqual(self.image(*texts, os.fsdecode(b"\xff.png")).code, 0)
        self.assertIn(b"](<\xff_1.png>)", (self.cwd / os.fsdecode(b"\xff.md")).read_bytes())

    def test_a_rewritten_prompt_is_kept(self) -> None:
        body = {
            "output": {"actual_prompt": "whole", "results": [{"url": "u"}, {"url": "v", "actual_prompt": "second"}]}
        }
        self.assertEqual([record.rewritten(body, index) for index in range(3)], ["whole", "second", "whole"])
        for odd in ({}, {"output": None}, {"output": {"results": "x"}}, {"output": {"actual_prompt": 5}}):
            self.assertIsNone(record.rewritten(odd, 0))
