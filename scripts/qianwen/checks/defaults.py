"""Which model a request is for: the one it names, else the default that fits its fields."""

from __future__ import annotations

from ..errors import InvalidRequest, Problem, UsageError
from ..models.catalog import GIVEN, Catalog, Default, Found, Mode, find, meets, why_not
from ..plain.record import changed
from . import sizes
from .validate import choose_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..models.catalog import Values


def choose(catalog: Catalog, model_id: str, fields: Values, kind: str, region: Callable[[], str]) -> Found:
    """The row for a request, and why it was chosen.

    model_id: "" takes a default.
    kind: the value of --mode, "" if not given.
    region: returns the region; called only if the default depends on it.
    Raises InvalidRequest for text that cannot be a model id, UsageError for a model that cannot be used here.
    """
    why = ""
    if not model_id:
        from ..models.media_items import unpack

        given = {**fields, **unpack(fields).fields, "mode": kind}
        default = default_for(catalog, given)
        if "size" in given:
            default = _making_the_size(catalog, default, given)
        model_id = default.regional.get(region(), default.model) if default.regional else default.model
        why = "the default"
        if default.when:
            conditions = (name if wanted == GIVEN else f"{name} {wanted}" for name, wanted in default.when.items())
            why += f" with {' and '.join(conditions)}"
    is_a_word = model_id.isascii() and model_id.isprintable() and " " not in model_id
    if not (is_a_word and all(model_id.split("/"))):
        allowed = "letters, digits, dots and hyphens, optionally after a vendor name and a slash"
        raise InvalidRequest([Problem("model", ascii(model_id), "cannot be a model id", allowed)])
    found = find(catalog, model_id)
    if found is None:
        message, hint = why_not(catalog, model_id)
        raise UsageError(message, hint=hint)
    return changed(found, why=why)


def default_for(catalog: Catalog, fields: Values) -> Default:
    """The model to use when the request names none."""
    return next(default for default in catalog.defaults if meets(default.when, fields))


def _making_the_size(catalog: Catalog, default: Default, fields: Values) -> Default:
    """The default for text alone, or the first other default whose model can make `size` if this one cannot."""
    size = fields.get("size")
    if default.when or not isinstance(size, str) or _makes(catalog, default, size, fields):
        return default
    other = next((other for other in catalog.defaults if _makes(catalog, other, size, fields)), None)
    return Default(other.model, {"size": size}) if other else default


def _makes(catalog: Catalog, default: Default, size: str, fields: Values) -> bool:
    found = find(catalog, default.model)
    mode = choose_mode(found.model, fields) if found else None
    param = mode.param("size") if mode else None
    if mode is None or param is None or param.size is None or _needs_media(mode):
        return False
    return bool(mode.pixels) or not sizes.judge(size, param.size).fault  # modes with tiers translate sizes


def _needs_media(mode: Mode) -> bool:
    return any(param.media and (param.required or param.low) for param in mode.params)
