"""Results from their storage host: whole, checked, continued after a break, and refused when they may not be fetched."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import threading
import unittest
from typing import Union
from unittest import mock

from qianwen.errors import LinkExpired, OutputError
from qianwen.http.messages import Fault, Response
from qianwen.sandbox.storage import crc64
from qianwen.storage import results
from qianwen.storage.checksums import LARGE_BYTES, Crc64, Hasher

from ..support import Script, answer, breaking

URL = "https://result.oss-cn-beijing.aliyuncs.com/1.png?Expires=1&Signature=s%2B"
DATA = bytes(range(256)) * 40
PACKED = gzip.compress(DATA)
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
ETAG = '"E1"'


def whole(data: bytes = DATA, **headers: str) -> Response:
    return answer(data, 200, **{"content_length": str(len(data)), "etag": ETAG, **headers})


def part(start: int, total: int = len(DATA), data: bytes = DATA) -> Response:
    return answer(data[start:], 206, content_range=f"bytes {start}-{total - 1}/{total}", etag=ETAG)


def broken(size: int, data: bytes = DATA, **headers: str) -> Response:
    """A response that gives some bytes and then breaks."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(200, {"content-length": str(len(data)), "etag": ETAG, **names}, breaking(data[:size]))


class Fetch(unittest.TestCase):
    def fetch(self, *outcomes: Union[Response, Fault], url: str = URL, loopback: bool = False) -> bytes:
        self.script = Script(*outcomes)
        self.warnings: list[str] = []
        stream = io.BytesIO()
        fetched = results.fetch(self.script, url, stream, loopback, self.warnings.append)
        self.assertEqual(
            (fetched.bytes, fetched.sha256), (len(stream.getvalue()), hashlib.sha256(stream.getvalue()).hexdigest())
        )
        return stream.getvalue()

    def error(self, *outcomes: Union[Response, Fault], url: str = URL) -> OutputError:
        with self.assertRaises(OutputError) as caught:
            self.fetch(*outcomes, url=url)
        self.assertNotIn("Signature", str(caught.exception))
        return caught.exception

    def test_no_key_and_no_storage_header_goes_along(self) -> None:
        self.assertEqual(self.fetch(whole(content_md5=MD5, x_oss_hash_crc64ecma=str(crc64(DATA)))), DATA)
        (request,) = self.script.requests
        self.assertEqual((request.method, request.url), ("GET", URL))
        self.assertEqual(set(request.headers), {"User-Agent", "Accept-Encoding"})

    def test_a_break_is_continued_with_range(self) -> None:
        self.assertEqual(self.fetch(broken(1000, content_md5=MD5), Fault("reset", sent=True), part(1000)), DATA)
        again = self.script.requests[2].headers
        self.assertEqual((again["Range"], again["If-Match"]), ("bytes=1000-", ETAG))

    def test_a_short_body_is_continued(self) -> None:
        short = answer(DATA[:500], 200, content_length=str(len(DATA)), etag=ETAG)
        self.assertEqual(self.fetch(short, part(500)), DATA)

    def test_a_full_answer_to_a_range_begins_anew(self) -> None:
        self.assertEqual(self.fetch(broken(1000), whole()), DATA)

    def test_a_wrong_part_begins_anew(self) -> None:
        for name, odd in (
            ("another start", part(900)),
            ("another total", part(1000, total=5)),
            ("no range", answer(DATA[1000:], 206)),
            ("changed", answer(b"", 412)),
            ("not satisfiable", answer(b"", 416)),
        ):
            with self.subTest(name):
                self.assertEqual(self.fetch(broken(1000), odd, whole()), DATA)
                self.assertNotIn("Range", self.script.requests[2].headers)

    def test_a_wrong_checksum_begins_anew_and_then_gives_up(self) -> None:
        for name, value in (
            ("content_md5", base64.b64encode(b"0" * 16).decode()),
            ("x_oss_hash_crc64ecma", str(crc64(DATA) ^ 1)),
        ):
            with self.subTest(name):
                self.assertEqual(self.fetch(whole(DATA, **{name: value}), whole(content_md5=MD5)), DATA)
                error = self.error(*[whole(DATA, **{name: value}) for _ in range(results.BREAKS + 1)])
                self.assertIn("checksum", error.message)

    def test_what_comes_packed_is_unpacked(self) -> None:
        drops = [PACKED[start : start + 1] for start in range(len(PACKED))]
        for name, outcomes in {
            "told": [whole(PACKED, content_encoding="gzip")],
            "not told": [whole(PACKED)],
            "without a length": [answer(PACKED)],
            "in drops": [Response(200, {}, lambda _: drops.pop(0) if drops else b"")],
            "with the checksum of what is in it": [whole(PACKED, content_md5=MD5, x_oss_hash_crc64ecma="1")],
            "broken off": [broken(300, PACKED), part(300, len(PACKED), PACKED)],
            "broken off at once": [broken(2, PACKED), whole(PACKED)],
            "no gzip, as told": [whole(content_encoding="gzip", content_md5=MD5)],
        }.items():
            with self.subTest(name):
                self.assertEqual(self.fetch(*outcomes), DATA)

    def test_what_cannot_be_unpacked_is_kept_as_it_came(self) -> None:
        for name, odd in (
            ("damaged", PACKED[:100] + b"\0" + PACKED[101:]),
            ("a wrong checksum", PACKED[:-5] + b"\0" + PACKED[-4:]),
            ("cut off", PACKED[:-1]),
            ("more behind it", PACKED + b"x"),
        ):
            with self.subTest(name):
                self.assertEqual(self.fetch(whole(odd), whole(odd)), odd)

    def test_what_unpacks_without_an_end_is_cut(self) -> None:
        bomb, stream = gzip.compress(bytes(10**8)), io.BytesIO()
        with self.assertRaisesRegex(OutputError, "larger than"):
            results.fetch(Script(whole(bomb)), URL, stream, most=10**6)
        self.assertLessEqual(len(stream.getvalue()), 10**6 + results.BLOCK_BYTES)

    def test_numbers_that_nobody_can_read_are_none(self) -> None:
        for odd in ("abc", "²", "9" * 5000, "-1", ""):
            with self.subTest(odd[:9]):
                self.assertEqual(self.fetch(whole(x_oss_hash_crc64ecma=odd)), DATA)
                self.assertEqual(self.fetch(answer(DATA, 200, content_length=odd)), DATA)

    def test_a_part_that_nobody_asked_for_is_not_taken_for_the_whole(self) -> None:
        self.assertEqual(self.fetch(part(0, total=len(DATA)), whole()), DATA)

    def test_it_gives_up_after_so_many_breaks(self) -> None:
        error = self.error(*[Fault("reset", sent=True)] * (results.BREAKS + 1))
        self.assertEqual((error.exit_code, error.billed), (7, "yes"))
        self.assertIn("24 hours", error.hint)

    def test_a_line_that_goes_on_bringing_bytes_is_not_given_up(self) -> None:
        size = len(DATA) // 20
        pieces = [
            answer(DATA[start : start + size], 206, content_range=f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
            for start in range(size, len(DATA), size)
        ]
        first = answer(DATA[:size], 200, content_length=str(len(DATA)), etag=ETAG)
        self.assertGreater(len(pieces), 2 * results.BREAKS)
        self.assertEqual(self.fetch(first, *pieces), DATA)

    def test_the_same_bytes_again_and_again_are_given_up(self) -> None:
        outcomes = [outcome for _ in range(20) for outcome in (broken(1000), answer(b"", 416))]
        self.error(*outcomes)
        self.assertLess(len(self.script.requests), 15)

    def test_a_hopeless_fault_ends_at_once(self) -> None:
        self.error(Fault("certificate", sent=False, permanent=True))
        self.assertEqual(len(self.script.requests), 1)

    def test_a_result_without_an_end_is_cut_at_once_and_not_tried_again(self) -> None:
        for headers, writes in (({}, 3 * len(DATA)), ({"content-length": str(10**15)}, 0)):
            with self.subTest(headers):
                stream, script = io.BytesIO(), Script(Response(200, headers, lambda _: DATA))
                with self.assertRaisesRegex(OutputError, "larger than"):
                    results.fetch(script, URL, stream, most=3 * len(DATA))
                self.assertEqual((len(stream.getvalue()), len(script.requests)), (writes, 1))

    def test_an_empty_body_is_no_result(self) -> None:
        for name, body in (("plain", b""), ("packed", gzip.compress(b""))):
            with self.subTest(name):
                tries = [whole(body) for _ in range(results.BREAKS + 1)]
                self.assertIn("empty", self.error(*tries).message)
                self.assertNotIn("Range", self.script.requests[-1].headers)

    def test_an_expired_link_is_told_apart(self) -> None:
        xml = b"<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>"
        self.assertIsInstance(self.error(answer(xml, 403)), LinkExpired)
        gone = self.error(answer(b"<Error><Code>NoSuchKey</Code></Error>", 404))
        self.assertNotIsInstance(gone, LinkExpired)
        self.assertIn("NoSuchKey", gone.message)

    def test_redirects_are_followed_without_credentials_and_only_to_https(self) -> None:
        there = answer(b"", 302, location="https://other.aliyuncs.com/2.png")
        self.assertEqual(self.fetch(there, whole()), DATA)
        self.assertEqual(self.script.requests[1].url, "https://other.aliyuncs.com/2.png")
        self.assertNotIn("Authorization", self.script.requests[1].headers)
        self.assertIn("http:", self.error(answer(b"", 302, location="http://other.example.com/")).message)
        self.fetch(answer(b"", 302, location="https://cdn.example.com/2.png"), whole())
        self.assertRegex(self.warnings[0], "comes from cdn.example.com, which is not")
        self.fetch(answer(b"", 302, location="/2.png"), whole())
        self.assertEqual(self.warnings, [])
        self.assertIn("not a URL", self.error(answer(b"", 302, location="https://[bad/")).message)
        self.assertIn("too often", self.error(*[answer(b"", 302, location=URL)] * 9).message)


class InAnotherThread(unittest.TestCase):
    LARGE = bytes(LARGE_BYTES)

    def test_every_block_in_its_order_whatever_its_size(self) -> None:
        blocks = [bytes([number]) * (LARGE_BYTES if number in (3, 4, 9) else number + 1) for number in range(40)]
        done: list[bytes] = []
        with Hasher(done.append) as hasher:
            for block in blocks:
                hasher.update(block)
        self.assertEqual(done, blocks)

    def test_small_blocks_need_no_thread(self) -> None:
        places: list[int] = []
        with Hasher(lambda _: places.append(threading.get_ident())) as hasher:
            for block in (b"x", b"y", self.LARGE, b"z"):
                hasher.update(block)
        self.assertEqual([place == threading.get_ident() for place in places], [True, True, False, False])

    def test_what_goes_wrong_there_is_raised_here(self) -> None:
        def work(block: bytes) -> None:
            raise ValueError("no")

        for count in (1, 20):
            with self.subTest(count), self.assertRaisesRegex(ValueError, "no"), Hasher(work) as hasher:
                for _ in range(count):
                    hasher.update(self.LARGE)

    def test_what_goes_wrong_in_both_places_is_not_taken_for_a_break_of_the_line(self) -> None:
        def work(block: bytes) -> None:
            raise MemoryError

        with self.assertRaises(MemoryError), Hasher(work) as hasher:
            hasher.update(self.LARGE)
            raise Fault("the connection broke", sent=True)

    def test_what_goes_wrong_here_waits_for_what_is_done_there(self) -> None:
        done: list[bytes] = []
        with self.assertRaises(KeyboardInterrupt), Hasher(done.append) as hasher:
            hasher.update(self.LARGE)
            raise KeyboardInterrupt
        self.assertEqual(len(done), 1)

    def test_a_machine_without_a_thread_to_spare(self) -> None:
        done: list[bytes] = []
        with mock.patch.object(threading.Thread, "start", side_effect=RuntimeError), Hasher(done.append) as hasher:
            hasher.update(self.LARGE)
            hasher.update(b"x")
        self.assertEqual(done, [self.LARGE, b"x"])

    def test_a_large_download_is_hashed_and_continued(self) -> None:
        data = bytes(range(256)) * 4096 * 3
        cut = 2**20 + 7
        promise = {
            "content_length": str(len(data)),
            "etag": ETAG,
            "content_md5": base64.b64encode(hashlib.md5(data).digest()).decode(),
        }
        first = answer(b"", 200, **promise)
        send = Script(Response(200, first.headers, breaking(data[:cut])), part(cut, len(data), data))
        stream = io.BytesIO()
        fetched = results.fetch(send, URL, stream)
        self.assertEqual((stream.getvalue() == data, fetched.sha256), (True, hashlib.sha256(data).hexdigest()))


class Urls(unittest.TestCase):
    def check(self, url: str, loopback: bool = False) -> list[str]:
        warnings: list[str] = []
        self.assertEqual(results.fetchable(url, loopback, warnings.append), url)
        return warnings

    def test_storage_hosts_pass_and_others_are_named(self) -> None:
        self.assertEqual(self.check(URL), [])
        for url in (
            "https://cdn.example.com/1.png",
            "https://evilaliyuncs.com/1.png",
            "https://aliyuncs.com.evil.example/",
        ):
            self.assertEqual(len(self.check(url)), 1)

    def test_what_is_never_fetched(self) -> None:
        for url in (
            "http://result.example.com/1.png",
            "file:///etc/passwd",
            "ftp://a.aliyuncs.com/x",
            "data:image/png;base64,AA",
            "",
            "https://",
            "https://[::1",
            "http://127.0.0.1/1.png",
        ):
            with self.subTest(url), self.assertRaises(OutputError):
                self.check(url)

    def test_what_is_not_on_the_internet(self) -> None:
        for host in ("10.0.0.1", "169.254.169.254", "2130706433", "0x7f.1", "localhost", "[::ffff:a00:1]"):
            for loopback in (False, host in ("10.0.0.1", "169.254.169.254")):
                with self.subTest(host), self.assertRaisesRegex(OutputError, "not on the internet"):
                    results.fetchable(f"https://{host}/1.png", loopback)
        with self.assertRaisesRegex(OutputError, "port 8443"):
            self.check("https://a.aliyuncs.com:8443/1.png")
        self.assertEqual(len(self.check("https://8.8.8.8/1.png")), 1)
        own = "https://10.0.0.1:8443/r/1.png"  # the user chose that gateway
        self.assertEqual(results.fetchable(own, False, api="https://10.0.0.1:8443/api/v1"), own)
        for api in ("https://10.0.0.1/api/v1", "https://10.0.0.2:8443/api/v1", "http://10.0.0.1:8443/api/v1"):
            with self.assertRaises(OutputError):
                results.fetchable(own, False, api=api)
        self.check("https://127.0.0.1:8443/1.png", loopback=True)
        self.assertEqual(results.fetchable("http://a.aliyuncs.com:80/1?x=:80", False), "https://a.aliyuncs.com/1?x=:80")

    def test_http_to_storage_becomes_https(self) -> None:
        url = "http://result.oss-cn-beijing.aliyuncs.com/1.png?Signature=http://x"
        self.assertEqual(results.fetchable(url, False), "https" + url[4:])

    def test_white_space_around_a_link_is_no_part_of_it(self) -> None:
        for odd in (" {}", "{} ", "\t{}\r\n", "\n{}\u3000"):
            with self.subTest(odd=odd):
                url = "https://a.aliyuncs.com/1.png?x=1"
                self.assertEqual(results.fetchable(odd.format(url), False), url)

    def test_loopback_only_beside_a_loopback_api(self) -> None:
        for url in ("http://127.0.0.1:8080/1.png", "http://localhost/1.png", "http://[::1]/1.png"):
            self.assertEqual(self.check(url, loopback=True), [])
        with self.assertRaises(OutputError):
            self.check("http://127.0.0.1.evil.example/", loopback=True)

    def test_messages_lose_the_query(self) -> None:
        self.assertEqual(results.shown(URL), "https://result.oss-cn-beijing.aliyuncs.com/1.png")


class Checksums(unittest.TestCase):
    VECTORS = (
        (b"", 0),
        (b"123456789", 11051210869376104954),
        (b"a", 3675645893302102789),
        (b"12345", 6748440630437108969),
        (b"1234567890", 12811388247244714686),
        (b"hello world", 5981764153023615706),
    )

    def test_the_vectors_of_the_sheet_both_ways(self) -> None:
        for data, value in self.VECTORS:
            with self.subTest(data):
                self.assertEqual(crc64(data), value)
                for step in (1, 4, 100):
                    for expected in (value, value ^ 1, value ^ 1 << 63):
                        check = Crc64()
                        for start in range(0, len(data), step):
                            check.update(data[start : start + step])
                        self.assertEqual(check.matches(str(expected)), expected == value)

    def test_blocks_larger_than_a_chunk(self) -> None:
        data = bytes(200_003)
        check = Crc64()
        check.update(data)
        self.assertTrue(check.matches(str(crc64(data))))
