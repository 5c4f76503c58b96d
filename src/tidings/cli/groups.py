EXAMPLES = ""


def groups() -> None:
    """TODO."""
