"""Labels that are the answer's alone are told from other mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.config.files import build
from studio.errors import DataError
from studio.methods.labels import answer_alone
from studio.settings import Settings

IDS = [11, 12, 13, 14, 15, 16]


@pytest.mark.parametrize(
    ("labels", "alone"),
    [
        ([21, 22, 23], True),  # shorter
        ([21, 22, 23, 24, 25, 26, 27, 28], True),  # longer
        ([21, 22, 23, 0, 0, 0], True),  # padded to the same length
        ([21, 22, 23, 24, 16, 16], True),
        ([21, 22, -100, -100, -100, -100], True),  # its padding masked
        ([14, 15, 16], True),  # the prompt is in input_ids too, but the labels are not where their tokens are
        (IDS, False),
        ([-100, -100, -100, 14, 15, 16], False),
        ([-100] * 6, False),
        ([-100] * 4, False),
        (IDS[1:], False),  # shifted by hand
        ([*IDS[1:], -100], False),
        ([-100, *IDS[:-1]], False),
        (IDS[:4], False),  # cut
        ([-100, -100, -100, 14, 15, 99], False),  # one is wrong
        ([], False),
    ],
)
def test_answers_alone(labels: list[int], alone: bool) -> None:
    assert answer_alone(IDS, labels) == alone


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("padding", [None, 80], ids=["as they are", "padded"])
def test_a_script_that_tokenizes_prompt_and_answer_apart_is_told_what_is_wrong(
    settings: Settings, tmp_path: Path, padding: int | None, mask: bool
) -> None:
    """From the file to the plan: one blocking finding with its count and rows, and the run is refused with the same."""
    from studio.model.load import load_tokenizer
    from studio.training.plan import plan
    from studio.training.stage import stage

    tokenizer = load_tokenizer(build({}).model, settings)
    more = {"padding": "max_length", "max_length": padding} if padding else {}
    path = tmp_path / "rows.jsonl"
    with path.open("w") as file:
        for question in ("What is the capital of France?", "Who are you?", "Say hello."):
            row = dict(tokenizer(question, **more))
            if not mask:
                del row["attention_mask"]
            row["labels"] = tokenizer("It is the city of Paris, and so on.", **more)["input_ids"]
            file.write(json.dumps(row) + "\n")
    config = build({"data": {"source": str(path), "eval_fraction": 0}})
    made = plan(config, settings)
    assert not made.ok and made.report is not None
    (finding,) = [one for one in made.report.findings if one.severity == "blocking"]
    assert (finding.check, finding.count, list(finding.positions)) == ("misaligned_labels", 3, [0, 1, 2])
    assert "labels hold the answer's tokens alone" in str(finding) and not finding.levers
    with pytest.raises(DataError, match=r"3 of 3 rows cannot be used\. labels hold the answer's tokens alone"):
        stage(config, settings)
