"""The rows a run uses: tables opened, columns mapped, sources mixed, held-out rows drawn. Renders no row.

A *position* numbers the rows in use from 0: those of the run's own sources first, in the order they are trained on
when nothing shuffles them, then those of a validation source of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from studio.config import DataConfig, RunConfig
from studio.config.data import MixPart
from studio.data.columns import dataset_type_of, has_column, map_columns
from studio.data.formats.base import Rendering
from studio.data.rendering import ROWS_NAMED, Renderer, named
from studio.data.sources import Table, kind_of, open_source
from studio.data.sources.base import name_rows_twice, share_rows
from studio.data.sources.mix import interleave
from studio.data.tools_file import tools_of
from studio.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from studio.settings import Settings

    Positions = npt.NDArray[np.int64]

READ_AT_ONCE = 4096  # rows between the first and the last that one read may span


@dataclass(frozen=True)
class Corpus:
    """`part` and `row` say for each position which renderer's table it is of, and which row there.

    `train` and `eval` are positions, in the order of training.
    """

    parts: tuple[Renderer, ...]
    part: npt.NDArray[np.int16]
    row: Positions
    train: Positions
    eval: Positions

    def __len__(self) -> int:
        return len(self.row)

    @property
    def notes(self) -> tuple[DataError, ...]:
        """What is worth knowing of how the sources were read."""
        return tuple(dict.fromkeys(note for one in self.parts for note in one.table.notes))

    @property
    def table(self) -> Table:
        """The first source's."""
        return self.parts[0].table

    @property
    def renderer(self) -> Renderer:
        """The first source's."""
        return self.parts[0]

    @property
    def name(self) -> str:
        """What sentences call the data."""
        return " + ".join(dict.fromkeys(one.table.name for one in self.parts))

    def renderer_of(self, position: int) -> Renderer:
        return self.parts[int(self.part[position])]

    def where(self, position: int) -> str:
        """What a sentence calls a row: its number counted from 1, with its file where there are several."""
        table = self.renderer_of(position).table
        place = table.where(int(self.row[position]))
        return f"{table.name} {place}" if len(self.parts) > 1 else place

    def named(self, positions: Sequence[int] | Positions) -> str:
        """`4, 9 (line 12), +3`."""
        return named([self.where(int(one)) for one in positions[:ROWS_NAMED]], len(positions))

    def raw(self, positions: Sequence[int]) -> list[dict[str, Any] | DataError]:
        """The rows as their file has them; a DataError in the place of one that cannot be read."""
        found: list[dict[str, Any] | DataError] = []
        for part, first, last in _stretches(self, positions):
            found.extend(self.parts[part].table.rows.read(first, last))
        return found

    def position_of(self, row: int) -> int | None:
        """The position of a row of the first source; None where it is not in use."""
        import numpy as np

        places = np.flatnonzero((self.row == row) & (self.part == 0))
        return int(places[0]) if len(places) else None


