"""Tokens of many rows on disk, in shards that are there whole or not at all. Knows nothing of formats and checks.

A shard is three files: `.arrow` holds each lane's token ids and loss spans, `.npz` the figures and marks of the rows,
`.json` the sentences about them; the last is written last, so that a shard with it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.rendering import Remarks
from studio.errors import DataError
from studio.methods.base import Encoded, Lane

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

SETTLED = "settled.npz"
KEPT_FOLDERS = 12
KEPT_BYTES = 20 * 1024**3
FRESH = 24 * 3600.0  # seconds

Arrays = dict[str, "npt.NDArray[Any]"]


@dataclass(frozen=True)
class Shard:
    """What is known of `count` rows in a row, the first of them at position `start`."""

    start: int
    count: int
    arrays: Arrays
    problems: Remarks
    left_out: Remarks
    remarks: Remarks


class TokenStore:
    """The shards of one scan, in a folder of their own. Written by one thread, read by any."""

    def __init__(self, folder: Path, *, lanes: int, shard_rows: int) -> None:
        self.folder, self.lanes, self.shard_rows = folder, lanes, shard_rows

    def has(self, number: int) -> bool:
        """Whether a shard is there, whole."""
        return self._path(number, "json").exists()

    def write(self, number: int, shard: Shard, tokens: Sequence[pa.RecordBatch]) -> None:
        """All of a shard, its tokens packed in parts, or nothing that a reader would take for one; a DataError where
        there is no room for it."""
        with room(self.folder):
            self._write(number, shard, tokens)

    def _write(self, number: int, shard: Shard, tokens: Sequence[pa.RecordBatch]) -> None:
        import numpy as np
        import pyarrow as pa

        self.folder.mkdir(parents=True, exist_ok=True)
        batch = pa.concat_batches(tokens)
        with (
            _Whole(self._path(number, "arrow")) as path,
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, batch.schema) as writer,
        ):
            writer.write_batch(batch)
        with _Whole(self._path(number, "npz")) as path, path.open("wb") as out:
            np.savez(out, allow_pickle=False, **shard.arrays)
        said = {
            "start": shard.start,
            "count": shard.count,
            "problems": shard.problems.as_json(),
            "left_out": shard.left_out.as_json(),
            "remarks": shard.remarks.as_json(),
        }
        with _Whole(self._path(number, "json")) as path:
            path.write_text(json.dumps(said), encoding="utf-8")

    def read(self, number: int) -> Shard:
        """The figures and sentences of a shard; OSError or ValueError where it is damaged."""
        said = json.loads(self._path(number, "json").read_text(encoding="utf-8"))
        arrays = _arrays(self._path(number, "npz"))
        if self._open(number).num_rows != said["count"]:
            raise ValueError("the tokens are of other rows")
        problems, left_out, remarks = (Remarks.from_json(said[key]) for key in ("problems", "left_out", "remarks"))
        return Shard(
            start=int(said["start"]), count=int(said["count"]), arrays=arrays,
            problems=problems, left_out=left_out, remarks=remarks,
        )  # fmt: skip

    def read_settled(self, rows: int) -> Arrays | None:
        """What was concluded of all rows together; None where it was not, or where it was of fewer rows."""
        try:
            found = _arrays(self.folder / SETTLED)
        except (OSError, ValueError):
            return None
        return found if int(found.pop("rows", -1)) == rows else None

    def write_settled(self, arrays: Arrays, rows: int) -> None:
        import numpy as np

        with room(self.folder), _Whole(self.folder / SETTLED) as path, path.open("wb") as out:
            np.savez(out, allow_pickle=False, rows=np.int64(rows), **arrays)

    def rows(self, positions: npt.NDArray[np.int64]) -> Iterator[Encoded]:
        """The tokens of these rows, in their order; texts are not kept."""
        opened: tuple[int, pa.RecordBatch] | None = None
        for shard, inner in _by_shard(positions, self.shard_rows):
            if opened is None or opened[0] != shard:
                opened = (shard, self._open(shard))
            yield from _encoded(opened[1], inner, self.lanes)

    def tokens(self, positions: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The tokens of all lanes of these rows, one after the other, and where each row begins and the last ends."""
        import numpy as np
        import pyarrow as pa

        ids: list[npt.NDArray[np.int32]] = []
        sizes: list[npt.NDArray[np.int64]] = [np.zeros(1, dtype=np.int64)]
        for shard, inner in _by_shard(positions, self.shard_rows):
            found = self._open(shard).take(pa.array(inner))
            lanes = [found.column(f"ids_{number}") for number in range(self.lanes)]
            joined = lanes[0] if len(lanes) == 1 else _side_by_side(lanes)
            ids.append(joined.flatten().to_numpy())
            sizes.append(joined.value_lengths().to_numpy().astype(np.int64))
        empty = np.empty(0, dtype=np.int32)
        return np.concatenate(ids) if ids else empty, np.cumsum(np.concatenate(sizes))

    def _open(self, number: int) -> pa.RecordBatch:
        import pyarrow as pa

        return pa.ipc.open_file(pa.memory_map(str(self._path(number, "arrow")))).get_batch(0)

    def pack(self, encoded: Sequence[Encoded | None]) -> pa.RecordBatch:
        """Rows' tokens as they are kept, at four bytes each. Safe to use from several threads."""
        import pyarrow as pa

        columns: dict[str, pa.Array] = {}
        tokens = pa.list_(pa.int32())
        for number in range(self.lanes):
            lanes = [one.lanes[number] if one is not None else None for one in encoded]
            columns[f"ids_{number}"] = pa.array([one.ids if one is not None else () for one in lanes], tokens)
            columns[f"spans_{number}"] = pa.array([one.spans if one is not None else () for one in lanes], tokens)
        extra = [json.dumps(one.extra, default=str) if one is not None and one.extra else "" for one in encoded]
        columns["extra"] = pa.array(extra, pa.string())
        return pa.RecordBatch.from_pydict(columns)

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:05d}.{kind}"


