"""`tidings demo`: a broker, four services, and orders flowing through them."""

from __future__ import annotations

import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tidings.errors import OperatorError

if TYPE_CHECKING:
    from tidings.cli.crowd import Crowd
    from tidings.cli.demo_view import ServiceState
    from tidings.cli.shop import Shop
    from tidings.cli.tally import Result, Tally

EXAMPLES = """
tidings demo                              orders flow until Ctrl-C
tidings demo --rate 200                   ten times as many
tidings demo --data ./shop-data           keep what happens
tidings demo --orders 500 --exit --json   run to the end, print the account
TIDINGS_URL=kafka://localhost:9092 tidings demo   the same shop on any Kafka
"""

RATE = 20.0
ORDERS = 500
STUCK_S = 60
REFRESH_S = 0.25
LINE_EVERY_S = 2.0
RESTART_S = 5.0


def demo(
    orders: Annotated[int | None, typer.Option(min=1, help="How many orders; without end if not given.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Orders per second: 20; with --exit as fast as they are accepted.")
    ] = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit", help="Stop when all orders are through (500 if --orders says nothing).")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print only the account, as one JSON object; implies --exit.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed, the same customers and orders.")] = 1,
    data: Annotated[Path | None, typer.Option(help="The broker's folder; a temporary one if not given.")] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", envvar="TIDINGS_URL", metavar="URL", help="Use this broker instead of starting one."),
    ] = None,
) -> None:
    """See it work: a broker and a shop of four services start, and orders flow.

    With --exit it ends by itself and reads the streams back to account for every order: exit code 1 if any was lost
    or handled twice.
    """
    from tidings.cli.screen import console, print_json
    from tidings.cli.shop import Shop

    if url is not None and data is not None:
        raise OperatorError(
            f"--data is for a broker of the demo's own, and {url} has its data", "Leave out one of them."
        )
    ends = exit_when_done or json
    count = orders or (ORDERS if ends else None)
    pace = rate or (None if ends else RATE)
    screen = None if json else console()
    with _stopping_on_signals(), _folder() as folder, Shop(folder, url=url, data=data, seed=seed) as shop:
        run = Run(shop, count=count, rate=pace, seed=seed)
        try:
            run.start(screen)
            run.watch(screen, until_done=ends)
        except KeyboardInterrupt:
            if ends:
                raise
            run.say_goodbye(screen)
            return
        result, seconds = run.account()
        if json:
            print_json({**_fields(result), "seconds": round(seconds, 2)})
        elif screen is not None:
            screen.print(_verdict(result, seconds))
        if result.lost or result.duplicated:
            raise typer.Exit(1)


