"""The `tidings` command: one file per sub-command."""


def main() -> None:
    raise SystemExit("not yet")
