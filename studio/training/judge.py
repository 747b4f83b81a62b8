"""The reward model that a run learns from: found and checked before weights are loaded, then put on the run's own base
where it was trained on that. Trains nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.config import ModelConfig, RunConfig
from studio.errors import ConfigError, RunFailed, StudioError
from studio.model.attach import is_model, scoring
from studio.model.load import load_model, load_tokenizer
from studio.model.memory import describe
from studio.model.scores import Asked, Scorer
from studio.model.slot import ModelSlot
from studio.runs.store import RunStore
from studio.settings import Settings

if TYPE_CHECKING:
    from studio.model.progress import Progress
    from studio.runs.store import RunRecord

REWARD = "reward_model"
# What of a model's settings has no part in its weights.
_OF_THE_TEXT = frozenset({"chat_template"})


def judge_of(config: RunConfig, settings: Settings) -> RunRecord | None:
    """The run that `method.reward_run` names, with a reward model in it; None where no reward asks for one."""
    if REWARD not in getattr(config.method, "reward_funcs", ()):
        return None
    wanted = str(getattr(config.method, "reward_run", "")).strip()
    try:
        record = _store_of(wanted, settings).open(Path(wanted).name)
        record.scoring_weights()
    except StudioError as error:
        raise ConfigError("method.reward_run: {problem}", problem=error) from error
    return record


def _store_of(wanted: str, settings: Settings) -> RunStore:
    """A plain name is a run of the workspace; anything else is a run's folder."""
    if Path(wanted).name == wanted:
        return RunStore(settings.runs_dir)
    if not settings.allows_local_paths:
        raise ConfigError("method.reward_run is a path, which a public Space does not open. Set the id of a run here.")
    return RunStore(Path(wanted).expanduser().resolve().parent)


def check_judge(config: RunConfig, settings: Settings) -> None:
    """A ConfigError where there is no such run, or none that scores. Loads no weights."""
    judge_of(config, settings)


def check_rows_fit(config: RunConfig, settings: Settings, *, turns: bool) -> None:
    """Conversations are scored by what was trained on conversations, text by what was trained on text."""
    record = judge_of(config, settings)
    if record is None or record.turns == turns:
        return
    if turns:
        raise ConfigError(
            "method.reward_run {run} was trained on plain text, and these prompts are conversations. "
            "Choose a reward run that was trained on conversations.",
            run=record.run_id,
        )
    raise ConfigError(
        "method.reward_run {run} was trained on conversations, and these prompts are plain text. "
        "Choose a reward run that was trained on plain text, or bring prompts as messages.",
        run=record.run_id,
    )


def judge_bytes(config: RunConfig, settings: Settings) -> int:
    """What its weights take in memory, beside those of the run's model; its adapter is too small to count."""
    record = judge_of(config, settings)
    if record is None:
        return 0
    model = record.config().model
    copies = int(is_model(record.scoring_weights())) + int(not same_weights(model, config.model))
    return copies * describe(model, settings).weight_bytes if copies else 0


def same_weights(one: ModelConfig, other: ModelConfig) -> bool:
    """Whether two configs load the same weights in the same form and place."""
    return one.model_dump(exclude=set(_OF_THE_TEXT)) == other.model_dump(exclude=set(_OF_THE_TEXT))


def load_judge(
    config: RunConfig, slot: ModelSlot, *, progress: Progress | None = None
) -> Callable[[Sequence[tuple[Any, str]]], list[float]] | None:
    """(prompt, answer) pairs -> scores. Over the slot's base where that is the reward model's own; else its base is
    loaded beside it."""
    record = judge_of(config, slot.settings)
    if record is None:
        return None
    if slot.loaded is None:
        raise RunFailed("The model was unloaded before training began. Start the run again.")
    trained, folder = record.config(), record.scoring_weights()
    base = slot.loaded
    if not same_weights(trained.model, base.config):
        base = load_model(trained.model, slot.settings, progress=progress)
    tokenizer = load_tokenizer(trained.model, slot.settings)
    scorer = Scorer(scoring(base, folder), tokenizer, config=trained)
    return lambda asked: scorer.scores([Asked(prompt, answer) for prompt, answer in asked])
