"""Asking for an operator's pages, as Prometheus and Kubernetes do."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple


class Answer(NamedTuple):
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def why(self) -> str:
        return str(self.json["why"])

    @property
    def samples(self) -> dict[str, float]:
        """Of a page for Prometheus: value by name and labels, as they are written."""
        lines = [line.rpartition(" ") for line in self.text.splitlines() if not line.startswith("#")]
        assert len({name for name, _, _ in lines}) == len(lines)
        return {name: float(value) for name, _, value in lines}


def get(url: str) -> Answer:
    """For threads."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read().decode())


async def ask(url: str) -> Answer:
    return await asyncio.to_thread(get, url)


async def until(url: str, wanted: Callable[[Answer], object], timeout_s: float = 60) -> Answer:
    """Ask until the answer is the wanted one."""
    answer = Answer(0, "nobody asked")
    try:
        async with asyncio.timeout(timeout_s):
            while not wanted(answer := await ask(url)):
                pass
    except TimeoutError:
        raise AssertionError(f"{url} answers still: {answer.status} {answer.text}") from None
    return answer