def _arrays(path: Path) -> Arrays:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError("the figures are damaged") from error


def _encoded(batch: pa.RecordBatch, rows: npt.NDArray[np.int64], lanes: int) -> Iterator[Encoded]:
    import pyarrow as pa

    found = batch.take(pa.array(rows))
    columns = [
        (found.column(f"ids_{number}").to_pylist(), found.column(f"spans_{number}").to_pylist())
        for number in range(lanes)
    ]
    for place, extra in enumerate(found.column("extra").to_pylist()):
        made = tuple(Lane(ids[place], tuple(spans[place])) for ids, spans in columns)
        yield Encoded(made, (), json.loads(extra) if extra else {})


def _side_by_side(lanes: Sequence[pa.ListArray]) -> pa.ListArray:
    """Lists of the same rows, those of each row joined to one."""
    import numpy as np
    import pyarrow as pa

    lengths = np.stack([lane.value_lengths().to_numpy() for lane in lanes], axis=1).astype(np.int64)
    bounds = np.concatenate([[0], np.cumsum(lengths.reshape(-1))])
    ids = np.empty(int(bounds[-1]), dtype=np.int32)
    for number, lane in enumerate(lanes):
        values, own = lane.flatten().to_numpy(), lengths[:, number]
        begins = bounds[:-1].reshape(lengths.shape)[:, number]
        inner = np.arange(len(values)) - np.repeat(np.cumsum(own) - own, own)
        ids[np.repeat(begins, own) + inner] = values
    ends = np.concatenate([[0], np.cumsum(lengths.sum(axis=1))])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(ids, pa.int32()))


def _by_shard(positions: npt.NDArray[np.int64], shard_rows: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(shard, places in it) for each stretch of positions that lie in one shard."""
    import numpy as np

    if not len(positions):
        return
    shards = positions // shard_rows
    cuts = np.flatnonzero(np.diff(shards)) + 1
    for stretch in np.split(positions, cuts):
        shard = int(stretch[0]) // shard_rows
        yield shard, stretch - shard * shard_rows


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """A full disk, or a folder that may not be written, as a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise DataError(
            "The tokens cannot be written to {folder}: {reason}. Free some space there, or choose another workspace.",
            folder=folder,
            reason=os.strerror(error.errno),
        ) from error


class _Whole:
    """A path beside the real one, renamed into it when the block ends well."""

    def __init__(self, path: Path) -> None:
        self._path, self._made = path, path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")

    def __enter__(self) -> Path:
        return self._made

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._made.replace(self._path)
        else:
            self._made.unlink(missing_ok=True)


def prune(root: Path, *, keep: Path) -> None:
    """Drop the scans that were used longest ago, beyond some folders and some bytes; `keep` and fresh ones stay."""
    if not root.is_dir():
        return
    folders = sorted((one for one in root.iterdir() if one.is_dir()), key=last_used, reverse=True)
    total = 0
    for number, folder in enumerate(folders):
        total += _size(folder)
        if folder != keep and not is_fresh(folder) and (number >= KEPT_FOLDERS or total > KEPT_BYTES):
            shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes in a folder; another process may be writing or dropping it."""
    total = 0
    with suppress(OSError), os.scandir(folder) as files:
        for file in files:
            with suppress(OSError):
                total += file.stat().st_size
    return total


def is_fresh(path: Path) -> bool:
    """Whether a run, or another page or process, may be reading it."""
    return time.time() - last_used(path) < FRESH


def last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has dropped it
        return 0.0


def joined(pieces: Sequence[Arrays]) -> Arrays:
    """Each array over all pieces that have it, one after the other. Takes them out of the pieces, so that of very many
    rows there is never all of it twice."""
    import numpy as np

    names = dict.fromkeys(name for one in pieces for name in one)
    return {name: np.concatenate([one.pop(name) for one in pieces if name in one]) for name in names}
