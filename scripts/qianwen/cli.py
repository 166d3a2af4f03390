"""From argv to an exit code, with one JSON object or the saved paths on stdout. Only this module catches and prints.

What --help does not need is imported where it is used, because --help must be quick.
"""

from __future__ import annotations

import os
import sys

from .ask import VERSION, Ask
from .environment import Environment, columns, project_of, real, write
from .errors import OK, Interrupted, InvalidRequest, OutputError, QianwenError, UsageError, expected
from .models.catalog import Catalog
from .plain.record import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ContextManager

    from .actions.run import Run
    from .actions.way import Connection, Way
    from .terminal.signals import Signals
    from .update_signal import Check


def main(catalog: Catalog, argv: list[str], environment: Environment | None = None) -> int:
    """Run one command line and answer its exit code. A test passes an `environment` of its own."""
    is_real = environment is None
    environment = environment or real(sys.argv[0])
    words = argv[: argv.index("--")] if "--" in argv else argv
    if {"--help", "-h", "--help-all"} & set(words):
        from .command import flags, help_page

        page = help_page.help_text if "--help-all" in words else help_page.first_screen
        write(environment.stdout, page(catalog, columns(environment) or flags.WIDTH))
        return OK
    if "--version" in words:
        write(environment.stdout, f"{catalog.program} {VERSION}\n")
        return OK
    from .command import parse

    try:
        ask = parse.parse(catalog, argv, environment.stdin, environment.cwd, environment.env)
    except BaseException as error:
        no_ask = Ask({}, print_response=bool({"--print-response", "--json"} & set(words)))
        return _Process(catalog, argv, no_ask, environment).fail(expected(error))
    return _Process(catalog, argv, ask, environment, is_real).go()


