"""`python -m tidings`: the `tidings` command of this very interpreter."""

from tidings.cli import main

main()
