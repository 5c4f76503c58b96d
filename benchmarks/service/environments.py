"""Where a peer's libraries are: in an environment of their own, made when they are first needed.

They come by name from PyPI with pip, into .peers/, which git ignores. aiokafka and confluent-kafka are those of our own
environment: the tests use them, and librdkafka should be the one that Tidings is measured with.
"""

from __future__ import annotations

import json
import sys
import venv
from importlib.metadata import version
from pathlib import Path

from tests.interop.suites import PEERS, build

from benchmarks import versions


def own(*packages: str) -> Environment:
    """The one this runs in."""
    return Environment("", packages)


class Environment:
    """`packages` are those whose versions are told; `requirements` what is installed for them."""

    def __init__(self, name: str, packages: tuple[str, ...], requirements: tuple[str, ...] = ()) -> None:
        self._place = PEERS / f"venv-{name}" if name else None
        self._packages = packages
        self._requirements = requirements

    @property
    def python(self) -> Path:
        return self._place / "bin" / "python" if self._place else Path(sys.executable)

    def prepare(self) -> None:
        """Raises OperatorError with what pip said if it cannot be made."""
        if self._place is None or (
            (done := self._place / "requirements").exists() and done.read_text() == self._wanted
        ):
            return
        venv.create(self._place, with_pip=True, clear=True)
        quietly = ["--quiet", "--disable-pip-version-check"]
        build([str(self.python), "-m", "pip", "install", *quietly, *self._requirements], self._place)
        done.write_text(self._wanted)

    @property
    def _wanted(self) -> str:
        return "\n".join(self._requirements)

    def versions(self) -> dict[str, str]:
        """Of its packages, by name."""
        if self._place is None:
            return {package: version(package) for package in self._packages}
        ask = "import json, sys, importlib.metadata as m; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
        found: dict[str, str] = json.loads(versions.said(str(self.python), "-c", ask, *self._packages) or "{}")
        return found
