"""A model for a size: when no model is named, a size that the default model does not make should not end the run."""

from __future__ import annotations

from ..models.catalog import Catalog, Default, Mode, find
from . import sizes
from .validate import choose_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..models.catalog import Values


def making_the_size(catalog: Catalog, default: Default, fields: Values) -> Default:
    """The default; or, when its model does not make the `size` that text alone asks for, the first other that does."""
    size = fields.get("size")
    if default.when or not isinstance(size, str) or _makes(catalog, default, size, fields):
        return default
    able = (other for other in catalog.defaults if _makes(catalog, other, size, fields))
    other = next(able, None)
    return Default(other.model, {"size": size}) if other else default


def _makes(catalog: Catalog, default: Default, size: str, fields: Values) -> bool:
    found = find(catalog, default.model)
    mode = choose_mode(found.model, fields) if found else None
    param = mode.param("size") if mode else None
    if mode is None or param is None or param.size is None or _needs_media(mode):
        return False
    return bool(mode.pixels) or not sizes.judge(size, param.size).fault  # a mode with tiers translates sizes itself


def _needs_media(mode: Mode) -> bool:
    return any(param.media and (param.required or param.low) for param in mode.params)
