"""`python -m service.cli`: the `twoyes` command without its script."""

from . import main

main()
