"""Immutable values with named fields and defaults, as `dataclasses` and `NamedTuple` make them.

Both of those cost more to import than everything that `--help` or a refused request needs of ours, and start-up is a
feature; hence these few lines. The type checker sees them as frozen dataclasses. This module imports nothing of ours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True)
    def record(cls: type[T]) -> type[T]: ...

else:

    def record(cls):
        """Make the annotated names of a class its fields, given by position or by name, in their order."""
        names = tuple(cls.__annotations__)
        defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}
        known = frozenset(names)

        def __init__(self, *values, **named):
            fields = {**defaults, **named}
            if values:
                fields.update(zip(names, values))
            if fields.keys() != known or len(values) > len(names) or not named.keys().isdisjoint(names[: len(values)]):
                raise TypeError(f"{cls.__name__} has the fields {', '.join(names)}")
            self.__dict__.update(fields)

        def __eq__(self, other):
            return type(other) is cls and self.__dict__ == other.__dict__

        def __hash__(self):
            return hash(tuple(self.__dict__[name] for name in names))

        def __repr__(self):
            return f"{cls.__name__}({', '.join(f'{name}={self.__dict__[name]!r}' for name in names)})"

        def refuse(self, *_):
            raise AttributeError(f"{cls.__name__} is immutable")

        for method in (__init__, __eq__, __hash__, __repr__):
            setattr(cls, method.__name__, method)
        cls.__setattr__ = cls.__delattr__ = refuse
        return cls


def fields_of(value: object) -> dict[str, Any]:
    """The fields of a record by name."""
    return dict(vars(value))


def changed(value: T, **changes: Any) -> T:
    """A copy of a record with other values in some fields."""
    return type(value)(**{**vars(value), **changes})
