"""What a person can mend is told in one line with a way out, never as a traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tidings.errors import DeclarationError, OperatorError, UnavailableError

EXIT_OPERATOR_ERROR = 2
EXIT_INTERRUPTED = 130


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Ends the process for errors that are not ours: exit code 2, and 130 for Ctrl-C."""
    try:
        yield
    except OperatorError as error:
        _give_up(str(error), error.way_out)
    except UnavailableError as error:
        _give_up(str(error), "Start a broker with `tidings up`, or name another with --url or TIDINGS_URL.")
    except DeclarationError as error:
        _give_up(str(error), "")
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left (`tidings tail orders | head`); Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _give_up(message: str, way_out: str) -> None:
    print(f"tidings: {message}" + (f"\n  {way_out}" if way_out else ""), file=sys.stderr)
    sys.exit(EXIT_OPERATOR_ERROR)
