"""Kept tokens -> the data set a trainer is given, cut as the method cuts, on disk and never all in memory."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.doctor.curve import subset, unpredicted, window
from studio.data.store import is_fresh, last_used, room

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset

    from studio.data.scan import Scan
    from studio.methods import Method
    from studio.methods.base import Encoded

DIGEST_ROWS = 8
DIGEST_WINDOW = 512  # the rows to train on among which the first usable ones are looked for
AT_ONCE = 1000  # rows in memory while a data set is written
ROWS = "rows-"
KEPT_ROWS = 4


def digest(rows: Iterable[Encoded], *, method: Method, max_length: int | None, truncation_mode: str) -> str:
    """What the trainer is given of the first rows, column by column, in 16 hex digits."""
    found = hashlib.sha256()
    for row in rows:
        columns = method.trainer_rows([row], max_length=max_length, truncation_mode=truncation_mode)
        found.update(json.dumps([values[0] for values in columns.values()], separators=(",", ":")).encode())
    return found.hexdigest()[:16]


@dataclass(frozen=True)
class Counts:
    """Tokens that are left after the cut, of all lanes; `truncated` rows lose some."""

    supervised: int
    total: int
    truncated: int


def count(
    scan: Scan, positions: npt.NDArray[np.int64], *, method: Method, max_length: int | None, truncation_mode: str
) -> Counts:
    """Figures of these rows as the trainer cuts them. Rows are looked up only where what a cut takes of their trained
    tokens cannot be reckoned: where those are several stretches."""
    import numpy as np

    facts = subset(scan.facts, positions)
    length, supervised = facts.length, facts.supervised
    kind = window(method, truncation_mode)
    first = _unpredicted(scan, positions, method=method, max_length=max_length, truncation_mode=truncation_mode)
    if max_length is None or kind == "all":
        return Counts(supervised=int(supervised.sum()) - first, total=int(length.sum()), truncated=0)
    cut = length > max_length
    beyond = facts.last - max_length if kind == "start" else length - max_length - facts.first
    gone = np.where(cut, np.clip(beyond, 0, supervised), 0)
    apart = (gone > 0) & (facts.last - facts.first > supervised)
    total = int(supervised.sum(where=~apart)) - int(gone.sum(where=~apart))
    rows = np.flatnonzero(apart.any(axis=1))
    for row, made in zip(rows, scan.store.rows(positions[rows]), strict=True):
        for number, lane in enumerate(made.lanes):
            if apart[row, number]:
                start, end = method.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
                total += sum(
                    max(0, min(last, end) - max(first, start))
                    for first, last in zip(lane.spans[0::2], lane.spans[1::2], strict=True)
                )
    kept = np.minimum(length, max_length)
    return Counts(supervised=total - first, total=int(kept.sum()), truncated=int(cut.any(axis=1).sum()))


def _unpredicted(
    scan: Scan, positions: npt.NDArray[np.int64], *, method: Method, max_length: int | None, truncation_mode: str
) -> int:
    """Trained tokens that packing takes out of the loss, as nothing in their piece predicts them."""
    import numpy as np

    counts, exact = unpredicted(subset(scan.facts, positions), max_length, method, truncation_mode)
    total = int(counts[exact].sum())
    for row in scan.store.rows(positions[np.flatnonzero(~exact)]):
        flags = row.lanes[0].trained()
        offset, step = method.begins(len(flags), max_length=max_length, truncation_mode=truncation_mode) or (0, 1)
        total += sum(flags[offset::step])
    return total


def trainer_dataset(
    scan: Scan,
    positions: npt.NDArray[np.int64],
    *,
    method: Method,
    max_length: int | None,
    truncation_mode: str,
) -> Dataset:
    """These rows as the trainer takes them, memory-mapped; the file of the same rows is used again."""
    said = [method.type, *(getattr(method, name) for name in method.shapes_cuts), max_length, truncation_mode]
    name = hashlib.sha256(repr(said).encode() + positions.tobytes()).hexdigest()[:16]
    path = scan.store.folder / f"{ROWS}{name}.arrow"
    found = _opened(path, rows=len(positions))
    if found is None:
        with room(scan.store.folder):
            _drop_old(scan.store.folder)
            _write(
                path, scan, positions, method=method,
                cut={"max_length": max_length, "truncation_mode": truncation_mode},
            )  # fmt: skip
        found = _opened(path, rows=len(positions))
    if found is None:
        raise OSError(f"{path} does not hold what was written")
    return found


def _opened(path: Path, *, rows: int) -> Dataset | None:
    """The file's data set; None where it is missing or damaged."""
    import pyarrow as pa
    from datasets import Dataset

    if not path.exists():
        return None
    try:
        found = Dataset.from_file(str(path))
    except (OSError, pa.ArrowInvalid):
        return None
    if len(found) != rows:
        return None
    texts = tuple(name for name, kind in found.features.items() if getattr(kind, "dtype", None) == "string")
    return found.with_transform(partial(_read_back, texts=texts)) if texts else found


def _read_back(columns: dict[str, list[Any]], *, texts: tuple[str, ...]) -> dict[str, list[Any]]:
    return {name: [json.loads(one) for one in some] if name in texts else some for name, some in columns.items()}


def _write(path: Path, scan: Scan, positions: npt.NDArray[np.int64], *, method: Method, cut: dict[str, Any]) -> None:
    """Write the file batch by batch: numbers as they are, anything else as JSON."""
    import pyarrow as pa

    scan.store.folder.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    schema: Any = None
    with ExitStack() as open_now:
        open_now.callback(made.unlink, missing_ok=True)
        for start in range(0, len(positions), AT_ONCE):
            rows = list(scan.store.rows(positions[start : start + AT_ONCE]))
            columns = method.trainer_rows(rows, **cut)
            if schema is None:
                schema = pa.schema({name: _kind(values) for name, values in columns.items()})
                writer = open_now.enter_context(pa.ipc.new_stream(str(made), schema))
            texts = {name: [json.dumps(one) for one in columns[name]] for name in columns if _is_text(schema, name)}
            writer.write_batch(pa.RecordBatch.from_pydict({**columns, **texts}, schema=schema))
        writer.close()
        made.replace(path)


def _is_text(schema: Any, name: str) -> bool:
    return str(schema.field(name).type) == "string"


def _kind(values: Sequence[Any]) -> Any:
    """Arrow's type of a column: of numbers or of lists of them; text for what is neither."""
    import pyarrow as pa

    inner = next((one for value in values for one in (value if isinstance(value, list) else [value])), 0)
    if isinstance(inner, bool):
        kind = pa.bool_()
    elif isinstance(inner, int):
        kind = pa.int32()
    else:
        return pa.string()
    return pa.list_(kind) if isinstance(values[0], list) else kind


def _drop_old(folder: Path) -> None:
    """Files of rows that no run of the last day began with, but for the newest; what trainers made of them too."""
    made = [*folder.glob(f"{ROWS}*.arrow"), *folder.glob("cache-*.arrow")]
    for file in sorted(made, key=last_used, reverse=True)[KEPT_ROWS:]:
        if not is_fresh(file):
            with suppress(OSError):  # on some systems one that is open stays
                file.unlink()
