"""The rows of a batch: what each form reads, what a row's key depends on, and what is refused."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

from qianwen.ask import Ask
from qianwen.batch import rows
from qianwen.batch.rows import Row
from qianwen.errors import UsageError
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

GIVEN: tuple[tuple[str, str | bytes, list[dict[str, Any]]], ...] = (
    ("a.txt", "a cat\n\n  # not a comment \r\n", [{"prompt": "a cat"}, {"prompt": "# not a comment"}]),
    ("a.txt", b"\xef\xbb\xbf\xe7\x8c\xab", [{"prompt": "猫"}]),
    ("a", "no suffix", [{"prompt": "no suffix"}]),
    ("a.jsonl", '{"prompt": "x", "n": 2}\n\n{"prompt": "y"}', [{"prompt": "x", "n": 2}, {"prompt": "y"}]),
    ("A.JSONL", '{"prompt": "x", "seed": null}\n', [{"prompt": "x"}]),
    ("a.csv", "prompt,n\n42,2\nx,\n", [{"prompt": "42", "n": 2}, {"prompt": "x"}]),
    ("a.csv", b'\xef\xbb\xbfprompt,size\n"a, ""b""\nc",16:9\n', [{"prompt": 'a, "b"\nc', "size": "16:9"}]),
    ("a.csv", 'prompt,reference_images\nx,"[""a.png"", ""b.png""]"\ny,c.png\n',
     [{"prompt": "x", "reference_images": ["a.png", "b.png"]}, {"prompt": "y", "reference_images": "c.png"}]),
    ("a.csv", "prompt,seed,model\r\n1e3,7,wan2.6-t2i\r\n", [{"prompt": "1e3", "seed": 7, "model": "wan2.6-t2i"}]),
    ("a.csv", "prompt,,n\nx,,2\n,,\n", [{"prompt": "x", "n": 2}]),
)  # fmt: skip
REFUSED = (
    ("a.jsonl", "[1]\n", "is not a JSON object"),
    ("a.jsonl", '{"prompt": }\n', "is not valid JSON"),
    ("a.jsonl", '{"prompt": "x", "timeout_s": 3}\n', "does not apply to a single row"),
    ("a.jsonl", '{"prompt": "x", "id": {}}\n', "cannot be an id"),
    ("a.jsonl", '{"prompt": "x", "id": ""}\n', "cannot be an id"),
    ("a.jsonl", f'{{"prompt": "x", "id": "{"a" * 101}"}}\n', "cannot be an id"),
    ("a.jsonl", '{"prompt": "x", "output": "../a.png"}\n', "is not a path inside"),
    ("a.jsonl", '{"prompt": "x", "output": "/a.png"}\n', "is not a path inside"),
    ("a.jsonl", '{"prompt": "x", "output": "C:\\\\a.png"}\n', "is not a path inside"),
    ("a.jsonl", '{"prompt": "x", "output": ".batch/a.png"}\n', "is not a path inside"),
    ("a.jsonl", '{"prompt": "x", "model": 3}\n', "must be text"),
    ("a.csv", "prompt,n\nx,2,more\n", "has a value in a column without a name"),
)
UNREADABLE = (
    ("a.csv", b"prompt\n\xce\xde\xb7\xa8\n", "save it as UTF-8"),
    ("a.txt", "猫".encode("utf-16"), "save it as UTF-8"),
    ("a.csv", "prompt,prompt\nx,y\n", "names the column prompt twice"),
    ("a.csv", "\n", "names no column"),
    ("a.csv", 'prompt\n"x\n', "row 2 of the CSV file cannot be read"),
)


NO_DEFAULTS = Ask({})


class Rows(unittest.TestCase):
    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def read(self, name: str, text: str | bytes, ask: Ask = NO_DEFAULTS, videos: bool = False) -> list[Row]:
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return list(rows.read(str(path), VIDEOS if videos else IMAGES, ask))

    def test_forms(self) -> None:
        for name, text, wanted in GIVEN:
            with self.subTest(text=text):
                found = self.read(name, text)
                self.assertEqual([row.problems for row in found], [()] * len(wanted))
                self.assertEqual([row.asked for row in found], wanted)

    def test_refused_rows(self) -> None:
        for name, text, wanted in REFUSED:
            with self.subTest(text=text):
                (row,) = self.read(name, text)
                self.assertIn(wanted, str(row.problems[0]))

    def test_unreadable_files(self) -> None:
        for name, text, wanted in UNREADABLE:
            with self.subTest(text=text), self.assertRaisesRegex(UsageError, wanted):
                self.read(name, text)
        with self.assertRaisesRegex(UsageError, "No such file"):
            list(rows.read(str(self.folder / "none.txt"), IMAGES, Ask({})))

    def test_a_prompt_that_every_row_would_replace_is_refused(self) -> None:
        everywhere = Ask({"prompt": "in watercolor"})
        with self.assertRaisesRegex(UsageError, "each line is a prompt"):
            self.read("a.txt", "a cat", everywhere)
        self.assertEqual(self.read("a.jsonl", "{}", everywhere)[0].asked, {"prompt": "in watercolor"})

    def test_numbers_are_those_that_people_see(self) -> None:
        for name, text in (("a.txt", "\nx\n\ny"), ("a.csv", "prompt\nx\n\ny\n"), ("a.jsonl", '\n{}\n\n{"n": 1}')):
            found = [row.number for row in self.read(name, text)]
            self.assertEqual(found, [2, 4], name)

    def test_a_key_is_what_a_row_asks(self) -> None:
        """Written otherwise, named otherwise or found elsewhere in the file, a row is the same; changed it is another."""
        plain = self.read("a.txt", "\nx")[0].key
        same = (
            self.read("a.jsonl", '{"prompt": "x", "id": 7, "output": "a/b.png", "seed": null}')[0],
            self.read("a.csv", "id,prompt\n1,x\n")[0],
        )
        self.assertEqual({row.key for row in same}, {plain})
        base = Ask({"n": 2}, model="wan2.6-t2i")
        with_defaults = self.read("a.jsonl", '{"prompt": "x"}', base)[0]
        self.assertEqual(with_defaults.asked, {"prompt": "x", "n": 2, "model": "wan2.6-t2i"})
        winning = self.read("a.jsonl", '{"prompt": "x", "n": 1, "model": "wan2.7-image"}', base)[0]
        self.assertEqual((winning.fields, winning.model), ({"prompt": "x", "n": 1}, "wan2.7-image"))
        others = {plain, with_defaults.key, winning.key, self.read("a.txt", "x", videos=True)[0].key}
        self.assertEqual(len(others), 4)

    def test_repeated_rows_are_numbered(self) -> None:
        found = self.read("a.txt", "x\ny\nx\nx\n")
        self.assertEqual([row.copy for row in found], [1, 1, 2, 3])
        self.assertEqual(found[3].name, f"{found[0].key}-3")

    def test_ways_of_working(self) -> None:
        (row,) = self.read("a.jsonl", '{"prompt": "x", "mode": "t2v"}', videos=True)
        self.assertEqual((row.kind, row.fields), ("t2v", {"prompt": "x"}))
        (row,) = self.read("a.jsonl", '{"prompt": "x", "mode": "nonsense"}', videos=True)
        self.assertIn("is not one of the choices", str(row.problems[0]))


if __name__ == "__main__":
    unittest.main()
