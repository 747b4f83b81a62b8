"""What others bring: from an installed package and from a file; refused, broken and missing plugins have a sentence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio import plugins
from studio.cli import main
from studio.config.files import build, dump
from studio.data.formats import FORMATS
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.methods.rewards import REWARDS, Answer
from studio.plugins import plug_in
from studio.runs import RunStore

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "tests" / "plugins" / "example"
PLUGIN = EXAMPLE / "tunefork_example.py"
QUIZ = [
    {"question": "What is the capital of France?", "options": ["Paris", "Rome"], "correct": 0},
    {"question": "What sound does a cat make?", "options": ["Woof", "Meow", "Moo"], "correct": 1},
    {"question": "What comes after May?", "options": ["June", "Rain", "April", "March", "Night"], "correct": 0},
] * 4


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The dicts, and the modules that were imported, as they were."""
    kept = [(room.entries, dict(room.entries)) for room in plugins.rooms().values()]
    modules = set(sys.modules)
    yield
    for entries, before in kept:
        entries.clear()
        entries.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith("tunefork_"):
            del sys.modules[name]


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def package(folder: Path, name: str, code: str, *points: tuple[str, str]) -> None:
    """A package as pip leaves it: its module, and what it offers to which group."""
    info = folder / f"tunefork_{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tunefork-{name}\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"[{group}]\nit = tunefork_{name}:{thing}\n" for group, thing in points)
    (info / "entry_points.txt").write_text(lines, encoding="utf-8")
    (folder / f"tunefork_{name}.py").write_text(code, encoding="utf-8")


def test_the_readme_shows_the_example() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    method = text.partition("class HidePrompt")[2].partition("```")[0]
    assert len(method.splitlines()) > 20 and method.strip() in PLUGIN.read_text(encoding="utf-8")
    assert 'hide_prompt = "tunefork_example:HidePrompt"' in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")


# --- a file


def test_a_file_brings_a_method_a_format_a_check_and_rewards_with_their_settings(tmp_path: Path) -> None:
    assert "hide_prompt" not in METHODS and "quiz" not in FORMATS  # off by default
    assert plug_in([PLUGIN], space=False) == []
    assert next(iter(FORMATS)) == "quiz" and next(iter(METHODS)) == "sft" and "hide_prompt" in METHODS
    config = build({"method": {"type": "hide_prompt", "hidden_share": 0.5}})
    assert config.method.type == "hide_prompt" and "hidden_share: 0.5" in dump(config)
    judged = build({"method": {"type": "grpo", "reward_funcs": "polite,ends_with", "reward_ending": "!"}}).method
    polite, ends = judged.rewards()  # type: ignore[attr-defined]
    answers = [Answer("Yes, please!"), Answer("No")]
    assert polite.score(answers) == ends.score(answers) == [1.0, 0.0]
    assert plug_in([PLUGIN], space=False) == []  # the same again is no conflict
    with pytest.raises(ConfigError, match=r"method\.hidden_share must be less than 1"):
        build({"method": {"type": "hide_prompt", "hidden_share": 1}})


