"""The update check in real folders, with real processes for the programs and for the companion's checker."""

from __future__ import annotations

import ctypes
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Callable, Mapping

from qianwen import cli, update_signal
from qianwen.environment import Environment, Place
from qianwen.errors import Interrupted
from qianwen.models.image_models import IMAGES
from qianwen.plain.record import changed

from . import SCRIPTS, lend_bytecode
from .support import KEY, Case

NOT_INSTALLED = (
    "[ACTION_REQUIRED] qianwen-update-check skill is not installed. "
    "Install: npx skills add QianWen-AI/qianwen-ai --skill qianwen-update-check -y"
)
FAMILY = "QianWen-AI/qianwen-ai"
AVAILABLE = f"[UPDATE_AVAILABLE] {FAMILY} has a newer version available."
DAY = 86400.0
SKILL = "qianwen-media-generation"

YES = "print('{\"has_update\": true}')"
HANGS = (
    "import os, pathlib, time\n"
    "pathlib.Path('new').write_text(str(os.getpid()))\n"
    "os.replace('new', 'pid')\n"
    "time.sleep(600)"
)
WAIT = update_signal.ANSWER_SECONDS
PATIENCE = 20.0  # for what is not about time: this machine may be busy
TELLS = (
    "import json, os, pathlib, sys\n"
    "seen = {'argv': sys.argv, 'env': dict(os.environ), 'cwd': os.getcwd(), 'python': sys.executable}\n"
    "pathlib.Path('seen.json').write_text(json.dumps(seen))\n" + YES
)


def _has_landlock() -> bool:
    """Whether the kernel has it, by the question for its version."""
    return sys.platform == "linux" and bool(ctypes.CDLL(None).syscall(444, None, 0, 1) > 0)


class Installed(Case):
    """A project in which the skill is installed as `npx skills add` does it."""

    def setUp(self) -> None:
        super().setUp()
        self.root = self.folder / "project"
        self.skills = self.root / ".agents" / "skills"
        self.scripts = self.skills / SKILL / "scripts"
        self.scripts.mkdir(parents=True)
        self.script = self.scripts / "image.py"
        self.script.write_text("# where the program stands\n")
        self.state_file = self.root / ".agents" / "state.json"

    def companion(self, source: str, folder: str = ".agents/skills") -> Path:
        """Install a companion whose checker is `source`; answers the folder that the checker runs in."""
        scripts = self.root / folder / "qianwen-update-check" / "scripts"
        scripts.mkdir(parents=True)
        (scripts / "check_update.py").write_text(source)
        return scripts

    def lock_file(self, value: object) -> None:
        (self.root / "skills-lock.json").write_text(json.dumps(value))

    @property
    def state(self) -> Any:
        return json.loads(self.state_file.read_text())

    def world(self, env: Mapping[str, str] | None = None, script: Path | None = None) -> Environment:
        """The world of a run: the clock is the test's, and the environment has a key and no CI."""
        streams = io.StringIO(), io.StringIO(), io.StringIO()
        variables = {"PATH": os.environ["PATH"], "DASHSCOPE_API_KEY": KEY, **(env or {})}
        return Environment(
            Place(variables, str(self.cwd), str(self.home)), str(script or self.script), *streams, now=self.clock
        )

    def said(
        self, work: Callable[[], int] = lambda: 0, world: Environment | None = None, seconds: float = PATIENCE
    ) -> list[str]:
        """What the check says after some work with an open session."""
        with update_signal.Check(world or self.world(), seconds) as check:
            check.begin()
            return list(check.lines(work()))


