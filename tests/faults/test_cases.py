"""The table of cases in conftest.py names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def test_every_case_names_a_test_that_is_there() -> None:
    table = (TESTS / "faults" / "conftest.py").read_text(encoding="utf-8").split('"""')[1]
    named = re.findall(r"(\w+/\w+\.py)::(\w+)", table)
    missing = [(file, test) for file, test in named if f"def {test}(" not in (TESTS / file).read_text(encoding="utf-8")]
    cases = {int(number) for number in re.findall(r"^ ?(\d+) ", table, re.MULTILINE)}
    assert not missing
    assert cases >= {*range(1, 9), *range(23, 31)}
