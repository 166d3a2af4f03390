"""The page of a folder: what it shows, what it leaves alone, and that no text in it can be anything but text."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import unittest
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from qianwen.account.purchase import Kept, Purchase
from qianwen.errors import OutputError, UsageError
from qianwen.gallery import cards, page, viewer
from qianwen.plain.record import changed
from qianwen.sandbox import placeholder

from ..support import Case

SCRIPTS = "~/skill/scripts"
BOUGHT = Purchase(
    id="0" * 16,
    program="image.py",
    model="wan2.7-image",
    mode="t2i",
    region="cn-beijing",
    base="https://dashscope.aliyuncs.com/api/v1",
    request="f" * 64,
    is_task=True,
    folder="",
    stem="x",
    suffix="",
    at=1795600000.0,
    state="done",
    asked={"prompt": "from the account", "size": "64*32", "seed": 7},
)
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>-->",
    "</style><style>*{display:none}</style>",
    "\u2028\u2029\ud800",
    "x" * 10_000,
    "\u202eright to left \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\N{GRINNING FACE}",
    "${alert(1)}`'\"\\",
)


def png(width: int, height: int) -> bytes:
    return placeholder.png(width, height, "x", [])


class _Elements(HTMLParser):
    """Every element with its attributes, and the text inside `script` and `style`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.texts.setdefault(self.cdata_elem, []).append(data)


