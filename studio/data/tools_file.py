"""A file with the tools of all rows: JSON, a list of function descriptions. Knows nothing of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.errors import DataError

if TYPE_CHECKING:
    from studio.settings import Settings

LARGEST_FILE = 4_000_000  # bytes


def tools_of(source: str | None, settings: Settings) -> list[dict[str, Any]] | None:
    """The tools in the file that `data.tools` names; None where it names none."""
    if not source:
        return None
    try:
        path = Path(source).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError("{source!r} is not a path that can be read.", source=source) from error
    if not settings.allows_local_paths and not path.is_relative_to(settings.uploads_dir.resolve()):
        raise DataError("This is a public Space, which reads no paths of its machine. Upload the file of tools.")
    try:
        if not path.is_file() and path.exists():
            raise DataError("{path} is not a regular file.", path=path)
        if path.stat().st_size > LARGEST_FILE:
            raise DataError("{path} is larger than 4 MB; this is no list of tools (data.tools).", path=path)
        tools = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError("Cannot read {path}: {reason}.", path=path, reason=error.strerror or error) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            "{path} is not JSON ({problem}). data.tools names a JSON list of function descriptions.",
            path=path,
            problem=str(error)[:200],
        ) from error
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise DataError("{path} is not a list of function descriptions (data.tools).", path=path)
    return tools
