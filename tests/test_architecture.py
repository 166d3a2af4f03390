"""The house stands as drawn: layout, import direction, the standard library alone, one door to the network."""

from __future__ import annotations

import ast
import importlib.util
import re
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

# A wing, or a module on top → the wings and modules that it may import. Not single files: those may move within their wing.
MAY_IMPORT = {
    "plain": "",
    "terminal": "plain",
    "errors": "plain",
    "ask": "plain",
    "regions": "plain",
    "settings": "files plain",
    "environment": "errors files http plain settings",
    "files": "errors plain",
    "http": "plain",
    "models": "errors files plain regions",
    "outcome": "ask environment errors files models plain",
    "account": "ask errors files models outcome plain regions terminal",
    "gallery": "account errors files plain",
    "checks": "errors files models plain",
    "service": "environment errors http plain regions",
    "storage": "environment errors files http plain regions",
    "cassettes": "errors files http plain regions",
    "sandbox": "checks errors files models plain",
    "command": "ask checks environment errors files models outcome plain regions terminal",
    "describe": "checks command errors files models plain regions",
    "desirecore": "account ask checks environment errors files http models outcome plain service storage terminal",
    "actions": "account ask cassettes checks environment errors files http models outcome plain regions sandbox service storage terminal",
    "recovery": "account actions errors files models outcome plain regions service",
    "batch": "account actions ask checks environment errors files http models outcome plain recovery regions service storage terminal",
    "update_signal": "environment errors files plain",
    "cli": "account actions ask batch command describe desirecore environment errors gallery models outcome plain recovery terminal update_signal",
}
NEVER = (
    ("service", "storage"),
    ("storage", "service"),
    ("http", "service"),
    ("sandbox", "service"),
    ("command", "actions"),
)
MOST_MODULES = 9  # in a wing
MOST_ON_TOP = 7
OPENS_SOCKETS = {"http.transport", "http.connections", "http.os_errors", "sandbox.server"}
NETWORK = {"socket", "ssl", "http", "urllib.request", "socketserver", "ftplib", "smtplib", "asyncio"}


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stem != "__init__"
    }


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imported(path: Path) -> tuple[tuple[ast.stmt, bool], ...]:
    """Every import statement of a module, wherever it stands, and whether it is for the type checker alone."""
    found = []
    waiting: list[tuple[ast.AST, bool]] = [(tree(path), False)]
    while waiting:
        node, is_for_checker = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append((node, is_for_checker))
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            hidden = field == "body" and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            statements = getattr(node, field, ())
            waiting += [(each, is_for_checker or hidden) for each in statements if isinstance(statements, list)]
    return tuple(found)


def absolute_imports(path: Path) -> Iterator[str]:
    for node, is_for_checker in imported(path):
        if isinstance(node, ast.Import) and not is_for_checker:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and not is_for_checker:
            yield node.module or ""


def imports(path: Path, name: str) -> Iterator[str]:
    """Absolute names of everything that a module imports, wherever in it the import stands."""
    yield from absolute_imports(path)
    for node, _ in imported(path):
        if isinstance(node, ast.ImportFrom) and node.level:
            package = ["qianwen", *name.split(".")][: -node.level]
            base = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" if base in WINGS else base for alias in node.names)


def wing(name: str) -> str:
    """The wing of a module, or the module itself when it stands on top."""
    return name.partition(".")[0]


WINGS = {"qianwen", *(f"qianwen.{path.parent.name}" for path in PACKAGE.glob("*/__init__.py"))}