class Page(Case):
    def setUp(self) -> None:
        super().setUp()
        self.results = self.cwd / "results"
        self.results.mkdir()

    def write(self, *bought: Purchase) -> Any:
        """The data of the page."""
        path, count = page.write(str(self.results), bought, SCRIPTS)
        data = json.loads(self.data_of(Path(path).read_text(encoding="utf-8")))
        self.assertEqual(len(data["cards"]), count)
        return data

    def data_of(self, text: str) -> str:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
        assert found
        return found[1]

    def shown(self, *bought: Purchase) -> list[tuple[str, str, str, str]]:
        """(path, prompt, model, state) of each card."""
        data = self.write(*bought)
        rows = []
        for number, *card in data["cards"]:
            model, prompt, _, state = (*data["runs"][number], "", 0, 0)[:4]
            rows.append((card[0] if card else "", prompt, data["models"][model], data["states"][state]))
        return rows

    def line(self, key: int, **fields: Any) -> str:
        request = {"prompt": f"row {key}", "size": "64*32"}
        whole = {
            "key": f"{key:016x}",
            "row": key,
            "state": "made",
            "model": "z-image-turbo",
            "request": request,
            **fields,
        }
        return json.dumps(whole) + "\n"

    # What is shown ----------------------------------------------------------------------------------------------

    def test_the_four_sources_in_their_order(self) -> None:
        for name in ("line.png", "record.png", "account.png", "bare.png"):
            (self.results / name).write_bytes(png(64, 32))
        everything = [{"path": name} for name in ("line.png", "record.png", "account.png")]
        (self.results / "results.jsonl").write_text(self.line(1, files=everything[:1], at=50))
        record = {"model": "wan2.6-t2i", "request": {"prompt": "a record"}, "files": everything[:2], "at": 40}
        (self.results / "record.json").write_text(json.dumps(record))
        kept = {index: Kept(str(self.results / file["path"]), "0") for index, file in enumerate(everything)}
        os.utime(self.results / "bare.png", (10, 10))
        self.assertEqual(
            self.shown(changed(BOUGHT, files=kept, at=30.0)),
            [
                ("line.png", "row 1", "z-image-turbo", "made"),
                ("record.png", "a record", "wan2.6-t2i", "made"),
                ("account.png", "from the account", "wan2.7-image", "made"),
                ("bare.png", "", "", "made"),
            ],
        )

    def test_the_facts_of_a_file_come_from_its_header(self) -> None:
        (self.results / "a.png").write_bytes(png(64, 32))
        (self.results / "broken.png").write_bytes(b"no picture")
        data = self.write()
        facts = {card[1]: card[2:5] for card in data["cards"]}
        self.assertEqual(facts["a.png"], [64, 32, (self.results / "a.png").stat().st_size])
        self.assertEqual(facts["broken.png"], [0, 0, 10])

    def test_merged_shards_and_folders_below(self) -> None:
        below = self.results / "campaign" / "deep"
        below.mkdir(parents=True)
        for number in (1, 2):
            (below / f"{number}.png").write_bytes(png(8, 8))
            (below / f"results.{number}-of-2.jsonl").write_text(self.line(number, files=[{"path": f"{number}.png"}]))
        self.assertEqual(
            sorted((path, prompt) for path, prompt, *_ in self.shown()),
            [("campaign/deep/1.png", "row 1"), ("campaign/deep/2.png", "row 2")],
        )

    def test_what_made_nothing_is_a_card_with_the_service_s_words(self) -> None:
        lines = self.line(1, state="refused", files=[], error={"message": "inappropriate"}) + self.line(
            2, state="made", files=[]
        )
        (self.results / "results.jsonl").write_text(lines)
        refused = changed(BOUGHT, state="refused", told="no", folder=str(self.results))
        elsewhere = changed(refused, folder=str(self.results) + "-other")
        data = self.write(refused, elsewhere)
        self.assertEqual(len(data["runs"]), 2)
        self.assertIn("inappropriate", data["runs"][1])

    def test_the_last_line_of_a_row_counts_and_odd_lines_cost_themselves_alone(self) -> None:
        (self.results / "a.png").write_bytes(png(8, 8))
        odd = '{"key": 3}\n{"key": "x", "files": [1, {"path": 7}], "request": 5}\nnot json\n{"key": "cut'
        again = self.line(1, state="refused", files=[]) + self.line(1, files=[{"path": "a.png"}])
        (self.results / "results.jsonl").write_text(again + odd)
        self.assertEqual([row[:2] for row in self.shown()], [("a.png", "row 1")])

    def test_links_hidden_folders_and_escapes_are_not_entered(self) -> None:
        outside = self.cwd / "outside"
        outside.mkdir()
        (outside / "secret.png").write_bytes(png(8, 8))
        (self.results / "link").symlink_to(outside)
        (self.results / "link.png").symlink_to(outside / "secret.png")
        hidden = self.results / ".batch"
        hidden.mkdir()
        (hidden / "part.png").write_bytes(png(8, 8))
        (self.results / "results.jsonl").write_text(
            self.line(1, files=[{"path": "../outside/secret.png"}, {"path": "/etc/passwd"}])
        )
        self.assertEqual(self.shown(), [])

    def test_a_request_with_a_whole_picture_in_it_is_left_out(self) -> None:
        (self.results / "a.png").write_bytes(png(8, 8))
        request = {"prompt": "kept", "image": "data:image/png;base64," + "A" * 30_000}
        (self.results / "results.jsonl").write_text(self.line(1, files=[{"path": "a.png"}], request=request))
        data = self.write()
        self.assertEqual((data["runs"][0][1], data["requests"]), ("kept", [""]))

    def test_an_empty_folder_has_an_empty_page(self) -> None:
        self.assertEqual(self.shown(), [])

    def test_a_folder_that_cannot_be_read(self) -> None:
        for name in ("absent", "a\0b"):
            with self.assertRaisesRegex(UsageError, "cannot be shown"):
                page.write(str(self.results / name), (), SCRIPTS)

    def test_numbers_that_measure_nothing(self) -> None:
        odd = [[], {}, "9", True, -1, 10**400, 1e400, float("nan"), None]
        for number, value in enumerate(odd):
            (self.results / f"{number}.png").write_bytes(png(64, 32))
            facts = {"path": f"{number}.png", "width": value, "height": value, "bytes": value, "duration": value}
            fields = {"request": {"prompt": "x", "seed": value}, "files": [facts], "at": value, "seed": value}
            (self.results / f"{number}.json").write_text(json.dumps(fields))
        with (self.results / "results.jsonl").open("w") as stream:
            stream.writelines(self.line(number, at=value, seed=value) for number, value in enumerate(odd))
        data = self.write()
        self.assertEqual({tuple(card[2:4]) for card in data["cards"]}, {(64, 32)})
        self.assertNotIn("NaN", json.dumps(data))

    def test_the_page_may_be_shown_to_others(self) -> None:
        key, link = "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "https://b.oss-cn-beijing.aliyuncs.com/a.png"
        text = f"{key} {link}?Expires=1&Signature=abcdef"
        fields = {"error": {"message": text}, "actual_prompt": text, "model": key}
        request = {"prompt": text, "reference_images": [f"{link}?Signature=abcdef"]}
        (self.results / "results.jsonl").write_text(self.line(1, state="failed", **{**fields, "request": request}))
        page.write(str(self.results), (), SCRIPTS)
        shown = (self.results / "index.html").read_text(encoding="utf-8")
        self.assertIn(link, shown)
        for secret in (key, "abcdef", "Signature"):
            self.assertNotIn(secret, self.data_of(shown))

    # What the page is -------------------------------------------------------------------------------------------

    def test_hostile_texts_are_text(self) -> None:
        lines = []
        for number, text in enumerate(HOSTILE):
            name = f"{number}-<script>alert(1)<&script>.png"
            (self.results / name).write_bytes(png(8, 8))
            fields = {"id": text, "model": text, "state": text, "error": {"message": text}, "actual_prompt": text}
            lines.append(
                self.line(number, files=[{"path": name}], **{**fields, "request": {"prompt": text, "x": text}})
            )
        (self.results / "results.jsonl").write_text("".join(lines))
        path, _ = page.write(str(self.results), (), SCRIPTS)
        text = Path(path).read_text(encoding="utf-8")
        self.assertNotIn("<", self.data_of(text))
        elements = _Elements()
        elements.feed(text)
        self.assertEqual([tag for tag, _ in elements.found].count("script"), 2)
        self.assertEqual([tag for tag, _ in elements.found].count("img"), 0)
        prompts = {run[1] for run in json.loads(self.data_of(text))["runs"]}
        self.assertEqual(prompts, {prompt.replace("\ud800", "?") for prompt in HOSTILE})

    def test_the_policy_allows_its_own_script_and_style_alone(self) -> None:
        path, _ = page.write(str(self.results), (), SCRIPTS)
        elements = _Elements()
        elements.feed(Path(path).read_text(encoding="utf-8"))
        policy = next(attrs["content"] for _, attrs in elements.found if attrs.get("http-equiv")) or ""
        for tag in ("script", "style"):
            text = elements.texts[tag][-1]
            digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
            self.assertIn(f"{tag}-src 'sha256-{digest}'", policy)
        self.assertTrue(policy.startswith("default-src 'none'; "))
        self.assertNotIn("unsafe", policy)

    def test_nothing_on_the_page_points_outside(self) -> None:
        path, _ = page.write(str(self.results), (), SCRIPTS)
        text = Path(path).read_text(encoding="utf-8")
        elements = _Elements()
        elements.feed(text)
        self.assertEqual([attrs for _, attrs in elements.found if {"src", "href", "action"} & set(attrs)], [])
        self.assertNotRegex(text, r"(?i)https?:|//[a-z]+\.|@import|url\(")

    # The file ---------------------------------------------------------------------------------------------------

    def test_our_page_is_replaced_and_a_stranger_s_is_not(self) -> None:
        first, _ = page.write(str(self.results), (), SCRIPTS)
        self.assertEqual(
            (first, page.write(str(self.results), (), SCRIPTS)[0]), (str(self.results / "index.html"), first)
        )
        (self.results / "index.html").write_text("<h1>mine</h1>")
        for _ in range(2):
            self.assertEqual(page.write(str(self.results), (), SCRIPTS)[0], str(self.results / "index-2.html"))
        self.assertEqual((self.results / "index.html").read_text(), "<h1>mine</h1>")

    def test_a_link_is_not_followed(self) -> None:
        page.write(str(self.results), (), SCRIPTS)
        (self.results / "index.html").rename(self.cwd / "elsewhere.html")
        before = (self.cwd / "elsewhere.html").read_bytes()
        (self.results / "index.html").symlink_to(self.cwd / "elsewhere.html")
        (self.results / "a.png").write_bytes(png(8, 8))
        self.assertEqual(page.write(str(self.results), (), SCRIPTS)[0], str(self.results / "index-2.html"))
        self.assertEqual((self.cwd / "elsewhere.html").read_bytes(), before)

    @unittest.skipIf(os.name == "nt" or os.geteuid() == 0, "root may write everywhere")
    def test_a_folder_that_takes_no_file(self) -> None:
        self.results.chmod(0o500)
        self.addCleanup(self.results.chmod, 0o700)
        with self.assertRaisesRegex(OutputError, "cannot be written"):
            page.write(str(self.results), (), SCRIPTS)