class WhereItLooks(Installed):
    def test_the_root(self) -> None:
        rows: tuple[tuple[str, str, str | None], ...] = (
            # folders that have .agents/, the program, the root
            ("p", "p/.agents/skills/s/scripts", "p"),
            ("p", "p/.claude/skills/s/scripts", "p"),
            ("p p/in", "p/in/skills/s/scripts", "p/in"),
            ("p p/.agents", "p/.agents/skills/s/scripts", "p"),
            ("q", "p/skills/s/scripts", None),
            ("p/skills/s/scripts/deeper", "p/skills/s/scripts", None),
        )
        for number, (with_agents, scripts, root) in enumerate(rows):
            with self.subTest(scripts, with_agents=with_agents):
                base = self.folder / str(number)
                for folder in with_agents.split():
                    (base / folder / ".agents").mkdir(parents=True)
                program = base / scripts / "image.py"
                program.parent.mkdir(parents=True, exist_ok=True)
                program.touch()
                place = update_signal.find(str(program))
                self.assertEqual(place and place.root, root and str(base / root))

    def test_a_file_of_that_name_is_no_root(self) -> None:
        program = self.folder / "other" / "image.py"
        program.parent.mkdir()
        (self.folder / "other" / ".agents").touch()
        self.assertIsNone(update_signal.find(str(program)))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_link_leads_to_the_root_above_its_end_or_else_above_itself(self) -> None:
        (self.root / ".claude" / "skills").mkdir(parents=True)
        linked = self.root / ".claude" / "skills" / SKILL
        linked.symlink_to(self.skills / SKILL)
        place = update_signal.find(str(linked / "scripts" / "image.py"))
        self.assertEqual(place and place.root, str(self.root))
        elsewhere = self.folder / "checkout" / "scripts"
        elsewhere.mkdir(parents=True)
        (elsewhere / "image.py").touch()
        (self.root / ".claude" / "skills" / "other").symlink_to(elsewhere.parent)
        place = update_signal.find(str(self.root / ".claude/skills/other/scripts/image.py"))
        self.assertEqual(place and place.root, str(self.root))

    @unittest.skipUnless(hasattr(os, "geteuid") and os.geteuid() == 0, "only root can give files away")
    def test_folders_and_checkers_of_another_user_are_left_alone(self) -> None:
        seen = self.companion(TELLS)
        os.chown(seen / "check_update.py", 12345, 12345)
        self.assertEqual(self.said(), [])
        self.assertFalse((seen / "seen.json").exists())
        shutil.rmtree(seen.parent)
        os.chown(self.root / ".agents", 12345, 12345)
        self.assertEqual(self.said(), [])
        os.chown(self.script, 12345, 12345)  # whoever could change the program gains nothing
        self.assertEqual(self.said(), [NOT_INSTALLED])

    def test_a_companion_is_run_from_the_real_folder_of_this_installation_alone(self) -> None:
        copied = self.root / ".claude" / "skills" / SKILL / "scripts"
        copied.mkdir(parents=True)
        (copied / "image.py").touch()
        rows = (("skills/ops", False), (".agents/skills/ops", False), ("skills", False), (".agents/skills", False))
        for folder, is_run in (*rows, (".claude/skills", True)):
            with self.subTest(folder):
                scripts = self.companion(TELLS, folder)
                lines = self.said(world=self.world(script=copied / "image.py"))
                self.assertEqual((AVAILABLE in lines, (scripts / "seen.json").exists()), (is_run, is_run))
                self.assertNotIn(NOT_INSTALLED, lines)
                shutil.rmtree(scripts.parent)
        self.assertEqual(self.state["last_interaction"], self.clock.moment)

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_nothing_is_run_in_the_folder_one_works_in_or_in_a_repository_around_it(self) -> None:
        seen = self.companion(TELLS)
        (self.root / "deep" / "down").mkdir(parents=True)
        for cwd, git, is_run in (
            (self.root, "", False),
            (self.root / ".agents" / "skills", "", False),
            (self.root / "deep" / "down", "", True),  # nothing says that the folders above belong together
            (self.root / "deep" / "down", "project", False),
            (self.cwd, "cwd", True),
        ):
            with self.subTest(cwd=cwd, git=git):
                if git:
                    (self.folder / git / ".git").mkdir()
                world = self.world()
                world.place.cwd = str(cwd)
                lines = self.said(world=world)
                self.assertEqual((AVAILABLE in lines, (seen / "seen.json").exists()), (is_run, is_run))
                if git:
                    (self.folder / git / ".git").rmdir()
                for path in (seen / "seen.json", self.state_file):
                    path.unlink(missing_ok=True)
        world = self.world()
        world.place.cwd = world.place.home = str(self.folder)  # one's own home is nobody else's, even as a repository
        (self.folder / ".git").mkdir()
        self.assertIn(AVAILABLE, self.said(world=world))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_links_lead_to_no_companion_elsewhere(self) -> None:
        elsewhere = self.folder / "elsewhere" / "qianwen-update-check"
        (elsewhere / "scripts").mkdir(parents=True)
        (elsewhere / "scripts" / "check_update.py").write_text(TELLS)
        planted = self.skills / "qianwen-update-check"
        planted.symlink_to(elsewhere)
        self.assertEqual(self.said(), [])
        planted.unlink()
        (planted / "scripts").mkdir(parents=True)
        (planted / "scripts" / "check_update.py").symlink_to(elsewhere / "scripts" / "check_update.py")
        self.assertEqual(self.said(), [])
        self.assertEqual(list(self.folder.rglob("seen.json")), [])


