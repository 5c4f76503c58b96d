EXAMPLES = ""


def demo() -> None:
    """TODO."""
