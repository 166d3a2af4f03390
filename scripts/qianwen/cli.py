"""argv in; one JSON object or the saved paths out, and an exit code. The only place that catches and prints.

What a run may not need (JSON, threads, the job itself) is imported when it is needed: --help must be quick.
"""

from __future__ import annotations

import sys

from .ask import Ask
from .command import flags
from .environment import Environment, real, write
from .errors import OK, InternalError, Interrupted, QianwenError
from .models.catalog import Catalog
from .plain.record import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .actions.run import Run
    from .actions.way import Way
    from .update_signal import Check


def main(catalog: Catalog, argv: list[str], environment: Environment | None = None) -> int:
    """Run one command line; `environment` is the real one unless a test hands in another. Answers the exit code."""
    is_real = environment is None
    environment = environment or real(sys.argv[0])
    words = argv[: argv.index("--")] if "--" in argv else argv
    if "--help" in words or "-h" in words:
        from .command import help_page

        write(environment.stdout, help_page.help_text(catalog))
        return OK
    if "--version" in words:
        write(environment.stdout, f"{catalog.program} {flags.VERSION}\n")
        return OK
    from .command import parse

    try:
        ask = parse.parse(catalog, argv, environment.stdin, environment.cwd, environment.env)
    except BaseException as error:
        nothing = Ask({}, print_response="--print-response" in argv)
        return _Process(catalog, nothing, environment).fail(_expected(error))
    return _Process(catalog, ask, environment, is_real).go()


class _Process:
    """One run of an action, and what this process says about its end."""

    def __init__(self, catalog: Catalog, ask: Ask, environment: Environment, is_real: bool = False) -> None:
        from .actions.run import Run
        from .plain.progress import Progress
        from .plain.redact import KEY_NAMES

        self.signals: tuple[int, ...] = ()  # that end the run with an answer
        self.update_check: Check | None = None
        environment = changed(environment, before_sending=self._end_politely) if is_real else environment
        self.environment = environment = (
            environment if ask.replay else changed(environment, session_opened=self._check_for_updates)
        )
        self.progress = Progress(environment.stderr, ask.quiet)
        self.progress.secrets = tuple(filter(None, map(environment.env.get, KEY_NAMES)))
        self.run = Run(catalog, ask, environment, self.progress)

    def go(self) -> int:
        code = self._work()
        if self.update_check:
            with self.update_check as check:
                for line in check.lines(code):
                    self.progress.always(line)
        write(self.run.environment.stderr, "")  # what could not be written must not fail the interpreter's last flush
        return code

    def _work(self) -> int:
        try:
            _act(self.run)
            self._let_nobody_interrupt()
            if self._print_result():
                self.run.deliver()
        except BaseException as error:
            self._let_nobody_interrupt()
            return self.fail(_expected(error))
        finally:
            self.run.close()
        return OK

    def _end_politely(self) -> None:
        """From here on treat SIGTERM and SIGHUP like Ctrl-C: answer with JSON and `next`. Agents' shells send them.

        Not earlier: a refused request has nothing to continue, and should not wait for the import. A signal that was
        ignored when the program started (nohup, a background job) stays ignored.
        """
        import signal

        def interrupt(*_: object) -> None:
            for number in self.signals:
                signal.signal(number, _do_nothing)
            raise KeyboardInterrupt

        numbers = (signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)]))
        self.signals = tuple(number for number in numbers if signal.getsignal(number) != signal.SIG_IGN)
        try:
            for number in self.signals:
                signal.signal(number, interrupt)
        except ValueError:
            self.signals = ()  # not the main thread: somebody else's program

    def _check_for_updates(self) -> None:
        """Only a run that talks to the service checks; one that is refused before does not even import it."""
        from . import update_signal

        self.update_check = self.update_check or update_signal.Check(self.environment)
        self.update_check.begin()

    def _let_nobody_interrupt(self) -> None:
        """Ignore further signals, so that a second Ctrl-C does not lose the JSON."""
        if self.signals:
            import signal

            for number in self.signals:
                signal.signal(number, _do_nothing)  # takes one that is pending; Python complains if SIG_IGN finds it
                signal.signal(number, signal.SIG_IGN)  # and this one lasts until the process has ended

    def fail(self, error: QianwenError) -> int:
        from .command import answer
        from .outcome import Outcome, hint_of

        run = self.run
        if run.ask.replay and error.kind == "usage":  # not the recorded run: nothing of it came from the service
            run.outcome = Outcome(run.catalog.noun, resumable=False)
        error.hint = hint_of(error, run.outcome)
        told = answer.failure(error, run.outcome, run.ask, run.environment)
        self.progress.always(f"Error: {error.message}")
        if error.hint:
            self.progress.always(f"Hint: {error.hint}")
        if "next" in told:
            self.progress.always(f"Continue with: {told['next']}")
        if run.ask.print_response:
            self._print_json(told)
        write(run.environment.stderr, "")
        return error.exit_code

    def _print_result(self) -> bool:
        """Write the answer to stdout; False when nobody took it."""
        from .command import answer
        from .plain.redact import literal

        run = self.run
        if run.ask.print_response:
            return self._print_json(answer.success(run.outcome, run.ask, run.environment))
        lines = (literal(line, self.progress.secrets) for line in answer.lines(run.outcome, run.ask))
        return write(run.environment.stdout, "".join(f"{line}\n" for line in lines))

    def _print_json(self, told: object) -> bool:
        import json
        import re

        from .plain.redact import each_text, literal

        told = each_text(told, lambda text: literal(text, self.progress.secrets))
        text = json.dumps(told, ensure_ascii=False, indent=2)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:  # half a character in a file name: escapes can say it
            text = json.dumps(told, indent=2)
        text = re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text)  # commands to a terminal
        return write(self.run.environment.stdout, text + "\n")


