"""A real browser on the gallery: Debian's Chromium, without a window and without a network.

Not part of the plain test command, because it needs chromium and playwright.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from PIL import Image  # noqa: E402
from qianwen.gallery import page  # noqa: E402

from tests.gallery.test_page import HOSTILE, png  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
OPENS_IN_SECONDS = 1.0
CARDS = 10_000
LARGEST_PAGE = 2_000_000  # bytes
WRITTEN_IN_SECONDS = 2.0
READABLE = 4.5  # the contrast of WCAG 2.2, level AA
SCRIPTS = "~/skill/scripts"


def setUpModule() -> None:
    if not CHROMIUM and os.environ.get("CI"):
        raise AssertionError("CI must have chromium: apt-get install chromium")
    if not CHROMIUM:
        raise unittest.SkipTest("no chromium here")


class Browser(unittest.TestCase):
    """A browser that notes what a page must not do: talk to a network, or complain."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.results = Path(holder.name) / "results"
        self.results.mkdir()

    @contextmanager
    def opened(
        self, width: int = 1280, height: int = 900, locale: str = "en-US", scheme: str = "light"
    ) -> Iterator[Any]:
        from playwright.sync_api import sync_playwright

        complaints: list[str] = []
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
            context = browser.new_context(
                viewport={"width": width, "height": height},
                locale=locale,
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            tab = context.new_page()
            tab.on("console", lambda message: complaints.append(message.text))
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on(
                "request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url)
            )
            tab.goto((self.results / "index.html").as_uri())
            yield tab
            browser.close()
        self.assertEqual(complaints, [])

    def until(self, tab: Any, expression: str, seconds: float = 30.0) -> None:
        """Wait until the page says so. Not by the driver's own way, which the page's policy forbids."""
        over = time.monotonic() + seconds
        while not tab.evaluate(expression):
            self.assertLess(time.monotonic(), over, expression)
            tab.wait_for_timeout(50)

    def write(self) -> int:
        _, count = page.write(str(self.results), (), SCRIPTS)
        return count

    def cards(self, tab: Any) -> list[str]:
        return [text or "" for text in tab.locator(".card .caption").all_text_contents()]


class MixedRuns(Browser):
    """Twelve runs of the programs: pictures of several sizes and models, clips, and a refusal."""

    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        env = {**os.environ, "QIANWEN_STATE_DIR": f"{cls.folder.name}/state", "QIANWEN_NO_UPDATE_CHECK": "1"}
        image, video = ([sys.executable, str(ROOT / "scripts" / name)] for name in ("image.py", "video.py"))
        every = ["--sandbox", "--sidecar", "--quiet", "--output", f"{cls.folder.name}/results/"]
        runs = [
            *(
                [*image, f"harbour number {number}", "--size", size]
                for number, size in enumerate(("16:9", "9:16", "1:1") * 2)
            ),
            *(
                [*image, f"a heron, {model}", "--model", model]
                for model in ("z-image-turbo", "qwen-image-3.0", "wan2.6-t2i")
            ),
            [*image, "four cats", "--model", "wan2.6-t2i", "-n", "2"],
            [*video, "a fox in the snow"],
            [*video, "ink in water", "--ratio", "9:16", "--resolution", "720P"],
        ]
        with ThreadPoolExecutor(2) as pool:
            for ran in pool.map(
                lambda run: subprocess.run([*run, *every], env=env, capture_output=True, text=True), runs
            ):
                assert ran.returncode == 0, ran.stderr
        refused = {
            "key": "f" * 16,
            "id": "refused",
            "state": "refused",
            "model": "qwen-image-3.0",
            "files": [],
            "request": {"prompt": "what was refused"},
            "error": {"message": "Input data may be inappropriate."},
        }
        Path(cls.folder.name, "results", "results.jsonl").write_text(json.dumps(refused) + "\n")

    def setUp(self) -> None:
        self.results = Path(self.folder.name) / "results"
        self.count = self.write()

    def test_everything_is_there_and_is_drawn(self) -> None:
        self.assertEqual(self.count, 14)
        with self.opened(height=4000) as tab:
            self.assertEqual(len(self.cards(tab)), 14)
            self.until(tab, "document.querySelectorAll('canvas.drawn').length === 13")
            self.assertEqual(tab.locator(".broken").count(), 0)
            self.assertIn("what was refused", self.cards(tab))
            self.assertEqual(tab.locator(".card .words").inner_text().split("\n")[0].strip(), "refused")

    def test_the_screenshots_of_the_readme(self) -> None:
        """With QIANWEN_SCREENSHOTS=FOLDER they are made anew there; in any case they show the page as it is."""
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(os.environ.get("QIANWEN_SCREENSHOTS") or holder)
            for name, scheme in (("gallery.png", "light"), ("gallery-view.png", "dark")):
                with self.opened(1120, 700, scheme=scheme) as tab:
                    if name == "gallery-view.png":
                        tab.get_by_role("button", name="a heron, wan2.6-t2i").click()
                    self.until(tab, "document.querySelectorAll('canvas.drawn').length >= 8")
                    tab.wait_for_timeout(300)
                    tab.screenshot(path=folder / name)
                with Image.open(folder / name) as whole:
                    whole.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(folder / name, optimize=True)
            self.assertLess(
                sum((folder / name).stat().st_size for name in ("gallery.png", "gallery-view.png")), 200_000
            )

    def test_filters_and_search(self) -> None:
        with self.opened() as tab:
            tab.get_by_role("combobox", name="Every model").select_option("z-image-turbo")
            self.assertEqual(self.cards(tab), ["a heron, z-image-turbo"])
            self.assertEqual(tab.get_by_role("status").inner_text(), "1 of 14 results")
            tab.get_by_role("combobox", name="Every model").select_option("")
            tab.get_by_role("combobox", name="Pictures and clips").select_option("clip")
            self.assertEqual(sorted(self.cards(tab)), ["a fox in the snow", "ink in water"])
            tab.get_by_role("combobox", name="Pictures and clips").select_option("")
            tab.get_by_role("combobox", name="Every state").select_option("refused")
            self.assertEqual(self.cards(tab), ["what was refused"])
            tab.get_by_role("combobox", name="Every state").select_option("")
            tab.keyboard.press("/")
            tab.keyboard.type("HARBOUR number 4")
            self.until(tab, "document.querySelectorAll('.card').length === 1")
            self.assertEqual(self.cards(tab), ["harbour number 4"])
            tab.get_by_role("searchbox").fill("there is no such thing")
            tab.get_by_text("Nothing here matches.").wait_for()

    def test_the_large_view_by_keys(self) -> None:
        with self.opened() as tab:
            first, second = self.cards(tab)[:2]
            tab.locator(".card").first.focus()
            tab.keyboard.press("Enter")
            view = tab.get_by_role("dialog")
            heading = view.get_by_role("heading", level=2)
            self.assertEqual(heading.inner_text(), first)
            tab.keyboard.press("ArrowRight")
            self.assertEqual(heading.inner_text(), second)
            tab.keyboard.press("ArrowLeft")
            self.assertEqual(heading.inner_text(), first)
            tab.keyboard.press("ArrowLeft")  # there is nothing before the first one
            self.assertEqual(heading.inner_text(), first)
            tab.keyboard.press("Escape")
            view.wait_for(state="hidden")
            self.assertEqual(tab.evaluate("document.activeElement.className"), "card")

    def test_the_command_makes_it_again(self) -> None:
        with self.opened() as tab:
            tab.get_by_role("button", name="a heron, wan2.6-t2i").click()
            command = tab.locator("#again pre").inner_text()
            tab.get_by_role("button", name="Copy").click()
            tab.get_by_role("button", name="Copied").wait_for()
        self.assertTrue(command.startswith(f"python3 {SCRIPTS}/image.py --request "), command)
        here = command.replace(SCRIPTS, str(ROOT / "scripts"))
        ran = subprocess.run(
            ["/bin/sh", "-c", f"{here} --dry-run --print-response"], capture_output=True, text=True, check=True
        )
        request = json.loads(ran.stdout)["request"]["body"]
        self.assertEqual(request["model"], "wan2.6-t2i")
        self.assertIn("a heron, wan2.6-t2i", json.dumps(request["input"]))

    def test_a_clip_plays(self) -> None:
        with self.opened() as tab:
            card = tab.get_by_role("button", name="a fox in the snow")
            card.hover()
            self.until(
                tab, "(() => { const c = document.querySelector('.card video'); return c && c.currentTime > 0.2; })()"
            )
            card.click()
            self.until(tab, "document.querySelector('.stage video').currentTime > 0.3")
            self.assertTrue(tab.evaluate("document.querySelector('.stage video').controls"))
            self.assertEqual(tab.locator("dd").filter(has_text="5 s").count(), 1)

    def test_both_languages(self) -> None:
        with self.opened(locale="zh-CN") as tab:
            self.assertEqual(tab.evaluate("document.documentElement.lang"), "zh-CN")
            self.assertEqual(tab.get_by_role("status").inner_text(), "共 14 项")
            tab.get_by_role("button", name="English").click()
            self.assertEqual(tab.evaluate("document.documentElement.lang"), "en")
            self.assertEqual(tab.get_by_role("status").inner_text(), "14 results")

    def test_light_and_dark_are_readable(self) -> None:
        grounds = {}
        for scheme in ("light", "dark"):
            with self.opened(scheme=scheme) as tab:
                tab.get_by_role("button", name="what was refused").click()
                for selector in (
                    ".caption",
                    ".facts",
                    ".count",
                    ".state",
                    ".words span:last-child",
                    "dt",
                    "dd",
                    "pre",
                    "h3",
                    ".plain",
                    ".stage p",
                ):
                    contrast = tab.evaluate(CONTRAST, selector)
                    with self.subTest(scheme=scheme, selector=selector):
                        self.assertGreaterEqual(contrast, READABLE)
                grounds[scheme] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        self.assertNotEqual(grounds["light"], grounds["dark"])

    def test_a_narrow_screen(self) -> None:
        with self.opened(width=360, height=740) as tab:
            self.assertLessEqual(tab.evaluate("document.documentElement.scrollWidth"), 360)
            tab.locator(".card").first.click()
            self.assertLessEqual(tab.evaluate("document.querySelector('dialog').scrollWidth"), 360)
            box = tab.locator("#close").bounding_box()
            self.assertLessEqual(box["x"] + box["width"], 360)

    def test_everything_has_a_name(self) -> None:
        with self.opened() as tab:
            unnamed = tab.evaluate(
                "[...document.querySelectorAll('button, input, select')].filter(e => e.offsetParent && !(e.getAttribute('aria-label') || e.textContent.trim())).length"
            )
            self.assertEqual(unnamed, 0)
            for role in ("banner", "main", "search", "status"):
                self.assertEqual(tab.get_by_role(role).count(), 1, role)


CONTRAST = """selector => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const all = [...document.querySelectorAll(selector)].filter(e => e.offsetParent);
  if (!all.length) return 0;
  return Math.min(...all.map(e => {
    let under = e, ground;
    do { ground = parse(getComputedStyle(under).backgroundColor); under = under.parentElement; } while (ground.length === 4 && ground[3] === 0 && under);
    const [one, other] = [light(parse(getComputedStyle(e).color)), light(ground)].sort((a, b) => b - a);
    return (one + 0.05) / (other + 0.05);
  }));
}"""


class HostileTexts(Browser):
    def test_they_are_shown_as_text(self) -> None:
        lines = []
        for number, text in enumerate(HOSTILE):
            name = f"{number}-<img src=x onerror=alert(1)>.png"
            (self.results / name).write_bytes(png(64, 48))
            request = {"prompt": text, "size": text}
            fields = {"id": text, "model": text, "state": text, "error": {"message": text}, "actual_prompt": text}
            lines.append(json.dumps({"key": f"{number:016x}", "files": [{"path": name}], "request": request, **fields}))
        (self.results / "results.jsonl").write_text("\n".join(lines) + "\n")
        self.write()
        with self.opened(height=3000) as tab:
            tab.on("dialog", lambda dialog: self.fail("a script of a prompt has run"))
            self.until(tab, f"document.querySelectorAll('canvas.drawn').length === {len(HOSTILE)}")
            shown = set(self.cards(tab))
            for number in range(len(HOSTILE)):
                tab.locator(".card").nth(number).click()
                tab.keyboard.press("Escape")
            self.assertEqual(tab.locator("script").count(), 2)
            self.until(tab, "document.images.length === 0")  # the last view closes a moment after its key
        self.assertEqual(shown, {text.replace("\ud800", "?")[:200] for text in HOSTILE})


class Growth(Browser):
    def lines(self, count: int, width: int, height: int, data: bytes) -> None:
        """So many pictures, which share their bytes on the disk, and a line of a batch for each."""
        (self.results / "000000.png").write_bytes(data)
        with open(self.results / "results.jsonl", "w", encoding="utf-8") as stream:
            for number in range(count):
                name = f"{number:06d}.png"
                if number:
                    os.link(self.results / "000000.png", self.results / name)
                file = {"path": name, "bytes": len(data), "sha256": "0" * 64, "width": width, "height": height}
                line = {
                    "key": f"{number:016x}",
                    "id": f"row-{number}",
                    "state": "made",
                    "model": "wan2.7-image",
                    "seed": number * 7919,
                }
                request = {
                    "prompt": f"number {number}: a cozy shop on a rainy evening in the old town",
                    "size": "1280*1280",
                }
                stream.write(
                    json.dumps({**line, "request": request, "files": [file], "at": 1795600000 + number}) + "\n"
                )

    def test_ten_thousand_cards(self) -> None:
        self.lines(CARDS, 1280, 1280, png(1280, 1280))
        began = time.process_time()
        self.assertEqual(self.write(), CARDS)
        self.assertLess(time.process_time() - began, WRITTEN_IN_SECONDS)
        self.assertLess((self.results / "index.html").stat().st_size, LARGEST_PAGE)
        with self.opened() as tab:
            opened = tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
            self.assertLess(opened, OPENS_IN_SECONDS)
            self.assertEqual(tab.get_by_role("status").inner_text(), f"{CARDS} results")
            self.assertLessEqual(tab.locator(".card").count(), 600)
            tab.get_by_role("searchbox").fill("number 9999:")
            self.until(tab, "document.querySelectorAll('.card').length === 1")
            print(
                f"\n{CARDS} cards: {(self.results / 'index.html').stat().st_size / 1e6:.2f} MB, opened in {opened:.2f} s"
            )

    @unittest.skipUnless(Path("/proc/self/smaps_rollup").exists(), "measured with Linux's /proc")
    def test_memory_is_at_most_half_of_lazy_pictures(self) -> None:
        stream = io.BytesIO()
        Image.effect_noise((2048, 2048), 60).convert("RGB").save(stream, "PNG", compress_level=1)
        self.lines(600, 2048, 2048, stream.getvalue())
        self.write()
        ours = self.peak()
        pictures = "".join(
            f'<img loading="lazy" src="{number:06d}.png" width="300" height="300">' for number in range(600)
        )
        (self.results / "index.html").write_text(f"<!doctype html><title>x</title>{pictures}")
        lazy = self.peak()
        print(
            f"\nmemory of the whole browser: {ours / 1e6:.0f} MB with the page, {lazy / 1e6:.0f} MB with lazy pictures"
        )
        self.assertLess(ours, lazy / 2)

    def peak(self) -> int:
        """The most memory in bytes that the browser's processes take together while the page is scrolled through."""
        most = 0
        with self.opened(1400, 1000) as tab:
            for step in range(24):
                tab.evaluate(f"scrollTo(0, {step * 1000})")
                self.until(tab, SHOWN)
                most = max(most, memory_of("chromium"))
        return most


SHOWN = """(() => {
  const seen = e => { const box = e.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; };
  return [...document.images].filter(seen).every(i => i.complete)
    && [...document.querySelectorAll("canvas")].filter(seen).every(c => c.classList.contains("drawn"));
})()"""


def memory_of(name: str) -> int:
    """The proportional memory in bytes of all processes of this program."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if name in (folder / "cmdline").read_text(errors="replace").split("\0")[0]:
                found = re.search(r"^Pss: +(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                total += int(found[1]) * 1024 if found else 0
        except OSError:
            continue
    return total


if __name__ == "__main__":
    unittest.main()
