"""Parquet -> rows that are made only when they are looked at. The footer is checked before anything is unpacked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from studio.data.sources.base import LazyRows, Row, Rows
from studio.errors import DataError

if TYPE_CHECKING:
    import pyarrow

MOST_ROWS = 5_000_000
MOST_BYTES = 8 * 1024**3  # unpacked, as the footer states it


class ArrowRows(LazyRows):
    """An Arrow table as a sequence of rows."""

    def __init__(self, table: pyarrow.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def row(self, index: int) -> Row:
        rows: list[Row] = self._table.slice(index, 1).to_pylist()
        return rows[0]

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()


def read_parquet(content: bytes, name: str) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        footer = file.metadata
        unpacked = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
        if footer.num_rows > MOST_ROWS or unpacked > MOST_BYTES:
            raise DataError(
                "{file} unpacks to {rows} rows and {size} GB; at most {most} rows and {limit} GB are read. "
                "Save a part of it as a smaller file.",
                file=name,
                rows=f"{footer.num_rows:,}",
                size=f"{unpacked / 1024**3:.1f}",
                most=f"{MOST_ROWS:,}",
                limit=MOST_BYTES // 1024**3,
            )
        # Repeated text stays one text in memory, as it is in the file: a small file can hold a terabyte otherwise.
        leaves = (file.schema.column(number) for number in range(footer.num_columns))
        repeated = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        table = pq.ParquetFile(pa.BufferReader(content), read_dictionary=repeated).read()
    except (pa.ArrowException, OSError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError("{file} is not a valid Parquet file ({problem}).", file=name, problem=problem[:200]) from error
    names = tuple(str(column) for column in table.column_names)
    if len(set(names)) < len(names):
        raise DataError(
            "{file}: two columns have the same name. Give each column its own name.",
            file=name,
        )
    return Rows(ArrowRows(table), names)
