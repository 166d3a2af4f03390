"""The stand-in's videos: as large and as long as the order says, and files that hold together, read back bit by bit."""

from __future__ import annotations

import math
import struct
import unittest
from typing import Any, Iterator
from urllib.parse import urlsplit

from qianwen.files.media import Facts, probe_bytes
from qianwen.sandbox import movie, placeholder

from ..support import data_url
from .test_orders import CLIP, FRAMES, SYNTHESIS, URL, VACE, request
from .test_standin import TASK, Http

WIDE, TALL = data_url(1600, 400), data_url(600, 1200)


def media(*items: tuple[str, str]) -> dict[str, Any]:
    return {"media": [{"type": kind, "url": url} for kind, url in items]}


class Orders(Http):
    TABLE: tuple[tuple[str, str, dict[str, Any], tuple[int, int], float], ...] = (
        ("the service's own size", SYNTHESIS, request("wan2.6-t2v", {}), (1920, 1080), 5),
        ("pixels", SYNTHESIS, request("wan2.6-t2v", {}, size="832*1088", duration=2), (832, 1088), 2),
        ("480P", SYNTHESIS, request("wan2.5-t2v-preview", {}, size="480*832", duration=10), (480, 832), 10),
        ("tier and ratio", SYNTHESIS, request("wan2.7-t2v", {}, resolution="720P", ratio="4:3", duration=15), (1104, 832), 15),
        ("the service's own tier", SYNTHESIS, request("wan2.7-t2v", {}, ratio="9:16"), (1080, 1920), 5),
        ("unpublished pixels", SYNTHESIS, request("happyhorse-1.0-t2v", {}, resolution="720P", ratio="21:9", duration=3), (1472, 624), 3),
        ("a picture somewhere", SYNTHESIS, request("wan2.6-i2v", {"img_url": URL}, resolution="720P"), (1280, 720), 5),
        ("after a wide picture", SYNTHESIS, request("wan2.6-i2v", {"img_url": WIDE}, resolution="720P"), (1920, 480), 5),
        ("after the first of two", FRAMES, request("wan2.2-kf2v-flash", {"first_frame_url": TALL, "last_frame_url": WIDE}, resolution="480P"), (448, 896), 5),
        ("first frame in media", SYNTHESIS, request("wan2.7-i2v", media(("first_frame", TALL)), resolution="1080P", duration=12), (1024, 2032), 12),
        ("references do not decide", SYNTHESIS, request("wan2.7-r2v", media(("reference_image", WIDE)), resolution="720P", ratio="1:1"), (960, 960), 5),
        ("a first frame rules the ratio", SYNTHESIS, request("wan2.7-r2v", media(("reference_image", URL), ("first_frame", TALL)), resolution="720P", ratio="1:1"), (672, 1360), 5),
        ("an edit of a clip somewhere", SYNTHESIS, request("wan2.7-videoedit", media(("video", CLIP)), resolution="720P"), (1280, 720), 5),
        ("an edit cut short", SYNTHESIS, request("wan2.7-videoedit", media(("video", CLIP)), resolution="720P", ratio="9:16", duration=3), (720, 1280), 3),
        ("vace", SYNTHESIS, request(VACE, {"function": "image_reference", "ref_images_url": [URL]}, size="832*1088"), (832, 1088), 5),
        ("an effect", SYNTHESIS, request("wanx2.1-i2v-turbo", {"img_url": URL, "template": "flying"}, resolution="480P", duration=4), (848, 480), 4),
    )  # fmt: skip

    def order(self, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The final answer to an order, and its video."""
        status, answer = self.ask("POST", path, body, TASK)
        self.assertEqual(status, 200, answer)
        _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
        self.assertEqual(answer["output"]["task_status"], "SUCCEEDED", answer)
        url = urlsplit(answer["output"]["video_url"])
        _, data = self.ask("GET", f"{url.path}?{url.query}", key="")
        return answer, data

    def test_a_video_is_as_the_order_says(self) -> None:
        with self.standin():
            for name, path, body, (width, height), seconds in self.TABLE:
                with self.subTest(name):
                    answer, data = self.order(path, body)
                    self.assertEqual(probe_bytes(data), Facts("video/mp4", width, height, seconds=seconds, fps=24.0))
                    usage = answer["usage"]
                    self.assertEqual(
                        usage.get("output_video_duration") or usage.get("duration") or usage["video_duration"], seconds
                    )
                    self.assertIn(usage.get("size", f"{width}*{height}"), f"{width}*{height}")

    def test_silent_models_and_silent_orders(self) -> None:
        with self.standin():
            for body, sound in (
                (request("wan2.6-i2v-flash", {"img_url": URL}), True),
                (request("wan2.6-i2v-flash", {"img_url": URL}, audio=False), False),
                (request("wan2.2-i2v-flash", {"img_url": URL}), False),
                (request("happyhorse-1.0-t2v", {}), True),
                (request(VACE, {"function": "video_outpainting", "video_url": CLIP}), False),
            ):
                with self.subTest(body["model"], sound=sound):
                    self.assertEqual(b"soun" in self.order(SYNTHESIS, body)[1], sound)

    def test_a_result_can_be_worked_on(self) -> None:
        """Its own results are opened: their shape and length decide, and they are refused where a file would be."""
        with self.standin() as standin:
            first, _ = self.order(SYNTHESIS, request("wan2.6-t2v", {}, size="960*960", duration=7))
            url = first["output"]["video_url"]
            edit = request("wan2.7-videoedit", media(("video", url)), resolution="720P")
            answer, data = self.order(SYNTHESIS, edit)
            facts = probe_bytes(data)
            assert facts
            self.assertEqual((facts.width, facts.height, facts.seconds), (960, 960, 7.0))
            self.assertEqual(answer["usage"]["duration"], 14)
            long, _ = self.order(SYNTHESIS, request("wan2.6-t2v", {}, duration=15))
            edit["input"]["media"][0]["url"] = long["output"]["video_url"]
            _, answer = self.ask("POST", SYNTHESIS, edit, TASK)
            _, answer = self.ask("GET", f"/tasks/{answer['output']['task_id']}")
            self.assertEqual(answer["output"]["task_status"], "FAILED", "15 s is more than it takes")
            edit["input"]["media"][0]["url"] = standin.origin + "/results/none.mp4"
            status, answer = self.ask("POST", SYNTHESIS, edit, TASK)
            self.assertEqual((status, answer["code"]), (400, "InvalidParameter.DataInspection"))

    def test_references_that_are_clips_are_billed_by_their_length(self) -> None:
        with self.standin():
            clip, _ = self.order(SYNTHESIS, request("wan2.6-t2v", {}, duration=8))
            references = {"reference_urls": [clip["output"]["video_url"], URL, CLIP]}
            answer, _ = self.order(SYNTHESIS, request("wan2.6-r2v", references, duration=10))
        self.assertEqual([answer["usage"][name] for name in ("input_video_duration", "duration")], [13, 23])

    def test_the_program_reports_them(self) -> None:
        with self.standin():
            reply = self.video_json("x", "--size", "9:16", "--duration", "3", "--output", "x.mp4")
        self.assertEqual((reply["width"], reply["height"], reply["duration"]), (720, 1280, 3.0))


class Files(unittest.TestCase):
    SIZES = ((1280, 720, 5.0, True), (1920, 1080, 15.0, True), (480, 832, 2.0, False), (1648, 1248, 5.02, True), (16, 16, 0.0, True), (224, 1792, 30.0, False))  # fmt: skip

    def test_they_hold_together(self) -> None:
        for width, height, seconds, sound in self.SIZES:
            with self.subTest(width=width, height=height, seconds=seconds, sound=sound):
                data = placeholder.clip(width, height, seconds, sound)
                self.assertLess(len(data), 250_000)
                self.assertLess(data.index(b"moov"), data.index(b"mdat"), "it can be played while it comes")
                found = dict(boxes(data, 0, len(data)))
                moov = found[b"moov"]
                tracks = [place for name, place in boxes(data, *moov) if name == b"trak"]
                self.assertEqual(len(tracks), 2 if sound else 1)
                end = 0
                for track in tracks:
                    samples = list(table(data, track))
                    self.assertTrue(all(left[1] == right[0] for left, right in zip(samples, samples[1:])))
                    end = samples[-1][1]
                self.assertEqual(end, found[b"mdat"][1], "the last sample ends with the file")
                keys = [data[start + 4] == 0x65 for start, _ in table(data, tracks[0])]
                self.assertEqual(keys, [number % 24 == 0 for number in range(len(keys))], "one a second")
                facts = probe_bytes(data)
                assert facts
                self.assertAlmostEqual(facts.seconds, max(seconds, 1 / 24), delta=1 / 24)
                self.assertFalse(facts.cut)

    def test_the_pictures_are_those_that_were_drawn(self) -> None:
        """The stream, decoded here by the tables of the standard, gives back every shade."""

        def shade(column: int, row: int) -> int:
            return 16 + (column * 37 + row * 91 + (column * row) % 7) % 220

        for width, height in ((64, 48), (1280, 720), (624, 624), (1104, 832)):
            columns, rows = math.ceil(width / 16), math.ceil(height / 16)
            wanted = [[shade(column, row) for column in range(columns)] for row in range(rows)]
            data = movie.mp4(width, height, 0.5, lambda _, wanted=wanted: list(map(bytes, wanted)))  # type: ignore[misc]
            (track, *_) = (
                place for name, place in boxes(data, *dict(boxes(data, 0, len(data)))[b"moov"]) if name == b"trak"
            )
            pictures = [data[start + 4 : end] for start, end in table(data, track)]
            self.assertEqual(len(pictures), 12)
            self.assertEqual(decoded(pictures[0], columns, rows), wanted)
            for number, picture in enumerate(pictures[1:], 1):
                bits = Bits(picture[1:])
                head = [bits.number() for _ in range(3)]
                self.assertEqual((picture[0], head, bits.take(4)), (0x41, [0, 5, 0], number % 16))
                self.assertEqual((bits.take(4), bits.number(), bits.number()), (1, 1, columns * rows))

    def test_the_parameters_of_the_stream(self) -> None:
        """Size and edges stand in the sequence parameters, and the step of brightness in those of the picture."""
        for width, height in ((1280, 720), (1920, 1080), (100, 70)):
            data = placeholder.clip(width, height, 1.0)
            config = data[data.index(b"avcC") + 4 :]
            length = int.from_bytes(config[6:8], "big")
            bits = Bits(config[12 : 8 + length])  # behind the unit's kind, the profile, the flags and the level
            self.assertEqual([bits.number() for _ in range(4)] + [bits.take(1)], [0, 0, 2, 1, 0])
            columns, rows = bits.number() + 1, bits.number() + 1
            self.assertEqual(bits.take(3), 0b111)
            left, right, top, bottom = (2 * bits.number() for _ in range(4))
            self.assertEqual((columns * 16 - left - right, rows * 16 - top - bottom), (width, height))
            bits = Bits(config[12 + length :])
            self.assertEqual([bits.number(), bits.number(), bits.take(2)], [0, 0, 0])
            self.assertEqual([bits.number(), bits.number(), bits.number(), bits.take(3)], [0, 0, 0, 0])
            self.assertEqual(bits.number(), 2 * (movie.START_QP - 26) - 1, "positive numbers have odd codes")

    def test_the_words_are_on_it(self) -> None:
        data = placeholder.clip(1280, 720, 1.0)
        track = next(place for name, place in boxes(data, *dict(boxes(data, 0, len(data)))[b"moov"]) if name == b"trak")
        start, end = next(table(data, track))
        ink = sum(row.count(40) for row in decoded(data[start + 4 : end], 80, 45))
        letters = "SANDBOX0:00"
        self.assertEqual(ink, sum(bits.bit_count() if hasattr(bits, "bit_count") else bin(bits).count("1") for letter in letters for bits in placeholder._GLYPHS[letter]))  # fmt: skip


class Bits:
    """Reads a payload bit by bit, without the bytes that keep starts apart."""

    def __init__(self, payload: bytes) -> None:
        plain = payload.replace(b"\0\0\3", b"\0\0")
        self._bits = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def take(self, count: int) -> int:
        self._at += count
        return int(self._bits[self._at - count : self._at], 2)

    def zeros(self) -> int:
        """How many zeros stand before the next one, which is read too."""
        one = self._bits.index("1", self._at)
        count = one - self._at
        self._at = one + 1
        return count

    def number(self) -> int:
        count = self.zeros()
        return (1 << count) - 1 + (self.take(count) if count else 0)


def decoded(picture: bytes, columns: int, rows: int) -> list[list[int]]:
    """The shades of a key picture by rows of macroblocks."""
    assert picture[0] == 0x65
    bits = Bits(picture[1:])
    assert [bits.number() for _ in range(3)] == [0, 7, 0]
    bits.take(4)
    assert (bits.number(), bits.take(3), bits.number()) == (0, 1, 1)
    found: list[list[int]] = []
    for row in range(rows):
        found.append([])
        for column in range(columns):
            assert (bits.number(), bits.number(), bits.number()) == (3, 0, 0)
            near = [found[row][column - 1]] if column else []
            near += [found[row - 1][column]] if row else []
            mean = (near[0] + near[1] + 1) >> 1 if len(near) == 2 else (near or [128])[0]
            found[row].append(mean + coefficient(bits))
    return found


def coefficient(bits: Bits) -> int:
    """The one number of a macroblock, by tables 9-5 and 9-7 for at most one coefficient."""
    zeros = bits.zeros()
    if zeros == 0:
        return 0
    if zeros == 1:
        step = -1 if bits.take(1) else 1
    else:
        assert (zeros, bits.take(2)) == (3, 1)
        prefix = bits.zeros()
        code = prefix if prefix < 14 else 14 + bits.take(4) if prefix == 14 else 30 + bits.take(12)
        code += 2
        step = (code + 2) >> 1 if code % 2 == 0 else -((code + 1) >> 1)
    assert bits.take(1) == 1
    return step


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    while start < end:
        size, name = struct.unpack(">I4s", data[start : start + 8])
        assert 8 <= size <= end - start
        yield name, (start + 8, start + size)
        start += size


def table(data: bytes, track: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Where the samples of a track lie; it has one chunk."""
    place = track
    for name in (b"mdia", b"minf", b"stbl"):
        place = dict(boxes(data, *place))[name]
    found = dict(boxes(data, *place))
    (at,) = struct.unpack(">8xI", data[found[b"stco"][0] : found[b"stco"][1]])
    same, count = struct.unpack(">4xII", data[found[b"stsz"][0] : found[b"stsz"][0] + 12])
    sizes = [same] * count
    if not same:
        sizes = list(struct.unpack(f">{count}I", data[found[b"stsz"][0] + 12 : found[b"stsz"][1]]))
    for size in sizes:
        yield at, at + size
        at += size


if __name__ == "__main__":
    unittest.main()
