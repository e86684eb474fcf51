"""The common package of all services. Names load when they are asked for: all take most of a second."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.config import *  # noqa: F403
    from shared.database import *  # noqa: F403
    from shared.models import *  # noqa: F403  # the public names are models.__all__
    from shared.utils import *  # noqa: F403
else:
    # The quick ones first.
    _HOMES = ("shared.models", "shared.config", "shared.utils", "shared.database")

    def __getattr__(name: str) -> Any:
        if name == "__all__":
            return [public for home in _HOMES for public in import_module(home).__all__]
        if not name.startswith("__"):
            for home in map(import_module, _HOMES):
                if name in home.__all__:
                    return globals().setdefault(name, getattr(home, name))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
