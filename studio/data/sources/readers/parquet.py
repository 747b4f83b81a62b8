"""Parquet -> rows, unpacked a part at a time. The footer is checked before anything is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from studio.data.sources.base import MOST_ROWS, Rows, no_rows, sound_rows
from studio.data.sources.readers.arrow_rows import BatchRows, check_size, column_names, first_line
from studio.data.sources.readers.encoding import refuse_stand_in
from studio.data.sources.steady import AT_ONCE, SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from studio.data.sources.readers import Reading

MOST_BYTES = 64 * 1024**3  # unpacked, as the footer states it
PART_BYTES = 24 * 1024**2  # unpacked, that are kept as one


@dataclass(frozen=True)
class _Part:
    """Some rows of a row group; `number` counts its parts."""

    group: int
    number: int
    rows: int


class ParquetRows(BatchRows):
    """A large row group is read from its beginning up to the part that is wanted, and on from there next time."""

    def __init__(self, file: SteadyFile, parts: list[_Part], repeated: list[str]) -> None:
        super().__init__(file, [part.rows for part in parts])
        self._parts, self._repeated = parts, repeated
        self._reading: Iterator[pa.Table] | None = None
        self._next = -1  # the part that `_reading` gives next

    def batch(self, number: int) -> pa.Table:
        first = number - self._parts[number].number
        reading = self._reading
        if reading is None or not first < self._next <= number:
            reading, self._next = self._group_parts(first), first
        self._reading = None  # a reading that fails is not gone on with
        for table in reading:
            self._next += 1
            if self._next > number:
                self._reading = reading
                return table
        raise _invalid(self.file.name, "a row group has fewer rows than the footer says")

    def _group_parts(self, first: int) -> Iterator[pa.Table]:
        """The parts of one row group in turn."""
        import pyarrow as pa

        group = self._parts[first].group
        sizes = [part.rows for part in self._parts[first:] if part.group == group]
        with _parquet(self.file, repeated=self._repeated) as (raw, opened):
            batches: Any = opened.iter_batches(batch_size=max(sizes), row_groups=[group])
            waiting: list[pa.RecordBatch] = []
            for size in sizes:
                while sum(len(one) for one in waiting) < size:
                    batch = next(batches, None)
                    if batch is None:
                        return
                    waiting.append(batch)
                table = pa.Table.from_batches(waiting)
                self.file.check(raw.fileno())
                yield table.slice(0, size)
                waiting = table.slice(size).to_batches()


def read_parquet(file: SteadyFile, reading: Reading) -> Rows:
    refuse_stand_in(file)
    with _parquet(file) as (_, opened):
        footer = opened.metadata
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        check_size(file.name, rows=footer.num_rows, unpacked=unpacked, most=(MOST_ROWS, MOST_BYTES))
        names = column_names(opened.schema_arrow, file.name)
        # Repeated text stays one text in memory, as it is in the file: a small file can hold a terabyte otherwise.
        leaves = (opened.schema.column(number) for number in range(footer.num_columns))
        repeated = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    parts: list[_Part] = []
    for number, group in enumerate(groups):
        size = max(1, PART_BYTES * group.num_rows // max(PART_BYTES, group.total_byte_size))
        for begin in range(0, group.num_rows, size):
            parts.append(_Part(number, begin // size, min(size, group.num_rows - begin)))
    if not parts:
        raise no_rows(file.name)
    rows = ParquetRows(file, parts, repeated)
    sound_rows(rows)
    return Rows(rows, names)


@contextmanager
def _parquet(file: SteadyFile, *, repeated: list[str] | None = None) -> Iterator[tuple[IO[bytes], pq.ParquetFile]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with file.path.open("rb") as raw:
            file.check(raw.fileno())
            with pq.ParquetFile(raw, read_dictionary=repeated, buffer_size=AT_ONCE) as opened:
                yield raw, opened
    except (pa.ArrowException, OSError) as error:
        if file.changed():
            file.read(0, 1)  # says so
        raise _invalid(file.name, first_line(error)) from error


def _invalid(name: str, problem: str) -> DataError:
    return DataError(
        "{file} is not a valid Parquet file ({problem}). Download or save it again; if it is of another kind, give its "
        "name the ending of that kind.",
        file=name,
        problem=problem,
    )
