"""What most modules need of `contextlib`, whose import takes half a millisecond of every run.

This module imports nothing of ours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import closing, contextmanager, suppress

    __all__ = ["closing", "contextmanager", "suppress"]
else:

    def contextmanager(steps):
        """A context manager from a generator with one `yield`, where an error of the `with` block is raised."""
        return lambda *values, **named: _Within(steps(*values, **named))

    class _Within:
        def __init__(self, steps):
            self._steps = steps

        def __enter__(self):
            return next(self._steps)

        def __exit__(self, kind, error, trace):
            if error is None:
                next(self._steps, None)
                return False
            try:
                self._steps.throw(error)
            except StopIteration:
                return True  # the generator has dealt with it
            except BaseException as raised:
                if raised is not error:
                    raise
            return False

    @contextmanager
    def closing(thing):
        try:
            yield thing
        finally:
            thing.close()

    @contextmanager
    def suppress(*kinds):
        try:
            yield
        except kinds:
            pass
