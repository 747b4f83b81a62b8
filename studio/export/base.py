"""What an exporter is: a run's weights as another program reads them, in a folder. Knows nothing of pages and verbs."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from studio.errors import StudioError
from studio.runs.store import RunRecord
from studio.settings import Settings


class Exporter(ABC):
    """One form of a run's weights. `export` makes the folder, and puts it in its place once it is whole."""

    name: ClassVar[str]  # as `export --as` has it
    loads: ClassVar[bool] = True  # whether it loads a model; then nothing may train in the same process meanwhile

    def refusal(self, record: RunRecord) -> StudioError | None:
        """Why this run cannot be had in this form; None where it can. Whether it has saved anything is seen already."""
        return None

    @abstractmethod
    def write(self, record: RunRecord, folder: Path, settings: Settings) -> None:
        """Fill an empty folder with what `record.saved` holds."""

    def prove(self, record: RunRecord, folder: Path, settings: Settings) -> dict[str, Any]:
        """Load what was written, as another program would, and raise where that fails; figures for the person."""
        return {}


def copy_files(source: Path, folder: Path, *, without: tuple[str, ...] = ("README.md",)) -> None:
    """The files of a run's folder. TRL's README is an empty form with a path of this machine in it."""
    for file in sorted(source.iterdir()):
        if file.is_file() and file.name not in without:
            shutil.copyfile(file, folder / file.name)
