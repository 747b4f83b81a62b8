"""Which code of others decides a row's tokens, so that an edited plugin never meets what an older one has kept."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable
from pathlib import Path

OURS = "studio"


def foreign_code(things: Iterable[object]) -> list[str]:
    """A hash of the file of each class, of these things, that is not ours; empty where all are."""
    modules = {type(one).__module__ for one in things}
    found = []
    for name in sorted(one for one in modules if one.partition(".")[0] != OURS):
        path = getattr(sys.modules.get(name), "__file__", None)
        code = Path(path).read_bytes() if path and Path(path).is_file() else name.encode()
        found.append(hashlib.sha256(code).hexdigest())
    return found
