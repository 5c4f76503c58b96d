"""One tree of errors. Each says whose fault it is, and so who can mend it."""


class TidingsError(Exception):
    """Anything Tidings raises on purpose."""


class ClientError(TidingsError):
    """The peer sent something we will not accept. Nothing of ours is broken; the message says what was wrong."""


class DeclarationError(TidingsError):
    """The program declares an event or a service that cannot work. Raised while declaring, never while running."""


class OperatorError(TidingsError):
    """The place we were started in does not fit: a port, a folder, a setting. `way_out` says what to do about it."""

    def __init__(self, message: str, way_out: str = "") -> None:
        super().__init__(message)
        self.way_out = way_out


class DiskError(TidingsError):
    """The disk refused, or gave back something other than what was written."""


class UnavailableError(TidingsError):
    """A broker cannot be reached or did not answer in time; trying again later may help."""
