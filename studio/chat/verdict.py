"""Which of several replies to a prompt a reward run prefers, and by how much. Knows nothing of pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studio.chat.compared import Compared
from studio.errors import ModelError
from studio.model.scores import Asked, Prompt, Scorer
from studio.model.slot import ModelSlot

if TYPE_CHECKING:
    from studio.model.progress import Progress
    from studio.runs import RunRecord


@dataclass(frozen=True)
class Verdict:
    """The replies' scores in their order. `difference` and `chance` are of the first two: how far the first is ahead,
    and how likely it is preferred, as the loss has it: sigmoid(difference)."""

    scores: tuple[float, ...]

    @property
    def best(self) -> int | None:
        """The position of the best reply; None where there is no such one."""
        most = max(self.scores)
        return self.scores.index(most) if self.scores.count(most) == 1 else None

    @property
    def difference(self) -> float:
        return self.scores[0] - self.scores[1]

    @property
    def chance(self) -> float:
        return 1 / (1 + math.exp(-max(min(self.difference, 500.0), -500.0)))

    def as_json(self) -> dict[str, Any]:
        """The stable face of `score --json`."""
        two = {"difference": self.difference, "chance": self.chance} if len(self.scores) == 2 else {}
        return {"scores": list(self.scores), "best": self.best, **two}


def judge(
    slot: ModelSlot,
    record: RunRecord,
    *,
    prompt: str,
    replies: Sequence[str],
    step: int | None = None,
    system: str | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Load what is needed and score, with what the run saved or its checkpoint of `step`; BusyError where the model is
    in use. The run's own system prompt is the default; where its rows were plain text, `prompt` is that text."""
    chosen, config = Compared(record, step), record.config()
    folder = chosen.scoring_weights()
    if not prompt.strip():
        raise ModelError("There is nothing to score: the prompt is empty.")
    if any(not reply.strip() for reply in replies):
        raise ModelError("There is nothing to score: a reply is empty.")
    with slot.lease("scoring"):
        loaded = slot.load(config.model, progress=progress)
        if not slot.holds(chosen.adapter_id, folder):
            slot.attach(chosen.adapter_id, folder, scores=True)
        scorer = Scorer(slot.adapted_model(chosen.adapter_id), loaded.tokenizer, config=config)
        asked = prompt if not record.turns else _turns(prompt, config.data.system_prompt if system is None else system)
        return Verdict(tuple(scorer.scores([Asked(asked, reply) for reply in replies])))


def _turns(prompt: str, system: str | None) -> Prompt:
    opening = [{"role": "system", "content": system}] if system and system.strip() else []
    return [*opening, {"role": "user", "content": prompt}]
