"""TCP ports for servers under test."""

from __future__ import annotations

import errno
import random
import socket

from tidings.errors import OperatorError

_RANGE = range(20_000, 32_000)
"""Below the ports that Linux hands out to outgoing connections (32768 and up).

A client that keeps calling a port of *that* range while nobody listens may be given the very port as its own, connect
to itself, and keep the restarting server from binding it.
"""


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nothing listens now. Drawn at random, so that test processes side by side do not meet."""
    for port in random.sample(_RANGE, 100):
        if is_free(port, host):
            return port
    raise OperatorError(f"found no free port from {_RANGE.start} to {_RANGE.stop} on {host}", "stop what listens there")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True
