"""Where the `twoyes` command begins: Ctrl-C ends it without a traceback while the rest is being imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command."""
    try:
        from service.cli import main as command
    except KeyboardInterrupt:
        # As a shell tells a process that SIGINT ended.
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