class WhatItSays(Installed):
    def test_once_in_a_day_that_the_companion_is_missing(self) -> None:
        self.assertEqual(self.said(), [NOT_INSTALLED])
        self.assertEqual(self.state, {"last_interaction": self.clock.moment})
        self.clock.sleep(DAY - 1)
        self.assertEqual(self.said(), [])
        self.clock.sleep(1)
        self.assertEqual(self.said(), [NOT_INSTALLED])

    def test_once_in_a_day_that_there_is_something_newer(self) -> None:
        self.companion(YES)
        self.lock_file({"skills": {"qianwen-video": {}, SKILL: {"source": "x/y"}, "other": {}, "qwencloud-x": {}}})
        lines = ["", AVAILABLE, f"  Run: npx skills add {FAMILY} --skill {SKILL} qianwen-video -y", ""]
        self.assertEqual(self.said(), lines)
        self.assertEqual(self.state["last_interaction"], self.clock.moment)
        self.clock.sleep(DAY - 1)
        self.assertEqual(self.said(), [])
        self.clock.sleep(1)
        self.assertEqual(self.said(), lines)

    def test_a_checker_that_reached_nobody_is_asked_again_after_an_hour(self) -> None:
        seen = self.companion(TELLS.replace("true", "false"))
        for pause, asked in ((0, True), (3599, False), (1, True)):
            self.clock.sleep(pause)
            self.assertEqual(self.said(), [])
            self.assertEqual((seen / "seen.json").exists(), asked)
            (seen / "seen.json").unlink() if asked else None
        self.assertEqual(self.state, {"last_attempt": self.clock.moment})

    def test_how_the_checker_is_run(self) -> None:
        seen = self.companion(TELLS)
        secrets = {"QWEN_TMP_OSS_AK_SECRET": "s", "GITHUB_TOKEN": "t", "QWEN_API_KEY": KEY, "DB": "x://u:p@h"}
        secrets.update(http_proxy="http://user:password@proxy:1", PYTHONPATH=str(self.folder), MY_THING="hidden")
        harmless = {"QWEN_SKILLS_REPO": "our-team/qianwen.ai", "HTTPS_PROXY": "http://proxy:1"}
        self.said(world=self.world({**secrets, **harmless}))
        told = json.loads((seen / "seen.json").read_text())
        self.assertEqual(told["argv"], [str(seen / "check_update.py"), "--print-response"])
        self.assertEqual(told["python"], sys.executable)
        self.assertEqual(told["cwd"], str(seen))
        self.assertLessEqual(set(told["env"]), {*harmless, "PATH", "HOME", "USERPROFILE", "LC_CTYPE"})
        self.assertEqual(told["env"]["HOME"], str(seen))
        self.assertLessEqual(harmless.items(), told["env"].items())

    @unittest.skipUnless(_has_landlock(), "Landlock is not there")
    def test_the_checker_cannot_read_keys(self) -> None:
        key, dotenv = self.home / "api_key", self.root / ".env"
        key.write_text(KEY)
        dotenv.write_text(KEY)
        self.state_file.write_text("{}")
        paths = [
            str(key),
            str(dotenv),
            f"/proc/{os.getpid()}/environ",
            str(self.state_file),
            "/etc/passwd",
            "/dev/null",
        ]
        seen = self.companion(
            "import json, pathlib\n"
            "def can(path):\n    try:\n        return open(path, 'rb').read() is not None\n    except OSError:\n        return False\n"
            f"pathlib.Path('seen.json').write_text(json.dumps([can(path) for path in {paths!r}]))\n" + YES
        )
        self.assertIn(AVAILABLE, self.said())
        self.assertEqual(json.loads((seen / "seen.json").read_text()), [False, False, False, True, True, True])

    def test_names_of_repositories_that_are_none_go_nowhere(self) -> None:
        seen = self.companion(TELLS)
        for name in ("", "x", "a/b/c", "a/b?x", "../..", "-y/x", "a/b\n", "a/../../b", "@evil.example/x", "a/é"):
            with self.subTest(name):
                lines = self.said(world=self.world({"QWEN_SKILLS_REPO": name}))
                self.assertIn(AVAILABLE, lines)
                self.assertNotIn("QWEN_SKILLS_REPO", json.loads((seen / "seen.json").read_text())["env"])
                self.state_file.unlink()

    def test_the_command_names_something_and_nothing_that_a_shell_would_run(self) -> None:
        self.companion(YES)
        (self.skills / "qianwen-x; rm -rf ~").mkdir()
        beside = f"{SKILL} qianwen-update-check"
        rows: tuple[tuple[object, str], ...] = (
            ({"skills": {"qianwen-a": 1, "qianwen-$(id)": 1, "qianwen-b c": 1, "qianwen-": 1, "-y": 1}}, "qianwen-a"),
            ({"skills": {"qianwen-a\n": {}, "qianwen-é": {}, "qianwen-" + "a" * 200: {}}}, beside),
            ({"skills": {}}, beside),
            ({"skills": ["qianwen-a"]}, beside),
            ({"skills": None}, beside),
            ([], beside),
            ("text", beside),
            (None, beside),
        )
        for value, names in rows:
            with self.subTest(value):
                self.lock_file(value)
                self.assertEqual(self.said()[2], f"  Run: npx skills add {FAMILY} --skill {names} -y")
                self.state_file.unlink()
        (self.root / "skills-lock.json").unlink()
        self.assertEqual(self.said()[2], f"  Run: npx skills add {FAMILY} --skill {beside} -y")

    def test_unknown_keys_and_the_mode_are_kept(self) -> None:
        self.addCleanup(os.umask, os.umask(0o022))
        for source, umask in ((None, 0o022), (YES, 0o077)):
            os.umask(umask)
            if source:
                self.companion(source)
            self.state_file.write_text(json.dumps({"last_interaction": 1, "friend": {"猫": [1, None]}, "x": 1.5}))
            self.state_file.chmod(0o640)
            self.assertTrue(self.said())
            self.assertEqual((self.state["friend"], self.state["x"]), ({"猫": [1, None]}, 1.5))
            self.assertEqual(self.state["last_interaction"], self.clock.moment)
            if os.name != "nt":
                self.assertEqual(stat.S_IMODE(self.state_file.stat().st_mode), 0o640)
            self.assertEqual({path.name for path in (self.root / ".agents").iterdir()}, {"state.json", "skills"})

    def test_moments_that_are_none(self) -> None:
        now = self.clock.moment
        rows = [
            *(
                (text, True)
                for text in ('"yesterday"', "null", "true", "[]", "{}", "NaN", "1e999", "-1e999", "-5", "0")
            ),
            *((text, True) for text in ("9" * 400, "-" + "9" * 400, "1e300", str(now + 2 * DAY), str(now - DAY))),
            *((text, False) for text in (str(now), str(int(now)), str(now - DAY + 1), str(now + 60))),
        ]
        for text, is_due in rows:
            with self.subTest(text[:40]):
                self.state_file.write_text('{"last_interaction": ' + text + "}")
                self.assertEqual(self.said(), [NOT_INSTALLED] if is_due else [])

    def test_spoiled_states_are_begun_anew(self) -> None:
        for data in (b"", b"{", b"\xff\xfe\x00", b"[]", b"7", b'"x"', b"[" * 100_000, b'{"a":' * 5000, b"null"):
            with self.subTest(data[:20]):
                self.state_file.write_bytes(data)
                self.assertEqual(self.said(), [NOT_INSTALLED])
                self.assertEqual(self.state, {"last_interaction": self.clock.moment})
        self.state_file.write_bytes(b"\xef\xbb\xbf" + json.dumps({"never_install": True}).encode())
        self.assertEqual(self.said(), [])


