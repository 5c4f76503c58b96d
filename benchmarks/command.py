"""What the commands of all benchmarks have in common."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.machine import describe
from benchmarks.results import Results, read
from tidings.errors import OperatorError

Tell = Callable[[str], None]

RUNS = ("standard", "further")
"""Whose results are kept and shown in the docs."""


def parser(module: str, description: str | None, examples: str, scenarios: Collection[str]) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"only these: {', '.join(scenarios)}")
    made.add_argument("--further", action="store_true", help="what is not in the standard run")
    made.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    made.add_argument("--quick", action="store_true", help="small sizes and one round")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    made.add_argument("--results", type=Path, metavar="FILE", help="keep the results in FILE, and leave the docs")
    made.add_argument("--render", action="store_true", help="measure nothing; write the docs from what is kept")
    return made


def parsed(made: argparse.ArgumentParser, arguments: Sequence[str], scenarios: Collection[str]) -> argparse.Namespace:
    """Ends the program with what is wrong, if anything is."""
    chosen = made.parse_args(arguments)
    if unknown := set(chosen.scenarios) - set(scenarios):
        made.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(scenarios)}")
    if chosen.rounds < 1:
        made.error("--rounds: at least 1")
    return chosen


def results_of(
    module: str, arguments: Sequence[str], chosen: argparse.Namespace, versions: dict[str, str], sizes: msgspec.Struct
) -> Results:
    """Those of a run that is about to begin."""
    return Results(
        command=shlex.join(["python", "-m", module, *arguments]),
        machine=describe(),
        versions=versions,
        day=date.today().isoformat(),
        rounds=1 if chosen.quick else chosen.rounds,
        sizes=msgspec.structs.asdict(sizes),
    )


@contextmanager
def told(results: Results, steps: int, so_far: Path) -> Iterator[tuple[Tell, Tell]]:
    """Two to tell: of what is going on, and of a turn that is over; then what there is so far is kept."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    begun = perf_counter()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=steps)

        def tell(text: str) -> None:
            progress.update(task, description=text)

        def turn_over(text: str) -> None:
            progress.console.print(text, style="bright_black", markup=False)
            progress.advance(task)
            results.write(so_far)

        yield tell, turn_over
    results.notes.append(f"The run took {(perf_counter() - begun) / 60:.0f} minutes.")


def finish(
    results: Results, chosen: argparse.Namespace, keep: Path | None, show: Callable[[Results, Console], None]
) -> int:
    """Keep the results, show them; the exit code: 1 if anything could not be measured."""
    if keep is not None:
        results.write(keep)
    if chosen.json:
        print(results.encode().decode())
    else:
        show(results, Console(width=None if sys.stdout.isatty() else 160))
    return int(bool(results.failures))


def kept(folder: Path, module: str) -> Mapping[str, Results]:
    """The runs that are kept in `folder`, by their names. Raises OperatorError if none is."""
    found = {name: read(path) for name in RUNS if (path := folder / f"{name}.json").exists()}
    if not found:
        raise OperatorError(f"no results are kept in {folder}", f"run python -m {module}")
    return found
