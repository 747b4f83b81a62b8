"""The tabs, from left to right. A new one is a file here and a line in TABS."""

from __future__ import annotations

from collections.abc import Callable

from studio.ui.page import Page
from studio.ui.tabs import adapter, chat, data, model, runs, train

TABS: dict[str, Callable[[Page], None]] = {
    "model": model.build,
    "data": data.build,
    "adapter": adapter.build,
    "train": train.build,
    "chat": chat.build,
    "runs": runs.build,
}
