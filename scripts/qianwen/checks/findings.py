"""What the check of one request goes by besides its fields, and what it has found so far."""

from __future__ import annotations

from ..errors import Problem
from ..models.catalog import Model, Source
from ..plain.record import changed, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

    from ..models.catalog import Rule, Values

    Inspect = Callable[[str], Source]


MOST_NAMED = 6


def named(names: list[str]) -> str:
    """The names for a message; of many the first."""
    more = f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    return ", ".join(names[:MOST_NAMED]) + more


class Note(str):
    """One of the warnings that only informs: people read it as a note."""


@record
class Manner:
    """How the user wants a request to be answered.

    kind: the value of --mode, "" if not given.
    wants_task: the user prefers a task.
    needs_task: only a task will do.
    prefers_task: a task is better where the model has one, but nobody asked for it.
    """

    kind: str = ""
    wants_task: bool = False
    needs_task: bool = False
    prefers_task: bool = False

    @property
    def favors_a_task(self) -> bool:
        return self.wants_task or self.needs_task or self.prefers_task


ANY_MANNER = Manner()


class Findings:
    """Problems, warnings and inspected media, with the row and the mode that a request is checked against.

    sources: the inspected media, by path of the field.
    names: path of a field → the path the user wrote, where the two differ.
    """

    def __init__(self, model: Model, inspect: Inspect) -> None:
        self.model = model
        self.mode = model.modes[0]
        self.inspect = inspect
        self.names: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.sources: dict[str, Source] = {}

    def problem(
        self, path: str, value: object, reason: str, message: str, allowed: str = "", nearest: object = None
    ) -> None:
        self.add(Problem(path, value, message, allowed, nearest, reason))

    def add(self, problem: Problem) -> None:
        """Add a problem, under the path that the user wrote."""
        self.problems.append(changed(problem, path=self.names.get(problem.path, problem.path)))

    def apply(self, rules: Iterable[Rule], values: Values) -> None:
        """Add what the rules over several fields find."""
        facts = {path: source.facts for path, source in self.sources.items() if source.facts}
        for finding in (finding for rule in rules for finding in rule(values, facts)):
            if isinstance(finding, Problem):
                self.add(finding)
            else:
                self.warn(finding)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        """Say what was done with a value; nothing is wrong with it."""
        self.warnings.append(Note(message))
