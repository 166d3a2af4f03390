"""Golden requests: every model in every capability sends exactly the documented body and turns the answer into files.

A case is a file in data/requests: argv, path, headers of the protocol, body, and how many pictures come back.
"""

from __future__ import annotations

import json
import re

from qianwen.models import image_models
from qianwen.models.catalog import SNAPSHOT, find

from ..support import Case, cases, elided, protocol

CASES = cases("requests")


class Requests(Case):
    def test_dry_run_prints_the_documented_request(self) -> None:
        for name, case in CASES:
            with self.subTest(name):
                request = self.json(*case["argv"], "--dry-run")["request"]
                self.assertEqual(request["url"], "https://dashscope.aliyuncs.com/api/v1" + case["path"])
                self.assertEqual(protocol(request["headers"]), case["headers"])
                self.assertEqual(request["body"], elided(case["body"]))
                self.assertNotIn("test", request["headers"]["Authorization"])

    def test_the_sandbox_receives_it_and_every_picture_is_saved(self) -> None:
        for name, case in CASES:
            with self.subTest(name), self.standin() as standin:
                reply = self.json(*case["argv"], "--output", f"{name}/")
                (sent,) = standin.of("sync", "stream", "submit")
                self.assertEqual(sent.target, "/api/v1" + case["path"])
                self.assertEqual(sent.json, case["body"])
                self.assertEqual(protocol(sent.headers), case["headers"])
                self.assertEqual(reply["image_count"], case["pictures"])
                self.assertEqual(len(reply["files"]), case["pictures"])
                self.assertEqual(len(list((self.cwd / name).glob("*.png"))), case["pictures"])

    def test_what_dry_run_shows_is_what_is_sent(self) -> None:
        self.assert_shown_is_sent(self.json, CASES[0][1]["argv"])


class Coverage(Case):
    def test_every_model_id_and_every_mode_has_a_golden_request(self) -> None:
        modes: dict[str, set[str]] = {}
        for _, case in CASES:
            request = json.loads(case["argv"][1])
            found = find(image_models.IMAGES, request.get("model", case["body"]["model"]))
            assert found
            parts = re.findall(r"\((.*?)[,)]", self.image(*case["argv"], "--dry-run").stderr)
            modes.setdefault(found.model.id, set()).update(parts[:1])
        for model in image_models.MODELS:
            with self.subTest(model.id):
                self.assertEqual(modes.get(model.id, set()), {mode.name for mode in model.modes})

    def test_aliases_and_snapshots_are_covered(self) -> None:
        ids = {json.loads(case["argv"][1]).get("model", "") for _, case in CASES}
        for model in image_models.MODELS:
            self.assertLessEqual(set(model.aliases), ids)
        self.assertGreaterEqual(sum(1 for model_id in ids if re.search(SNAPSHOT, model_id)), 8)
