"""Immutable values with named fields and defaults, like `dataclasses` and `NamedTuple`.

Importing either of those takes longer than all of our modules that `--help` or a refused request needs, and a fast
start is a feature. Type checkers see frozen dataclasses. This module imports nothing of ours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, TypeVar

    from typing_extensions import dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True)
    def record(cls: type[T]) -> type[T]: ...

else:

    def record(cls):
        """Make the annotated names of a class its fields, given by position or by name, in their order."""
        names = tuple(cls.__annotations__)
        known = frozenset(names)
        defaults = known & cls.__dict__.keys()
        required = known - defaults
        for name in filter(lambda name: callable(cls.__dict__[name]), defaults):
            setattr(cls, name, staticmethod(cls.__dict__[name]))  # else it would become a method

        def __init__(self, *values, **named):
            own = self.__dict__  # defaults stay in the class
            own.update(zip(names, values))
            own.update(named)
            if len(own) != len(values) + len(named) or not required <= own.keys() <= known:
                raise TypeError(f"{cls.__name__} has the fields {', '.join(names)}")

        cls._names = names
        cls.__init__ = __init__
        cls.__eq__ = _equals
        cls.__hash__ = _hash
        cls.__repr__ = _repr
        cls.__setattr__ = cls.__delattr__ = _refuse
        return cls

    def _equals(self, other):
        return type(other) is type(self) and all(value == getattr(other, name) for name, value in _fields(self))

    def _hash(self):
        return hash(tuple(value for _, value in _fields(self)))

    def _repr(self):
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in _fields(self))})"

    def _refuse(self, *_):
        raise AttributeError(f"{type(self).__name__} is immutable")


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(value, name)) for name in value._names)


def fields_of(value: object) -> dict[str, Any]:
    """The fields of a record by name, in their order."""
    return dict(_fields(value))


def changed(value: T, **changes: Any) -> T:
    """A copy of a record with other values in some fields."""
    return type(value)(**{**vars(value), **changes})
