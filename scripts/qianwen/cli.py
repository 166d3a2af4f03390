"""argv in; one JSON object or the saved paths out, and an exit code. The only place that catches and prints.

What a run may not need (JSON, threads, the job itself) is imported when it is needed: --help must be quick.
"""

from __future__ import annotations

import sys

from . import environment as surroundings
from .command import flags
from .environment import World
from .errors import OK, InternalError, Interrupted, QianwenError, UnknownOutcome
from .models.catalog import Catalog
from .plain.record import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from .actions.run import Work
    from .command.parse import Ask


def main(catalog: Catalog, argv: list[str], world: World | None = None) -> int:
    """Run one command line; `world` is the real one unless a test hands in another. Answers the exit code."""
    is_real = world is None
    world = world or surroundings.real(sys.argv[0])
    words = argv[: argv.index("--")] if "--" in argv else argv
    if "--help" in words or "-h" in words:
        _write(world.stdout, flags.help_text(catalog))
        return OK
    if "--version" in words:
        _write(world.stdout, f"{catalog.program} {flags.VERSION}\n")
        return OK
    from .command import parse

    try:
        ask = parse.parse(catalog, argv, world.stdin, world.cwd, world.env)
    except BaseException as error:
        ask = parse.Ask({}, print_response="--print-response" in argv)
        return _Run(catalog, ask, world).fail(_expected(error))
    run = _Run(catalog, ask, world, is_real)
    if ask.dry_run or ask.tasks or ask.list_models or ask.describe or ask.replay:  # these only look
        return run.go()
    from . import update_signal

    return update_signal.beside(world, run.go, run.progress.always)


class _Run:
    """One run and what it tells the world about its end."""

    def __init__(self, catalog: Catalog, ask: Ask, world: World, is_real: bool = False) -> None:
        from .plain.progress import Progress
        from .plain.redact import KEY_NAMES

        self.ask = ask
        self.is_polite = False
        self.world = world = changed(world, before_sending=self._end_politely) if is_real else world
        self.progress = Progress(world.stderr, ask.quiet)
        self.progress.secrets = tuple(filter(None, map(world.env.get, KEY_NAMES)))
        self.work = _kind_of_work(ask)(catalog, ask, world, self.progress)

    def go(self) -> int:
        try:
            self.work.run()
            self._let_nobody_interrupt()
            self._print_result()
        except BaseException as error:
            self._let_nobody_interrupt()
            return self.fail(_expected(error))
        return OK

    def _end_politely(self) -> None:
        """From now on SIGTERM, by which shells of agents end a command, is told as Ctrl-C is: with JSON and `next`.

        Not before: a request that is refused has nothing to tell, and should not wait for the import.
        """
        import signal

        def interrupt(*_: object) -> None:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _do_nothing)
            raise KeyboardInterrupt

        try:
            signal.signal(signal.SIGTERM, interrupt)
            signal.signal(signal.SIGINT, interrupt)
            self.is_polite = True
        except ValueError:
            pass  # not the main thread: somebody else's program

    def _let_nobody_interrupt(self) -> None:
        """A second Ctrl-C, or a signal to the whole group after one to us, must not cost the JSON."""
        if self.is_polite:
            import signal

            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _do_nothing)  # takes one that is pending; Python complains if SIG_IGN finds it
                signal.signal(number, signal.SIG_IGN)  # and this one lasts until the process has ended

    def fail(self, error: QianwenError) -> int:
        from .command import answer as envelope

        outcome = self.work.outcome
        if isinstance(error, Interrupted) and outcome.submitted and not outcome.task_id and not outcome.result:
            error.hint = UnknownOutcome.usual_hint
        answer = envelope.failure(error, outcome, self.ask, self.world)
        self.progress.always(f"Error: {error.message}")
        if error.hint:
            self.progress.always(f"Hint: {error.hint}")
        if "next" in answer:
            self.progress.always(f"Continue with: {answer['next']}")
        if self.ask.print_response:
            self._print_json(answer)
        return error.exit_code

    def _print_result(self) -> None:
        from .command import answer as envelope
        from .plain.redact import literal

        if self.ask.print_response:
            self._print_json(envelope.success(self.work.outcome, self.ask, self.world))
        else:
            lines = (literal(line, self.progress.secrets) for line in envelope.lines(self.work.outcome, self.ask))
            _write(self.world.stdout, "".join(f"{line}\n" for line in lines))

    def _print_json(self, answer: object) -> None:
        import json
        import re

        from .plain.redact import each_text, literal

        answer = each_text(answer, lambda text: literal(text, self.progress.secrets))
        text = json.dumps(answer, ensure_ascii=False, indent=2)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:  # half a character in a file name: escapes can say it
            text = json.dumps(answer, indent=2)
        text = re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text)  # commands to a terminal
        _write(self.world.stdout, text + "\n")


def _do_nothing(*_: object) -> None:
    pass


def _kind_of_work(ask: Ask) -> type[Work]:
    if ask.list_models:
        from .describe.page import ListModels

        return ListModels
    if ask.describe:
        from .describe.page import Describe

        return Describe
    if ask.task_id:
        from .actions.collect import Collect

        return Collect
    if ask.cancel:
        from .actions.collect import Cancel

        return Cancel
    if ask.resume:
        from .actions.resume import Resume

        return Resume
    if ask.tasks:
        from .account.report import History

        return History
    if ask.via:
        from .desirecore.way import ViaDesireCore

        return ViaDesireCore
    from .actions.generate import Job

    return Job


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


def _write(stream: TextIO, text: str) -> None:
    """Text in UTF-8 whatever the terminal's code page is. A reader that has gone away changes nothing."""
    try:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        _forget(stream)


def _forget(stream: TextIO) -> None:
    """Let the interpreter's own last flush find a place to go, so that it does not complain about a closed pipe."""
    import os

    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass
