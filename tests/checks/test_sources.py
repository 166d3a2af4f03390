"""What is given as a file or a link: what cannot work is refused, and what was meant is named."""

from __future__ import annotations

import base64
import os
import re
import sys
import time
import unittest
from urllib.parse import quote

from qianwen.checks import sources
from qianwen.files.media import probe_bytes
from qianwen.models.catalog import Source
from qianwen.plain import locations
from qianwen.sandbox import placeholder

from ..support import Case

NOW = 1_790_000_000.0  # 2026-09-21
LATER, EARLIER = int(NOW) + 3600, int(NOW) - 3600
OSS = "https://b.oss-cn-beijing.aliyuncs.com/a.png"
AMAZON = "https://b.s3.amazonaws.com/a.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c"
SIGNED = f"{OSS}?Expires={LATER}&OSSAccessKeyId=k&Signature=s%2B"

# (URL, part of the fault or "" for none, what was meant)
LINKS = (
    ("https://example.com/a.png", "", None),
    ("https://example.com/a.png?v=1&expires=never", "", None),
    (f"https://example.com/a.png?expires={EARLIER}&w=9", "", None),  # another site's field of that name
    (f"{OSS}?x-oss-process=image/resize,w_100", "", None),
    (SIGNED, "", None),
    (SIGNED.replace(str(LATER), str(EARLIER)), "expired on 2026-09-21 at", None),
    (f"https://cdn.example.com/a.png?Expires={EARLIER}&Signature=s&Key-Pair-Id=k", "expired", None),
    (f"{AMAZON}&X-Amz-Date=20260921T000000Z&X-Amz-Expires=60&X-Amz-Signature=s", "expired on 2026-09-21 at 00:01", None),
    (f"{AMAZON}&X-Amz-Date=20260921T000000Z&X-Amz-Expires=604800&X-Amz-Signature=s", "", None),
    (f"{AMAZON}&X-Amz-Date=20269999T000000Z&X-Amz-Expires=60&X-Amz-Signature=s", "", None),
    (f"{OSS}?x-oss-date=20260101T000000Z&x-oss-expires=60&x-oss-signature=s", "expired on 2026-01-01", None),
    (AMAZON, "put the whole link in quotes", None),
    (f"{OSS}?Expires={LATER}", "put the whole link in quotes", None),
    (f"{OSS}?x-oss-signature-version=OSS4-HMAC-SHA256", "put the whole link in quotes", None),
    (SIGNED.replace("&", r"\u0026"), r"\u0026 stands for &", None),  # messages hide signatures, so it is not repeated
    (rf"{OSS}\?v\=1\&w\=2", "backslash", f"{OSS}?v=1&w=2"),
    (rf"{OSS}?v\u003d1\u0026w=2", "backslash", f"{OSS}?v=1&w=2"),
    (OSS.replace("/", r"\/"), "backslash", OSS),
    (r"https://example.com/my\folder\a.png", "backslash", None),
    (SIGNED.replace("&", "&amp;"), "&amp;", None),
    ("https://example.com/a.png?a=1&amp;b=2", "", None),
)  # fmt: skip

