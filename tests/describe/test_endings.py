"""Models that the service has announced the end of: told wherever the model is, and never switched in silence."""

from __future__ import annotations

import unittest

from qianwen.models.image_models import IMAGES

from ..support import Case

URL = "https://example.com/a.png"
ENDING = [model for model in IMAGES.models if model.ends]
ENDS, REPLACEMENT = "2026-10-10", "qwen-image-2.0"


def told(texts: list[str]) -> list[str]:
    return [text for text in texts if ENDS in text and REPLACEMENT in text]


class Told(Case):
    def test_a_run_is_warned_once_and_asks_for_the_model_that_was_named(self) -> None:
        for model in (*(row.id for row in ENDING), "qwen-image-max-2025-12-30", "qwen-image-edit-plus-2025-12-15"):
            picture = ("--image", URL) if "edit" in model else ()
            with self.subTest(model), self.standin() as standin:
                reply = self.json("a cat", "--model", model, *picture, "--output", f"{model}/")
                (sent,) = standin.of("sync")
                self.assertEqual((sent.json["model"], reply["model"]), (model, model))
                self.assertEqual(len(told(reply["warnings"])), 1, reply["warnings"])

    def test_other_models_are_not(self) -> None:
        for model in ("wan2.6-t2i", "qwen-image-2.0", "qwen-image-3.0-pro", "qwen-image-plus-plus"):
            reply = self.json("a cat", "--model", model, "--dry-run")
            self.assertEqual(told(reply["warnings"]), [], model)

    def test_the_list_and_the_page_show_it(self) -> None:
        listed = {entry["id"]: entry for entry in self.json("--list-models")["models"]}
        for model in IMAGES.models:
            (described,) = self.json("--describe", model.id)["models"]
            for entry in (listed[model.id], described):
                found = (entry.get("ends", ""), entry.get("replacement", ""))
                self.assertEqual(found, (model.ends, model.replacement), model.id)
        text = " ".join(self.image("--list-models").stdout.split())
        self.assertEqual(text.count(f"on {ENDS};"), len(ENDING))
        page = " ".join(self.image("--describe", "qwen-image-max").stdout.split())
        self.assertIn(f"ends announced to end on {ENDS}; replacement {REPLACEMENT}", page)
        (unknown,) = self.json("--describe", "qwen-image-max-ultra")["models"]
        self.assertNotIn("ends", unknown)

    def test_a_refusal_of_the_model_names_it_too(self) -> None:
        for status, code, message in (
            (404, "ModelNotFound", "Model not found."),
            (400, "InvalidParameter", "Model not exist."),
            (403, "Model.AccessDenied", "Model access denied."),
            (403, "AccessDenied.Unpurchased", "Access to model denied."),
        ):
            with self.subTest(code), self.standin(faults=[f"sync={status}:{code}:{message}"]):
                ending = self.json("a cat", "--model", "qwen-image-max", code=4 if status == 403 else 1)["error"]
                other = self.json("a cat", "--model", "qwen-image-3.0", code=4 if status == 403 else 1)["error"]
                self.assertEqual(len(told([ending["hint"]])), 1)
                self.assertTrue(ending["hint"].endswith(other["hint"]), "the usual advice stays")
                self.assertEqual(told([other["hint"]]), [])

    def test_a_task_that_fails_for_it_names_it(self) -> None:
        with self.standin(faults=["task=fail:ModelNotFound:Model not exist."]):
            error = self.json("a cat", "--model", "qwen-image-plus", "--async", code=1)["error"]
        self.assertEqual(len(told([error["hint"]])), 1)

    def test_another_refusal_does_not(self) -> None:
        for fault, code in (
            ("sync=400:DataInspectionFailed:no", 1),
            ("sync=401:InvalidApiKey:no", 4),
            ("sync=429:Throttling.AllocationQuota:Free allocated quota exceeded", 4),
        ):
            with self.subTest(fault), self.standin(faults=[fault]):
                error = self.json("a cat", "--model", "qwen-image-max", code=code)["error"]
                self.assertEqual(told([error["hint"] or ""]), [])


if __name__ == "__main__":
    unittest.main()
