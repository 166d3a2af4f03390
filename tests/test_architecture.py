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
    "record": set(),
    "errors": {"redact"},
    "media": {"clips", "documents", "tiff"},
    "documents": set(),
    "redact": set(),
    "strict_json": set(),
    "spelling": set(),
    "regions": set(),
    "clips": set(),
    "locks": {"regular_files"},
    "conversions": set(),
    "tiff": set(),
    "regular_files": set(),
    "ledger": {"locks", "redact", "regular_files", "strict_json"},
    "parallel": set(),
    "progress": {"redact"},
    "outputs": {"errors", "media", "regular_files"},
    "models.catalog": {"errors", "media", "spelling"},
    "models.closed_models": set(),
    "models.meanings": set(),
    "models.image_models": {"models.catalog", "models.closed_models", "errors", "media", "regions"},
    "models.sizes": {"models.catalog"},
    "models.findings": {"models.catalog", "errors"},
    "models.media_check": {"conversions", "models.catalog", "models.findings", "media"},
    "models.document_check": {"models.catalog", "models.findings", "documents", "media"},
    "models.media_items": {"models.catalog", "errors"},
    "models.tiers": {"models.catalog", "models.findings"},
    "models.video_rules": {"models.catalog", "models.media_items", "errors", "media"},
    "models.video_models": {"models.catalog", "models.closed_models", "models.video_rules", "regions"},
    "models.validate": {
        "models.unknown",
        "spelling",
        "models.meanings",
        "models.catalog",
        "models.findings",
        "models.media_check",
        "models.media_items",
        "models.sizes",
        "models.tiers",
        "models.document_check",
        "errors",
        "media",
    },
    "models.unknown": {
        "models.catalog",
        "models.findings",
        "models.media_items",
        "models.meanings",
        "models.wire",
        "documents",
        "errors",
        "media",
    },
    "models.default_size": {"models.catalog", "models.sizes", "models.validate"},
    "models.results": set(),
    "models.wire": {"models.catalog", "models.media_items", "models.results"},
    "models.compatible": {"models.catalog", "models.wire", "errors"},
    "models.words": {"models.catalog", "models.document_check", "models.sizes", "models.video_rules", "regions"},
    "models.specimens": {"models.catalog", "models.validate", "models.words", "errors"},
    "models.schema": {"models.catalog", "models.specimens", "models.words"},
    "service.exchange": set(),
    "service.codes": set(),
    "service.crc64": set(),
    "service.guard": {"service.exchange", "redact"},
    "service.foreign": {"service.exchange"},
    "service.proxies": {"service.exchange"},
    "service.opening": {"service.exchange", "service.foreign", "service.proxies"},
    "service.transport": {"service.exchange", "service.foreign", "service.opening", "service.proxies"},
    "service.forms": {"service.exchange", "errors"},
    "service.retry": {"service.exchange", "service.codes"},
    "service.unpacked": {"service.exchange"},
    "service.asking": {"service.exchange"},
    "service.api": {"strict_json", "service.asking", "service.exchange", "service.codes", "errors"},
    "service.settings": {"errors", "redact", "service.exchange", "spelling", "regions"},
    "service.tasks": {"service.api", "service.codes", "errors"},
    "service.uploads": {
        "service.api",
        "service.asking",
        "service.exchange",
        "service.forms",
        "errors",
        "media",
        "regions",
    },
    "service.desirecore": {
        "service.api",
        "service.asking",
        "service.exchange",
        "service.forms",
        "errors",
        "media",
        "strict_json",
    },
    "service.oss_v4": set(),
    "service.bucket_settings": {"regions", "service.oss_v4", "service.settings", "errors"},
    "service.bucket": {
        "service.asking",
        "service.bucket_settings",
        "service.crc64",
        "service.exchange",
        "service.forms",
        "service.oss_v4",
        "service.uploads",
        "errors",
        "redact",
        "regions",
    },
    "service.beside": set(),
    "service.downloads": {
        "service.asking",
        "service.beside",
        "service.exchange",
        "service.crc64",
        "errors",
        "regions",
    },
    "sandbox.movie": set(),
    "sandbox.placeholder": {"sandbox.movie"},
    "sandbox.faults": set(),
    "sandbox.storage": {"media"},
    "sandbox.rules": {
        "models.catalog",
        "models.findings",
        "models.media_items",
        "models.validate",
        "models.wire",
        "errors",
    },
    "sandbox.measures": {"models.catalog", "models.media_items", "models.sizes", "media", "sandbox.rules"},
    "sandbox.answers": {"models.wire", "sandbox.measures", "sandbox.rules"},
    "sandbox.standin": {
        "models.catalog",
        "models.image_models",
        "models.video_models",
        "models.wire",
        "media",
        "sandbox.answers",
        "sandbox.faults",
        "sandbox.measures",
        "sandbox.placeholder",
        "sandbox.rules",
        "sandbox.storage",
    },
    "sandbox.server": {"sandbox.faults", "sandbox.standin", "errors"},
    "inputs": {"documents", "media", "models.catalog"},
    "difference": set(),
    "placeholders": {"redact", "service.asking"},
    "cassette_file": {"errors", "placeholders", "regular_files"},
    "taped": {"placeholders", "service.exchange", "strict_json"},
    "cassette": {
        "cassette_file",
        "difference",
        "errors",
        "placeholders",
        "redact",
        "regular_files",
        "service.exchange",
        "taped",
        "regions",
    },
    "flags": {"models.catalog", "regions"},
    "command_line": {"errors", "flags", "models.catalog", "spelling"},
    "arguments": {"command_line", "errors", "flags", "models.catalog", "spelling", "strict_json"},
    "world": {"service.exchange"},
    "session": {
        "cassette",
        "errors",
        "parallel",
        "progress",
        "sandbox.server",
        "sandbox.standin",
        "service.api",
        "service.asking",
        "service.bucket",
        "service.bucket_settings",
        "service.codes",
        "service.downloads",
        "service.exchange",
        "service.forms",
        "service.guard",
        "service.retry",
        "service.settings",
        "service.tasks",
        "service.transport",
        "service.unpacked",
        "service.uploads",
        "world",
        "regions",
    },
    "outcome": {"models.wire", "outputs"},
    "saving": {
        "errors",
        "ledger",
        "models.results",
        "models.wire",
        "outcome",
        "outputs",
        "progress",
        "redact",
        "session",
    },
    "preview": {
        "inputs",
        "models.catalog",
        "models.validate",
        "models.wire",
        "redact",
        "service.asking",
        "service.bucket",
        "service.bucket_settings",
        "service.exchange",
    },
    "local_session": {
        "progress",
        "service.api",
        "service.desirecore",
        "service.exchange",
        "service.forms",
        "service.retry",
        "service.transport",
        "service.unpacked",
        "service.uploads",
        "session",
        "world",
    },
    "storing": {"local_session", "saving", "service.forms"},
    "via": {
        "arguments",
        "errors",
        "job",
        "ledger",
        "local_session",
        "models.catalog",
        "models.compatible",
        "models.validate",
        "models.wire",
        "outputs",
        "preview",
        "progress",
        "redact",
        "saving",
        "service.bucket",
        "service.bucket_settings",
        "service.desirecore",
        "session",
        "storing",
        "world",
    },
    "lost": {"errors", "ledger", "outcome", "service.tasks", "session"},
    "work": {
        "arguments",
        "cassette",
        "errors",
        "ledger",
        "models.catalog",
        "outcome",
        "outputs",
        "progress",
        "redact",
        "saving",
        "service.bucket",
        "service.bucket_settings",
        "service.settings",
        "service.tasks",
        "session",
        "world",
        "regions",
    },
    "job": {
        "errors",
        "service.codes",
        "inputs",
        "ledger",
        "lost",
        "models.catalog",
        "models.default_size",
        "models.media_items",
        "models.validate",
        "models.wire",
        "outputs",
        "preview",
        "service.bucket",
        "service.bucket_settings",
        "service.settings",
        "service.forms",
        "session",
        "work",
    },
    "collect": {"errors", "ledger", "models.wire", "outputs", "session", "work", "regions"},
    "history": {"ledger", "work"},
    "describe": {
        "errors",
        "flags",
        "models.catalog",
        "models.schema",
        "models.specimens",
        "models.words",
        "service.settings",
        "spelling",
        "work",
        "regions",
    },
    "resume": {
        "arguments",
        "collect",
        "envelope",
        "errors",
        "history",
        "ledger",
        "lost",
        "models.catalog",
        "models.image_models",
        "models.video_models",
        "models.results",
        "models.wire",
        "outputs",
        "progress",
        "service.desirecore",
        "service.settings",
        "session",
        "work",
        "world",
        "regions",
    },
    "envelope": {"arguments", "errors", "flags", "outcome", "redact", "world"},
    "update_signal": {"errors", "locks", "strict_json", "world"},
    "cli": {
        "arguments",
        "flags",
        "collect",
        "describe",
        "envelope",
        "errors",
        "history",
        "job",
        "models.catalog",
        "progress",
        "resume",
        "work",
        "redact",
        "update_signal",
        "world",
        "via",
    },
}
OPENS_SOCKETS = {"service.transport", "service.opening", "service.foreign", "sandbox.server"}
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
                self.assertLessEqual(ours - {"record"}, ALLOWED[name])

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
