"""Virtual time on a real event loop.

Code that runs in a context with a clock (`inside`) sees that clock wherever it asks the loop: `asyncio.sleep`,
`asyncio.timeout`, `loop.time`. What it hands to threads (sync handlers, `asyncio.to_thread`) is done in turn: the loop
stands still until the thread is done, or calls the loop. All other code on the loop goes on as if nothing were there.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from tidings.service.clock import ManualClock, Timer

TURNS_MAX = 100_000
"""How often what is ready may make something else ready before somebody says that it never ends."""
TURNS_BLIND = 20
"""How many turns make a rest on a loop that does not show what is ready."""
THREAD_AWAY_S = 0.005
"""How long a thread that called the loop is waited for before the clock moves on without it: real time."""


class RestlessError(RuntimeError):
    """Something on the event loop never comes to rest."""


class VirtualTime:
    """The clock of one world, and what its code has handed to threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: ManualClock) -> None:
        self.clock = clock
        self._loop = loop
        self.timers = 0
        """How many `asyncio.sleep`, `asyncio.timeout` and the like are waiting."""
        self._away: set[_Job] = set()
        self._moved = threading.Event()
        self._threads = ThreadPoolExecutor(thread_name_prefix="tidings-world")

    def context(self) -> contextvars.Context:
        """A copy of the present context, in which time is this one."""
        context = contextvars.copy_context()
        context.run(_inside.set, self)
        return context

    async def rest(self) -> None:
        """Returns when nothing can run before time passes. Raises RestlessError."""
        ready = getattr(self._loop, "_ready", None)  # a deque in every loop of the standard library
        for _ in range(TURNS_MAX):
            for _ in range(TURNS_BLIND if ready is None else 1):
                _resting[self._loop] = _resting.get(self._loop, 0) + 1
                try:
                    await asyncio.sleep(0)
                finally:
                    _resting[self._loop] -= 1
            if ready and len(ready) > _resting[self._loop]:  # more than other worlds, which are about to look as we do
                continue
            if self._away and self._moved.wait(THREAD_AWAY_S):
                self._moved.clear()
                continue
            return
        raise RestlessError(f"the event loop does not come to rest in {TURNS_MAX} turns")

    def call_at(
        self, when: float, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> asyncio.TimerHandle:
        handle = _Handle(when, callback, args, self._loop, context)
        handle.waiting_in = self
        self.timers += 1

        def ring() -> None:
            handle.leave()
            self._loop.call_soon(lambda: None if handle.cancelled() else handle._run())

        handle.timer = self.clock.call_later(when - self.clock.now_ms() / 1000, ring)
        return handle

    def run_in_thread(self, call: Callable[[], Any]) -> asyncio.Future[Any]:
        """Have a thread do it, and wait for that thread as long as it does not wait for us."""
        job = _Job(self._moved)
        done = self._threads.submit(job.run, call)
        job.turn.wait()
        if not job.done:
            self._away.add(job)
            done.add_done_callback(lambda _: self._away.discard(job))
        return _as_result(self._loop, done) if job.done else asyncio.wrap_future(done, loop=self._loop)

    def close(self) -> None:
        self._threads.shutdown(wait=False)


class _Handle(asyncio.TimerHandle):
    timer: Timer | None = None
    waiting_in: VirtualTime | None = None

    def leave(self) -> None:
        if self.waiting_in is not None:
            self.waiting_in.timers -= 1
            self.waiting_in = None

    def cancel(self) -> None:
        super().cancel()
        self.leave()
        if self.timer is not None:
            self.timer.cancel()


class _Job:
    """Something a thread does for code inside. `turn` is set when the loop may go on."""

    def __init__(self, moved: threading.Event) -> None:
        self.turn = threading.Event()
        self.done = False
        self._moved = moved

    def run(self, call: Callable[[], Any]) -> Any:
        _thread.job = self
        try:
            return call()
        finally:
            _thread.job = None
            self.done = True
            self.calls_the_loop()

    def calls_the_loop(self) -> None:
        self._moved.set()
        self.turn.set()


def _as_result(loop: asyncio.AbstractEventLoop, done: Future[Any]) -> asyncio.Future[Any]:
    """What is known already costs no way around through another thread."""
    result: asyncio.Future[Any] = loop.create_future()
    error = done.exception()
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(done.result())
    return result


_inside: contextvars.ContextVar[VirtualTime | None] = contextvars.ContextVar("tidings_virtual_time", default=None)
_thread = threading.local()
_resting: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
_users: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
_PATCHED = ("time", "call_later", "call_at", "run_in_executor", "call_soon_threadsafe")


@contextmanager
def virtual_time(clock: ManualClock) -> Iterator[VirtualTime]:
    """Teach the running loop about worlds, for as long as there is one."""
    loop = asyncio.get_running_loop()
    time = VirtualTime(loop, clock)
    _users[loop] = _users.get(loop, 0) + 1
    if _users[loop] == 1:
        _teach(loop)
    try:
        yield time
    finally:
        _users[loop] -= 1
        if not _users[loop]:
            for name in _PATCHED:
                delattr(loop, name)
        time.close()


def _teach(loop: Any) -> None:
    real_time, real_later, real_at, real_executor, real_soon = (getattr(loop, name) for name in _PATCHED)

    def time() -> float:
        here = _inside.get()
        return real_time() if here is None else here.clock.now_ms() / 1000

    def call_at(when: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        here = _inside.get()
        if here is None:
            return real_at(when, callback, *args, context=context)
        return here.call_at(when, callback, args, context)

    def call_later(delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        if _inside.get() is None:
            return real_later(delay, callback, *args, context=context)
        return call_at(time() + delay, callback, *args, context=context)

    def run_in_executor(executor: Executor | None, function: Any, *args: Any) -> Any:
        here = _inside.get()
        if here is None:
            return real_executor(executor, function, *args)
        return here.run_in_thread(lambda: function(*args))

    def call_soon_threadsafe(callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = real_soon(callback, *args, context=context)
        job = getattr(_thread, "job", None)
        if job is not None:
            job.calls_the_loop()
        return handle

    for name, function in zip(
        _PATCHED, (time, call_later, call_at, run_in_executor, call_soon_threadsafe), strict=True
    ):
        setattr(loop, name, function)