class _Process:
    """One run of an action, and what the process prints about it."""

    def __init__(
        self, catalog: Catalog, argv: list[str], ask: Ask, environment: Environment, is_real: bool = False
    ) -> None:
        from .actions.run import Run
        from .plain.redact import KEY_NAMES
        from .terminal.progress import Progress

        self.argv = argv
        self.is_unheard = False  # stdout took no answer
        self.signals: Signals | None = None  # from when something can be bought
        self.update_check: Check | None = None
        environment = changed(environment, before_sending=self._before_sending) if is_real else environment
        self.environment = environment = (
            environment if ask.replay else changed(environment, session_opened=self._check_for_updates)
        )
        self.progress = Progress(
            environment.stderr, ask.quiet, environment.env.get("TERM", ""), environment.clock, environment.cwd
        )
        self.progress.secrets = tuple(filter(None, map(environment.env.get, KEY_NAMES)))
        self.run = Run(catalog, ask, environment, self.progress)
        environment.place.warn = self.run.warn

    def go(self) -> int:
        code = self._work()
        if self.update_check:
            with self.update_check as check:
                for line in check.lines(code):
                    self.progress.always(line)
        write(self.run.environment.stderr, "")  # a broken stderr must not fail the interpreter's last flush
        return code

    def _work(self) -> int:
        try:
            try:
                _act(self.run)
            finally:
                self.progress.close()
            self._hold_signals()
            if self._print_result():
                self.run.deliver()
            elif self.run.outcome.is_about_a_purchase:
                raise OutputError("the answer could not be written to stdout", hint="what was made is saved")
            if self.run.ask.open:
                self._open_result()
        except BaseException as error:
            self._hold_signals()
            from .outcome import starved

            told = starved(error, self.run.outcome) or expected(error)
            try:
                return self.fail(told)
            except MemoryError:  # not even the words of an answer can be had
                os.write(2, f"Error: {told.message}\n".encode("utf-8", "replace"))
                return told.exit_code
        finally:
            self.run.close()
        return OK

    def _before_sending(self) -> None:
        from .actions.generate import import_what_follows
        from .command import answer  # noqa: F401

        import_what_follows(self.run.catalog.noun)
        if self.run.ask.open:
            from .gallery import viewer  # noqa: F401
        from .terminal.signals import Signals

        self.signals = Signals()  # not earlier: a refused request has nothing to continue and should not wait for this

    def _hold_signals(self) -> None:
        if self.signals:
            self.signals.ignore()

    def _check_for_updates(self) -> None:
        """Called when a session opens. A refused request, or one outside a project, does not even import the check."""
        if not project_of(self.environment.script)[0]:
            return
        from . import update_signal

        self.update_check = self.update_check or update_signal.Check(self.environment)
        self.update_check.begin()

    def fail(self, error: QianwenError) -> int:
        from .command import answer
        from .command.next_command import again, shown
        from .outcome import Outcome, hint_of

        run = self.run
        if run.ask.replay and error.kind == "usage":  # not the recorded run, so nothing came from the service
            run.outcome = Outcome(run.catalog.noun, resumable=False)
        if isinstance(error, InvalidRequest) and run.ask.typed:
            error.name(run.ask.typed)
        error.hint = hint_of(error, run.outcome)
        reply = answer.failure(error, run.outcome, run.ask, run.environment)
        if self.is_unheard and run.outcome.resumable and run.outcome.run_id and "-" not in self.argv:
            reply.setdefault("next", again(run.environment.script, self.argv))  # whose answer is what was made
        self.progress.always(f"{'Stopped' if isinstance(error, Interrupted) else 'Error'}: {error.message}")
        if error.hint:
            self.progress.always(f"Hint: {error.hint}")
        if "next" in reply:
            self.progress.always(f"Continue with: {shown(reply['next'])}")
        text = self._json(reply) if run.ask.print_response else self._lines(answer.saved_lines(run.outcome))
        if text and not self.is_unheard and self._print(text) and run.outcome.parts:
            run.deliver()  # those that are finished
        if self.is_unheard:
            write(run.environment.stderr, f"Answer: {self._json(reply, indent=None)}")
        write(run.environment.stderr, "")
        return error.exit_code

    def _print_result(self) -> bool:
        """Write the answer to stdout; False when nobody took it."""
        from .command import answer

        run = self.run
        if run.ask.print_response:
            return self._print(self._json(answer.success(run.outcome, run.ask, run.environment)))
        return self._print(self._lines(answer.lines(run.outcome, run.ask, run.environment)))

    def _lines(self, lines: list[str]) -> str:
        return "".join(f"{line}\n" for line in self.progress.clean(lines))

    def _open_result(self) -> None:
        """Show the page, the first file or a batch's folder; a result that cannot be shown is no failure."""
        from .gallery import viewer
        from .terminal.signals import Signals

        (self.signals or Signals()).let_go()  # some viewers return when they are closed
        outcome = self.run.outcome
        files = [file for each in (outcome, *(part.outcome for part in outcome.parts or ())) for file in each.files]
        path = outcome.gallery["gallery"] if outcome.gallery else files[0].saved.path if files else ""
        if outcome.batch and outcome.page is None:  # else it is a plan
            path = outcome.batch["folder"]
        why_not = viewer.show(path, self.run.environment.env) if path else "there is nothing to show"
        if why_not:
            self.progress.note(f"--open did nothing: {why_not}")

    def _print(self, text: str) -> bool:
        self.is_unheard = not write(self.run.environment.stdout, text)
        return not self.is_unheard

    def _json(self, reply: object, indent: int | None = 2) -> str:
        import re

        from .plain import strict_json

        text = strict_json.written(self.progress.clean(reply), indent)
        # control characters, which a terminal may obey
        return re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text) + "\n"


def _act(run: Run) -> None:
    """Do what the user asked for. Raises a QianwenError if that fails; `run.outcome` holds what was reached."""
    ask = run.ask
    if ask.list_models or ask.describe or ask.tasks or ask.gallery:
        _show(run)
    elif ask.task_id or ask.cancel:
        from .recovery import collect

        (collect.collect if ask.task_id else collect.cancel)(run)
    elif ask.batch:
        from .batch.batch import batch

        batch(run)
    elif ask.resume:
        from .account import report
        from .command.next_command import shown
        from .recovery.resume import resume

        run.outcome.batches = report.batches(run.account)
        for each in run.outcome.batches:
            run.progress.say(f"A batch in {each['folder']} is unfinished. Continue with: {shown(each['command'])}")
        resume(run, lambda prompt: _desirecore(run, prompt))
    else:
        from .actions import generate

        way = _way(run)
        if not (ask.reuse and _reused(run, way)):
            generate.generate(run, way)


