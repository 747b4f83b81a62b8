"""A data set on the Hub -> Table, through `datasets`, splits and slices too. Runs no code of others.

HF_ENDPOINT is honoured.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from studio.data.sources.base import LazyRows, Origin, Row, Table, no_rows
from studio.data.sources.slices import parse_split
from studio.data.sources.steady import shortened
from studio.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

    from studio.settings import Settings

# owner/name or name, and after a colon the subset that a data set of several parts needs: openai/gsm8k:main
_ID = re.compile(r"^(?P<id>(?:[\w.-]+/)?[\w.-]+)(?::(?P<subset>[\w.-]+))?$")
PATIENCE = 10.0  # seconds until the Hub is called unreachable
KEPT_TABLES = 4
# What a row's decoding can fail with: a codec that is not there, damaged bytes, a value of another type.
_FAULTS = (OSError, ValueError, TypeError, LookupError, RuntimeError, ArithmeticError, AttributeError, ImportError)

_tables: OrderedDict[tuple[str, str], Table] = OrderedDict()
_lock = Lock()


class HubRows(LazyRows):
    """A `datasets.Dataset` as a sequence of plain rows."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        self._dataset, self._name = dataset, name

    def __len__(self) -> int:
        return len(self._dataset)

    def read(self, start: int, stop: int) -> list[Row | DataError]:
        import pyarrow as pa

        try:
            columns: dict[str, list[Any]] = self._dataset[start:stop]
        except (*_FAULTS, pa.ArrowException):
            return [self._one(index) for index in range(start, stop)]
        if not columns:
            return [{} for _ in range(start, stop)]
        return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]

    def _one(self, index: int) -> Row | DataError:
        """A row among some of which one cannot be read."""
        import pyarrow as pa

        try:
            row: Row = self._dataset[index]
        except (*_FAULTS, pa.ArrowException) as error:
            return DataError(
                "{file}, row {row}: a value cannot be read ({problem}). Fix the row or remove it.",
                file=self._name,
                row=index + 1,
                problem=_first_line(error),
            )
        return row


class HubSource:
    """`owner/name`, or `owner/name:subset`. Kept once loaded, so that a preview asks the Hub nothing."""

    def claims(self, source: str) -> bool:
        return bool(_ID.match(source))

    def open(self, source: str, *, split: str, settings: Settings, delimiter: str | None = None) -> Table:
        parse_split(split)
        found = _ID.match(source)
        if found is None:
            raise DataError(
                "{source!r} is neither starter, nor a file here, nor a data set id on the Hub such as owner/name.",
                source=shortened(source),
            )
        with _lock:
            kept = _tables.get((source, split))
        if kept is not None:
            return kept
        table = _load(found["id"], subset=found["subset"], split=split, name=source)
        with _lock:
            _tables[source, split] = table
            while len(_tables) > KEPT_TABLES:
                _tables.popitem(last=False)
        return table


def _load(repo: str, *, subset: str | None, split: str, name: str) -> Table:
    from datasets import disable_progress_bars, load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    revision = _revision(repo, name)
    disable_progress_bars()
    try:
        # `datasets` 5 knows no trust_remote_code: it runs no loading scripts at all.
        dataset: Any = load_dataset(repo, subset, split=split, revision=revision)
    except (DatasetsError, HfHubHTTPError, OSError, ValueError, RuntimeError, LookupError, StopIteration) as error:
        raise DataError(
            "The data set {source} could not be read from the Hub: {problem}",
            source=shortened(name),
            problem=_first_line(error),
        ) from error
    if not len(dataset):
        raise no_rows(name)
    leave_undecoded(dataset)
    content = f"{repo}\n{subset}\n{split}\n{revision or dataset._fingerprint}\n{len(dataset)}"
    return Table(
        name=name,
        rows=HubRows(dataset, name),
        columns=tuple(dataset.column_names),
        identity=hashlib.sha256(content.encode()).hexdigest(),
        size_bytes=dataset.dataset_size,
        origins=_origins(dataset, f"{repo}:{subset or ''}", split),
    )


def leave_undecoded(dataset: Dataset) -> None:
    """No images, audio and the like made of their bytes: no format reads them, it takes long, and it can fail."""
    for column, feature in list(dataset.info.features.items()):
        dataset.info.features[column] = _undecoded(feature)


def _undecoded(feature: Any) -> Any:
    from datasets import Json

    if isinstance(feature, dict):
        return {name: _undecoded(inner) for name, inner in feature.items()}
    if hasattr(feature, "feature"):
        return replace(feature, feature=_undecoded(feature.feature))
    if hasattr(feature, "decode_example") and hasattr(feature, "decode") and not isinstance(feature, Json):
        return replace(feature, decode=False)
    return feature


def _origins(dataset: Dataset, name: str, split: str) -> list[Origin]:
    """Where the rows of a slice lie, if the data set says how many its splits have."""
    sizes = {str(one): facts.num_examples for one, facts in (dataset.info.splits or {}).items()}
    terms = parse_split(split)
    found = [Origin(f"{name}:{term.split}", *term.bounds(sizes[term.split])) for term in terms if sizes.get(term.split)]
    rows = sum(one.stop - one.start for one in found)
    return found if len(found) == len(terms) and rows == len(dataset) else [Origin(f"{name}:{split}", 0, len(dataset))]


def _revision(repo: str, name: str) -> str | None:
    """The commit that will be read, asked first because it answers at once where `load_dataset` retries for long.

    None where the Hub cannot be reached but the data set was loaded before.
    """
    from datasets.load import CachedDatasetModuleFactory
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, RepositoryNotFoundError

    try:
        sha: str | None = HfApi().dataset_info(repo, timeout=PATIENCE).sha
        return sha
    except GatedRepoError as error:
        raise DataError(
            "The data set {source} is gated. Ask for access on its page and log in with `hf auth login`.",
            source=shortened(name),
        ) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise DataError(
            "There is no data set {source} on the Hub, and no file of that name here. Check the id (owner/name); "
            "a private one needs `hf auth login`.",
            source=shortened(name),
        ) from error
    except (HTTPError, OSError) as error:  # HTTPError is the HTTP library's own base class
        try:
            CachedDatasetModuleFactory(repo).get_module()
        except (OSError, ValueError):
            raise DataError(
                "There is no file {source} here, and the Hub cannot be reached to look for a data set of that name "
                "({problem}). Check data.source and the connection, or set HF_ENDPOINT to a mirror.",
                source=shortened(name),
                problem=_first_line(error),
            ) from error
        return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
