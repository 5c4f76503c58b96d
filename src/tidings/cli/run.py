EXAMPLES = ""


def run() -> None:
    """TODO."""
