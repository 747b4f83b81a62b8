"""What findings offer to change, against the settings there are."""

from __future__ import annotations

import ast
from pathlib import Path

from patients import Patient, assistant, context_for, pair, user

from studio.config import RunConfig
from studio.data.doctor import CHECKS
from studio.data.doctor.report import build_report
from studio.methods import METHODS

FOLDER = Path(__file__).resolve().parents[3] / "studio" / "data" / "doctor"


def changes_in_code() -> set[str]:
    """The keys of every `Lever.of(label, {...})`."""
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "Lever.of"
                and isinstance(node.args[1], ast.Dict)
            ):
                found |= {ast.literal_eval(key) for key in node.args[1].keys if isinstance(key, ast.Constant)}
    return found


def test_every_lever_changes_a_setting_that_there_is() -> None:
    keys = changes_in_code()
    assert {"training.max_length", "data.filters+", "data.bad_rows", "model.add_template_tokens"} <= keys
    config = RunConfig()
    for key in keys:
        section, name = key.removesuffix("+").split(".")
        assert name in getattr(config, section).knobs(), key
    assert {"desirable_weight", "undesirable_weight"} <= set(METHODS["kto"].knobs())


def test_every_check_has_its_own_name_and_can_be_a_filter() -> None:
    assert len({type(check) for check in CHECKS.values()}) == len(CHECKS)
    patient = Patient([pair("a", "b c d e")])
    for name, check in CHECKS.items():
        assert name.isidentifier() and not len(check.flagged(patient.marks[name], patient.view(max_length=512))), name


def test_no_filter_is_offered_that_leaves_nothing() -> None:
    rows = [{"prompt": [user("a")], "completion": [assistant("b {{name}}")]}]
    (finding,) = Patient(rows).findings("placeholders")
    assert finding.levers == ()
    (finding,) = Patient([*rows, pair("a", "b")]).findings("placeholders")
    assert finding.levers[0].changes == {"data.filters+": "placeholders"}


def test_checks_that_do_not_apply_are_neither_fine_nor_found() -> None:
    report = build_report((patient := Patient([pair("a", "b c")])).marks, patient.view(max_length=512))
    told = {*report.fine, *(one.check for one in report.findings)}
    assert told.isdisjoint({"same_pair", "label_balance", "misaligned_labels"})
    assert not CHECKS["cut"].applies(context_for("grpo"))


def test_a_lever_never_asks_for_more_than_the_model_takes() -> None:
    rows = [pair("say it", "word " * 900), pair("say it", "word " * 50)]
    patient = Patient(rows, context_for(most_positions=512))
    (finding,) = patient.findings("cut", max_length=100)
    assert finding.levers[0].changes == {"training.max_length": 512}
    assert "this model's most" in finding.levers[0].template
