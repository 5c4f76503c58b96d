EXAMPLES = ""


def trace() -> None:
    """TODO."""
