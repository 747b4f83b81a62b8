"""Arrow files and streams, as `datasets` and Feather write them -> rows, unpacked a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.data.sources.base import MOST_ROWS, Rows, no_rows, sound_rows
from studio.data.sources.readers.arrow_layout import BATCH, DICTIONARY, FILE_MARK, SCHEMA, Message, invalid, messages
from studio.data.sources.readers.arrow_rows import BatchRows, check_size, column_names, first_line
from studio.data.sources.readers.encoding import refuse_stand_in
from studio.data.sources.steady import SteadyFile
from studio.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from studio.data.sources.readers import Reading

MOST_BYTES = 64 * 1024**3  # unpacked, as the messages state it
LARGEST_BATCH = 1024 * 1024**2  # bytes, with the dictionaries it needs


class ArrowRows(BatchRows):
    """Each batch is read as a small stream of its own: schema, dictionaries, batch."""

    def __init__(self, file: SteadyFile, found: list[Message]) -> None:
        self._before = [one for one in found if one.kind in (SCHEMA, DICTIONARY)]
        self._is_file = file.read(0, len(FILE_MARK)) == FILE_MARK  # its dictionaries may come last; a stream's change
        self._batches = [one for one in found if one.kind == BATCH and one.rows]
        super().__init__(file, [one.rows for one in self._batches])

    def batch(self, number: int) -> pa.Table:
        import pyarrow as pa

        wanted = self._batches[number]
        needed = [one for one in self._before if self._is_file or one.start < wanted.start]
        pieces = [self.file.read(one.start, one.stop) for one in (*needed, wanted)]
        try:
            with pa.ipc.open_stream(b"".join(pieces)) as stream:
                table = stream.read_all()
            table.validate(full=True)  # offsets that point outside would be read all the same
        except (pa.ArrowException, OSError) as error:
            raise invalid(self.file.name, first_line(error)) from error
        if len(table) != wanted.rows:
            raise invalid(self.file.name, "a batch has fewer rows than it says")
        return table

    def schema(self) -> pa.Schema:
        import pyarrow as pa

        first = self._before[0]
        try:
            with pa.ipc.open_stream(self.file.read(first.start, first.stop)) as stream:
                return stream.schema
        except (pa.ArrowException, OSError) as error:
            raise invalid(self.file.name, first_line(error)) from error


def read_arrow(file: SteadyFile, reading: Reading) -> Rows:
    refuse_stand_in(file)
    found = list(messages(file))
    if not found or found[0].kind != SCHEMA:
        raise invalid(file.name, "it does not begin with a schema")
    batches = [one for one in found if one.kind == BATCH]
    shared = sum(one.unpacked for one in found if one.kind == DICTIONARY)
    rows, unpacked = sum(one.rows for one in batches), sum(one.unpacked for one in found)
    check_size(file.name, rows=rows, unpacked=unpacked, most=(MOST_ROWS, MOST_BYTES))
    largest = max((one.unpacked for one in batches), default=0) + shared
    if largest > LARGEST_BATCH:
        raise DataError(
            "{file}: one batch unpacks to {size} MB; at most {limit} MB are read at once. "
            "Save it again in smaller batches.",
            file=file.name,
            size=largest // 1024**2,
            limit=LARGEST_BATCH // 1024**2,
        )
    if not rows:
        raise no_rows(file.name)
    made = ArrowRows(file, found)
    names = column_names(made.schema(), file.name)
    sound_rows(made)
    return Rows(made, names)
