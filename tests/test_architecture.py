"""The house stands as drawn: layout, import direction, the standard library alone, one door to the network."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
from functools import cache
from pathlib import Path
from typing import Iterator

from . import ROOT, SCRIPTS

PACKAGE = SCRIPTS / "qianwen"
TOP_LEVEL = {"SKILL.md", "scripts", "references", "tests", "pyproject.toml", "README.md", "LICENSE"}

# Who may import whom, inside the package; every module may import `record`. A module that is missing here is an error: decide where it stands first.
ALLOWED: dict[str, set[str]] = {
    "plain.record": set(),
    "errors": {"plain.redact"},
    "files.media": {"files.movies", "files.documents", "files.tiff"},
    "files.documents": set(),
    "plain.redact": set(),
    "plain.strict_json": set(),
    "plain.spelling": set(),
    "regions": set(),
    "files.movies": set(),
    "files.locks": {"files.safe_open"},
    "files.conversions": set(),
    "files.tiff": set(),
    "files.safe_open": set(),
    "account.store": {"files.locks", "plain.redact", "files.safe_open", "plain.strict_json"},
    "plain.parallel": set(),
    "plain.progress": {"plain.redact"},
    "files.outputs": {"errors", "files.media", "files.safe_open"},
    "models.catalog": {"errors", "files.media", "plain.spelling"},
    "models.closed_models": set(),
    "checks.meanings": set(),
    "models.image_models": {"models.catalog", "models.closed_models", "errors", "files.media", "regions"},
    "checks.sizes": {"models.catalog"},
    "checks.findings": {"models.catalog", "errors"},
    "checks.media_files": {"files.conversions", "models.catalog", "checks.findings", "files.media"},
    "checks.documents": {"models.catalog", "checks.findings", "files.documents", "files.media"},
    "models.media_items": {"models.catalog", "errors"},
    "checks.tiers": {"models.catalog", "checks.findings"},
    "models.video_rules": {"models.catalog", "models.media_items", "errors", "files.media"},
    "models.video_models": {"models.catalog", "models.closed_models", "models.video_rules", "regions"},
    "checks.validate": {
        "checks.unknown",
        "plain.spelling",
        "checks.meanings",
        "models.catalog",
        "checks.findings",
        "checks.media_files",
        "models.media_items",
        "checks.sizes",
        "checks.tiers",
        "checks.documents",
        "errors",
        "files.media",
    },
    "checks.unknown": {
        "models.catalog",
        "checks.findings",
        "models.media_items",
        "checks.meanings",
        "models.wire",
        "files.documents",
        "errors",
        "files.media",
    },
    "checks.defaults": {"models.catalog", "checks.sizes", "checks.validate"},
    "models.results": set(),
    "models.wire": {"models.catalog", "models.media_items", "models.results"},
    "desirecore.compatible": {"models.catalog", "models.wire", "errors"},
    "describe.wording": {"models.catalog", "checks.documents", "checks.sizes", "models.video_rules", "regions"},
    "describe.examples": {"models.catalog", "checks.validate", "describe.wording", "errors"},
    "describe.schema": {"models.catalog", "describe.examples", "describe.wording"},
    "http.messages": set(),
    "service.codes": set(),
    "storage.checksums": set(),
    "http.key_guard": {"http.messages", "plain.redact"},
    "http.os_errors": {"http.messages"},
    "http.proxies": {"http.messages"},
    "http.connections": {"http.messages", "http.os_errors", "http.proxies"},
    "http.transport": {"http.messages", "http.os_errors", "http.connections", "http.proxies"},
    "storage.forms": {"http.messages", "errors"},
    "http.retry": {"http.messages", "service.codes"},
    "http.unpacked": {"http.messages"},
    "service.requests": {"http.messages"},
    "service.answers": {"plain.strict_json", "service.requests", "http.messages", "service.codes", "errors"},
    "service.endpoint": {"errors", "plain.redact", "http.messages", "plain.spelling", "regions"},
    "service.tasks": {"service.answers", "service.codes", "errors"},
    "storage.temporary": {
        "service.answers",
        "service.requests",
        "http.messages",
        "storage.forms",
        "errors",
        "files.media",
        "regions",
    },
    "desirecore.agent_service": {
        "service.answers",
        "service.requests",
        "http.messages",
        "storage.forms",
        "errors",
        "files.media",
        "plain.strict_json",
    },
    "storage.signature": set(),
    "storage.bucket_settings": {"regions", "storage.signature", "service.endpoint", "errors"},
    "storage.bucket": {
        "service.requests",
        "storage.bucket_settings",
        "storage.checksums",
        "http.messages",
        "storage.forms",
        "storage.signature",
        "storage.temporary",
        "errors",
        "plain.redact",
        "regions",
    },
    "storage.beside": set(),
    "storage.results": {
        "service.requests",
        "storage.beside",
        "http.messages",
        "storage.checksums",
        "errors",
        "regions",
    },
    "sandbox.movie": set(),
    "sandbox.placeholder": {"sandbox.movie"},
    "sandbox.faults": set(),
    "sandbox.storage": {"files.media"},
    "sandbox.rules": {
        "models.catalog",
        "checks.findings",
        "models.media_items",
        "checks.validate",
        "models.wire",
        "errors",
    },
    "sandbox.measures": {"models.catalog", "models.media_items", "checks.sizes", "files.media", "sandbox.rules"},
    "sandbox.answers": {"models.wire", "sandbox.measures", "sandbox.rules"},
    "sandbox.standin": {
        "models.catalog",
        "models.image_models",
        "models.video_models",
        "models.wire",
        "files.media",
        "sandbox.answers",
        "sandbox.faults",
        "sandbox.measures",
        "sandbox.placeholder",
        "sandbox.rules",
        "sandbox.storage",
    },
    "sandbox.server": {"sandbox.faults", "sandbox.standin", "errors"},
    "checks.sources": {"files.documents", "files.media", "models.catalog"},
    "cassettes.difference": set(),
    "cassettes.placeholders": {"plain.redact", "service.requests"},
    "cassettes.file": {"errors", "cassettes.placeholders", "files.safe_open"},
    "cassettes.serialize": {"cassettes.placeholders", "http.messages", "plain.strict_json"},
    "cassettes.recorder": {
        "cassettes.file",
        "cassettes.difference",
        "errors",
        "cassettes.placeholders",
        "plain.redact",
        "files.safe_open",
        "http.messages",
        "cassettes.serialize",
        "regions",
    },
    "command.flags": {"models.catalog", "regions"},
    "command.argv": {"errors", "command.flags", "models.catalog", "plain.spelling"},
    "command.parse": {
        "command.argv",
        "errors",
        "command.flags",
        "models.catalog",
        "plain.spelling",
        "plain.strict_json",
    },
    "environment": {"http.messages"},
    "actions.session": {
        "cassettes.recorder",
        "errors",
        "plain.parallel",
        "plain.progress",
        "sandbox.server",
        "sandbox.standin",
        "service.answers",
        "service.requests",
        "storage.bucket",
        "storage.bucket_settings",
        "service.codes",
        "storage.results",
        "http.messages",
        "storage.forms",
        "http.key_guard",
        "http.retry",
        "service.endpoint",
        "service.tasks",
        "http.transport",
        "http.unpacked",
        "storage.temporary",
        "environment",
        "regions",
    },
    "outcome": {"models.wire", "files.outputs"},
    "actions.saving": {
        "errors",
        "account.store",
        "models.results",
        "models.wire",
        "outcome",
        "files.outputs",
        "plain.progress",
        "plain.redact",
        "actions.session",
    },
    "actions.encoding": {
        "checks.sources",
        "models.catalog",
        "checks.validate",
        "models.wire",
        "plain.redact",
        "service.requests",
        "storage.bucket",
        "storage.bucket_settings",
        "http.messages",
    },
    "desirecore.session": {
        "plain.progress",
        "service.answers",
        "desirecore.agent_service",
        "http.messages",
        "storage.forms",
        "http.retry",
        "http.transport",
        "http.unpacked",
        "storage.temporary",
        "actions.session",
        "environment",
    },
    "desirecore.storing": {"desirecore.session", "actions.saving", "storage.forms"},
    "desirecore.way": {
        "command.parse",
        "errors",
        "actions.generate",
        "account.store",
        "desirecore.session",
        "models.catalog",
        "desirecore.compatible",
        "checks.validate",
        "models.wire",
        "files.outputs",
        "actions.encoding",
        "plain.progress",
        "plain.redact",
        "actions.saving",
        "storage.bucket",
        "storage.bucket_settings",
        "desirecore.agent_service",
        "actions.session",
        "desirecore.storing",
        "environment",
    },
    "actions.unanswered": {"errors", "account.store", "outcome", "service.tasks", "actions.session"},
    "actions.run": {
        "command.parse",
        "cassettes.recorder",
        "errors",
        "account.store",
        "models.catalog",
        "outcome",
        "files.outputs",
        "plain.progress",
        "plain.redact",
        "actions.saving",
        "storage.bucket",
        "storage.bucket_settings",
        "service.endpoint",
        "service.tasks",
        "actions.session",
        "environment",
        "regions",
    },
    "actions.generate": {
        "errors",
        "service.codes",
        "checks.sources",
        "account.store",
        "actions.unanswered",
        "models.catalog",
        "checks.defaults",
        "models.media_items",
        "checks.validate",
        "models.wire",
        "files.outputs",
        "actions.encoding",
        "storage.bucket",
        "storage.bucket_settings",
        "service.endpoint",
        "storage.forms",
        "actions.session",
        "actions.run",
    },
    "actions.collect": {
        "errors",
        "account.store",
        "models.wire",
        "files.outputs",
        "actions.session",
        "actions.run",
        "regions",
    },
    "account.report": {"account.store", "actions.run"},
    "describe.page": {
        "errors",
        "command.flags",
        "models.catalog",
        "describe.schema",
        "describe.examples",
        "describe.wording",
        "service.endpoint",
        "plain.spelling",
        "actions.run",
        "regions",
    },
    "actions.resume": {
        "command.parse",
        "actions.collect",
        "command.answer",
        "errors",
        "account.report",
        "account.store",
        "actions.unanswered",
        "models.catalog",
        "models.image_models",
        "models.video_models",
        "models.results",
        "models.wire",
        "files.outputs",
        "plain.progress",
        "desirecore.agent_service",
        "service.endpoint",
        "actions.session",
        "actions.run",
        "environment",
        "regions",
    },
    "command.answer": {"command.parse", "errors", "command.flags", "outcome", "plain.redact", "environment"},
    "update_signal": {"errors", "files.locks", "plain.strict_json", "environment"},
    "cli": {
        "command.parse",
        "command.flags",
        "actions.collect",
        "describe.page",
        "command.answer",
        "errors",
        "account.report",
        "actions.generate",
        "models.catalog",
        "plain.progress",
        "actions.resume",
        "actions.run",
        "plain.redact",
        "update_signal",
        "environment",
        "desirecore.way",
    },
}
OPENS_SOCKETS = {"http.transport", "http.connections", "http.os_errors", "sandbox.server"}
NETWORK = {"socket", "ssl", "http", "urllib.request", "socketserver", "ftplib", "smtplib", "asyncio"}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stem != "__init__"
    }


class _AtRunTime(ast.NodeTransformer):
    """Leaves out what only the type checker sees."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def nodes_at_run_time(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_AtRunTime().visit(ast.parse(path.read_text(encoding="utf-8")))))