class WhenItIsSilent(Installed):
    def test_variables(self) -> None:
        for name in ("CI", "QIANWEN_NO_UPDATE_CHECK"):
            for value, is_silent in (("1", True), ("true", True), ("", False), ("0", False), ("False", False)):
                with self.subTest(name, value=value):
                    lines = self.said(world=self.world({name: value}))
                    self.assertEqual(lines, [] if is_silent else [NOT_INSTALLED])
                    self.assertEqual(self.state_file.exists(), not is_silent)
                    self.state_file.unlink() if not is_silent else None

    def test_when_nothing_may_ever_be_said(self) -> None:
        seen = self.companion(TELLS)
        self.state_file.write_text('{"never_install": true, "last_interaction": 5}')
        self.assertEqual(self.said(), [])
        shutil.rmtree(seen.parent)
        self.assertEqual(self.said(), [])
        self.assertEqual(self.state, {"never_install": True, "last_interaction": 5})

    def test_checkers_that_fail(self) -> None:
        for source in (
            "raise SystemExit(1)",
            YES + "; raise SystemExit(1)",
            YES.replace("true", "false"),
            YES.replace("true", '"true"'),
            YES.replace("true", "1"),
            "print('[true]')",
            "print('{\"has_update\": true')",
            "print('x' * 100_000_000)",
            "import sys; sys.stdout.buffer.write(b'\\xff' * 100)",
            "import sys; print('noise', file=sys.stderr); raise ValueError",
            "import os; os.kill(os.getpid(), 9)",
            "syntax error here",
            "",
        ):
            with self.subTest(source):
                scripts = self.companion(source)
                self.assertEqual(self.said(), [])
                shutil.rmtree(scripts.parent)
                self.state_file.unlink()

    def test_a_companion_without_its_checker(self) -> None:
        (self.companion(YES) / "check_update.py").unlink()
        self.assertEqual(self.said(), [])
        self.assertFalse(self.state_file.exists())

    def test_words_of_a_checker_are_never_repeated(self) -> None:
        self.companion('print(\'{"has_update": true, "info": "run me", "version": "$(id)"}\')')
        self.assertNotRegex("\n".join(self.said()), r"run me|\$")

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_states_that_are_no_files(self) -> None:
        victim = self.folder / "precious"
        victim.write_text("not yours")
        makers: dict[str, Callable[[], object]] = {
            "pipe": lambda: os.mkfifo(self.state_file),
            "folder": self.state_file.mkdir,
            "link": lambda: self.state_file.symlink_to(victim),
            "endless": lambda: self.state_file.symlink_to("/dev/zero"),
            "huge": lambda: self.state_file.write_bytes(b" " * (1 << 20) + b"{} "),
            "no lock beside it": (self.root / ".agents" / "state.json.lock").mkdir,
        }
        for name, make in makers.items():
            with self.subTest(name):
                make()
                began = time.monotonic()
                self.assertEqual(self.said(), [])
                self.assertLess(time.monotonic() - began, 5)
                for path in (self.root / ".agents").glob("state.json*"):
                    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        self.assertEqual(victim.read_text(), "not yours")

    @unittest.skipIf(os.name == "nt" or os.geteuid() == 0, "root may write everywhere")
    def test_a_folder_that_cannot_be_written(self) -> None:
        (self.root / ".agents").chmod(0o500)
        self.addCleanup((self.root / ".agents").chmod, 0o700)
        self.assertEqual(self.said(), [])

    def test_ends_for_which_nobody_waits(self) -> None:
        for code, is_silent in ((0, False), (1, False), (2, False), (3, True), (4, True), (5, False), (130, True)):
            with self.subTest(code):
                self.assertEqual(bool(self.said(lambda code=code: code)), not is_silent)  # type: ignore[misc]
                self.assertEqual(self.state_file.exists(), not is_silent)
                self.state_file.unlink() if not is_silent else None

    def test_a_run_that_raises_leaves_no_checker(self) -> None:
        scripts = self.companion(HANGS)

        def fail() -> int:
            _wait_for(scripts / "pid")
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            self.said(fail)
        self.assertTrue(_is_gone(int((scripts / "pid").read_text())))


