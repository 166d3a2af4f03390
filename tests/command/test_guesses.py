"""Flags and fields that users of other programs type first: accepted, answered with the right name, or with none."""

from __future__ import annotations

import re
import unittest

from qianwen.checks.meanings import MEANINGS, NOT_HERE
from qianwen.command.argv import read
from qianwen.command.flags import rows, spellings
from qianwen.command.guesses import FLAGS, NEVER_BY_CHANCE, SENTENCES, hint
from qianwen.errors import UsageError
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

from ..support import DATA, Case

CATALOGS = {catalog.program: catalog for catalog in (IMAGES, VIDEOS)}
ROWS = [tuple(line.split("\t")) for line in (DATA / "guesses.tsv").read_text("utf-8").splitlines()[1:]]


class Guesses(Case):
    def test_a_flag_is_accepted_or_answered_by_meaning_or_not_at_all(self) -> None:
        flags = [row for row in ROWS if row[1].startswith("-")]
        self.assertGreater(len(flags), 60)
        for program, typed, expected in flags:
            catalog = CATALOGS[program]
            with self.subTest(program=program, typed=typed):
                if expected.startswith("= "):
                    self.assertEqual(spellings(catalog)[typed].name, expected[2:])
                    continue
                with self.assertRaises(UsageError) as refused:
                    read(catalog, ["x", typed, "1"])
                told = refused.exception.hint.partition("lists all flags")[2]
                if expected:
                    said = f"did you mean {expected}?" if expected.startswith("-") else expected.lstrip("… ")
                    self.assertIn(said, told)
                else:
                    self.assertEqual(told, "")

    def test_a_field_is_answered_by_meaning_or_not_at_all_whatever_its_value(self) -> None:
        for program, typed, expected in (row for row in ROWS if not row[1].startswith("-")):
            with self.subTest(program=program, typed=typed):
                argv = ("x", "--set", typed, "--dry-run", "--print-response")
                reply = self._json(self.run_program(CATALOGS[program], argv, "", None), 3)
                (problem,) = reply["problems"]
                if re.fullmatch("[a-z_]+", expected):
                    self.assertEqual((problem["nearest"], problem["reason"]), (expected, "unknown"))
                else:
                    self.assertIsNone(problem["nearest"])
                    self.assertIn(expected.lstrip("… "), problem["message"])

    def test_a_slip_names_the_flag_that_was_meant_and_none_that_pays_or_ends_something(self) -> None:
        for catalog in CATALOGS.values():
            for flag in rows(catalog):
                slip = flag.name[:3] + flag.name[4:]
                if len(flag.name) < 6 or slip in spellings(catalog):
                    continue
                named = re.findall(r"mean (\S+)\?", hint(catalog, slip))
                with self.subTest(slip):
                    self.assertIn(named, ([], [flag.name]))
                    self.assertFalse(NEVER_BY_CHANCE & set(named))

    def test_no_word_has_two_answers(self) -> None:
        self.assertEqual(set(FLAGS) & {*SENTENCES, *NOT_HERE}, set())
        self.assertEqual(set(FLAGS) & set(MEANINGS), {"image_url"})  # a field of some models without a flag


if __name__ == "__main__":
    unittest.main()