class CommandLine(Case):
    def test_a_page_of_what_was_made_here(self) -> None:
        for number in (1, 2):
            self.assertEqual(self.image(f"cat {number}", "--sandbox", "--output", "out/").code, 0)
        answer = self.json("--gallery", "out")
        self.assertEqual((answer["results"], answer["gallery"]), (2, str(self.cwd / "out" / "index.html")))
        self.assertEqual(self.image("--gallery=out").stdout, answer["gallery"] + "\n")

    def test_the_folder_of_the_results_is_the_usual_one(self) -> None:
        self.assertEqual(self.image("a cat", "--sandbox").code, 0)
        answer = self.json("--gallery")
        self.assertEqual(answer["results"], 1)
        self.assertEqual(Path(answer["gallery"]).parent, self.cwd / "output/qianwen-image-generation/images")

    def test_the_account_explains_what_was_bought_here(self) -> None:
        with self.standin():
            for folder in ("a[1]/deep/", "a[1]/", "a1/"):
                self.json(f"for {folder}", "--model", "wan2.6-t2i", "--output", folder)
            page_of = Path(self.json("--gallery", "a[1]")["gallery"]).read_text(encoding="utf-8")
        self.assertIn("for a[1]/deep/", page_of)
        self.assertIn("for a[1]/", page_of)
        self.assertNotIn("for a1/", page_of)

    def test_what_cannot_be_shown(self) -> None:
        for argv in (
            ["--gallery"],
            ["--gallery", "absent"],
            ["--gallery", "x", "a cat"],
            ["--gallery", "x", "--dry-run"],
        ):
            with self.subTest(argv):
                self.assertEqual(self.image(*argv).code, 3)


class Viewer(unittest.TestCase):
    @unittest.skipIf(os.name == "nt", "Windows always has a display")
    def test_without_a_display_it_says_so(self) -> None:
        import sys

        if sys.platform == "darwin":
            self.skipTest("macOS always has a display")
        self.assertEqual(viewer.show("/tmp/a.png", {}), "there is no display")


class Cards(unittest.TestCase):
    def test_moments(self) -> None:
        rows = {
            1795600000: 1795600000.0,
            1795600000.5: 1795600000.5,
            "2026-11-25T09:46:40Z": 1795600000.0,
            "yesterday": 0.0,
            -1: 0.0,
            1e300: 0.0,
        }
        for value, moment in rows.items():
            with self.subTest(value):
                self.assertEqual(cards._moment(value), moment)


if __name__ == "__main__":
    unittest.main()
