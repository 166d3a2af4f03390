"""The words of a command line: the ways of writing a flag, what is refused, and argparse as a second opinion."""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import unittest
from typing import TYPE_CHECKING, Any

from qianwen.command.argv import read
from qianwen.command.flags import rows
from qianwen.errors import UsageError
from qianwen.models.image_models import IMAGES
from qianwen.models.video_models import VIDEOS

if TYPE_CHECKING:
    from qianwen.models.catalog import Catalog, Flag


def given(*argv: str) -> dict[str, Any]:
    """What was given and is not the default."""
    return {name: value for name, value in vars(read(IMAGES, list(argv))).items() if value not in (None, False)}


class Words(unittest.TestCase):
    def test_ways_of_writing(self) -> None:
        for argv, expected in (
            ((), {}),
            (("a cat",), {"prompt": "a cat"}),
            (("-",), {"prompt": "-"}),
            (("-5 degrees outside",), {"prompt": "-5 degrees outside"}),
            (("-- a dash",), {"prompt": "-- a dash"}),
            (("-5",), {"prompt": "-5"}),
            (("--", "--overwrite"), {"prompt": "--overwrite"}),
            (("--model", "m", "x"), {"model": "m", "prompt": "x"}),
            (("x", "--model=m=1"), {"model": "m=1", "prompt": "x"}),
            (("-n", "4"), {"n": "4"}),
            (("-n4",), {"n": "4"}),
            (("-n=4",), {"n": "4"}),
            (("-q", "--async"), {"quiet": True, "async": True}),
            (("--seed", "-1"), {"seed": "-1"}),
            (("--output", "-x.png"), {"output": "-x.png"}),
            (("--negative-prompt", "--- none"), {"negative_prompt": "--- none"}),
            (("--set", "a=1", "--set=b=2"), {"set": ["a=1", "b=2"]}),
            (
                ("-p", "x", "-m", "m", "-o", "o.png", "-i", "a", "-i", "b"),
                {"prompt": "x", "model": "m", "output": "o.png", "image": ["a", "b"]},
            ),
            (("--prompt=x", "--json", "--ratio", "16:9"), {"prompt": "x", "print_response": True, "size": "16:9"}),
            (("--timeout", "1e2"), {"timeout": 100.0}),
        ):
            with self.subTest(argv):
                self.assertEqual(given(*argv), expected)
        self.assertEqual(read(IMAGES, ["--model="]).model, "")
        self.assertEqual(read(IMAGES, ["--output=--odd"]).output, "--odd")

    def test_what_is_refused(self) -> None:
        for argv, told in (
            (("a", "b"), "only one prompt is allowed; got a second: 'b'"),
            (("--", "a", "b"), "only one prompt is allowed; got a second: 'b'"),
            (("--prompt", "a", "b"), "only one prompt is allowed; got a second: 'b'"),
            (("--model", "a", "--model", "b"), "--model was given twice"),
            (("-m", "a", "--model", "a"), "--model was given twice"),
            (("--size", "1:1", "--ratio", "16:9"), "--size was given twice"),
            (("--nonsense",), "unknown flag --nonsense"),
            (("--mod", "m"), "unknown flag --mod"),
            (("--Model", "m"), "unknown flag --Model"),
            (("-x",), "unknown flag -x"),
            (("--nonsense=1",), "unknown flag --nonsense=1"),
            (("--model",), "--model needs a value"),
            (("--model", "--async"), "--model needs a value"),
            (("--model", "--output=x"), "--model needs a value"),
            (("--output", "--overwite"), "--output needs a value"),
            (("--output", "--", "x"), "--output needs a value"),
            (("--gallery", "--overwite"), "unknown flag --overwite"),
            (("--async=1",), "--async is a switch"),
            (("--timeout", "0"), "--timeout must be a positive number of seconds, not '0'"),
            (("--timeout", "nan"), "must be a positive number"),
            (("--poll-interval", "soon"), "must be a positive number"),
            (("--max-images", "0"), "--max-images must be a whole number from 1"),
            (("--at-once", "1.5"), "--at-once must be a whole number from 1"),
        ):
            with self.subTest(argv), self.assertRaises(UsageError) as caught:
                given(*argv)
            self.assertIn(told, caught.exception.message)
        with self.assertRaises(UsageError) as caught:
            given("--overwite")
        self.assertIn("did you mean --overwrite?", caught.exception.hint)
        with self.assertRaises(UsageError) as caught:
            given("--output", "--overwite")
        self.assertEqual(caught.exception.hint, "if --overwite is the value: --output=--overwite")


def positive(text: str) -> float:
    seconds = float(text)
    if seconds <= 0:
        raise ValueError
    return seconds


def whole(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ValueError
    return int(text)


class Twice(unittest.TestCase):
    def test_no_value_is_lost_without_a_word(self) -> None:
        """Every flag of both programs: it takes several values, or refuses the second."""
        for catalog in (IMAGES, VIDEOS):
            for flag in (flag for flag in rows(catalog) if flag.metavar):
                argv = [flag.name, "1", flag.name, "2"]
                with self.subTest(program=catalog.program, flag=flag.name):
                    if flag.many:
                        self.assertEqual(getattr(read(catalog, argv), flag.key), ["1", "2"])
                    else:
                        self.assertRaisesRegex(UsageError, f"{flag.name} was given twice", read, catalog, argv)


class SecondOpinion(unittest.TestCase):
    def parser_of(self, catalog: Catalog) -> tuple[Catalog, list[Flag], argparse.ArgumentParser]:
        flags = [flag for flag in rows(catalog) if flag.name not in ("--help", "--version")]
        parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        parser.add_argument("prompt", nargs="?")
        for flag in flags:
            names = [name for name in (flag.short, flag.name) if name]
            if flag.metavar:
                parser.add_argument(
                    *names,
                    dest=flag.key,
                    action="append" if flag.many else "store",
                    type=positive if flag.seconds else whole if flag.whole else str,
                )
            else:
                parser.add_argument(*names, dest=flag.key, action="store_true")
        return catalog, flags, parser

    def test_whatever_argparse_accepts_is_read_alike(self) -> None:
        generator = random.Random(20261121)
        agreed = 0
        parsers = [self.parser_of(catalog) for catalog in (IMAGES, VIDEOS)]
        for _ in range(1000):
            catalog, flags, parser = generator.choice(parsers)
            words = ["x", "a b", "", "7", "-1", "a=b", "7.5", "猫", *(flag.name for flag in generator.sample(flags, 6))]
            words += [f"{flag.name}={value}" for flag in generator.sample(flags, 3) for value in ("v", "3", "")]
            argv = [generator.choice(words) for _ in range(generator.randrange(6))]
            with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
                expected = vars(parser.parse_args(argv))
                single = [word.partition("=")[0] for word in argv]
                single = [flag.name for flag in flags if flag.metavar and not flag.many and single.count(flag.name) > 1]
                with self.subTest(argv):
                    if single:  # argparse takes the last value, and the first is lost
                        self.assertRaisesRegex(UsageError, "was given twice", read, catalog, argv)
                        continue
                    found = vars(read(catalog, argv))
                    self.assertEqual({name: found[name] for name in expected}, expected)
                    agreed += 1
        self.assertGreater(agreed, 200)
