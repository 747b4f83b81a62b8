"""What a tracker is: it is given figures by step, and writes them down on this machine. Knows nothing of training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Tracked:
    """The run that a tracker shows. `settings` is its whole config; none of a run's settings is a secret."""

    run_id: str
    run_dir: Path
    shared: Path  # the workspace: for what a tracker keeps of several runs
    name: str
    project: str
    settings: dict[str, Any]
    text: str  # the same as YAML


class Tracker(ABC):
    """One tracker of one run. Whatever it raises ends it and not the run; heavy imports belong into `__init__`."""

    package: ClassVar[str]  # what `import` and pip call it

    def __init__(self, run: Tracked, *, resumed: int | None) -> None:  # noqa: B027 - one may need nothing of it
        """`resumed` is the step from which a run goes on; what an earlier process wrote after it is void."""

    @abstractmethod
    def put(self, figures: dict[str, float], step: int) -> None:
        """Figures of one step, such as {"train/loss": 0.5}."""

    @abstractmethod
    def close(self, *, failed: bool) -> None:
        """The run has ended, for now."""
