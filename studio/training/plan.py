"""What a run would do, before it is started: steps, tokens, parameters, downloads, and what stands in the way.

The Ready card and `check` read the same Plan. Trains nothing and loads no weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from studio.config import RunConfig
from studio.data.doctor.report import Report
from studio.data.doctor.unusable import Unusable
from studio.data.prepare import Prepared, report_of
from studio.data.previewed import Previewed
from studio.errors import DataError, StudioError
from studio.model.adapter import count_trainable
from studio.model.load import needs_download
from studio.model.memory import ModelFacts, describe
from studio.model.reference import check_reference, reference_bytes, reference_of
from studio.settings import Settings
from studio.training.arguments import check_arguments, check_evaluation, steps_of
from studio.training.judge import check_judge, check_rows_fit, judge_bytes
from studio.training.pace import estimate
from studio.training.questions import check_questions
from studio.training.stage import Progress, check_rows, look, stage

if TYPE_CHECKING:
    from studio.data.prepare import Positions


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
    """Counts of the run: tokens are those of one epoch, memory is in bytes: of the weights that are read, and of what
    is trained (weights, gradients and the optimizer's state in float32). Activations come besides."""

    steps: int
    rows: int
    eval_rows: int
    supervised_tokens: int
    total_tokens: int
    trainable_parameters: int
    total_parameters: int
    weight_bytes: int
    trained_bytes: int
    effective_batch_size: int
    tokens_per_step: int
    digest: str
    estimated_seconds: float | None = None  # of training alone
    estimate_measured: bool = False  # by an earlier run with this model; else reckoned from the machine's speed


@dataclass(frozen=True)
class Plan:
    """`figures` is None when an error stands in the way; `errors` then says which. `report` is the doctor's."""

    errors: tuple[StudioError, ...] = ()
    findings: tuple[Finding, ...] = ()
    figures: Figures | None = None
    download: str | None = None
    report: Report | None = None

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
            "report": self.report.as_json() if self.report else None,
        }


@dataclass(frozen=True)
class _Known:
    """What was found on the way to knowing that a run can start."""

    facts: ModelFacts
    trainable: int
    total: int
    reference_bytes: int
    report: Report


def _known(config: RunConfig, settings: Settings, progress: Progress | None) -> _Known:
    """All but which rows are trained, the cheap first; StudioError for the first fault."""
    check_rows(config, settings)
    check_arguments(config)
    facts = describe(config.model, settings)
    trainable, total = count_trainable(config.adapter, config.model, settings)
    check_reference(config, settings, progress=progress)
    check_judge(config, settings)
    beside = reference_bytes(config, settings) + judge_bytes(config, settings)
    report = report_of(config, look(config, settings, progress=progress).scan)
    return _Known(facts=facts, trainable=trainable, total=total, reference_bytes=beside, report=report)


def preflight(config: RunConfig, settings: Settings, *, progress: Progress | None = None) -> None:
    """Everything that can be wrong before weights are loaded; StudioError for the first fault."""
    known = _known(config, settings, progress)
    prepared = stage(config, settings, progress=progress).prepared
    check_evaluation(config.training, has_eval=prepared.eval is not None)
    check_rows_fit(config, settings, turns=prepared.turns)
    check_questions(config, prepared)
    for fault in blocking(known.report):
        raise fault


def plan(config: RunConfig, settings: Settings, *, progress: Progress | None = None, fetch: bool = True) -> Plan:
    """The plan of a run. With `fetch` off, a model that is not here yet is named in `download` and not fetched."""
    try:
        download = _download(config, settings)
        if download and not fetch:
            check_rows(config, settings)
            return Plan(download=download)
        known = _known(config, settings, progress)
    except StudioError as error:
        return Plan(errors=(error,))
    errors = tuple(blocking(known.report))
    try:
        prepared = stage(config, settings, progress=progress).prepared
        check_evaluation(config.training, has_eval=prepared.eval is not None)
        check_rows_fit(config, settings, turns=prepared.turns)
        check_questions(config, prepared)
    except StudioError as error:
        return Plan(errors=(error, *errors), report=known.report)
    figures = _figures(config, prepared, known)
    about = estimate(config, settings, facts=known.facts, steps=figures.steps, tokens_per_step=figures.tokens_per_step)
    if about is not None:
        figures = replace(figures, estimated_seconds=about.seconds, estimate_measured=about.measured)
    return Plan(
        errors=errors,
        findings=findings(config, prepared, known.facts, settings=settings),
        figures=figures,
        download=download,
        report=known.report,
    )


def _download(config: RunConfig, settings: Settings) -> str | None:
    """What would be fetched first: the model, or the one that its answers are measured against."""
    reference = reference_of(config)
    return needs_download(config.model, settings) or (needs_download(reference, settings) if reference else None)