def _do_nothing(*_: object) -> None:
    pass


def _act(run: Run) -> None:
    """Do what was asked. Raises a QianwenError for every ending but success; `run.outcome` has what was reached."""
    ask = run.ask
    if ask.list_models or ask.describe or ask.tasks:
        _look(run)
    elif ask.task_id or ask.cancel:
        from .actions import collect

        (collect.collect if ask.task_id else collect.cancel)(run)
    elif ask.resume:
        from .actions.resume import resume

        resume(run)
    else:
        from .actions.generate import generate

        generate(run, _way(run))


def _look(run: Run) -> None:
    """What sends nothing and needs no key."""
    catalog, ask, outcome = run.catalog, run.ask, run.outcome
    if ask.tasks:
        _show_tasks(run)
    elif ask.list_models and not ask.print_response:
        from .describe import listing

        outcome.page = list(listing.list_lines(catalog))
    elif ask.list_models:
        from .describe import schema

        outcome.models = schema.of_models(catalog)
    else:
        from .describe import page, schema

        found = page.resolve(catalog, ask.describe)
        if found.note:
            run.warn(found.note)
        if ask.print_response:
            outcome.models = [schema.of_model(catalog, found)]
        else:
            outcome.page = list(page.page_lines(catalog, found, run.environment.script))


def _show_tasks(run: Run) -> None:
    from .account import report, store

    run.outcome.tasks = report.recent(run.account, run.environment.now())
    if run.account.trouble:
        run.warn(f"a part of the account could not be read: {run.account.trouble}")
    if any(row["state"] in store.OPEN for row in run.outcome.tasks):
        run.outcome.way_on = ("--resume",)


def _way(run: Run) -> Way:
    """How a request travels: through DesireCore when that was asked for, else to DashScope itself."""
    if run.ask.via:
        from .desirecore.way import DesireCore

        return DesireCore(run.catalog, run.ask, run.environment, run.progress, run.deadline, run.warn)
    from .actions.dashscope import DashScope

    return DashScope(run)


def _expected(error: BaseException) -> QianwenError:
    """Any end of a run as one of ours. What nobody foresaw is a bug and says where it happened."""
    if isinstance(error, QianwenError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted")
    place = ""
    trace = error.__traceback__
    while trace:
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return InternalError(f"a bug in this program: {type(error).__name__}: {error}{place}")