class WhatItCosts(Installed):
    def test_a_checker_that_hangs_is_ended_with_the_work(self) -> None:
        scripts = self.companion(HANGS)

        def work() -> int:
            _wait_for(scripts / "pid")
            return 0

        began = time.monotonic()
        self.assertEqual(self.said(lambda: 0, seconds=WAIT), [])  # it has hardly begun
        self.assertLess(time.monotonic() - began, WAIT + 5.0)
        self.state_file.unlink()
        (scripts / "pid").unlink(missing_ok=True)
        self.assertEqual(self.said(work, seconds=WAIT), [])
        pid = int((scripts / "pid").read_text())
        self.assertTrue(_is_gone(pid), "the checker lives on")

    def test_the_hurried_do_not_wait_at_all(self) -> None:
        scripts = self.companion(HANGS)

        def work() -> int:
            _wait_for(scripts / "pid")
            self.ended = time.monotonic()
            return Interrupted.exit_code

        self.assertEqual(self.said(work), [])
        self.assertLess(time.monotonic() - self.ended, PATIENCE / 2)
        self.assertTrue(_is_gone(int((scripts / "pid").read_text())))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_child_of_the_checker_that_keeps_its_output_open(self) -> None:
        scripts = self.companion(
            "import pathlib, subprocess\n"
            "child = subprocess.Popen(['sleep', '600'])\n"
            "pathlib.Path('pid').write_text(str(child.pid))\n" + YES
        )

        def work() -> int:
            _wait_for(scripts / "pid")
            self.ended = time.monotonic()
            return 0

        self.said(work, seconds=WAIT)
        self.assertLess(time.monotonic() - self.ended, WAIT + 5.0)
        self.assertTrue(_is_gone(int((scripts / "pid").read_text())))

    @unittest.skipIf(os.name == "nt", "POSIX only")
    def test_a_checker_that_prints_without_end_is_not_listened_to(self) -> None:
        self.companion("import sys\nwhile True: sys.stdout.write('x' * 65536)")
        began = time.monotonic()
        self.assertEqual(self.said(), [])
        self.assertLess(time.monotonic() - began, PATIENCE / 2)

    def test_several_sessions_begin_one_check_which_runs_beside_the_work(self) -> None:
        seen = self.companion(TELLS)
        with update_signal.Check(self.world(), PATIENCE) as check:
            check.begin()
            _wait_for(seen / "seen.json")
            (seen / "seen.json").unlink()
            check.begin()
            self.assertIn(AVAILABLE, check.lines(0))
        self.assertFalse((seen / "seen.json").exists())

    def test_without_a_session_it_never_begins(self) -> None:
        seen = self.companion(TELLS)
        with update_signal.Check(self.world()) as check:
            self.assertEqual(check.lines(0), ())
        self.assertFalse((seen / "seen.json").exists() or self.state_file.exists())

    def test_one_of_many_threads_says_it(self) -> None:
        lines: list[str] = []
        threads = [threading.Thread(target=lambda: lines.extend(self.said())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(lines, [NOT_INSTALLED])


class Copied(Installed):
    """The skill folder has the programs themselves."""

    def setUp(self) -> None:
        super().setUp()
        shutil.rmtree(self.scripts)
        shutil.copytree(SCRIPTS, self.scripts, ignore=shutil.ignore_patterns("*.pyc.*"))  # with whatever is compiled
        lend_bytecode(self.scripts)

    def command(self, *argv: str, script: str = "image.py", flags: tuple[str, ...] = ()) -> list[str]:
        return [sys.executable, *flags, str(self.scripts / script), *argv]

    def surroundings(self, **more: str) -> dict[str, str]:
        hidden = ("CI", "QIANWEN_NO_UPDATE_CHECK", "OUTPUT_DIR", "QWEN_SKILLS_REPO")
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in hidden and not name.endswith(("_API_KEY", "_BASE_URL"))
        }
        return {**kept, "HOME": str(self.home), "PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", **more}

    def run_it(
        self,
        *argv: str,
        script: str = "image.py",
        flags: tuple[str, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(*argv, script=script, flags=flags)
        return subprocess.run(
            command,
            cwd=self.cwd,
            env=self.surroundings(**(env or {})),
            capture_output=True,
            text=True,
            encoding="utf-8",
        )


class Programs(Copied):
    def test_the_signal_stands_on_stderr_and_nowhere_else(self) -> None:
        for script, words in (("image.py", ["x"]), ("video.py", ["x", "-q", "--submit-only"])):
            with self.subTest(script):
                ran = self.run_it(*words, "--sandbox", "--print-response", script=script)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.assertEqual(ran.stderr.splitlines().count(NOT_INSTALLED), 1, ran.stderr)
                self.assertTrue(json.loads(ran.stdout)["ok"])
                self.assertNotIn("npx", ran.stdout)
                self.assertNotIn("[ACTION", self.run_it(*words, "--sandbox", script=script).stderr)
                self.state_file.unlink()

    def test_a_newer_version(self) -> None:
        self.companion(YES)
        ran = self.run_it("x", "--sandbox")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        names = f"{SKILL} qianwen-update-check"
        self.assertIn(f"\n\n{AVAILABLE}\n  Run: npx skills add {FAMILY} --skill {names} -y\n\n", ran.stderr)
        self.assertTrue(Path(ran.stdout.strip()).is_file())
        self.assertNotIn("[UPDATE", self.run_it("x", "--sandbox").stderr)

    def test_a_checker_that_hangs_hardly_slows_a_run(self) -> None:
        def timed() -> float:
            began = time.monotonic()
            ran = self.run_it("x", "--sandbox", "-q", "--overwrite", "--output", "x.png")
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            return time.monotonic() - began

        scripts = self.companion(HANGS)
        with_it = timed()
        self.assertIn("last_attempt", self.state)
        if (scripts / "pid").exists():
            self.assertTrue(_is_gone(int((scripts / "pid").read_text())))
        without = timed()
        self.assertLess(with_it - without, WAIT + 5.0)

    def test_what_only_looks_or_is_refused_leaves_no_trace(self) -> None:
        self.companion(YES)
        for argv, code in (
            (["--help"], 0),
            (["--version"], 0),
            (["x", "--dry-run"], 0),
            (["--tasks"], 0),
            (["x", "--no-such-flag"], 3),
            (["x", "--set", "n=99"], 3),
            (["x"], 4),
        ):
            with self.subTest(argv):
                ran = self.run_it(*argv, flags=("-X", "importtime"))
                self.assertEqual(ran.returncode, code, ran.stderr)
                self.assertNotRegex(ran.stderr, r"\[UPDATE|\| +subprocess\n|qianwen\.locks\n.*import subprocess")
                self.assertFalse(self.state_file.exists())

    def test_continuous_integration(self) -> None:
        for name in ("CI", "QIANWEN_NO_UPDATE_CHECK"):
            ran = self.run_it("x", "--sandbox", env={name: "1"})
            self.assertEqual((ran.returncode, "[ACTION" in ran.stderr), (0, False))
            self.assertFalse(self.state_file.exists())

    def test_one_of_many_processes_says_it(self) -> None:
        command = self.command("x", "--sandbox", "-q")
        runs = [
            subprocess.Popen(
                command, cwd=self.cwd, env=self.surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            for _ in range(6)
        ]
        said = [run.communicate()[1].decode() for run in runs]
        self.assertEqual([run.returncode for run in runs], [0] * 6, said)
        self.assertEqual("".join(said).count("[ACTION_REQUIRED]"), 1)

    def test_a_world_of_a_test_has_no_root_by_accident(self) -> None:
        self.assertNotIn("[ACTION", self.image("x", "--sandbox").stderr)
        world = changed(self.world(), sleep=self.clock.sleep)
        self.assertEqual(cli.main(IMAGES, ["x", "--sandbox"], world), 0)
        self.assertIn(NOT_INSTALLED, world.stderr.getvalue())  # type: ignore[attr-defined]


class Answers(Copied):
    """gossamer.py."""

    def test_a_day_of_rest(self) -> None:
        before = time.time()
        ran = self.run_it("--dismiss", script="gossamer.py")
        said = "Update-check prompts suppressed for 24 hours.\n"
        self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, "", said))
        self.assertTrue(before <= self.state["last_interaction"] <= time.time())
        self.assertNotIn("[ACTION", self.run_it("x", "--sandbox").stderr)
        self.state_file.write_text(json.dumps({"last_interaction": time.time() - DAY - 1}))
        self.assertIn(NOT_INSTALLED, self.run_it("x", "--sandbox").stderr)

    def test_never_again(self) -> None:
        self.state_file.write_text('{"friend": 1}')
        ran = self.run_it("--never-install", script="gossamer.py")
        said = "Update-check prompts permanently suppressed.\n"
        self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, "", said))
        self.assertEqual(self.state, {"friend": 1, "never_install": True})
        self.assertNotIn("[ACTION", self.run_it("x", "--sandbox").stderr)

    def test_help(self) -> None:
        ran = self.run_it("--help", script="gossamer.py")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        for words in ("--dismiss", "--never-install", "never_install", "QIANWEN_NO_UPDATE_CHECK", "CI"):
            self.assertIn(words, ran.stdout)
        self.assertFalse(self.state_file.exists())

    def test_flags_that_are_none(self) -> None:
        for argv in ([], ["--dismis"], ["dismiss"], ["--dismiss", "--never-install"], ["--dismiss", "x"], [""]):
            with self.subTest(argv):
                ran = self.run_it(*argv, script="gossamer.py")
                self.assertEqual((ran.returncode, ran.stdout), (3, ""))
                self.assertRegex(ran.stderr, "^Error: .+\nHint: give --dismiss or --never-install; .+\n$")
                self.assertFalse(self.state_file.exists())

    def test_without_a_root_there_is_nothing_to_answer(self) -> None:
        ran = subprocess.run(
            [sys.executable, str(SCRIPTS / "gossamer.py"), "--dismiss"],
            capture_output=True,
            text=True,
            env=self.surroundings(),
        )
        if update_signal.find(str(SCRIPTS / "gossamer.py")) is None:
            self.assertEqual((ran.returncode, ran.stdout), (0, ""))
            self.assertIn("no prompts", ran.stderr)

    def test_an_answer_that_cannot_be_kept_is_told(self) -> None:
        self.state_file.mkdir()
        ran = self.run_it("--never-install", script="gossamer.py")
        self.assertEqual(ran.returncode, 7)
        self.assertRegex(ran.stderr, r"^Error: .*state\.json could not be written: .+\nHint: QIANWEN_NO_UPDATE_CHECK=1")

    def test_many_answers_lose_nothing(self) -> None:
        self.state_file.write_text('{"friend": 1}')
        flags = ("--dismiss", "--never-install") * 4
        env = self.surroundings()
        runs = [subprocess.Popen(self.command(flag, script="gossamer.py"), env=env, stderr=-1) for flag in flags]
        for run in runs:
            self.assertIn(b"suppressed", run.communicate()[1])
        self.assertEqual(set(self.state), {"friend", "never_install", "last_interaction"})


def _wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path} was not written"
        time.sleep(0.01)


def _is_gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except OSError:
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    unittest.main()
