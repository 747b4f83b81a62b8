"""Figures are printed at the end of the session, whatever pytest captures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_figures: list[str] = []


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Record one measured line."""
    return _figures.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.write_line(line)
