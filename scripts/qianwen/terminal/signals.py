"""SIGINT, SIGTERM and SIGHUP: the first ends the run with an answer, further ones do not lose it."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # its wrapper makes enumerations: 0.4 ms


class Signals:
    """Treats SIGTERM and SIGHUP like Ctrl-C, as agents' shells send them.

    One that was ignored when the program started (nohup, a background job) stays ignored.
    """

    def __init__(self) -> None:
        numbers = (signal.SIGINT, signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)]))
        self._numbers = tuple(number for number in numbers if signal.getsignal(number) != signal.SIG_IGN)
        try:
            for number in self._numbers:
                signal.signal(number, self._interrupt)
        except ValueError:
            self._numbers = ()  # not the main thread: another program runs us

    def _interrupt(self, *_: object) -> None:
        for number in self._numbers:
            signal.signal(number, _do_nothing)
        raise KeyboardInterrupt

    def ignore(self) -> None:
        """Ignore further ones, so that a second Ctrl-C does not lose the JSON."""
        for number in self._numbers:
            signal.signal(number, _do_nothing)  # takes a pending signal, about which Python complains under SIG_IGN
            signal.signal(number, signal.SIG_IGN)  # stays in force until the process ends

    def let_go(self) -> None:
        """Let each end the process, when all is told. A viewer that is started now hears them too."""
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)


def _do_nothing(*_: object) -> None:
    pass