def blocking(report: Report) -> Iterator[DataError]:
    """The findings with which no run is begun, but for rows that cannot be used: those the stage refuses by name."""
    for finding in report.findings:
        if finding.severity == "blocking" and finding.check != Unusable.name:
            yield DataError.again(finding.template, finding.details)


def _figures(config: RunConfig, prepared: Prepared, known: _Known) -> Figures:
    training = config.training
    sequences = sequences_of(config, prepared)
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    return Figures(
        steps=steps_of(training, sequences),
        rows=len(prepared.index),
        eval_rows=len(prepared.eval_index),
        supervised_tokens=prepared.supervised,
        total_tokens=prepared.total,
        trainable_parameters=known.trainable,
        total_parameters=known.total,
        weight_bytes=known.facts.weight_bytes + known.reference_bytes,
        trained_bytes=int(known.trainable * 4 * (2 + _states(training.optim))),
        effective_batch_size=batch,
        tokens_per_step=math.ceil(prepared.total / max(sequences, 1) * min(batch, sequences)),
        digest=prepared.digest,
    )


def _states(optimizer: str) -> float:
    """How many numbers of 32 bits an optimizer keeps for each that it trains; two unless it is known for less."""
    if "8bit" in optimizer:
        return 0.5
    return {"sgd": 0, "adafactor": 0.1, "lion_32bit": 1, "rmsprop": 1, "adagrad": 1, "ademamix": 3}.get(optimizer, 2)


def sequences_of(config: RunConfig, prepared: Prepared) -> int:
    """How many sequences the trainer batches in an epoch."""
    training = config.training
    return config.method.sequences(
        prepared.lengths,
        max_length=training.max_length,
        batch_size=training.per_device_train_batch_size,
        accumulation=training.gradient_accumulation_steps,
    )


def findings(config: RunConfig, prepared: Prepared, facts: ModelFacts, *, settings: Settings) -> tuple[Finding, ...]:
    """What is worth knowing of a run that can start: rows changed, left out or cut, lengths."""
    found = [Finding("warning", note.template, note.details) for note in prepared.notes]
    limit, corpus = config.training.max_length, prepared.corpus
    changed = Previewed(settings).changed(config, corpus)
    if changed:
        found.insert(
            0,
            Finding(
                "warning",
                "The data has changed since its preview: {names}. Preview it again to see what is trained.",
                {"names": ", ".join(changed)},
            ),
        )
    for name, positions in prepared.filtered.items():
        if len(positions):
            found.append(
                Finding(
                    "warning",
                    "{count} rows are left out by data.filters: {name} (rows {rows}).",
                    {"count": len(positions), "name": name, "rows": corpus.named(positions)},
                )
            )
    found += _too_long(config, prepared)
    if prepared.truncated:
        found.append(
            Finding(
                "warning",
                "{count} of {total} rows are cut at max_length {limit}.",
                {"count": prepared.truncated, "total": len(prepared.index), "limit": limit},
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
    if not len(prepared.eval_index) and not len(prepared.eval_dropped):
        found.append(Finding("note", "No rows are held out, so there will be no evaluation loss."))
    return tuple(found)


def _too_long(config: RunConfig, prepared: Prepared) -> Iterator[Finding]:
    """Rows of which max_length leaves nothing, by what becomes of them."""

    def said(lost: Positions, kept: Positions) -> dict[str, Any]:
        rows = prepared.corpus.named(lost)
        return {"count": len(lost), "total": len(lost) + len(kept), "limit": config.training.max_length, "rows": rows}

    trained, evaluated = (prepared.dropped, prepared.index), (prepared.eval_dropped, prepared.eval_index)
    if len(prepared.dropped) and config.training.truncation_mode == "drop":
        yield Finding(
            "warning",
            "{count} of {total} rows are longer than max_length {limit}, or have nothing to train, and are left out "
            "(training.truncation_mode: drop; row {rows}).",
            said(*trained),
        )
    elif len(prepared.dropped):
        yield Finding(
            "warning",
            "{count} of {total} rows keep no supervised token within max_length {limit} "
            "and are not trained (row {rows}).",
            said(*trained),
        )
    if len(prepared.eval_dropped) and config.training.truncation_mode == "drop":
        yield Finding(
            "warning",
            "{count} of {total} validation rows are longer than max_length {limit}, or have nothing to train, and are "
            "not evaluated on (training.truncation_mode: drop; row {rows}).",
            said(*evaluated),
        )
    elif len(prepared.eval_dropped):
        yield Finding(
            "warning",
            "{count} of {total} validation rows keep no supervised token within max_length {limit} "
            "and are not evaluated on (row {rows}).",
            said(*evaluated),
        )
