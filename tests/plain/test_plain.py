"""The small modules that everything stands on: records, redaction, progress, inputs, threads."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
import unittest
from typing import Any, Callable, cast
from urllib.parse import quote

from qianwen.checks import sources
from qianwen.models.catalog import Source
from qianwen.plain import parallel, redact, strict_json, texts
from qianwen.plain.record import changed, fields_of, record
from qianwen.terminal.progress import SPARSE_SECONDS, Progress

from .. import IS_SAMPLE
from ..support import KEY, PHOTO, Case, Clock


@record
class Point:
    x: int
    y: int = 0
    tags: tuple[str, ...] = ()

    @property
    def sum(self) -> int:
        return self.x + self.y


class Records(unittest.TestCase):
    def test_fields_by_position_and_by_name(self) -> None:
        self.assertEqual(fields_of(Point(1, tags=("a",))), {"x": 1, "y": 0, "tags": ("a",)})
        self.assertEqual((Point(1, 2).sum, repr(Point(1))), (3, "Point(x=1, y=0, tags=())"))

    def test_equality_and_hashing_go_by_value(self) -> None:
        self.assertEqual(Point(1, y=2), Point(x=1, y=2))
        self.assertNotEqual(Point(1), Point(2))
        self.assertNotEqual(Point(1), {"x": 1, "y": 0, "tags": ()})
        self.assertEqual(len({Point(1, 0), Point(y=0, x=1), Point(2)}), 2)

    def test_a_function_may_be_a_default(self) -> None:
        @record
        class Caller:
            call: Callable[[int], int] = lambda number: number + 1

        self.assertEqual((Caller().call(1), changed(Caller(), call=abs).call(-7)), (2, 7))

    def test_a_changed_copy(self) -> None:
        first = Point(1)
        self.assertEqual((changed(first, y=5), first), (Point(1, 5), Point(1)))

    def test_what_is_refused(self) -> None:
        table: tuple[tuple[str, Callable[[], object]], ...] = (
            ("nothing", cast(Any, Point)),
            ("too much", lambda: cast(Any, Point)(1, 2, (), 4)),
            ("unknown", lambda: cast(Any, Point)(1, z=2)),
            ("twice", lambda: cast(Any, Point)(1, x=2)),
            ("unknown change", lambda: changed(Point(1), z=2)),
        )
        for name, make in table:
            with self.subTest(name), self.assertRaises(TypeError):
                make()
        with self.assertRaises(AttributeError):
            Point(1).x = 2  # type: ignore[misc]
        with self.assertRaises(AttributeError):
            del Point(1).x


# Parts of texts that a pattern could read again from each of their beginnings.
REPEATED = ("A", "sig=", "auth_key=", "?sig", "sk-", "sk-.", "st-.", "_sk-a", "LTAI", "STS.", "%41LTAI", "a://", "http://", "http://a?", "http://a?token", "Bearer ", "Bearer%20", "Authorization:OSS", "Signature=", "Signature%25", "x-oss-signature ", "Expires", "<Signature", "\n", "data:\n", "{{a-")  # fmt: skip


class Words(unittest.TestCase):
    def test_numbers_are_told_whole(self) -> None:
        for number, told in ((0, "0 images"), (1, "1 image"), (2.5, "2.5 images"), (0.1 + 0.2, "0.3 images")):
            self.assertEqual(texts.counted(number, "image"), told)
        self.assertEqual(texts.counted(1_234_567, "image"), "1234567 images")


class Redaction(unittest.TestCase):
    def test_what_is_shaped_like_a_secret(self) -> None:
        for text, left in (
            (f"key {KEY} end", "key [hidden] end"),
            ("sk-ws-abc.DEF-123_456xyz!", "[hidden]!"),
            ("st-0123456789abcdef", "[hidden]"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
            ("LTAI0123456789abcd", "[hidden]"),
            ("https://h/x.png?Expires=17&OSSAccessKeyId=AB&Signature=a%2Bb=", "https://h/x.png?Expires=[hidden]&OSSAccessKeyId=[hidden]&Signature=[hidden]"),
            ("x-oss-signature=abc&x-oss-credential=d%2Fe&x-oss-security-token=f", "x-oss-signature=[hidden]&x-oss-credential=[hidden]&x-oss-security-token=[hidden]"),
            ("http://user:pass@proxy:80/", "http://[hidden]@proxy:80/"),
            ("https://user:p@ss:w@rd@proxy/x?y=@", "https://[hidden]@proxy/x?y=@"),
            ("STS.NUgYrLnoC37mZZCNnAbez8Qxz with its secret", "[hidden] with its secret"),
            (r'{"said": "no\nsk-0123456789abcdef"}', r'{"said": "no\n[hidden]"}'),
            (r"\u0022sk-0123456789abcdef\u0022", r"\u0022[hidden]\u0022"),
            ("key%3Dsk-0123456789abcdef%26x", "key%3D[hidden]%26x"),
            ("MY_sk-0123456789abcdef=", "MY_[hidden]="),
            ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [hidden]"),
            ("authorization%3A%20Bearer%20abc.def", "authorization%3A%20Bearer%20[hidden]"),
            (f"Authorization: OSS4-HMAC-SHA256 Credential=LTAI{'a' * 12}/2026,Signature=abc", "Authorization: OSS4-HMAC-SHA256 [hidden]"),
            (r"https://h/x\u003fOSSAccessKeyId\u003dAB\u0026Signature=a%2Bb", r"https://h/x\u003fOSSAccessKeyId\u003d[hidden]\u0026Signature=[hidden]"),
            ("https%3A%2F%2Fh%3FExpires%3D17%26Signature%3Da%252Bb%26n%3D1", "https%3A%2F%2Fh%3FExpires%3D[hidden]%26Signature%3D[hidden]%26n%3D1"),
            ('{"signature": "a+b", "oss_access_key_id":"AB", "security_token": "c"}', '{"signature": "[hidden]", "oss_access_key_id":"[hidden]", "security_token": "[hidden]"}'),
            ("x-oss-security-token: abc, x-oss-date: 1", "x-oss-security-token: [hidden] x-oss-date: 1"),
            ("<StringToSign>GET\n\n1</StringToSign><SignatureProvided>ab</SignatureProvided><EC>1</EC>", "<StringToSign>[hidden]</StringToSign><SignatureProvided>[hidden]</SignatureProvided><EC>1</EC>"),
            ("<OSSAccessKeyId>AB and the answer was cut", "<OSSAccessKeyId>[hidden]"),
        ):  # fmt: skip
            with self.subTest(text):
                self.assertEqual(redact.safe(text), left)

    def test_what_only_looks_like_a_secret(self) -> None:
        for text in (
            "ask-a-question about risk-0123456789abcdef",
            "put DASHSCOPE_API_KEY=sk-your-key-here into",
            "Saved /o/20261120-153012-st-petersburg-2026.png",
            "the signature: it does not match; x-oss-signature-version=OSS4-HMAC-SHA256",
            "Basic English, authorization: a key is missing",
            "mail me@example.com about https://h/a@b and https://h?to=a@b",
            "task-0123456789abcdef0123456789abcdef",
        ):
            with self.subTest(text):
                self.assertEqual(redact.safe(text), text)

    def test_known_secrets_of_any_shape(self) -> None:
        secret = "no key but 17 long"
        self.assertEqual(redact.safe(f"my {secret}", (secret,)), "my [hidden]")
        self.assertEqual(redact.literal(f"a={secret}&Signature=s", (secret, "")), "a=[hidden]&Signature=s")

    def test_an_ordinary_word_is_no_secret(self) -> None:
        self.assertEqual(redact.literal("company/any.png", ("any",)), "company/any.png")

    def test_a_known_secret_in_other_spellings(self) -> None:
        secret = 'quo"ted\\/kéy of 17'
        for text in (
            secret,
            secret.upper(),
            json.dumps(secret),
            json.dumps(secret, ensure_ascii=False),
            quote(secret, safe=""),
            quote(secret, safe="").lower(),
        ):
            with self.subTest(text):
                self.assertEqual(redact.safe(text, (secret,)).strip('"'), "[hidden]")
                self.assertEqual(redact.literal(text, (secret,)).strip('"'), "[hidden]")
        self.assertEqual(redact.literal(f"x{KEY.upper()}y", (KEY,)), "x[hidden]y")

    def test_json_that_is_none(self) -> None:
        for text in ("NaN", "[1e999]", "[" * 100_000, '{"a": ' + "[" * 65 + "]" * 65 + "}", "{", '"\\x"'):
            with self.subTest(text[:20]), self.assertRaises(ValueError):
                strict_json.load(text)
        self.assertEqual(strict_json.load("[NaN, -Infinity, 1e999, 1.5, 2]", tolerant=True), [None, None, None, 1.5, 2])
        self.assertEqual(strict_json.load("[" * 64 + "]" * 64), strict_json.load(b"[" * 64 + b"]" * 64))

    def test_an_answer_of_millions_of_parts_is_not_unpacked(self) -> None:
        self.assertIsNone(strict_json.load_object(b'{"x": [' + b"{}," * strict_json.MOST_PARTS + b"{}]}"))
        self.assertEqual(strict_json.load_object(b'{"x": [{},{}]}'), {"x": [{}, {}]})

    def test_values_are_made_safe_before_they_are_cut(self) -> None:
        value = {"a": [f"{'x' * 490} {KEY}", 1, None], KEY: "\x1b"}
        shown = redact.each_text(value, redact.shortened)
        self.assertEqual(shown, {"a": [f"{'x' * 490} [hidden]", 1, None], "[hidden]": "\ufffd"})
        self.assertEqual(len(redact.shortened("x" * 10_000)), 500)

    def test_a_long_text_takes_no_time(self) -> None:
        """Every text that a pattern could read again and again, a megabyte of each, or an eighth with less time."""
        size, seconds = (2**17, 0.3) if IS_SAMPLE else (2**20, 2)
        for part in REPEATED:
            text = part * (size // len(part))
            began = time.thread_time()
            redact.without_secrets(text)
            self.assertLess(time.thread_time() - began, seconds, part)
            began = time.thread_time()
            redact.keys(text[: size // 2])
            redact.signed_links(text[: size // 2])
            redact.shareable(text[: size // 2])
            redact.without_keys(text[: size // 2])
            self.assertLess(time.thread_time() - began, seconds, part)
        for text in (
            "a://" + "b" * size,
            "Bearer" + " " * size,
            'Expires"' + " " * size,
            "sk-a." + "sk-." * (size // 4),
        ):
            began = time.thread_time()
            redact.without_secrets(text)
            self.assertLess(time.thread_time() - began, seconds, text[:20])

    def test_a_text_for_people_has_an_end(self) -> None:
        """It is cut before it is looked at, and no half of a secret is left at the cut."""
        secret = "no key of any shape, but known"
        for part in (secret, KEY, f"LTAI{'a' * 16}"):
            for lead in (0, 1, 7, 12, 19, len(part) - 1):
                text = "." * (redact.LONGEST - lead) + part
                shown = redact.safe(text, (secret,))
                self.assertLessEqual(len(shown), redact.LONGEST)
                self.assertEqual(set(shown), {".", "…"})
        began = time.thread_time()
        redact.safe("sk-." * 2**22)
        self.assertLess(time.thread_time() - began, 1)
        whole = "." * (redact.LONGEST - len(KEY)) + KEY
        self.assertEqual(redact.safe(whole), "." * (redact.LONGEST - len(KEY)) + "[hidden]")

    def test_terminals_are_not_commanded(self) -> None:
        for text, left in (
            ("a\x1b[31mb\x9b2Jc\r\n\te", "a?[31mb?2Jc?\n\te"),
            ("\x1b]0;title\x07\x9d52;c;YQ==\x9c\x1bP", "?]0;title??52;c;YQ==??P"),
            ("a\u202eb\u2066c\u061cd", "a?b?c?d"),
            ("hidden \U000e0041\U000e007f words", "hidden ?? words"),
            ("ends\x85here\u2028and\u2029here\x0b\x0c", "ends?here?and?here??"),
            ("a family \U0001f469\u200d\U0001f467 stays", "a family \U0001f469\u200d\U0001f467 stays"),
        ):
            with self.subTest(repr(text)):
                self.assertEqual(redact.safe(text).replace("\ufffd", "?"), left)

    def test_a_text_cannot_pass_for_a_line_of_ours(self) -> None:
        self.assertEqual(redact.safe("no\nSaved /o/x.png\n  more\n\nend"), "no\n  Saved /o/x.png\n  more\n  \n  end")


class Said(unittest.TestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()

    def test_quiet_keeps_what_matters(self) -> None:
        progress = Progress(self.stream, quiet=True)
        progress.say("chatter")
        progress.warn("careful")
        progress.always("Task submitted: t")
        self.assertEqual(self.stream.getvalue(), "Warning: careful\nTask submitted: t\n")

    def test_states_are_told_when_they_change_and_now_and_then(self) -> None:
        progress = Progress(self.stream)
        for seconds in range(0, 100, 5):
            progress.state("t", "PENDING" if seconds < 12 else "RUNNING", seconds)
        told = [line.split("]")[0].strip(" [s") for line in self.stream.getvalue().splitlines()]
        self.assertEqual(told, ["0", "15", "75"])
        self.assertEqual(SPARSE_SECONDS, 60)

    def test_every_line_is_redacted(self) -> None:
        progress = Progress(self.stream)
        progress.secrets = ("a secret of 18 chr",)
        progress.warn(f"a secret of 18 chr {KEY}")
        self.assertEqual(self.stream.getvalue(), "Warning: [hidden] [hidden]\n")

    def test_nobody_listening_changes_nothing(self) -> None:
        self.stream.close()
        Progress(self.stream).warn("x")


class Inputs(Case):
    def look(self, text: str) -> Source:
        return sources.inspect(text, str(self.cwd))

    def test_urls_are_not_looked_at(self) -> None:
        for text, scheme in (("https://a.com/b", "https"), ("HTTP://A.COM/B", "http"), ("oss://k", "oss")):
            self.assertEqual(self.look(text), Source(text, scheme))

    def test_the_ways_to_name_a_file(self) -> None:
        path = self.picture("a b 猫 100%.png", 30, 20)
        for text in (
            path.name,
            f"./{path.name}",
            str(path),
            f"file://{quote(str(path))}",
            f"file://localhost{quote(str(path))}",
            f"FILE:{path}",
        ):
            with self.subTest(text):
                source = self.look(text)
                self.assertEqual((source.fault, source.path, source.bytes), ("", str(path), path.stat().st_size))
                self.assertEqual(source.facts and (source.facts.width, source.facts.height), (30, 20))

    def test_windows_paths_are_no_urls(self) -> None:
        self.assertEqual(sources.local_path("file:///C:/a%20b.png"), "C:/a b.png")
        self.assertEqual(self.look(r"C:\cat.png").scheme, "file")

    def test_faults(self) -> None:
        (self.cwd / "empty.png").touch()
        (self.cwd / "folder").mkdir()
        for text, words in (
            ("none.png", f"does not exist (looked for {self.cwd / 'none.png'})"),
            ("empty.png", "empty"),
            ("folder", "is a folder"),
            ("a\0b", "cannot be read"),
            ("~a\0b", "cannot be read"),
            ("x" * 5000, "cannot be read"),
            ("s3://bucket/x.png", "s3:"),
            ("", "is a folder"),
        ):
            with self.subTest(text[:20]):
                self.assertIn(words, self.look(text).fault)

    @unittest.skipIf(os.name == "nt" or os.geteuid() == 0, "root reads everything")
    def test_a_file_that_may_not_be_read(self) -> None:
        path = self.picture("locked.png")
        path.chmod(0)
        self.assertIn("cannot be read", self.look("locked.png").fault)

    def test_a_file_with_a_colon_in_its_name(self) -> None:
        if os.name != "nt":
            self.picture("note: cat.png")
            self.assertEqual(self.look("note: cat.png").fault, "")

    def test_texts_are_replaced_in_a_copy(self) -> None:
        values = {"reference_images": ["a", "b"], "base_image_url": "c", "prompt": "a"}
        found = sources.replaced(values, {"reference_images[1]": "oss://b", "base_image_url": "oss://c"})
        self.assertEqual(found, {"reference_images": ["a", "oss://b"], "base_image_url": "oss://c", "prompt": "a"})
        self.assertEqual(values["reference_images"], ["a", "b"])

    def test_a_photograph(self) -> None:
        facts = self.look(str(PHOTO)).facts
        self.assertEqual(facts and facts.type, "image/jpeg")


class Parallel(unittest.TestCase):
    def test_results_come_in_order_whoever_is_first(self) -> None:
        def work(number: int) -> int:
            time.sleep(0.02 * (5 - number))
            return number * number

        self.assertEqual(parallel.side_by_side(work, range(5), lambda: None), [0, 1, 4, 9, 16])
        self.assertEqual(parallel.side_by_side(work, [], lambda: None), [])

    def test_they_really_run_at_the_same_time(self) -> None:
        meeting = threading.Barrier(3, timeout=5)
        self.assertEqual(len(parallel.side_by_side(lambda _: meeting.wait(), range(3), lambda: None)), 3)

    def test_more_items_than_threads(self) -> None:
        self.assertEqual(
            parallel.side_by_side(lambda number: -number, range(50), lambda: None), [-n for n in range(50)]
        )

    def test_the_first_error_is_raised_when_all_have_ended(self) -> None:
        ended = []

        def work(number: int) -> None:
            if number == 0:
                raise ValueError("first")
            time.sleep(0.05)
            ended.append(number)

        with self.assertRaisesRegex(ValueError, "first"):
            parallel.side_by_side(work, range(4), lambda: None)
        self.assertEqual(sorted(ended), [1, 2, 3])

    def test_turns_are_taken_until_an_item_is_over(self) -> None:
        clock, taken = Clock(), [0, 0, 0]

        def work(number: int) -> float | None:
            taken[number] += 1
            return 1.0 if taken[number] <= number * 3 else None

        parallel.in_turns(work, range(3), clock.sleep, clock, lambda: None)
        self.assertEqual(taken, [1, 4, 7])
        parallel.in_turns(work, [], clock.sleep, clock, lambda: None)

    def test_one_that_takes_long_keeps_one_thread(self) -> None:
        clock, others_are_over = Clock(), threading.Event()
        taken = [0] * 9

        def work(number: int) -> float | None:
            taken[number] += 1
            if number == 0:
                self.assertTrue(others_are_over.wait(10))
                return None
            if sum(taken) == 1 + 8 * 5:
                others_are_over.set()
            return 1.0 if taken[number] < 5 else None

        parallel.in_turns(work, range(9), clock.sleep, clock, lambda: None, threads=2)
        self.assertEqual(taken, [1] + [5] * 8)

    def interrupt(self, seconds: float) -> None:
        """Ctrl-C, also where this process was started with it ignored, as by `&` of a shell."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()

    @unittest.skipIf(os.name == "nt", "signals differ")
    def test_an_interruption_ends_the_turns(self) -> None:
        over = threading.Event()
        taken: list[int] = []

        def work(number: int) -> float:
            taken.append(number)
            return 5.0

        def sleep(seconds: float) -> None:
            over.wait(seconds)

        self.interrupt(0.1)
        with self.assertRaises(KeyboardInterrupt):
            parallel.in_turns(work, range(3), sleep, time.monotonic, over.set)
        self.assertEqual(sorted(taken), [0, 1, 2])

    @unittest.skipIf(os.name == "nt", "signals differ")
    def test_an_interruption_cuts_the_others_and_lets_them_clean_up(self) -> None:
        cut = threading.Event()
        cleaned: list[int] = []

        def work(number: int) -> None:
            cut.wait(10)
            time.sleep(0.1)
            cleaned.append(number)

        self.interrupt(0.2)
        with self.assertRaises(KeyboardInterrupt):
            parallel.side_by_side(work, range(3), cut.set)
        self.assertEqual(sorted(cleaned), [0, 1, 2])