def _stretches(corpus: Corpus, positions: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """(part, first row, one past the last) of each run of neighbours, in order."""
    part = first = last = -1
    for position in positions:
        its_part, row = int(corpus.part[position]), int(corpus.row[position])
        if its_part == part and row == last and last - first < READ_AT_ONCE:
            last += 1
            continue
        if part >= 0:
            yield part, first, last
        part, first, last = its_part, row, row + 1
    if part >= 0:
        yield part, first, last


def open_corpus(config: RunConfig, settings: Settings) -> Corpus:
    """Open, map, mix and split; a DataError or ConfigError for whatever is wrong with a source as a whole."""
    import numpy as np

    data, seed, sources = config.data, config.training.seed, sources_of(config.data)
    parts = [_renderer(one, config, settings) for one in sources]
    part, row = _mixed([len(one.table.rows) for one in parts], config)
    if data.shuffle:
        order = np.random.default_rng(seed).permutation(len(row))
        part, row = part[order], row[order]
    same = _rows_alike(parts, part, row)
    train, held_out = split_positions(len(row), data=data, seed=seed, same=same)
    used = np.sort(np.concatenate([train, held_out]))  # without the repeats of rows that are held out
    part, row, train, held_out = part[used], row[used], np.searchsorted(used, train), np.searchsorted(used, held_out)
    if data.eval_source or data.eval_split:
        own = _eval_renderer(config, parts, settings)
        count = min(len(own.table.rows), data.max_eval_rows or len(own.table.rows))
        held_out = np.arange(len(used), len(used) + count, dtype=np.int64)
        part = np.concatenate([part, np.full(count, len(parts), dtype=np.int16)])
        row = np.concatenate([row, np.arange(count, dtype=np.int64)])
        parts.append(own)
    return Corpus(parts=tuple(parts), part=part, row=row, train=train, eval=held_out)


def sources_of(data: DataConfig) -> tuple[MixPart, ...]:
    """The run's own source and those mixed into it."""
    own = MixPart(
        source=data.source, split=data.split, weight=data.mix_weight, format=data.format, columns=data.columns
    )
    return (own, *data.mix)


def split_positions(
    total: int, *, data: DataConfig, seed: int, same: Positions | None = None
) -> tuple[Positions, Positions]:
    """Positions to train on, in order, and to hold out. At least one row is always left to train on.

    `same` numbers each position's row, where a row may be at several positions: it is never on both sides.
    """
    import numpy as np

    used = min(total, data.max_train_rows or total)
    firsts = np.arange(used, dtype=np.int64)
    if same is not None:
        firsts = np.sort(np.unique(same[:used], return_index=True)[1])
    if data.eval_source or data.eval_split or not data.eval_fraction or len(firsts) < 2:
        return np.arange(used, dtype=np.int64), np.arange(0, dtype=np.int64)
    count = min(max(1, round(len(firsts) * data.eval_fraction)), len(firsts) - 1, data.max_eval_rows or used)
    chosen = np.sort(firsts[np.random.default_rng(seed).permutation(len(firsts))[:count]])
    train = np.ones(used, dtype=bool)
    if same is None:
        train[chosen] = False
    else:
        train = ~np.isin(same[:used], same[chosen])
    return np.flatnonzero(train).astype(np.int64), chosen.astype(np.int64)


def _rows_alike(parts: Sequence[Renderer], part: npt.NDArray[np.int16], row: Positions) -> Positions | None:
    """A number for the row at each position, where one may be at several: mixing repeats rows, a source may be mixed
    with a part of itself, and a split may name rows twice."""
    import numpy as np

    origins = [one for renderer in parts for one in renderer.table.origins]
    if len(parts) == 1 and not name_rows_twice(origins):
        return None
    sizes: dict[str, int] = {}
    for one in origins:
        sizes[one.of] = max(sizes.get(one.of, 0), one.stop)
    begins = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
    numbers = [
        np.concatenate(
            [np.arange(one.start, one.stop, dtype=np.int64) + begins[one.of] for one in renderer.table.origins]
        )
        for renderer in parts
    ]
    found = np.empty(len(row), dtype=np.int64)
    for number, its in enumerate(numbers):
        here = part == number
        found[here] = its[row[here]]
    return found


def _mixed(lengths: list[int], config: RunConfig) -> tuple[npt.NDArray[np.int16], Positions]:
    """Which source and which of its rows, for each position before any shuffle."""
    import numpy as np

    if len(lengths) == 1:
        return np.zeros(lengths[0], dtype=np.int16), np.arange(lengths[0], dtype=np.int64)
    weights = [one.weight for one in sources_of(config.data)]
    source, row = interleave(lengths, weights=weights, seed=config.training.seed, strategy=config.data.mix_strategy)
    return source.astype(np.int16), row.astype(np.int64)


def open_table(source: str, split: str, data: DataConfig, settings: Settings) -> Table:
    """A source's rows as they are."""
    return open_source(source, split=split, settings=settings, delimiter=data.delimiter)


def _renderer(part: MixPart, config: RunConfig, settings: Settings) -> Renderer:
    table = open_table(part.source, part.split, config.data, settings)
    same = config.data.model_copy(update={"format": part.format, "columns": part.columns})
    return make_renderer(config.model_copy(update={"data": same}), table, settings)


def make_renderer(config: RunConfig, table: Table, settings: Settings) -> Renderer:
    """How this config renders the rows of a table."""
    data = config.data
    mapped = map_columns(table, data)
    how = Rendering(
        columns=mapped.columns,
        dataset_type=dataset_type_of(config.method, mapped, table),
        system_prompt=data.system_prompt or None,
        placeholders=data.placeholders,
        tools=tools_of(data.tools, settings),
        prompt_template=data.prompt_template,
        prompt_template_empty=data.prompt_template_empty,
    )
    return Renderer(table=table, mapped=mapped, how=how)


def _eval_renderer(config: RunConfig, trained: Sequence[Renderer], settings: Settings) -> Renderer:
    """The validation rows, in the format and columns of the training rows."""
    data = config.data
    source = data.eval_source or data.source
    split = data.eval_split or (data.split if kind_of(source) == "hub" else "train")
    table = open_table(source, split, data, settings)
    for one, part in zip(sources_of(data), trained, strict=True):
        if share_rows(part.table.origins, table.origins):
            raise ConfigError(
                "The validation rows ({source}, {split}) are trained on too (data.split: {trained}), so the loss "
                "would be measured on trained rows. Set data.eval_fraction alone, or name another data.eval_source or "
                "data.eval_split.",
                source=source,
                split=split,
                trained=one.split,
            )
    first = trained[0].mapped
    wanted = first.columns
    required = {role.name for role in first.roles if role.required}
    columns = {role: name for role, name in wanted.items() if role in required or has_column(table, name)}
    left_out = {role.name: "" for role in first.roles if role.name not in columns}
    same = data.model_copy(update={"format": first.format, "columns": {**left_out, **columns}})
    return make_renderer(config.model_copy(update={"data": same}), table, settings)
