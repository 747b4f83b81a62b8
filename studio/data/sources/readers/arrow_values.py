"""Arrow arrays -> Python values, a repeated one made once and shared; and how large each row is before it is made.

A dictionary, or a run, lets a small file stand for a terabyte of text. Knows nothing of files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Sizes = npt.NDArray[np.int64]

POINTER, OBJECT = 8, 64  # bytes, about, that Python takes for a value in a list, and for a list or dict itself


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """What `to_pylist` gives. ValueError and others where a value is none that Python has."""
    names = table.schema.names
    columns = [[value for chunk in column.chunks for value in _values(chunk)] for column in table.columns]
    if not columns:
        return [{} for _ in range(len(table))]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def row_sizes(table: pa.Table) -> Sizes:
    """The bytes of each row, with repeated values counted each time. ValueError for a type that is not read."""
    import numpy as np

    sizes = np.zeros(len(table), dtype=np.int64)
    for column in table.columns:
        sizes += np.concatenate([np.zeros(0, dtype=np.int64), *map(_sizes, column.chunks)])
    return sizes


def _repeats(kind: pa.DataType) -> bool:
    """Whether a type may have values that are kept once for several places."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or pa.types.is_union(kind):
        return True
    return any(_repeats(kind.field(number).type) for number in range(kind.num_fields))


def _values(array: pa.Array) -> list[Any]:
    import pyarrow as pa

    kind = array.type
    if not _repeats(kind):
        values: list[Any] = array.to_pylist()
        return values
    if pa.types.is_dictionary(kind):
        return _picked(array.dictionary, array.indices.to_pylist())
    if pa.types.is_run_end_encoded(kind):
        return _picked(array.values, _runs(array).tolist())
    if pa.types.is_struct(kind):
        return _objects(array)
    inner, starts, stops = _inner(array)
    values = _values(inner[0]) if len(inner) == 1 else list(zip(*map(_values, inner), strict=True))
    cut = [values[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    return _without_nulls(array, cut)


def _picked(values: pa.Array, places: list[int | None]) -> list[Any]:
    """The values at these places; only those in use are made, each once."""
    import pyarrow as pa

    used = list(dict.fromkeys(place for place in places if place is not None))
    made = dict(zip(used, _values(values.take(pa.array(used, pa.int64()))), strict=True))
    return [None if place is None else made[place] for place in places]


def _objects(array: pa.StructArray) -> list[Any]:
    names = [array.type.field(number).name for number in range(array.type.num_fields)]
    if len(set(names)) < len(names):
        raise ValueError("two fields have the same name")
    made: list[Any] = [
        dict(zip(names, cells, strict=True)) for cells in zip(*map(_values, array.flatten()), strict=True)
    ]
    return _without_nulls(array, made)


def _inner(array: pa.Array) -> tuple[list[pa.Array], Sizes, Sizes]:
    """What an array of lists holds, and where each list begins and ends in it; of a map, its keys and its values."""
    import numpy as np
    import pyarrow as pa

    kind = array.type
    if pa.types.is_fixed_size_list(kind):
        starts = (np.arange(len(array), dtype=np.int64) + array.offset) * kind.list_size
        stops = starts + kind.list_size
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        bounds = array.offsets.to_numpy().astype(np.int64)
        starts, stops = bounds[:-1], bounds[1:]
    elif pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        starts = array.offsets.to_numpy().astype(np.int64)
        stops = starts + array.sizes.to_numpy()
    else:
        raise ValueError(f"values of the type {kind} are not read")
    stops = np.where(array.is_valid().to_numpy(zero_copy_only=False), stops, starts)
    full = stops > starts
    first, last = (int(starts[full].min()), int(stops[full].max())) if full.any() else (0, 0)
    inner = [array.keys, array.items] if pa.types.is_map(kind) else [array.values]
    starts, stops = np.where(full, starts - first, 0), np.where(full, stops - first, 0)
    return [one.slice(first, last - first) for one in inner], starts, stops


def _without_nulls(array: pa.Array, made: list[Any]) -> list[Any]:
    if not array.null_count:
        return made
    return [one if valid else None for one, valid in zip(made, array.is_valid().to_pylist(), strict=True)]


def _runs(array: pa.RunEndEncodedArray) -> Sizes:
    """The place among the runs of each value."""
    import numpy as np

    places = np.arange(array.offset, array.offset + len(array))
    return np.searchsorted(array.run_ends.to_numpy(), places, side="right")


def _sizes(array: pa.Array) -> Sizes:
    """The bytes of each value."""
    import numpy as np

    starts = np.arange(len(array), dtype=np.int64)
    return _between(array, starts, starts + 1)


def _between(array: pa.Array, starts: Sizes, stops: Sizes) -> Sizes:
    """The bytes of the values start <= place < stop, for each pair. Takes no more memory than the array does: some
    arrays state a billion values and hold none."""
    import pyarrow as pa

    kind, is_, counts = array.type, pa.types, stops - starts
    if isinstance(kind, pa.BaseExtensionType):
        return _between(array.storage, starts, stops)
    if is_.is_run_end_encoded(kind):
        return _before_runs(array, stops) - _before_runs(array, starts)
    if is_.is_struct(kind):
        return sum((_between(field, starts, stops) for field in array.flatten()), start=OBJECT * counts)
    if is_.is_fixed_size_list(kind):
        first, size = array.offset, kind.list_size
        return OBJECT * counts + _between(array.values, (first + starts) * size, (first + stops) * size)
    width = _width(kind)
    if width is not None:
        return width * counts
    before = _summed(_lengths(array))
    return POINTER * counts + before[stops] - before[starts]


def _width(kind: pa.DataType) -> int | None:
    """The bytes of a value of a type whose values are all of one size."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return POINTER
    try:
        return max(POINTER, kind.bit_width // 8) if not pa.types.is_dictionary(kind) else None
    except ValueError:
        return None


def _lengths(array: pa.Array) -> Sizes:
    """The bytes of each text or list, or of what a dictionary has in its place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        places = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return _sizes(array.dictionary)[places] if len(array.dictionary) else np.zeros(len(array), dtype=np.int64)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):  # 16 bytes for each, the first four its length
        return np.frombuffer(array.buffers()[1], dtype=np.int32)[4 * array.offset :: 4][: len(array)].astype(np.int64)
    if pa.types.is_nested(kind):
        inner, starts, stops = _inner(array)
        return sum((_between(one, starts, stops) for one in inner), start=np.full(len(array), OBJECT))
    return pc.binary_length(array).fill_null(0).to_numpy(zero_copy_only=False)


def _summed(sizes: Sizes) -> Sizes:
    """What lies before each place."""
    import numpy as np

    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def _before_runs(array: pa.RunEndEncodedArray, places: Sizes) -> Sizes:
    """The bytes before each place of an array of runs."""
    import numpy as np

    ends = np.concatenate([[0], array.run_ends.to_numpy().astype(np.int64)])
    each = _sizes(array.values)
    run = np.searchsorted(ends, array.offset + places, side="right") - 1
    whole = _summed(each * np.diff(ends))
    return whole[run] + (array.offset + places - ends[run]) * np.append(each, 0)[run]