def absolute_imports(path: Path) -> Iterator[str]:
    for node in nodes_at_run_time(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def imports(path: Path, name: str) -> Iterator[str]:
    """Absolute names of everything that a module imports, wherever in it the import stands."""
    yield from absolute_imports(path)
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = ["qianwen", *name.split(".")][: -node.level]
            base = ".".join([*package, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole.partition(".")[2] in ALLOWED else base


class Imports(unittest.TestCase):
    def test_every_module_has_its_place(self) -> None:
        self.assertEqual(set(modules()), set(ALLOWED))

    def test_imports_run_one_way(self) -> None:
        for name, path in modules().items():
            ours = {found.partition(".")[2] for found in imports(path, name) if found.startswith("qianwen.")}
            with self.subTest(name):
                self.assertLessEqual(ours - {"plain.record"}, ALLOWED[name])

    def test_the_direction_has_no_circles(self) -> None:
        placed: set[str] = set()
        while len(placed) < len(ALLOWED):
            ready = {name for name, needs in ALLOWED.items() if name not in placed and needs <= placed}
            self.assertTrue(ready, f"a circle among {set(ALLOWED) - placed}")
            placed |= ready

    def test_the_two_halves_never_meet(self) -> None:
        for name, needs in ALLOWED.items():
            half = name.partition(".")[0]
            with self.subTest(name):
                if half == "models":
                    self.assertFalse({need for need in needs if need.startswith(("service", "sandbox"))})
                if half in ("service", "sandbox"):
                    others = {"service": ("models", "sandbox"), "sandbox": ("service",)}[half]
                    self.assertFalse({need for need in needs if need.startswith(others)})

    def test_one_door_to_the_network(self) -> None:
        for name, path in modules().items():
            found = {
                imported for imported in imports(path, name) if imported.split(".")[0] in NETWORK or imported in NETWORK
            }
            with self.subTest(name):
                self.assertTrue(not found or name in OPENS_SOCKETS, found)

    def test_nothing_but_the_standard_library(self) -> None:
        for path in [*SCRIPTS.rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
            roots = {name.partition(".")[0] for name in absolute_imports(path)} - {"qianwen", "tests"}
            for root in roots:
                with self.subTest(path=path.name, imported=root):
                    self.assertTrue(_is_standard(root))


@cache
def _is_standard(root: str) -> bool:
    names = getattr(sys, "stdlib_module_names", None)  # 3.10 and later
    if names is not None:
        return root in names
    if root in ("msvcrt", "winreg"):
        return True  # of Windows alone
    spec = importlib.util.find_spec(root)
    origin = (spec.origin or "") if spec else ""
    return origin in ("built-in", "frozen") or (
        origin.startswith(sysconfig.get_paths()["stdlib"]) and "site-packages" not in origin
    )


class Layout(unittest.TestCase):
    def test_top_level_entries(self) -> None:
        known = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
        if known.returncode:
            self.skipTest("not a git checkout")
        entries = {line.split("/")[0] for line in known.stdout.splitlines()}
        self.assertLessEqual({entry for entry in entries if not entry.startswith(".")}, TOP_LEVEL)

    def test_names_say_something(self) -> None:
        for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
            self.assertNotIn(path.stem, {"utils", "util", "common", "helpers", "misc", "lib"})

    def test_no_file_that_installers_drop_is_needed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "skill dir" / "scripts"
            shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("_*", ".*"))
            self.assertFalse(list(copy.rglob("_*")))
            ran = subprocess.run(
                [sys.executable, str(copy / "image.py"), "x", "--sandbox"], cwd=folder, capture_output=True, text=True
            )
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.assertTrue(Path(ran.stdout.strip()).is_file())

    def test_modules_begin_with_what_they_are_for(self) -> None:
        for name, path in modules().items():
            with self.subTest(name):
                self.assertTrue(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    unittest.main()
