EXAMPLES = ""


def tail() -> None:
    """TODO."""
