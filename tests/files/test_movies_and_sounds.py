"""Facts from the headers of clips and sounds: built ones of every make, small real ones, damaged ones, and noise."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import time
import unittest
import wave

from qianwen.files import movies, sounds
from qianwen.files.media import FORMATS, Facts, probe, probe_bytes
from qianwen.plain.record import changed

from .. import IS_SAMPLE, SCRIPTS
from ..support import DATA, PHOTO

SOON = 20 if sys.gettrace() else 1  # seconds of CPU; under a tracer every line costs as much as ten
UPRIGHT = (1, 0, 0, 1)
LEFT, RIGHT, OVER = (0, -1, 1, 0), (0, 1, -1, 0), (-1, 0, 0, -1)
UNKNOWN_DURATION = {0: 2**32 - 1, 1: 2**64 - 1}


def box(name: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, name) + data


def large(name: bytes, *content: bytes) -> bytes:
    """A box with a size of 64 bits."""
    data = b"".join(content)
    return struct.pack(">I4sQ", 1, name, len(data) + 16) + data


def full(name: bytes, version: int, *content: bytes, flags: int = 0) -> bytes:
    return box(name, struct.pack(">I", version << 24 | flags), *content)


def clock(name: bytes, version: int, scale: int, duration: int) -> bytes:
    """`mvhd` or `mdhd`."""
    return full(name, version, struct.pack(">QQIQ" if version else ">IIII", 0, 0, scale, duration), bytes(80))


def tkhd(version: int, width: float, height: float, turn: tuple[int, ...] = UPRIGHT, flags: int = 3) -> bytes:
    a, b, c, d = (number << 16 for number in turn)
    matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    size = struct.pack(">II", int(width * 65536), int(height * 65536))
    return full(b"tkhd", version, bytes(32 if version else 20), bytes(16), matrix, size, flags=flags)


def track(kind: bytes, head: bytes, media: bytes, samples: int, name: bytes = b"stsz", more: bytes = b"") -> bytes:
    handler = full(b"hdlr", 0, bytes(4), kind, bytes(13))
    table = box(b"stbl", full(name, 0, struct.pack(">II", 0, samples)), more)
    return box(b"trak", head, box(b"mdia", media, handler, box(b"minf", table)))


def stts(*runs: tuple[int, int]) -> bytes:
    """How many samples last how many ticks, one after the other."""
    return full(b"stts", 0, struct.pack(">I", len(runs)), *(struct.pack(">II", *run) for run in runs))


def video(version: int = 0, turn: tuple[int, ...] = UPRIGHT, size: tuple[float, float] = (320, 240)) -> bytes:
    """Ten seconds with 25 frames a second."""
    return track(b"vide", tkhd(version, *size, turn), clock(b"mdhd", version, 12800, 128000), 250)


def moov(*parts: bytes, version: int = 0, duration: int = 10000, scale: int = 1000) -> bytes:
    return box(b"moov", clock(b"mvhd", version, scale, duration), *parts)


def ftyp(brand: bytes = b"isom", *others: bytes) -> bytes:
    return box(b"ftyp", brand, struct.pack(">I", 512), *(others or (b"isom", b"mp41")))


AUDIO = track(b"soun", tkhd(0, 0, 0), clock(b"mdhd", 0, 44100, 441000), 431)
CHAPTERS = track(b"vide", tkhd(0, 160, 120, flags=2), clock(b"mdhd", 0, 1000, 10000), 3)
TEXT = track(b"text", tkhd(0, 0, 0), clock(b"mdhd", 0, 1000, 10000), 3)
EDITED = tkhd(0, 320, 240) + box(b"edts", full(b"elst", 0, struct.pack(">IIiI", 1, 400, 0, 1 << 16)))
UNFINISHED = Facts("video/mp4", fault=movies.NO_INDEX)
MDAT = box(b"mdat", bytes(1000))
USUAL = Facts("video/mp4", 320, 240, seconds=10.0, fps=25.0)
MOV = Facts("video/quicktime", 320, 240, seconds=10.0, fps=25.0)
SMALL = ftyp() + moov(video(), AUDIO) + box(b"mdat", bytes(20))


def fragmented(*mehd: bytes) -> bytes:
    return ftyp(b"iso5") + moov(video(), box(b"mvex", *mehd, box(b"trex", bytes(24))), duration=400) + MDAT


def fragment(count: int = 50, own: bool = False) -> bytes:
    """Samples of the only track, which has no number, at 25 a second: each says how long it lasts, or they all do."""
    header = full(b"tfhd", 0, struct.pack(">I", 0), b"" if own else struct.pack(">I", 512), flags=0 if own else 8)
    entries = struct.pack(">II", 512, 99) * count if own else b""
    samples = full(b"trun", 0, struct.pack(">II", count, 8), entries, flags=0x301 if own else 1)
    return box(b"moof", full(b"mfhd", 0, bytes(4)), box(b"traf", header, samples)) + MDAT


MOVIES = (
    ("MP4", ftyp() + moov(AUDIO, video()) + MDAT, USUAL),
    ("moov at the end", ftyp() + box(b"free") + MDAT + moov(video(), AUDIO), USUAL),
    ("version 1", ftyp() + moov(video(1), version=1) + MDAT, USUAL),
    ("mdat of 64 bits", ftyp() + large(b"mdat", bytes(1000)) + moov(video()), USUAL),
    ("moov of 64 bits", ftyp() + MDAT + large(b"moov", moov(video())[8:]), USUAL),
    ("moov to the end", ftyp() + MDAT + b"\0\0\0\0" + moov(video())[4:], USUAL),
    ("turned left", ftyp() + moov(video(turn=LEFT)), Facts("video/mp4", 240, 320, seconds=10.0, fps=25.0)),
    ("turned right", ftyp() + moov(video(1, RIGHT)), Facts("video/mp4", 240, 320, seconds=10.0, fps=25.0)),
    ("upside down", ftyp() + moov(video(turn=OVER)), USUAL),
    ("part of a pixel", ftyp() + moov(video(size=(320.5, 240.25))), USUAL),
    ("chapters with pictures first", ftyp() + moov(CHAPTERS, video()), USUAL),
    (
        "compact sample sizes",
        ftyp() + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 1000, 10000), 250, b"stz2")),
        USUAL,
    ),
    ("mvhd without duration", ftyp() + moov(video(), duration=UNKNOWN_DURATION[0]), USUAL),
    ("mvhd version 1 without duration", ftyp() + moov(video(), version=1, duration=UNKNOWN_DURATION[1]), USUAL),
    ("mvhd without scale", ftyp() + moov(video(), scale=0), USUAL),
    ("no mvhd", ftyp() + box(b"moov", video()), USUAL),
    (
        "no clock in the track",
        ftyp() + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 0, 0), 250)),
        Facts("video/mp4", 320, 240, seconds=10.0),
    ),
    (
        "absurd numbers",
        ftyp()
        + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 2**31, 1), 2**31), duration=2**32 - 2, scale=1),
        Facts("video/mp4", 320, 240),
    ),
    (
        "film speed",
        ftyp() + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 24000, 240240), 240), duration=10010),
        Facts("video/mp4", 320, 240, seconds=10.01, fps=23.976),
    ),
    ("fragments without duration", fragmented(), Facts("video/mp4", 320, 240)),
    ("fragments", fragmented(full(b"mehd", 0, struct.pack(">I", 10000))), Facts("video/mp4", 320, 240, seconds=10.0)),
    (
        "fragments, version 1",
        fragmented(full(b"mehd", 1, struct.pack(">Q", 10000))),
        Facts("video/mp4", 320, 240, seconds=10.0),
    ),
    ("fragments that are counted", fragmented() + fragment(), changed(USUAL, seconds=2.0)),
    ("fragments with durations of their own", fragmented() + fragment(own=True), changed(USUAL, seconds=2.0)),
    ("more samples than are counted", fragmented() + fragment(2**31), Facts("video/mp4", 320, 240)),
    ("no moov", ftyp() + MDAT, UNFINISHED),
    ("no moov and half an mdat", ftyp() + MDAT[:99], changed(UNFINISHED, cut=True)),
    ("no tracks", ftyp() + moov(), Facts("video/mp4", seconds=10.0, fault=movies.NO_PICTURES)),
    ("cut in its samples", ftyp() + moov(video()) + MDAT[:99], changed(USUAL, cut=True)),
    ("bytes of a camera behind the last box", ftyp() + MDAT + moov(video()) + b"&&&&\0\0\x10\0LIGOGPSINFO", USUAL),
    ("a sound with chapters", ftyp() + moov(AUDIO, TEXT), Facts("audio/mp4", seconds=10.0)),
    ("words alone", ftyp() + moov(TEXT), Facts("video/mp4", seconds=10.0, fault=movies.NO_PICTURES)),
    (
        "every frame with a duration of its own",
        ftyp()
        + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 1000, 400), 0, more=stts((5, 1000), (5, 800)))),
        Facts("video/mp4", 320, 240, seconds=10.0, fps=round(10 / 9, 3)),
    ),
    (
        "a wrong clock",
        ftyp()
        + moov(track(b"vide", tkhd(0, 320, 240), clock(b"mdhd", 0, 1000, 400), 0, more=stts((240, 40))), duration=400),
        Facts("video/mp4", 320, 240, seconds=9.6, fps=25.0, other_seconds=0.4),
    ),
    (
        "a part of the track is shown",
        ftyp() + moov(track(b"vide", EDITED, clock(b"mdhd", 0, 1000, 9600), 0, more=stts((240, 40))), duration=400),
        Facts("video/mp4", 320, 240, seconds=0.4, fps=25.0),
    ),
    ("MOV", ftyp(b"qt  ", b"qt  ") + box(b"wide") + MDAT + moov(video()), MOV),
    (
        "MOV with sound alone",
        ftyp(b"qt  ") + moov(AUDIO),
        Facts("video/quicktime", seconds=10.0, fault=movies.NO_PICTURES),
    ),
    ("old MOV with sound alone", moov(AUDIO), Facts("video/quicktime", seconds=10.0, fault=movies.NO_PICTURES)),
    ("old MOV, cut off", moov(video()) + MDAT[:99], changed(MOV, cut=True)),
    ("old MOV, mdat first", MDAT + moov(video()), MOV),
    ("old MOV, moov first", moov(video()) + MDAT, MOV),
    ("old MOV, wide first", box(b"wide") + MDAT + moov(video()), MOV),
    ("old MOV, free first", box(b"free", bytes(9)) + moov(video()), MOV),
    ("old MOV, skip first", box(b"skip", bytes(9)) + moov(video()), MOV),
    ("M4A", ftyp(b"M4A ") + moov(AUDIO), Facts("audio/mp4", seconds=10.0)),
    ("M4B", ftyp(b"M4B ") + moov(AUDIO, CHAPTERS), Facts("audio/mp4", 160, 120, seconds=10.0, fps=0.3)),
    ("MP4 with sound alone", ftyp() + moov(AUDIO), Facts("audio/mp4", seconds=10.0)),
    ("HEIC", ftyp(b"heic", b"mif1", b"heic") + MDAT, Facts("image/heic")),
    ("HEIC of 10 bits", ftyp(b"heix") + MDAT, Facts("image/heic")),
    ("HEIF", ftyp(b"mif1", b"heic") + MDAT, Facts("image/heic")),
    ("HEIF in a row", ftyp(b"msf1", b"hevc") + MDAT, Facts("image/heic")),
    ("AVIF", ftyp(b"avif", b"mif1") + MDAT, Facts("image/avif")),
    ("AVIF in a row", ftyp(b"avis", b"msf1") + MDAT, Facts("image/avif")),
    ("HEVC in a row", ftyp(b"hevc", b"heic") + MDAT, Facts("image/heic")),
    ("HEIC by its second brand", ftyp(b"MiHE", b"heic") + MDAT, Facts("image/heic")),
    ("raw data of Canon", ftyp(b"crx ", b"isom") + MDAT, Facts("image/x-raw")),
    ("AVIF by its second brand", ftyp(b"mif1", b"mif1", b"avif") + MDAT, Facts("image/avif")),
)

NO_MOVIES = (
    b"The ftyp box comes first",
    b"The ftypheic box comes first",
    b"All mdat and no moov" * 100,
    MDAT,
    box(b"free") + MDAT,
    moov(video())[4:],
)

DAMAGED = (
    ("a size below its own", ftyp() + struct.pack(">I4s", 7, b"moov") + moov(video())),
    ("a size of 64 bits below its own", ftyp() + struct.pack(">I4sQ", 1, b"moov", 15) + moov(video())),
    ("a size beyond everything", ftyp() + struct.pack(">I4sQ", 1, b"free", 2**64 - 1) + moov(video())),
    ("a size of 64 bits cut off", ftyp() + struct.pack(">I4sH", 1, b"free", 0)),
    ("more boxes than there can be", ftyp() + box(b"free") * (movies.MOST_BOXES + 1) + moov(video())),
)


class Movies(unittest.TestCase):
    def test_every_make(self) -> None:
        for name, data, facts in MOVIES:
            with self.subTest(name):
                self.assertEqual(probe_bytes(data), facts)

    def test_what_is_no_movie(self) -> None:
        for data in NO_MOVIES:
            with self.subTest(data[:30]):
                self.assertIsNone(probe_bytes(data))

    def test_damaged_boxes_tell_nothing_and_end_the_walk(self) -> None:
        for name, data in DAMAGED:
            with self.subTest(name):
                self.assertEqual(changed(probe_bytes(data) or USUAL, cut=False), UNFINISHED)

    def test_cut_at_every_byte(self) -> None:
        for size in range(len(SMALL)):
            with self.subTest(size):
                facts = probe_bytes(SMALL[:size])
                if size < 8:
                    self.assertIsNone(facts)
                else:
                    self.assertIsNotNone(facts)
                    assert facts is not None
                    self.assertEqual(facts.type, "video/mp4")
                    self.assertIn((facts.width, facts.height), ((0, 0), (320, 240)))
                    self.assertIn(facts.seconds, (0.0, 10.0))

    def test_any_byte_may_be_wrong(self) -> None:
        for at in range(len(SMALL)):
            for value in (0, 1, 0x7F, 0xFF)[at % 4 :: 4] if IS_SAMPLE else (0, 1, 0x7F, 0xFF):
                probe_bytes(SMALL[:at] + bytes([value]) + SMALL[at + 1 :])

    def test_boxes_in_boxes_end_soon(self) -> None:
        deep = b""
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl") * 200:
            deep = box(name, deep, deep[:50])
        wide = ftyp() + box(b"moov", box(b"trak", box(b"mdia", box(b"hdlr"))) * 20_000)
        started = time.thread_time()
        probe_bytes(ftyp() + deep)
        probe_bytes(wide)
        self.assertLess(time.thread_time() - started, SOON)

    def test_only_headers_are_read(self) -> None:
        stream = Counting(ftyp() + box(b"mdat", bytes(5_000_000)) + moov(AUDIO, video()))
        self.assertEqual(probe(stream), USUAL)
        self.assertLess(stream.count, 2_500)


class Counting(io.BytesIO):
    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def wav(seconds: float, rate: int = 16000, channels: int = 1) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * channels * int(seconds * rate)))
    return stream.getvalue()


def with_data_size(data: bytes, size: int) -> bytes:
    return data[:40] + struct.pack("<I", size) + data[44:]


WAVE = wav(2.5)
LIST = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"  # an odd size, and the byte that evens it


def fact(samples: int) -> bytes:
    return b"fact" + struct.pack("<II", 4, samples)


def adpcm(samples: int) -> bytes:
    """Not PCM, and with a byte rate that makes it 2.5 s long."""
    return WAVE[:20] + b"\x02\0" + WAVE[22:36] + fact(samples) + WAVE[36:]


WAVES = (
    ("mono", WAVE, 2.5),
    ("stereo", wav(1.25, 44100, 2), 1.25),
    ("a chunk before the data", WAVE[:36] + LIST + WAVE[36:], 2.5),
    ("a chunk behind the data", WAVE + LIST, 2.5),
    ("streamed, all ones", with_data_size(WAVE, 2**32 - 1), 2.5),
    ("streamed, zero", with_data_size(WAVE, 0), 2.5),
    ("cut off", WAVE[: 44 + 32000], 1.0),
    ("nothing in it", wav(0), 0.0),
    ("ADPCM with a wrong byte rate", adpcm(80_000), 5.0),
    ("ADPCM without its number of samples", adpcm(0), 2.5),
    ("ADPCM that was streamed", adpcm(2**32 - 1), 2.5),
    ("PCM with a wrong number of samples", WAVE[:36] + fact(80_000) + WAVE[36:], 2.5),
    ("no byte rate", WAVE[:28] + bytes(4) + WAVE[32:], 0.0),
    ("no data", WAVE[:36], 0.0),
    ("data before its format", WAVE[:12] + WAVE[36:] + WAVE[12:36], 0.0),
    ("chunks without end", WAVE[:12] + LIST * (sounds.MOST_CHUNKS + 1) + WAVE[12:], 0.0),
)


class Waves(unittest.TestCase):
    def test_every_make(self) -> None:
        for name, data, seconds in WAVES:
            with self.subTest(name):
                self.assertEqual(probe_bytes(data), Facts("audio/wav", seconds=seconds))

    def test_cut_at_every_byte(self) -> None:
        for size in range(80):
            facts = probe_bytes(WAVE[:size])
            self.assertEqual(facts and facts.type, "audio/wav" if size >= 12 else None)


def frame(
    version: int = 3, layer: int = 3, bit_rate: int = 9, rate: int = 0, mono: bool = False, size: int = 417
) -> bytes:
    """One frame of MPEG audio by the numbers in its header; the usual one has 128 kbit/s at 44.1 kHz."""
    first = 0xE1 | version << 3 | (4 - layer) << 1
    return bytes((0xFF, first, bit_rate << 4 | rate << 2, 0xC0 if mono else 0)).ljust(size, b"\x00")


def told(name: bytes, at: int, frames: int, like: bytes, flags: int = 1) -> bytes:
    """A first frame that tells the number of the others."""
    tell = struct.pack(">4sII", name, flags, frames)
    return like[:at] + tell + like[at + len(tell) :]


def id3(size: int, version: int = 3, flags: int = 0) -> bytes:
    seven = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    footer = b"3DI" + bytes(7) if flags & 0x10 else b""
    return b"ID3" + bytes((version, 0, flags)) + seven + b"\xff" * size + footer


F = frame()
FRAME = 1152 / 44100  # seconds
CBR = F * 100
AAC = b"\xff\xf1\x50\x80\x26\x1f\xfc" + bytes(297)  # a frame of 304 bytes
ID3V1 = b"TAG" + bytes(125)
MONO = frame(mono=True)
MPEG2 = frame(2, 3, 8, 1, size=192)  # 64 kbit/s, 24 kHz
MPEG25 = frame(0, 3, 1, 2, mono=True, size=72)  # 8 kbit/s, 8 kHz
VBRI = F[:36] + struct.pack(">4sHHHII", b"VBRI", 1, 0, 0, 0, 500) + F[54:]

SOUNDS = (
    ("CBR", CBR, 100 * FRAME),
    ("two frames", F * 2, 2 * FRAME),
    ("VBR without a count", (F + frame(bit_rate=14, size=1044) + frame(bit_rate=1, size=104)) * 20, 60 * FRAME),
    ("padding and private bits", (F[:2] + b"\x93" + F[3:] + b"\x00") * 50, 50 * FRAME),
    ("checksums", (b"\xff\xfa" + F[2:]) * 50, 50 * FRAME),
    ("ID3v2", id3(300) + CBR, 100 * FRAME),
    ("ID3v2.4 with a footer", id3(300, 4, 0x10) + CBR, 100 * FRAME),
    ("two ID3v2", id3(300) + id3(200, 4) + CBR, 100 * FRAME),
    ("more ID3v2 than are looked at", id3(9) * (sounds.MOST_TAGS + 1) + CBR, 100 * FRAME),
    ("ID3v2 and a gap", id3(300) + bytes(5000) + CBR, 100 * FRAME),
    ("a large ID3v2", id3(500_000) + CBR, 100 * FRAME),
    ("ID3v1", CBR + ID3V1, 100 * FRAME),
    ("garbage behind", CBR + b"garbage" * 9999, 100 * FRAME),
    ("garbage between", CBR + b"garbage" * 999 + CBR, 200 * FRAME),
    ("another sound behind", CBR + MPEG2 * 100, 100 * FRAME),
    ("Xing", told(b"Xing", 36, 1000, F) + CBR, 1000 * FRAME),
    ("Info", told(b"Info", 36, 1000, F) + CBR, 1000 * FRAME),
    ("Xing, mono", told(b"Xing", 21, 1000, MONO) + MONO * 9, 1000 * FRAME),
    ("Xing, MPEG 2", told(b"Xing", 21, 1000, MPEG2) + MPEG2 * 9, 1000 * 576 / 24000),
    ("Xing, MPEG 2.5 mono", told(b"Xing", 13, 1000, MPEG25) + MPEG25 * 9, 1000 * 576 / 8000),
    ("Xing behind ID3v2", id3(99) + told(b"Xing", 36, 1000, F) + CBR, 1000 * FRAME),
    ("Xing without a count", told(b"Xing", 36, 1000, F, 2) + CBR, 101 * FRAME),
    ("Xing with an absurd count", told(b"Xing", 36, 2**32 - 1, F) + CBR, 0.0),
    ("VBRI", VBRI + CBR, 500 * FRAME),
    ("MPEG 2", MPEG2 * 100, 100 * 576 / 24000),
    ("MPEG 2.5", MPEG25 * 100, 100 * 576 / 8000),
    ("layer II", frame(3, 2, 8, 0, size=417) * 100, 100 * FRAME),  # 128 kbit/s
    ("layer I", frame(3, 1, 4, 1, size=128) * 100, 100 * 384 / 48000),  # 128 kbit/s, 48 kHz
    ("MPEG 2 layer I", frame(2, 1, 4, 1, size=128) * 100, 100 * 384 / 24000),  # 64 kbit/s
    ("MPEG 2 layer II", frame(2, 2, 8, 1, size=384) * 100, 100 * 1152 / 24000),  # 64 kbit/s
    ("ID3v2 and nothing", id3(300), 0.0),
    ("ID3v2 and noise", id3(300) + b"noise" * 999, 0.0),
    ("ID3v2 cut off", id3(300)[:200], 0.0),
)

NO_SOUNDS = (
    ("one frame", F),
    ("free format", frame(bit_rate=0) * 9),
    ("bit rate of all ones", frame(bit_rate=15) * 9),
    ("reserved rate", frame(rate=3) * 9),
    ("reserved version", frame(version=1) * 9),
    ("reserved layer", frame(layer=4) * 9),
    ("reserved emphasis", (F[:3] + b"\x02" + F[4:]) * 9),
    ("two that disagree", F + MPEG2 * 9),
    ("not at the beginning", b"\xff" + CBR),
    ("AAC whose frames have no length", (b"\xff\xf1\x50\x80" + bytes(300)) * 9),
    ("all ones", b"\xff" * 99_999),
    ("a text in UTF-16", b"\xff\xfe" + "MP3, they said".encode("utf-16-le") * 999),
    ("a text about tags", b"ID3 is a kind of tag " * 999),
    ("an ID3 size with eight bits", b"ID3\x03\x00\x00\x00\x00\xff\x00" + CBR),
)


OTHER_SOUNDS = (
    ("AAC", AAC * 9, "audio/aac"),
    ("AAC behind ID3v2", id3(300) + AAC * 9, "audio/aac"),
    ("FLAC behind ID3v2", id3(300) + b"fLaC" + CBR, "audio/flac"),
)


class Sounds(unittest.TestCase):
    def test_other_sounds_are_named(self) -> None:
        for name, data, kind in OTHER_SOUNDS:
            with self.subTest(name):
                self.assertEqual(probe_bytes(data), Facts(kind))

    def test_every_make(self) -> None:
        for name, data, seconds in SOUNDS:
            with self.subTest(name):
                self.assertEqual(probe_bytes(data), Facts("audio/mpeg", seconds=round(seconds, 3)))

    def test_what_is_no_sound(self) -> None:
        for name, data in NO_SOUNDS:
            with self.subTest(name):
                self.assertIsNone(probe_bytes(data))

    def test_a_photograph_is_none(self) -> None:
        data = PHOTO.read_bytes()
        self.assertIsNone(sounds.mp3(data[:512], io.BytesIO(data)))
        for at in range(len(data)):
            if data[at] == 0xFF:
                part = data[at : at + 9000]
                self.assertIsNone(sounds.mp3(part[:512], io.BytesIO(part)))

    def test_the_longest_take_no_time(self) -> None:
        smallest = frame(2, 3, 1, 1, size=24)  # 8 kbit/s, 24 kHz
        for count in (15_000_000 // 24, sounds.MOST_FRAMES * 2):
            data = smallest * count
            started = time.thread_time()
            self.assertEqual(probe_bytes(data), Facts("audio/mpeg", seconds=round(count * 576 / 24000, 3)))
            self.assertLess(time.thread_time() - started, SOON)

    def test_many_gaps_take_no_time(self) -> None:
        data = (F * 2 + b"\xff" * 60_000) * 250
        started = time.thread_time()
        self.assertEqual(probe_bytes(data), Facts("audio/mpeg", seconds=round(2 * sounds.MOST_GAPS * FRAME, 3)))
        self.assertLess(time.thread_time() - started, SOON)

    def test_cut_at_every_byte(self) -> None:
        data = id3(50) + told(b"Xing", 36, 1000, F) + F
        for size in range(len(data)):
            self.assertIn(probe_bytes(data[:size]), (None, Facts("audio/mpeg"), Facts("audio/mpeg", seconds=26.122)))


CLIP = DATA / "clips" / "clip.mp4"
REAL = (  # what ffprobe 5.1 says of them
    (CLIP, Facts("video/mp4", 320, 240, seconds=1.0, fps=10.0)),
    (DATA / "clips" / "clip.mov", Facts("video/quicktime", 320, 240, seconds=1.001, fps=29.97)),
    (DATA / "clips" / "vbr.mp3", Facts("audio/mpeg", seconds=1.045)),
    (DATA / "clips" / "cbr.mp3", Facts("audio/mpeg", seconds=1.071)),
)


class Real(unittest.TestCase):
    def test_small_real_files(self) -> None:
        for path, facts in REAL:
            with self.subTest(path.name), path.open("rb") as stream:
                found = probe(stream)
                assert found is not None
                self.assertEqual((found.type, found.width, found.height), (facts.type, facts.width, facts.height))
                self.assertAlmostEqual(found.seconds, facts.seconds, delta=0.03)  # a frame of sound
                self.assertAlmostEqual(found.fps, facts.fps, delta=0.001)


class Noise(unittest.TestCase):
    def test_noise_never_raises(self) -> None:
        generator = random.Random(20261121)
        starts = [
            (b"\x00\x00\x00\x18" if offset == 4 else b"RIFF1234"[:offset]) + magic for offset, magic, _, _ in FORMATS
        ]
        starts += [
            ftyp() + box(b"moov")[:8],
            ftyp() + b"\0\0\0\0moov\0\0\0\0trak\0\0\0\0mdia",
            WAVE[:12],
            id3(0),
            F[:4],
        ]
        for _ in range(5000):
            noise = bytes(generator.randrange(256) for _ in range(generator.randrange(90)))
            probe(io.BytesIO(generator.choice(starts) + noise))

    def test_no_noise_is_a_clip(self) -> None:
        generator = random.Random(20261121)
        for _ in range(300):
            self.assertIsNone(probe_bytes(b"\xff" + generator.getrandbits(8 * 5000).to_bytes(5000, "big")))

    def test_scrambled_movies_never_raise(self) -> None:
        generator = random.Random(20261121)
        for _ in range(1000 if IS_SAMPLE else 3000):
            data = bytearray(SMALL)
            for _ in range(generator.randrange(1, 30)):
                data[generator.randrange(16, len(data))] = generator.choice(
                    (0, 1, 8, 0x80, 0xFF, generator.randrange(256))
                )
            probe_bytes(bytes(data))

    def test_pictures_do_not_import_the_readers_of_clips(self) -> None:
        code = (
            f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); from qianwen.files import media\n"
            f"media.probe(open({str(PHOTO)!r}, 'rb')); assert 'qianwen.files.movies' not in sys.modules\n"
            f"media.probe(open({str(CLIP)!r}, 'rb')); assert 'qianwen.files.movies' in sys.modules"
        )
        subprocess.run([sys.executable, "-B", "-c", code], check=True)
