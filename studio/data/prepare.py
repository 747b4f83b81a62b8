"""DataConfig -> rendered rows, split into train and eval. Knows nothing of tokenizers and models."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studio.config import DataConfig, RunConfig
from studio.data.columns import Mapped, map_columns
from studio.data.formats import FORMATS
from studio.data.formats.base import Rendering
from studio.data.rendering import Batch, Note, Renderer, to_dataset
from studio.data.sources import Table, kind_of, open_source
from studio.errors import ConfigError, DataError
from studio.methods.base import DatasetType

if TYPE_CHECKING:
    from datasets import Dataset

    from studio.settings import Settings

__all__ = [
    "Mapped",
    "PreparedData",
    "make_renderer",
    "map_columns",
    "nothing_left",
    "open_table",
    "prepare",
    "split_rows",
]


@dataclass(frozen=True)
class PreparedData:
    """Rendered rows in the data set type that the method chose; the indexes are row numbers in the source, from 0."""

    train: Dataset
    train_index: tuple[int, ...]
    eval: Dataset | None
    eval_index: tuple[int, ...]
    table: Table
    mapped: Mapped
    dataset_type: DatasetType
    notes: tuple[Note, ...] = ()
    left_out: tuple[int, ...] = ()  # rows without an answer, in neither part; the notes say so
    eval_table: Table | None = None  # where the eval rows come from a source of their own


def open_table(source: str, split: str, settings: Settings) -> Table:
    """A source's rows as they are."""
    return open_source(source, split=split, settings=settings)


def prepare(config: RunConfig, settings: Settings) -> PreparedData:
    """Open, map, split and render; one DataError for whatever is wrong, naming rows."""
    table = open_table(config.data.source, config.data.split, settings)
    renderer = make_renderer(config, table)
    train_index, eval_index = split_rows(len(table.rows), data=config.data, seed=config.training.seed)
    everything = sorted((*train_index, *eval_index))
    batch = renderer.rows(everything, of=len(everything))
    train = {index: batch.rows[index] for index in train_index if index in batch.rows}
    if not train:
        raise nothing_left(renderer, batch)
    held_out = {index: batch.rows[index] for index in eval_index if index in batch.rows}
    notes, eval_table = batch.notes, None
    if config.data.eval_source:
        eval_table, evaluated = _eval_source(config, renderer, settings)
        held_out, notes = evaluated.rows, (*notes, *evaluated.notes)
    return PreparedData(
        train=to_dataset(list(train.values())),
        train_index=tuple(train),
        eval=to_dataset(list(held_out.values())) if held_out else None,
        eval_index=tuple(held_out),
        table=table,
        mapped=renderer.mapped,
        dataset_type=renderer.how.dataset_type,
        notes=notes,
        left_out=batch.left_out,
        eval_table=eval_table,
    )


def nothing_left(renderer: Renderer, batch: Batch) -> DataError:
    return DataError(
        "{file}: no row is left to train on. {problem}",
        file=renderer.table.name,
        problem=" ".join(batch.notes),
    )


def make_renderer(config: RunConfig, table: Table) -> Renderer:
    """How this config renders the rows of a table."""
    mapped = map_columns(table, config.data)
    how = Rendering(
        columns=mapped.columns,
        dataset_type=config.method.dataset_type(FORMATS[mapped.format].dataset_types),
        system_prompt=config.data.system_prompt or None,
    )
    return Renderer(table=table, mapped=mapped, how=how)


def split_rows(total: int, *, data: DataConfig, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Row numbers to train on, in source order, and to hold out. At least one row is always left to train on."""
    used = min(total, data.max_train_rows or total)
    if data.eval_source or not data.eval_fraction or used < 2:
        return tuple(range(used)), ()
    count = min(max(1, round(used * data.eval_fraction)), used - 1)
    held_out = set(random.Random(seed).sample(range(used), count))  # noqa: S311 - a split, not a secret
    return tuple(row for row in range(used) if row not in held_out), tuple(sorted(held_out))


def _eval_source(config: RunConfig, trained: Renderer, settings: Settings) -> tuple[Table, Batch]:
    """All rows of `data.eval_source`, in the format and columns of the training rows."""
    source = str(config.data.eval_source)
    if source.strip() == config.data.source.strip():
        raise ConfigError(
            "data.eval_source is the same as data.source ({source}), so the loss would be measured on trained rows. "
            "Remove it and set data.eval_fraction, or name another.",
            source=source,
        )
    split = config.data.split if kind_of(source) == "hub" else "train"
    table = open_table(source, split, settings)
    wanted = trained.mapped.columns
    required = {role.name for role in trained.mapped.roles if role.required}
    columns = {role: name for role, name in wanted.items() if role in required or name in table.columns}
    left_out = {role.name: "" for role in trained.mapped.roles if role.name not in columns}
    same = config.data.model_copy(update={"format": trained.mapped.format, "columns": {**left_out, **columns}})
    renderer = make_renderer(config.model_copy(update={"data": same}), table)
    return table, renderer.rows(range(len(table.rows)), of=len(table.rows))
