EXAMPLES = ""


def streams() -> None:
    """TODO."""
