"""Writes a log as a run leaves it, of any number of steps, in a few seconds."""

from __future__ import annotations

from pathlib import Path

from studio.runs.events import EVENTS

SPIKES = {123_457: 88.0, 700_001: 99.0}
LINE = (
    '{"time": 17%08d.5, "kind": "log", "step": %d, "loss": %s, "grad_norm": 0.4218750, "learning_rate": 1.9e-05, '
    '"entropy": 1.734375, "num_tokens": %d00, "mean_token_accuracy": 0.6%03d, "epoch": %d.25, '
    '"rewards/chosen": 0.1%03d, "rewards/rejected": -0.2%03d, "rewards/margins": 0.3%03d, "tokens_per_second": 3012.3, '
    '"eta_seconds": 512.1, "memory_bytes": 1234567890, "elapsed_seconds": %d.001}\n'
)


def write_long_log(folder: Path, steps: int) -> Path:
    """`steps` logged steps with two spikes of the loss, an evaluation every thousandth, and an end."""
    path = folder / EVENTS
    with path.open("w", encoding="utf-8") as file:
        file.write(
            f'{{"time": 1.0, "kind": "started", "step": 0, "total_steps": {steps}, "rows": 9, "device": "cpu"}}\n'
        )
        for begin in range(1, steps + 1, 1000):
            lines = []
            for step in range(begin, min(begin + 1000, steps + 1)):
                part = step % 997
                loss = SPIKES.get(step) or f"1.{part:03d}"
                figures = (part, step // 1000, part, part, part, step)
                lines.append(LINE % (step, step, loss, step, *figures))
            lines.append(f'{{"time": 2.0, "kind": "evaluated", "step": {begin}, "eval_loss": 1.{begin % 997:03d}}}\n')
            file.write("".join(lines))
        file.write(f'{{"time": 3.0, "kind": "finished", "step": {steps}, "message": "done", "seconds": 9}}\n')
    return path