def test_its_rows_are_shown_as_they_train_and_checked(
    settings: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = written(tmp_path, "".join(json.dumps(row) + "\n" for row in QUIZ), "quiz.jsonl")
    asked = ["--source", str(rows), "--method", "hide_prompt", "--json", "--workspace", str(settings.workspace)]
    asked += ["--eval_fraction", "0"]
    assert main(["preview", "--plugin", str(PLUGIN), "--rows", "1", *asked]) == 0
    shown = json.loads(capsys.readouterr().out)
    said = "".join(token["text"] for token in shown["rows"][0]["tokens"])
    assert "- Paris\n- Rome" in said
    assert main(["check", "--plugin", str(PLUGIN), *asked]) == 0
    assert "4 questions have more than four options." in capsys.readouterr().out


def test_its_evaluator_scores_the_answers_of_a_run(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--max_train_rows", "8", "--max_eval_rows", "4", "--max_steps", "1", "--json"]
    asked += ["--predict_with_generate", "--eval_metrics", "first_word", "--eval_max_new_tokens", "4"]
    asked += ["--workspace", str(settings.workspace)]
    assert main(["train", *asked]) == 2 and "no such evaluator" in capsys.readouterr().err
    assert main(["train", "--plugin", str(PLUGIN), *asked]) == 0
    metrics = json.loads(capsys.readouterr().out)["metrics"]
    assert 0 <= metrics["eval_first_word"] <= 100 and "eval_bleu" not in metrics


def test_its_exporter_writes_a_run(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--json", "--workspace", str(settings.workspace)]
    assert main(["train", "--max_steps", "1", "--save_strategy", "no", "--max_train_rows", "16", *both]) == 0
    run_id = json.loads(capsys.readouterr().out)["run_id"]
    assert main(["export", run_id, "--as", "norms", *both]) == 2
    assert "'norms' is no form that a run can be exported in" in capsys.readouterr().err
    assert main(["export", run_id, "--as", "norms", "--plugin", str(PLUGIN), *both]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["as"], told["files"]) == ("norms", ["norms.json"])
    norms = json.loads((Path(told["path"]) / "norms.json").read_text(encoding="utf-8"))
    assert norms and all(one >= 0 for one in norms.values())


def test_a_plain_function_is_given_what_it_names_and_the_reference_by_any_usual_name(tmp_path: Path) -> None:
    code = """
def same(completions, solution):
    return [float(one == other) for one, other in zip(completions, solution)]

def told(prompts, completions, reference=None, **more):
    return [None if more["trainer_state"] else 0.5 for _ in prompts]

def helper(text):
    return text
"""
    plug_in([written(tmp_path, code)], space=False)
    assert REWARDS["same"].compares and not REWARDS["told"].compares and "helper" not in REWARDS
    given = {"prompts": ["a"], "completions": ["4"], "reference": ["4"], "trainer_state": object()}
    assert REWARDS["same"]().trainer_function(None)(**given) == [1.0]  # type: ignore[arg-type]
    assert REWARDS["told"]().trainer_function(None)(**given) == [None]  # type: ignore[arg-type]


FAULTS = [
    ("1 /", r"mine\.py, line 1 could not be loaded \(SyntaxError"),
    ("import studio\n\nraise KeyError('no reason')", r"mine\.py, line 3 could not be loaded \(KeyError: 'no reason'"),
    ("import not_there", r"mine\.py, line 1 could not be loaded \(ModuleNotFoundError: No module named 'not_there'"),
    ("import sys\nsys.exit(3)", r"mine\.py, line 2 could not be loaded \(SystemExit: 3"),
    ("x = 1", r"holds no method, format, check, evaluator, exporter or reward"),
    (
        "from typing import Literal\nfrom studio.methods.sft import SFT\nfrom studio.section import knob\n"
        "class Own(SFT):\n    type: Literal['dpo'] = knob('dpo')",
        r"brings the method dpo, and one of this name.*\(of Tunefork\)\. Rename it",
    ),
    (
        "from studio.methods.sft import SFT\nclass Own(SFT):\n    type: str = 'own'",
        r"has a method, Own, without a name",
    ),
    ("def length(completions): return [0]", r"brings the reward length, and one of this name"),
    (
        "from studio.methods.rewards import RewardFunction\nclass Own(RewardFunction):\n    name = 'own'\n"
        "    pattern: str = ''\n    def score(self, answers): return []",
        r"brings the reward own, and one of this name, or with a setting of this name",
    ),
]


@pytest.mark.parametrize(("code", "sentence"), FAULTS)
def test_a_file_that_cannot_be_used_is_a_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    before = {name: dict(room.entries) for name, room in plugins.rooms().items()}
    file = written(tmp_path, code)
    with pytest.raises(ConfigError, match=sentence):
        plug_in([file], space=False)
    found = plug_in([file], space=False, strict=False)  # as the page does: it starts without
    assert (
        len(found) == 1
        and found[0].template
        in json.loads((ROOT / "studio" / "ui" / "locale" / "zh.json").read_text(encoding="utf-8"))["errors"]
    )
    assert {name: dict(room.entries) for name, room in plugins.rooms().items()} == before


def test_no_file_no_python_and_no_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        plug_in([tmp_path / "no.py"], space=False)
    with pytest.raises(ConfigError, match=r"its name must end in \.py"):
        plug_in([written(tmp_path, "", "mine.txt")], space=False)
    assert main(["runs", "--plugin"]) == 2
    assert "expected one argument" in capsys.readouterr().err


# --- packages


def test_packages_are_found_and_a_broken_one_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "good", "def kind(completions): return [1.0]", ("tunefork.rewards", "kind"))
    package(tmp_path, "bad", "import not_there", ("tunefork.methods", "Own"))
    package(tmp_path, "odd", "class Own: pass", ("tunefork.methods", "Own"))
    package(tmp_path, "gone", "", ("tunefork.methods", "Own"))
    package(tmp_path, "late", "x = 1", ("tunefork.tabs", "x"))
    monkeypatch.syspath_prepend(str(tmp_path))
    told = sorted(str(one) for one in plug_in(space=False))
    assert "kind" in REWARDS and "kind" in str(METHODS["grpo"].model_fields["reward_funcs"].annotation)
    wanted = [
        "The plugin tunefork-bad could not be loaded (ModuleNotFoundError",
        "The plugin tunefork-gone could not be loaded (AttributeError",
        "The plugin tunefork-odd offers Own as a method, which is no complete subclass of studio.methods.base.Method",
        "tunefork-late brings something for tunefork.tabs",
    ]
    assert len(told) == 4 and all(one.startswith(start) for one, start in zip(told, wanted, strict=True)), told


def test_a_space_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package(tmp_path, "good", "def kind(completions): return [1.0]", ("tunefork.rewards", "kind"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert plug_in(space=True) == [] and "kind" not in REWARDS
    monkeypatch.setenv("SPACE_ID", "someone/space")
    for verb in ("train", "ui"):
        assert main([verb, "--plugin", str(PLUGIN)]) == 2
        assert "which a public Space does not do. Leave --plugin out." in capsys.readouterr().err
    assert "hide_prompt" not in METHODS


def test_what_is_not_installed_is_told_with_what_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", "--method", "hide_prompt", "--workspace", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "method.type is 'hide_prompt'; there are: sft, dpo" in told and "--plugin" in told


def test_a_run_of_a_method_that_is_gone_is_still_there(settings: Any) -> None:
    store = RunStore(settings.runs_dir)
    plug_in([PLUGIN], space=False)
    run_dir = store.create(build({"name": "quiz", "method": {"type": "hide_prompt"}}))
    (run_dir / "events.jsonl").write_text('{"time": 1, "kind": "finished", "step": 3, "metrics": {"loss": 1.5}}\n')
    assert store.open(run_dir.name).foreign is None
    METHODS.pop("hide_prompt")
    record = store.open(run_dir.name)
    assert (record.name, record.status, record.method, record.steps) == ("quiz", "finished", "hide_prompt", 3)
    assert record.metrics["loss"] == 1.5 and [one.run_id for one in store.list()] == [run_dir.name]
    assert "cannot be set up again here: run.yaml: method.type is 'hide_prompt'; there are: sft" in str(record.foreign)
    with pytest.raises(ConfigError, match=r"method\.type is 'hide_prompt'"):
        record.config()


def test_the_page_is_built_with_it_and_says_what_is_missing(settings: Any, tmp_path: Path) -> None:
    """In a process of its own: the page is built once, from the dicts as they are."""
    code = f"""
import json
from pathlib import Path
from studio.plugins import plug_in
from studio.services import build_services
from studio.settings import read_settings
problems = plug_in([Path({str(PLUGIN)!r}), Path("no.py")], space=False, strict=False)
from studio.ui.app import build_page
from studio.ui.header import status_of
services = build_services(read_settings(workspace={str(settings.workspace)!r}), notices=tuple(problems))
blocks, page = build_page(services)
named = {{str(getattr(one, "elem_id", "")): one for one in blocks.blocks.values()}}
fields = {{name: str(one.label) for name, one in named.items() if name.startswith("method-")}}
from studio.config.files import build
config = build({{"method": {{"type": "hide_prompt", "hidden_share": 0.3}}}})
shown = {{component: update["value"] for component, update in page.draft.fill(config).items()}}
assert page.draft.read(shown) == config
print(json.dumps([fields, status_of(services, page.loader)["notices"]]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    fields, notices = json.loads(done.stdout.splitlines()[-1])
    assert fields["method-hide_prompt-hidden_share"] == "hidden_share" and "method-grpo-reward_ending" in fields
    assert notices == ["--plugin names no.py, and there is no such file."]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package as pip installs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    source = Path(shutil.copytree(EXAMPLE, folder / "source"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(folder / "site"), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "site"


def test_the_example_package_is_installed_and_trained_with(installed: Path, tmp_path: Path) -> None:
    rows = written(tmp_path, "".join(json.dumps(row) + "\n" for row in QUIZ), "quiz.jsonl")
    asked = written(tmp_path, "".join(json.dumps({"prompt": one["question"]}) + "\n" for one in QUIZ), "asked.jsonl")
    code = f"""
from studio.cli import main
both = ["--workspace", {str(tmp_path / "w")!r}, "--max_steps", "3", "--save_strategy", "no", "--eval_fraction", "0"]
if __name__ == "__main__":
    assert main(["train", "--source", {str(rows)!r}, "--method", "hide_prompt", "--hidden_share", "0.5", *both]) == 0
    rewards = ["--reward_funcs", "polite,ends_with", "--reward_ending", "!", "--max_completion_length", "8"]
    assert main(["train", "--source", {str(asked)!r}, "--method", "grpo", *rewards, *both]) == 0
"""
    script = written(tmp_path, code, "script.py")
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = RunStore(tmp_path / "w" / "runs").list()
    trained = next(run for run in runs if run.method == "hide_prompt")  # which is not installed here
    assert (trained.status, trained.steps) == ("finished", 3) and trained.foreign is not None
    assert "format: auto" in trained.yaml_text() and "hidden_share: 0.5" in trained.yaml_text()
    judged = next(run for run in runs if run.method == "grpo")
    assert judged.status == "finished" and "there are: exact_match" in str(judged.foreign)
    logs = [one for one in judged.events()[0] if one["kind"] == "log"]
    assert len(logs) == 3 and all({"rewards/polite/mean", "rewards/ends_with/mean"} <= set(one) for one in logs)
