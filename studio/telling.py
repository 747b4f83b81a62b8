"""What the command line's verbs print: answers to stdout, everything else to stderr. Runs nothing."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from studio.runs.events import Event

if TYPE_CHECKING:
    from studio.data.blocks import PackedBlock
    from studio.data.preview import Preview
    from studio.training.plan import Plan


# What an evaluation's line says besides the loss, where it is there.
EVALUATED = ("rewards/accuracies", "rewards/margins", "rouge1", "rouge2", "rougeL", "bleu", "exact_match")


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def print_plan(plan: Plan) -> None:
    """Figures, what is worth knowing, and the doctor's findings; nothing where an error leaves no plan."""
    if plan.figures is None:
        return
    for name, value in vars(plan.figures).items():
        print(f"{name}: {value}")
    for finding in plan.findings:
        print(f"{finding.kind}: {finding.text}")
    for found in plan.report.findings if plan.report else ():
        print(f"{found.severity}: {found} (data.filters: {found.check})")


def print_preview(made: Preview, blocks: Sequence[PackedBlock]) -> None:
    """Rows as text with their supervised tokens in brackets, then packed blocks and notes."""
    for row in made.rows:
        for lane in row.lanes:
            face = lane.as_json()
            name = f"row {row.where}" if len(row.lanes) == 1 else f"row {row.where}, {lane.name}"
            left_out = "" if row.kept else ", not trained"
            print(
                f"{name}: {face['supervised']} of {face['total']} tokens supervised, {face['truncated']} cut{left_out}"
            )
            print("".join(f"[{t['text']}]" if t["supervised"] else t["text"] for t in face["tokens"]))
    for block in blocks:
        pieces = ", ".join(f"row {piece.row.where} [{piece.start}:{piece.end}]" for piece in block.pieces)
        print(f"block {block.number + 1}: {pieces}")
    for note in made.notes:
        print(f"note: {note}")
    for at, problem in sorted(made.problems.items()):
        print(f"row {made.places[at]} has no tokens: {problem}")
    print(f"digest {made.digest or 'is known after check'}; [brackets] mark supervised tokens")


def print_json(value: Any, *, to: TextIO | None = None) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str), file=to or sys.stdout)


def note(line: str) -> None:
    """A line on stderr. A reader who has gone away is told nothing more, and ends no run."""
    try:
        print(line, file=sys.stderr, flush=True)
    except BrokenPipeError:
        deaf(sys.stderr)


def deaf(stream: TextIO) -> None:
    """From here on nobody reads the stream: what is written to it is gone."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stream.fileno())


def tell(sentence: str, fraction: float | None) -> None:
    percent = f" {fraction:.0%}" if fraction is not None else ""
    note(f"{sentence}{percent}")


def narrate(event: Event) -> None:
    """One line on stderr for an event of a run."""
    kind, step = event["kind"], event.get("step")
    if kind == "log":
        figures = f"loss {event['loss']:.4f}" if isinstance(event.get("loss"), float) else ""
        note(f"step {step} {figures} lr {event.get('learning_rate', 0):.3g}")
    elif kind == "evaluated" and isinstance(event.get("eval_loss"), float):
        rest = "".join(f", {one} {event[f'eval_{one}']:.4g}" for one in EVALUATED if f"eval_{one}" in event)
        note(f"step {step} eval_loss {event['eval_loss']:.4f}{rest}")
    elif kind == "sample":
        note(f"step {step} {_clipped(event['prompt'])} -> {_clipped(event['policy'])}")
    elif kind == "started":
        note(
            f"training {event['trainable_parameters']:,} of {event['total_parameters']:,} parameters for "
            f"{event['total_steps']} steps on {event['device']} in {event['dtype']}, digest {event['digest']}"
        )
    elif event.get("message") and kind != "failed":
        note(event["message"])


def _clipped(text: str, most: int = 120) -> str:
    """A text in one line, in quotes."""
    line = " ".join(text.split())
    return json.dumps(line if len(line) <= most else line[: most - 1] + "…", ensure_ascii=False)


@contextlib.contextmanager
def stdout_kept() -> Iterator[None]:
    """What libraries print goes to stderr: stdout carries the answer alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
