"""Kept tokens -> the data set a trainer is given, cut as the method cuts, on disk and never all in memory."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasets import Dataset

    from studio.data.scan import Scan
    from studio.methods import Method
    from studio.methods.base import Encoded

DIGEST_ROWS = 8
AT_ONCE = 1000  # rows in memory while a data set is written


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
    """Figures of these rows as the trainer cuts them. Only rows that are cut within their loss are looked up."""
    import numpy as np

    facts = scan.facts
    length, supervised = facts.length[positions], facts.supervised[positions]
    if max_length is None:
        return Counts(supervised=int(supervised.sum()), total=int(length.sum()), truncated=0)
    kept = np.minimum(length, max_length)
    cut = length > max_length
    within = cut & (supervised > 0)
    total = int(supervised.sum(where=~within))
    rows = np.flatnonzero(within.any(axis=1))
    for row, made in zip(rows, scan.store.rows(positions[rows]), strict=True):
        for number, lane in enumerate(made.lanes):
            if within[row, number]:
                start, end = method.shown(lane, max_length=max_length, truncation_mode=truncation_mode)
                total += sum(
                    max(0, min(last, end) - max(first, start))
                    for first, last in zip(lane.spans[0::2], lane.spans[1::2], strict=True)
                )
    return Counts(supervised=total, total=int(kept.sum()), truncated=int(cut.any(axis=1).sum()))


def trainer_dataset(
    scan: Scan,
    positions: npt.NDArray[np.int64],
    *,
    method: Method,
    max_length: int | None,
    truncation_mode: str,
) -> Dataset:
    """These rows as the trainer takes them, memory-mapped; the file of the same rows is used again."""
    from datasets import Dataset

    said = f"{method.model_dump_json()} {max_length} {truncation_mode}".encode()
    name = hashlib.sha256(said + positions.tobytes()).hexdigest()[:16]
    path = scan.store.folder / f"rows-{name}.arrow"
    if not path.exists():
        cut: dict[str, Any] = {"max_length": max_length, "truncation_mode": truncation_mode}
        written = _write(path, scan, positions, method=method, cut=cut)
        if written is not None:
            return written
    return Dataset.from_file(str(path))


def _write(
    path: Path, scan: Scan, positions: npt.NDArray[np.int64], *, method: Method, cut: dict[str, Any]
) -> Dataset | None:
    """Write the file batch by batch; rows that are no plain numbers are given back as a data set in memory."""
    import pyarrow as pa
    from datasets import Dataset

    scan.store.folder.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    writer: Any = None
    try:
        for start in range(0, len(positions), AT_ONCE):
            rows = list(scan.store.rows(positions[start : start + AT_ONCE]))
            columns = method.trainer_rows(rows, **cut)
            if writer is None:
                if not all(_is_numbers(values) for values in columns.values()):
                    return Dataset.from_list(_listed(scan, positions, method=method, cut=cut))
                schema = pa.schema({name: _kind(values) for name, values in columns.items()})
                writer = pa.ipc.new_stream(str(made), schema)
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))
        if writer is None:
            raise ValueError("no rows to write")
        writer.close()
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
    return None


def _listed(
    scan: Scan, positions: npt.NDArray[np.int64], *, method: Method, cut: dict[str, Any]
) -> list[dict[str, Any]]:
    columns = method.trainer_rows(list(scan.store.rows(positions)), **cut)
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _is_numbers(values: Sequence[Any]) -> bool:
    first = next((one for value in values for one in (value if isinstance(value, list) else [value])), 0)
    return isinstance(first, bool | int | float)


def _kind(values: Sequence[Any]) -> Any:
    """Arrow's type of a column of numbers or of lists of them."""
    import pyarrow as pa

    if isinstance(values[0], list):
        return pa.list_(pa.int64())
    return pa.bool_() if isinstance(values[0], bool) else pa.float64() if isinstance(values[0], float) else pa.int64()
