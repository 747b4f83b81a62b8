"""Starts Tunefork: with no argument the studio in the browser, else a verb of the command line (`--help`)."""

from __future__ import annotations

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
