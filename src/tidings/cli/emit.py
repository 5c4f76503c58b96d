EXAMPLES = ""


def emit() -> None:
    """TODO."""
