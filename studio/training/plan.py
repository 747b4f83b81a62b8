"""What a run would do, before it is started: steps, tokens, parameters, downloads, and what stands in the way.

The Ready card and `check` read the same Plan. Trains nothing and loads no weights.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from studio.config import RunConfig
from studio.errors import StudioError
from studio.model.adapter import count_trainable
from studio.model.load import needs_download
from studio.model.memory import ModelFacts, describe
from studio.settings import Settings
from studio.training.arguments import check_arguments, steps_of
from studio.training.stage import Progress, Stage, check_rows, stage

MANY_ROWS_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """Something worth knowing that does not stop a run. `template` and `details` make it translatable."""

    kind: Literal["warning", "note"]
    template: str
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.template.format(**self.details)

    def as_json(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text}


@dataclass(frozen=True)
class Figures:
    """Counts of the run: tokens are those of one epoch, memory is the weights' in bytes."""

    steps: int
    rows: int
    eval_rows: int
    supervised_tokens: int
    total_tokens: int
    trainable_parameters: int
    total_parameters: int
    weight_bytes: int
    effective_batch_size: int
    tokens_per_step: int
    digest: str


@dataclass(frozen=True)
class Plan:
    """`figures` is None when an error stands in the way; `errors` then says which."""

    errors: tuple[StudioError, ...] = ()
    findings: tuple[Finding, ...] = ()
    figures: Figures | None = None
    download: str | None = None

    @property
    def ok(self) -> bool:
        return not self.errors

    def as_json(self) -> dict[str, Any]:
        """The stable face of `check --json`."""
        return {
            "ok": self.ok,
            "errors": [str(error) for error in self.errors],
            "findings": [finding.as_json() for finding in self.findings],
            "plan": {**asdict(self.figures), "download": self.download} if self.figures else None,
        }


@dataclass(frozen=True)
class Preflight:
    """What was found on the way to knowing that a run can start."""

    facts: ModelFacts
    staged: Stage
    trainable: int
    total: int


def preflight(config: RunConfig, settings: Settings, *, progress: Progress | None = None) -> Preflight:
    """Everything that can be wrong before weights are loaded, the cheap first; StudioError for the first fault."""
    check_rows(config, settings)
    check_arguments(config)
    facts = describe(config.model, settings)
    trainable, total = count_trainable(config.adapter, config.model, settings)
    staged = stage(config, settings, progress=progress)
    return Preflight(facts=facts, staged=staged, trainable=trainable, total=total)


def plan(config: RunConfig, settings: Settings, *, progress: Progress | None = None, fetch: bool = True) -> Plan:
    """The plan of a run. With `fetch` off, a model that is not here yet is named in `download` and not fetched."""
    try:
        download = needs_download(config.model, settings)
        if download and not fetch:
            check_rows(config, settings)
            return Plan(download=download)
        found = preflight(config, settings, progress=progress)
    except StudioError as error:
        return Plan(errors=(error,))
    figures = _figures(config, found.staged, facts=found.facts, trainable=found.trainable, total=found.total)
    return Plan(findings=findings(config, found.staged, found.facts), figures=figures, download=download)


def _figures(config: RunConfig, staged: Stage, *, facts: ModelFacts, trainable: int, total: int) -> Figures:
    training, tokenized = config.training, staged.tokenized
    kept = len(tokenized.train) - len(tokenized.dropped)
    sequences = kept
    if getattr(config.method, "packing", False):
        sequences = config.method.sequences(tokenized.train, max_length=training.max_length)
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return Figures(
        steps=steps_of(training, sequences),
        rows=kept,
        eval_rows=len(tokenized.eval) if tokenized.eval is not None else 0,
        supervised_tokens=tokenized.supervised,
        total_tokens=tokenized.total,
        trainable_parameters=trainable,
        total_parameters=total,
        weight_bytes=facts.weight_bytes,
        effective_batch_size=batch,
        tokens_per_step=math.ceil(tokenized.total / max(sequences, 1) * min(batch, sequences)),
        digest=tokenized.digest,
    )


def findings(config: RunConfig, staged: Stage, facts: ModelFacts) -> tuple[Finding, ...]:
    """What is worth knowing of a run that can start: rows left out or cut, lengths, no evaluation."""
    found = [Finding("warning", note.template, note.details) for note in staged.prepared.notes]
    tokenized, limit = staged.tokenized, config.training.max_length
    if tokenized.dropped:
        rows = ", ".join(str(row + 1) for row in tokenized.dropped[:MANY_ROWS_SHOWN])
        found.append(
            Finding(
                "warning",
                "{count} of {total} rows keep no supervised token within max_length {limit} "
                "and are not trained (row {rows}).",
                {"count": len(tokenized.dropped), "total": len(tokenized.train), "limit": limit, "rows": rows},
            )
        )
    if tokenized.truncated_rows:
        found.append(
            Finding(
                "warning",
                "{count} of {total} rows are cut at max_length {limit}.",
                {"count": tokenized.truncated_rows, "total": len(tokenized.train), "limit": limit},
            )
        )
    if limit and facts.context_length and limit > facts.context_length:
        found.append(
            Finding(
                "warning",
                "max_length {limit} is more than the model's context of {context} tokens.",
                {"limit": limit, "context": facts.context_length},
            )
        )
    if tokenized.eval is None:
        found.append(Finding("note", "No rows are held out, so there will be no evaluation loss."))
    return tuple(found)