class Run:
    """One run of the shop: its orders have ids that no other run's have."""

    def __init__(self, shop: Shop, *, count: int | None, rate: float | None, seed: int) -> None:
        from tidings.cli.demo_view import Pace
        from tidings.cli.tally import Tally

        self._shop = shop
        self._count = count
        self._rate = rate
        self._seed = seed
        self._name = secrets.token_hex(2)
        self._tally: Tally = Tally(self._name)
        self._pace = Pace()
        self._crowd: Crowd | None = None
        self._seconds = 0.0
        self._shown = False
        self._told_at = 0.0

    def start(self, screen: Any) -> None:
        """Bring everything up."""
        if screen is None:
            self._shop.open(lambda what: None)
            return
        screen.print("[bold]Tidings demo[/]: a broker, four services, and orders that flow through them\n")
        if screen.is_terminal:
            with screen.status("starting") as status:
                self._shop.open(lambda what: status.update(f"starting {what}"))
        else:
            self._shop.open(lambda what: screen.print(f"starting {what}"))
        screen.print(f"The broker is at [place]{self._shop.url}[/]. Ctrl-C ends the demo.\n")

    def watch(self, screen: Any, *, until_done: bool) -> None:
        """Place the orders and look on, until all are through (or no longer move), or for ever."""
        from rich.live import Live

        from tidings.cli.crowd import Crowd
        from tidings.cli.demo_view import live

        customers = self._shop_data("customers").COUNT
        orders = self._shop_data("data").orders(self._name, customers, self._seed)
        with Crowd(self._shop.front_port, orders, count=self._count, rate=self._rate) as self._crowd:
            if screen is None or not screen.is_terminal:
                self._look_on(until_done, lambda: self._tell_a_line(screen), screen)
                return
            with Live(console=screen, auto_refresh=False, transient=False) as moving:

                def refresh() -> None:
                    moving.update(live(self._tally, self._pace, self._services()), refresh=True)

                self._look_on(until_done, refresh, screen)
                refresh()

    def _look_on(self, until_done: bool, refresh: Any, screen: Any) -> None:
        from tidings.cli.reader import Reader

        began_at = moved_at = refreshed_at = time.monotonic()
        before = 0
        with Reader(self._shop.cluster) as reader:
            for seen in reader.follow(self._shop.starts()):
                if seen is not None:
                    self._tally.add(seen.event)
                now = time.monotonic()
                if now - refreshed_at < REFRESH_S and not self._done:
                    continue
                refreshed_at = now
                self._pace.note(now, self._tally.orders)
                self._restart_the_dead()
                self._show_trace_once(screen)
                refresh()
                progress = self._tally.orders + self._tally.shipped + self._tally.priced
                if progress != before:
                    before, moved_at, self._seconds = progress, now, now - began_at
                if until_done and (self._done or now - moved_at > STUCK_S):
                    return

    @property
    def _done(self) -> bool:
        """Whether every order was accepted, and all are shipped and priced."""
        tally = self._tally
        crowd = self._crowd
        return crowd is not None and crowd.finished and tally.orders >= len(crowd.accepted) and not tally.unfinished

    def account(self) -> tuple[Result, float]:
        """What became of the accepted orders, by reading the streams once more from where this run began."""
        from tidings.cli.reader import Reader
        from tidings.cli.tally import Tally

        starts = self._shop.starts()
        ends = self._shop.cluster.ends(starts)
        tally = Tally(self._name)
        with Reader(self._shop.cluster) as reader:
            for seen in reader.read(starts, ends):
                tally.add(seen.event)
        return tally.result(self._crowd.accepted if self._crowd else []), self._seconds

    def _restart_the_dead(self) -> None:
        for process in self._shop.processes:
            process.keep_up(RESTART_S)

    def _services(self) -> list[ServiceState]:
        from tidings.cli.demo_view import ServiceState
        from tidings.cli.shop import DOES

        tally = self._tally
        waiting = {"shipping": tally.orders - tally.shipped, "pricing": tally.shipped - tally.priced}
        return [
            ServiceState(name, DOES[name], process.pid, process.keep_up(RESTART_S), waiting.get(name))
            for process in self._shop.processes
            for name in [process.name]
        ]

    def _show_trace_once(self, screen: Any) -> None:
        """As soon as there is one: what became of one order, and what to try next."""
        from tidings.cli.demo_view import next_steps
        from tidings.cli.trace_view import tree

        workflow = self._tally.shown(last=self._done)
        if screen is None or self._shown or workflow is None:
            return
        self._shown = True
        screen.print("One order, rebuilt from the log alone:\n", tree(workflow, columns=screen.width), "", sep="\n")
        if self._count is None:
            url = None if self._shop.is_at_default_url else self._shop.url
            order_id = workflow.roots[0].event.key or ""
            screen.print(next_steps(_command(), url, order_id, self._shop.services["shipping"].pid))

    def _tell_a_line(self, screen: Any) -> None:
        from tidings.cli.demo_view import one_line

        now = time.monotonic()
        if screen is not None and (now - self._told_at >= LINE_EVERY_S or self._done):
            self._told_at = now
            screen.print(one_line(self._tally, self._pace, self._services()))

    def say_goodbye(self, screen: Any) -> None:
        from tidings.cli.screen import amount

        waiting = self._tally.unfinished
        rest = "all of them shipped and priced" if not waiting else f"{amount(waiting)} still on their way"
        screen.print(f"\n{amount(self._tally.orders)} orders, {rest}. Stopping …")

    @staticmethod
    def _shop_data(module: str) -> Any:
        from tidings.cli.shop import shop_module

        return shop_module(module)


def _fields(result: Result) -> dict[str, int]:
    from dataclasses import asdict

    return asdict(result)


def _verdict(result: Result, seconds: float) -> str:
    from tidings.cli.screen import amount

    counts = f"{amount(result.orders)} orders, {amount(result.shipped)} shipped, {amount(result.priced)} priced"
    style = "bad" if result.lost or result.duplicated else "good"
    return f"\n{counts} in {seconds:.1f} s: [{style}]{result.lost} lost, {result.duplicated} duplicated[/]"


def _command() -> str:
    """How this command was called, for the next ones."""
    if shutil.which("tidings"):
        return "tidings"
    called = Path(sys.argv[0])
    if called.name != "tidings":
        return f"{Path(sys.executable).name} -m tidings"
    return str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else str(called)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for the demo's files; kept, and named, if it fails."""
    folder = Path(tempfile.mkdtemp(prefix="tidings-demo-"))
    try:
        yield folder
    except (KeyboardInterrupt, OperatorError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        print(f"tidings: what the services wrote is in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
