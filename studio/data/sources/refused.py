"""What is named as a source and is none: a web address, a kind of file that no reader takes, a path without a file.

Makes the sentences; opens nothing.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from studio.data.sources.readers import READERS, suffix_of
from studio.data.sources.steady import broken_link, shortened
from studio.errors import DataError

WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".bz2", ".xz")
OTHERS = (".feather", ".pkl", ".pickle", ".npy", ".npz", ".h5", ".db", ".sqlite", ".orc", ".avro", ".pdf", ".docx")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ON_THE_HUB = re.compile(r"(?:https?://(?:www\.)?huggingface\.co|hf:/)/datasets/([\w.-]+/[\w.-]+)")


def refuse_address(source: str) -> None:
    """DataError for a web address; one of a data set on the Hub is told its id."""
    if not _ADDRESS.match(source):
        return
    on_the_hub = _ON_THE_HUB.match(source)
    if on_the_hub:
        raise DataError(
            "{source} is a web address, which is not read. Set data.source to the data set's id: {id}.",
            source=shortened(source),
            id=on_the_hub[1],
        )
    raise DataError(
        "{source} is a web address, which is not read. Download the file and set data.source to its path, or name a "
        "data set on the Hub by its id (owner/name).",
        source=shortened(source),
    )


def no_reader(name: str) -> DataError:
    """The sentence for a file of a kind that is not read."""
    lower = name.lower()
    if lower.endswith(WORKBOOKS):
        return DataError("{file} is a workbook, which is not read. Save its sheet as CSV or JSONL.", file=name)
    if lower.endswith(ARCHIVES):
        return DataError(
            "{file} is an archive, which is not read. Unpack it, and name the file or folder that was in it.", file=name
        )
    if lower.endswith(OTHERS):
        return DataError("{file} is of a kind that is not read. Save it as CSV or JSONL.", file=name)
    return DataError(
        "{file} is not of a kind that can be read. There are: {kinds}. Save it as one of these.",
        file=name,
        kinds=", ".join(READERS),
    )


def missing(path: Path) -> DataError:
    """The sentence for a path at which nothing lies."""
    link = broken_link(path)
    if link is not None:
        return link
    near = difflib.get_close_matches(path.name, _readable(path.parent), n=3, cutoff=0.5)
    if near:
        names = " or ".join(shortened(path.with_name(name)) for name in near)
        return DataError("There is no file {path}. Did you mean {near}?", path=shortened(path), near=names)
    return DataError("There is no file {path}. Check the path (data.source).", path=shortened(path))


def _readable(folder: Path) -> list[str]:
    """The names in a folder that some reader takes."""
    try:
        return sorted(one.name for one in folder.iterdir() if suffix_of(one.name))
    except OSError:
        return []
