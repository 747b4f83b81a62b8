"""Starts Tunefork: with no argument the studio in the browser, else a verb of the command line (`--help`)."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from studio.cli import main
    except KeyboardInterrupt:  # while it is still being read
        sys.exit(130)
    sys.exit(main(sys.argv[1:]))