def _reused(run: Run, way: Way) -> bool:
    from .actions.reuse import reuse

    is_answered = reuse(run, way)
    if is_answered and run.ask.record:
        run.warn("nothing was sent, so nothing is recorded; --again buys another one and records it")
    return is_answered


def _show(run: Run) -> None:
    """The actions that send nothing and need no key."""
    catalog, ask, outcome = run.catalog, run.ask, run.outcome
    if ask.tasks:
        _show_tasks(run)
    elif ask.gallery:
        _write_gallery(run, run.environment.path(run.folder if ask.gallery is True else ask.gallery))
    elif ask.list_models and not ask.print_response:
        from .describe import listing

        outcome.page = list(listing.list_lines(catalog, columns(run.environment)))
    elif ask.list_models:
        from .describe import schema

        outcome.models = schema.of_models(catalog)
    else:
        from .command.flags import WIDTH
        from .describe import page, schema

        match = page.resolve(catalog, ask.describe)
        if match.note:
            run.warn(match.note)
        if ask.print_response:
            outcome.models = [schema.of_model(catalog, match)]
        else:
            outcome.page = list(
                page.page_lines(catalog, match, run.environment.script, columns(run.environment) or WIDTH)
            )


def _show_tasks(run: Run) -> None:
    from .account import report
    from .account.purchase import OPEN

    if run.ask.tasks is not True:
        run.outcome.tasks = [_one_task(run, str(run.ask.tasks))]
        return
    since = run.environment.now() - run.ask.since if run.ask.since else None
    run.outcome.batches = report.batches(run.account)
    run.outcome.tasks = report.recent(run.account, since)
    if since is not None:
        run.outcome.bought = report.bought(run.account, since)
    if any(row["state"] in OPEN for row in run.outcome.tasks):
        run.outcome.next_flags = ("--resume",)
    run.account.complain()


def _one_task(run: Run, text: str) -> dict[str, Any]:
    """The run whose id, or whose task's, begins with `text`, with the command that makes it again."""
    from .account import report
    from .command.next_command import to_make

    found = run.account.recent(1)[:1] if text == "last" else run.account.named(text)
    run.account.complain()
    if len(found) != 1:
        ids = ", ".join(each.task_id or each.id for each in found[:5])
        why = f"several runs have an id that begins with {text}" if found else f"no run here has the id {text}"
        raise UsageError(
            why, hint=f"give more characters of one of these: {ids}" if found else "--tasks shows the last runs"
        )
    task = report.whole(run.account, found[0])
    request = task["request"]
    task["again"] = to_make(run.environment, task["program"], request) if request else None
    return task


def _write_gallery(run: Run, folder: str) -> None:
    from .gallery import page
    from .plain.redact import shareable

    scripts = os.path.dirname(run.environment.script)
    home = os.path.join(run.environment.home, "")
    if scripts.startswith(home) and len(home) > 1:  # the page may be shown to others
        scripts = os.path.join("~", scripts[len(home) :])
    path, cards = page.write(
        folder, run.account.below(folder), scripts, lambda text: shareable(run.progress.clean(text))
    )
    run.outcome.gallery = {"gallery": path, "results": cards}
    if run.account.trouble:
        run.warn(f"part of the ledger could not be read: {run.account.trouble}")
    if cards > page.SHOWN_AT_ONCE:
        run.warn(f"the page shows {cards} results and opens slowly; the gallery of a subfolder is smaller")


def _desirecore(run: Run, prompt: str) -> ContextManager[Connection]:
    """A connection for --resume, which saves what an earlier run made through DesireCore."""
    from .desirecore import connection, way

    return connection.connected(run.environment, run.progress, run.deadline, way.description(prompt), run.warn)


def _way(run: Run) -> Way:
    """The route to the service: DesireCore with --via, else DashScope itself."""
    if run.ask.via:
        from .desirecore.way import DesireCore

        return DesireCore(run.catalog, run.ask, run.environment, run.progress, run.deadline, run.warn)
    from .actions.dashscope import DashScope

    return DashScope(run)
