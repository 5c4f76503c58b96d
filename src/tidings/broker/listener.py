"""Taking the port, before anything else is touched."""

from __future__ import annotations

import errno
import os
import socket

from tidings.errors import OperatorError

BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A listening socket: clients that come early queue. Raises OperatorError if the address cannot be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OperatorError(f"{host!r} is no address of this machine", "Listen on 127.0.0.1, for example.") from error
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise _refused(f"{host}:{port}", error) from error
    return listener


def _refused(where: str, error: OSError) -> OperatorError:
    if error.errno == errno.EADDRINUSE:
        return OperatorError(f"{where} is in use by another program", "Stop it, or choose another port.")
    if error.errno == errno.EACCES:
        return OperatorError(f"this user may not listen on {where}", "Choose a port from 1024 on.")
    return OperatorError(f"cannot listen on {where}: {os.strerror(error.errno or 0)}", "Choose another address.")
