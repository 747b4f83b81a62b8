"""Every error Tunefork raises on purpose. Knows nothing of how an error is shown.

StudioError                 one sentence: what was set, why it cannot be, what to do; exit code 2
├── ConfigError             a setting, key or flag is wrong
├── DataError               a file, row or column is wrong
├── ModelError              a model, tokenizer or adapter cannot be used
├── WorkspaceError          the workspace cannot be read or written
├── BusyError               something else holds the model or the training thread
└── RunFailed               a run began and could not finish; exit code 1

The sentence is a template with named details, so that the page can show it in another language:
the template is the key in `studio/ui/locale/*.json` (section "errors").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class StudioError(Exception):
    """An error with a sentence for the person who meets it. Translated only in `cli` and `ui/guard`."""

    exit_code = 2

    def __init__(self, template: str, **details: object) -> None:
        self.template = template
        self.details = details
        super().__init__(template.format(**details) if details else template)

    @classmethod
    def again(cls, template: str, details: Mapping[str, object]) -> Self:
        """A sentence that was kept, said once more."""
        return cls(template, **details)


class ConfigError(StudioError):
    """A setting, key or flag is wrong."""


class DataError(StudioError):
    """A file, row or column is wrong."""


class ModelError(StudioError):
    """A model, tokenizer or adapter cannot be used."""


class WorkspaceError(StudioError):
    """The workspace cannot be read or written."""


class BusyError(StudioError):
    """Something else holds the model or the training thread."""


class RunFailed(StudioError):
    """A run began and could not finish."""

    exit_code = 1
