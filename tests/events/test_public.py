"""What `import tidings` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tidings


def test_public_names_are_these_and_no_others() -> None:
    assert sorted(tidings.__all__) == [
        "Batch",
        "EventRecord",
        "Faults",
        "Position",
        "RequestContext",
        "Retry",
        "Service",
        "State",
        "Table",
        "World",
        "event",
    ]
    for name in tidings.__all__:
        assert getattr(tidings, name).__module__.startswith("tidings.")
        assert name in dir(tidings)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        tidings.Nothing  # noqa: B018


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import tidings", ("msgspec", "confluent_kafka", "asyncio", "tidings.service", "tidings.events")),
        ("from tidings import event", ("confluent_kafka", "pydantic", "tidings.service")),
        (
            "from tidings import Service; Service('x')",
            ("confluent_kafka", "pydantic", "tidings.broker", "tidings.testing"),
        ),
        ("from tidings import World", ("confluent_kafka", "pydantic", "tidings.broker", "pytest")),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(statement: str, absent: tuple[str, ...]) -> None:
    script = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