# (host, whether only its neighbors can reach it)
HOSTS = (
    *((host, True) for host in ("localhost", "x.localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3")),
    *((host, True) for host in ("172.16.0.1", "172.31.255.1", "192.168.1.4", "169.254.1.1", "100.64.0.1")),
    *((host, True) for host in ("[::1]", "[fe80::1]", "[fd00::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "[::]")),
    *((host, True) for host in ("2130706433", "0x7f.1", "192.168.260", "[64:ff9b::a00:1]", "[::ffff:a00:1]")),
    *((host, True) for host in ("host.docker.internal", "printer.local", "nas.lan", "x.home.arpa", "LOCALHOST.")),
    *((host, False) for host in ("172.32.0.1", "11.0.0.1", "100.128.0.1", "8.8.8.8", "192.169.1.1", "localhost.com")),
    *((host, False) for host in ("[2001:db8::1]", "[::ffff:8.8.8.8]", "internal.example.com", "fd00.com", "oss-cn-beijing.aliyuncs.com")),
)  # fmt: skip


class Links(unittest.TestCase):
    def test_what_stands_in_the_link_is_believed(self) -> None:
        for url, words, nearest in LINKS:
            with self.subTest(url):
                fault, meant = locations.url_fault(url, NOW, lambda: False)
                self.assertEqual((bool(fault), meant), (bool(words), nearest))
                self.assertIn(words, fault)
                if meant:
                    self.assertEqual(locations.url_fault(meant, NOW, lambda: False), ("", None))

    def test_a_host_that_only_this_network_reaches(self) -> None:
        for host, is_near in HOSTS:
            for url in (f"http://{host}/a.png", f"https://{host}:8443/a.png", f"https://u:p@{host}?a", f"https://{host}#x"):  # fmt: skip
                with self.subTest(url):
                    self.assertEqual("cannot reach" in locations.url_fault(url, NOW, lambda: False)[0], is_near)
                    self.assertEqual(locations.url_fault(url, NOW, lambda: True)[0], "")

    def test_doubts_only_warn(self) -> None:
        for url, words in (
            ("https://me:secret@example.com/a.png", "user name and password"),
            ("https://nas/a.png", "the host nas has no domain"),
            ("https://b.oss-cn-beijing-internal.aliyuncs.com/a.png", "-internal host"),
            ("https://example.com/me@home.png", ""),
            ("https://example.com:8080/a.png", ""),
            ("http://localhost/a.png", ""),
        ):
            with self.subTest(url):
                self.assertEqual(bool(locations.url_doubt(url)), bool(words))
                self.assertIn(words, locations.url_doubt(url))

    def test_a_long_link_costs_no_more_than_its_length(self) -> None:
        started = time.thread_time()
        for url in (
            "https://a.com/?" + "&" * 5_000_000,
            "https://" + "@" * 5_000_000,
            "https://a.com/" + "\\" * 5_000_000,
        ):
            locations.url_fault(url, NOW, lambda: False)
            locations.url_doubt(url)
        self.assertLess(time.thread_time() - started, 1)


class Inline(unittest.TestCase):
    """data: URLs reach the service in the one form that it documents."""

    def test_every_form_that_is_understood_is_written_anew(self) -> None:
        data = placeholder.png(64, 48, "x", [])
        text = base64.b64encode(data).decode()
        clean = f"data:image/png;base64,{text}"
        for given, is_told in (
            (clean, False),
            (f"data:;base64,{text}", False),
            (f"data:image/png;charset=utf-8;base64,{text}", False),
            (f"DATA:IMAGE/PNG;BASE64,{text}", False),
            (f"data:image/png;base64, {text}\n", False),
            ("data:image/png;base64," + "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)), False),
            (f"data:image/png;base64,{text.replace('+', '-').replace('/', '_').rstrip('=')}", False),
            (f"data:image/png;base64,{quote(text, safe='')}", False),
            (f"data:image/jpeg;base64,{text}", True),
            (f"data:text/plain;base64,{text}", True),
        ):
            with self.subTest(given[:40]):
                source = sources.inspect(given, os.getcwd())
                self.assertEqual((source.fault, source.text, source.bytes), ("", clean, len(data)))
                self.assertEqual(source.facts, probe_bytes(data))
                self.assertEqual("it is sent as that" in source.doubt, is_told)

    def test_what_is_no_base64_is_refused(self) -> None:
        for given in ("data:image/png,abc", "data:image/png;base64,!!!!", "data:image/png;base64,abcde", "data:"):
            self.assertTrue(sources.inspect(given, os.getcwd()).fault, given)


class Meant(Case):
    """A path that was damaged on its way: the file that it means is named, and never taken silently."""

    def look(self, text: str) -> Source:
        return sources.inspect(text, str(self.cwd))

    def test_leftovers_of_shells_and_chats(self) -> None:
        self.picture("a b.png")
        self.picture("c.png")
        link = "https://example.com/a.png"
        for text, nearest, words in (
            *((text, "a b.png", "") for text in ('"a b.png"', "'a b.png'", "`a b.png`", "“a b.png”", " a b.png\n", "<a b.png>")),
            *((text, "c.png", "") for text in ("@c.png", "c.png,", "c.png)", "![x](c.png)", '"c.png" ', "\ufeffc.png", "c.png\u200b")),
            *((text, link, "stand alone") for text in (f"<{link}>", f" {link}", f"[x]({link})", f'![a b]({link} "title")', f'"{link}"')),
            ("www.example.com/a.png", "https://www.example.com/a.png", ""),
            ("a b.png,c.png", None, "give each in its own flag"),
            (f"c.png;{link}", None, "give each in its own flag"),
            ("*.png", None, "is a pattern"),
            ("$NOTHING_SET/a.png", None, "holds a variable"),
            ("-", None, "- is only for text"),
            ("nothing like it.png", None, ""),
        ):  # fmt: skip
            with self.subTest(text):
                source = self.look(text)
                self.assertEqual((source.scheme, source.nearest), ("file", nearest))
                self.assertIn("does not exist", source.fault)
                self.assertIn(words, source.fault)
                self.assertNotIn("\n", source.fault)

    def test_the_exact_name_wins(self) -> None:
        for name in ('"a.png"', "@a.png", "a,b.png", "[a].png", "$HOME.png", "A.PNG"):
            self.picture(name)
            self.assertEqual(self.look(name).fault, "", name)

    @unittest.skipUnless(sys.platform == "linux", "other systems fold names themselves")
    def test_names_that_look_the_same(self) -> None:
        for name, text, words in (
            ("Shot at 9.41\u202fPM.png", "Shot at 9.41 PM.png", "U+202F NARROW NO-BREAK SPACE"),
            ("Bild\u00a01.png", "Bild 1.png", "U+00A0 NO-BREAK SPACE"),
            ("cafe\u0301.png", "caf\u00e9.png", "U+0301 COMBINING ACUTE ACCENT"),
            ("na\u00efve.png", "nai\u0308ve.png", "U+00EF"),
            ("\uff11.png", "1.png", "U+FF11"),
            ("Photo.JPG", "photo.jpg", "upper and lower case"),
            ("re\u200bport.png", "report.png", "U+200B"),
        ):
            with self.subTest(text):
                self.picture(name)
                source = self.look(text)
                self.assertEqual(source.nearest, name)
                self.assertIn(words, source.fault)
                self.assertEqual(self.look(f"./{text}").nearest, f"./{name}")

    @unittest.skipUnless(sys.platform == "linux", "other systems fold names themselves")
    def test_a_folder_may_look_the_same_too(self) -> None:
        (self.cwd / "Meine\u00a0Bilder").mkdir()
        self.picture("Meine\u00a0Bilder/a.png")
        self.assertEqual(self.look("Meine Bilder/a.png").nearest, str(self.cwd / "Meine\u00a0Bilder/a.png"))

    @unittest.skipUnless(sys.platform == "linux", "other systems fold names themselves")
    def test_several_names_that_look_the_same_are_only_named(self) -> None:
        self.picture("a\u00a0b.png")
        self.picture("a\u202fb.png")
        source = self.look("a b.png")
        self.assertIsNone(source.nearest)
        self.assertIn("several names look like it: a", source.fault)
        self.assertIn(r"\u202f", source.fault)

    def test_another_suffix(self) -> None:
        self.picture("cat.png")
        self.assertEqual(self.look("cat.jpg").nearest, "cat.png")
        (self.cwd / "cat.txt").touch()
        self.assertIsNone(self.look("cat.jpg").nearest)

    def test_hostile_paths_end_soon(self) -> None:
        started = time.thread_time()
        for text in ("a/" * 2000, "[" * 4000, "![" * 2000, "(" * 4000, "\\" * 4000, "$" * 4000, "," * 4000):
            self.assertTrue(self.look(text).fault)
            locations.path_meant(text * 100, str(self.cwd / text), str(self.cwd))
        self.assertLess(time.thread_time() - started, 3)


class Told(Case):
    """The whole program, in a dry run."""

    def test_a_link_that_nobody_can_fetch_is_refused_before_anything_is_sent(self) -> None:
        (problem,) = self.json("x", "--image", "http://localhost:9/a.png", "--dry-run", code=3)["problems"]
        self.assertIn("cannot reach", problem["message"])
        (problem,) = self.json("x", "--image", rf"{OSS}?v=1\&w=2", "--dry-run", code=3)["problems"]
        self.assertEqual(problem["nearest"], f"{OSS}?v=1&w=2")
        argv = ("x", "--model", "wan3.0-video", "--link", "http://localhost/page", "--dry-run")
        (problem,) = self.video_json(*argv, code=3)["problems"]
        self.assertIn("cannot reach", problem["message"])

    def test_a_service_nearby_reaches_its_neighbors(self) -> None:
        argv = ("x", "--image", "http://localhost:9/a.png", "--dry-run")
        self.json(*argv, "--sandbox")
        self.env["DASHSCOPE_HTTP_BASE_URL"] = "http://127.0.0.1:9/api/v1"
        self.json(*argv)

    def test_a_data_url_goes_out_in_its_clean_form(self) -> None:
        text = base64.b64encode(placeholder.png(640, 480, "x", [])).decode()
        ran = self.json("x", "--image", f"data:;base64,{text}", "--dry-run")
        self.assertIn("data:image/png;base64,", str(ran))

    @unittest.skipIf(os.name == "nt", "no such names there")
    def test_control_characters_of_a_name_never_reach_the_terminal(self) -> None:
        name = "ev\x1b[31mil\u202e.png"
        self.picture(name)
        for ran in (self.image("x", "--image", name, "--dry-run"), self.image("x", "--image", name + "x", "--dry-run")):
            for control in ("\x1b", "\u202e"):
                self.assertNotIn(control, ran.stdout + ran.stderr)

    def test_a_file_that_is_given_twice_is_one_upload(self) -> None:
        self.picture("a.png", 640, 480)
        shown = self.image("x", "--image", "a.png", "--image", "a.png", "--dry-run").stdout
        self.assertEqual(shown.count("# uploads first: "), 1)

    def test_a_result_whose_link_is_over_is_still_here_as_a_file(self) -> None:
        with self.standin():
            made = self.json("a cat")["files"][0]
            over = re.sub(r"Expires=\d+", "Expires=100000000", made["url"])
            self.assertNotEqual(over, made["url"])
            (problem,) = self.json("make it snow", "--image", over, code=3)["problems"]
            self.assertEqual(problem["nearest"], made["path"])
            os.remove(made["path"])
            (problem,) = self.json("make it snow", "--image", over, code=3)["problems"]
            self.assertIsNone(problem["nearest"])
