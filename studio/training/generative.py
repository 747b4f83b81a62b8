"""Answers at a trainer's evaluations: some are shown as `sample` events, some are scored into the evaluation's figures.

The figures are the trainer's own, so that the best weights and early stopping can go by them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from studio.config.evaluation import EvaluationConfig
from studio.evaluation.scores import scores
from studio.runs.events import EventLog
from studio.training.answers import answer_all
from studio.training.questions import Asked, Questions

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

LONGEST = 4000  # characters of a text in an event


class Examiner:
    """Asks the model in training, and once the base, what `questions` hold."""

    def __init__(
        self,
        questions: Questions,
        tokenizer: PreTrainedTokenizerBase,
        section: EvaluationConfig,
        *,
        log: EventLog,
        base: PreTrainedModel | None,
        heed: Callable[[], None],
    ) -> None:
        """`base` is what the trained model is compared with, if anything; `heed` raises when a stop was asked for."""
        self._questions, self._tokenizer, self._section = questions, tokenizer, section
        self._log, self._base, self._heed = log, base, heed
        self._by_base: list[str] | None = None

    def examine(self, model: Any, *, step: int, batch_size: int) -> dict[str, float]:
        """Write the samples of this step; the figures of the scored answers."""
        samples, scored = self._questions.samples, self._questions.scored
        asked = list({id(one.question): one for one in (*samples, *scored)}.values())
        answers = dict(
            zip(
                (id(one.question) for one in asked),
                self._answers(model, asked, batch_size=batch_size),
                strict=True,
            )
        )
        self._write(step, [answers[id(one.question)] for one in samples], batch_size=batch_size)
        given = [answers[id(one.question)] for one in scored]
        return scores(given, [one.right for one in scored], metrics=self._section.metrics)

    def _answers(self, model: Any, asked: Sequence[Asked], *, batch_size: int) -> list[str]:
        return answer_all(
            model,
            self._tokenizer,
            [one.question.prompt for one in asked],
            max_new_tokens=self._section.max_new_tokens,
            batch_size=batch_size,
            heed=self._heed,
        )

    def _write(self, step: int, answers: Sequence[str], *, batch_size: int) -> None:
        samples = self._questions.samples
        if samples and self._base is not None and self._by_base is None:  # it never answers otherwise
            self._by_base = self._answers(self._base, samples, batch_size=batch_size)
        for at, (one, answer) in enumerate(zip(samples, answers, strict=True)):
            base = {} if self._by_base is None else {"base": self._by_base[at][:LONGEST]}
            self._log.write(
                "sample",
                step,
                number=at + 1,
                prompt=one.shown[-LONGEST:],
                reference=one.right[:LONGEST],
                policy=answer[:LONGEST],
                **base,
            )


class Examined:
    """Mixed into a trainer's class: its evaluations have the figures of its `examiner` too."""

    examiner: Examiner

    def evaluation_loop(self, *given: Any, metric_key_prefix: str = "eval", **named: Any) -> Any:
        output = super().evaluation_loop(*given, metric_key_prefix=metric_key_prefix, **named)  # type: ignore[misc]
        trainer: Any = self
        figures = self.examiner.examine(
            trainer.accelerator.unwrap_model(trainer.model),
            step=trainer.state.global_step,
            batch_size=trainer.args.per_device_eval_batch_size,
        )
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in figures.items()})
        return output


def examined(trainer: Trainer, examiner: Examiner) -> Trainer:
    """The same trainer, whatever its method, examined at each evaluation."""
    kind = type(trainer)
    trainer.__class__ = type(kind.__name__, (Examined, kind), {})
    trainer.examiner = examiner
    return trainer
