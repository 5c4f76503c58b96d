"""One file per API: what it does, what changed in which version, and why."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from tidings.broker.requests.dispatch import TABLE, Api


def load() -> Mapping[int, Api]:
    """The whole table by API key, after importing every file of this folder: a new file is all a new API takes."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return TABLE