class Imports(unittest.TestCase):
    def test_every_wing_has_its_place(self) -> None:
        self.assertEqual({wing(name) for name in modules()}, set(MAY_IMPORT))

    def test_imports_run_one_way(self) -> None:
        for name, path in modules().items():
            ours = {wing(found.partition(".")[2]) for found in imports(path, name) if found.startswith("qianwen.")}
            with self.subTest(name):
                self.assertLessEqual(ours - {wing(name)}, set(MAY_IMPORT[wing(name)].split()))

    def test_the_direction_has_no_circles(self) -> None:
        placed: set[str] = set()
        while len(placed) < len(MAY_IMPORT):
            ready = {name for name, needs in MAY_IMPORT.items() if name not in placed and set(needs.split()) <= placed}
            self.assertTrue(ready, f"a circle among {set(MAY_IMPORT) - placed}")
            placed |= ready

    def test_what_must_never_meet(self) -> None:
        """The key and strangers' hosts; the client and what its answers mean; the stand-in and what it stands for."""
        for one, other in NEVER:
            with self.subTest(one):
                self.assertNotIn(other, MAY_IMPORT[one].split())

    def test_no_wing_is_crowded(self) -> None:
        for name in MAY_IMPORT:
            with self.subTest(name):
                self.assertLessEqual(sum(wing(module) == name for module in modules()), MOST_MODULES)
        self.assertLessEqual(sum("." not in name for name in modules()), MOST_ON_TOP)

    def test_a_wing_says_what_it_is_for_and_who_may_import_it(self) -> None:
        wings = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
        for name in wings:
            with self.subTest(name):
                said = ast.get_docstring(tree(PACKAGE / name / "__init__.py")) or ""
                self.assertRegex(said, r"\. .*imported by")
                named = (
                    set(re.findall(r"(?<!/)\b\w+", re.split("imported by |every wing but ", said)[-1]))
                    & MAY_IMPORT.keys()
                )
                allowed = {other for other, may in MAY_IMPORT.items() if name in may.split()}
                if "every wing but" in said:
                    self.assertEqual(named | {name}, wings - allowed)
                elif name not in ("plain", "models"):  # nearly all may
                    self.assertEqual(named, allowed)

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


# Module → the functions in which files are opened: others', ours, and what is there to be locked or put on the disk.
MAY_OPEN = {"files.safe_open": {"open_theirs", "opener", "make_ours", "_alone_in", "sync", "__init__"}}
OPENS_NO_FILE = {"self._opener.open(origin, may_reach)", "webbrowser.open(Path(path).as_uri())"}
OPENERS = {"open", "fdopen", "FileIO", "openat", "open_code", "read_text", "read_bytes", "write_text", "write_bytes", "mkstemp"}  # fmt: skip


def opened_in(path: Path) -> Iterator[tuple[str, str]]:
    """(function, what it calls) for every call that opens a file, except of the null device."""

    def calls(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
            if isinstance(child, ast.Call):
                name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
                if name in OPENERS and not (child.args and ast.unparse(child.args[0]) == "os.devnull"):
                    yield function, ast.unparse(child)
            yield from calls(child, inner)

    yield from calls(tree(path), "")


class Files(unittest.TestCase):
    def test_one_function_opens_what_others_made_and_one_makes_what_is_ours(self) -> None:
        """SQLite opens the account's file itself, after it was made. An `opener` that calls `make_ours` makes it."""
        for path in SCRIPTS.rglob("*.py"):
            name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts) if PACKAGE in path.parents else path.name
            for function, call in opened_in(path):
                with self.subTest(name, function=function, call=call):
                    is_made_by_ours = "opener=lambda path, _: make_ours(path" in call
                    self.assertTrue(
                        is_made_by_ours or call in OPENS_NO_FILE or function in MAY_OPEN.get(name, ()),
                        "use files.safe_open",
                    )

    def test_that_would_be_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.py"
            path.write_text(
                "def f(p):\n    with open(p) as s: pass\n    os.open(p, 0)\n    p.read_text()\nopen(os.devnull)\n"
            )
            self.assertEqual([function for function, _ in opened_in(path)], ["f"] * 3)


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
                self.assertTrue(ast.get_docstring(tree(path)))


if __name__ == "__main__":
    unittest.main()
