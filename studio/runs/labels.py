"""What people write on a run: its name, notes and tags, in `labels.json` of its directory. Never touches run.yaml.

Any text is fine, up to a length: it is shown as text, and never becomes a path.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from studio.errors import ConfigError, WorkspaceError
from studio.runs.disk import write_whole
from studio.section import INVISIBLE, one_line

LABELS, LOCK = "labels.json", ".labels.lock"
LONGEST_NAME, LONGEST_NOTES, LONGEST_TAG, MOST_TAGS = 80, 10_000, 32, 20


@dataclass(frozen=True)
class Labels:
    """`name` is None where the run is called what its run.yaml calls it."""

    name: str | None = None
    notes: str = ""
    tags: tuple[str, ...] = ()


def read_labels(run_dir: Path) -> Labels:
    """What was written on a run; nothing where the file is missing or damaged."""
    try:
        data = json.loads((run_dir / LABELS).read_bytes())
        name, notes, tags = data.get("name"), data.get("notes") or "", data.get("tags") or ()
        return Labels(None if name is None else str(name), str(notes), tuple(str(tag) for tag in tags))
    except (OSError, ValueError, AttributeError, TypeError):
        return Labels()


def rename(run_dir: Path, name: str) -> Labels:
    """Call a run otherwise; an empty name is that of its run.yaml again."""
    text = one_line(name)
    if len(text) > LONGEST_NAME:
        raise ConfigError(
            "The name has {length} characters; a run's name has {most} at most. Put the rest into its notes.",
            length=len(text),
            most=LONGEST_NAME,
        )
    with _alone(run_dir):
        return _write(run_dir, replace(read_labels(run_dir), name=text or None))


def annotate(run_dir: Path, notes: str) -> Labels:
    """Put notes in the place of those that are there; empty ones are none."""
    text = INVISIBLE.sub("", notes.replace("\r\n", "\n")).strip()
    if len(text) > LONGEST_NOTES:
        raise ConfigError(
            "The notes have {length} characters; there is room for {most}. Shorten them.",
            length=len(text),
            most=LONGEST_NOTES,
        )
    with _alone(run_dir):
        return _write(run_dir, replace(read_labels(run_dir), notes=text))


def tag(run_dir: Path, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> Labels:
    """Add tags and take tags off; others stay."""
    gone = set(_tags(remove))
    with _alone(run_dir):
        before = read_labels(run_dir)
        kept = [one for one in before.tags if one not in gone]
        return _write(run_dir, replace(before, tags=_tags([*kept, *add])))


def tag_as(run_dir: Path, tags: Iterable[str]) -> Labels:
    """Put these tags in the place of those that are there."""
    with _alone(run_dir):
        return _write(run_dir, replace(read_labels(run_dir), tags=_tags(tags)))


def _tags(given: Iterable[str]) -> tuple[str, ...]:
    """Tags without doubles, in their order; a comma parts two."""
    tags = tuple(dict.fromkeys(text for one in given for part in one.split(",") if (text := one_line(part))))
    long = next((one for one in tags if len(one) > LONGEST_TAG), None)
    if long is not None:
        raise ConfigError(
            "The tag {tag} is too long; a tag has {most} characters at most. Shorten it, or write it into the notes.",
            tag=repr(long[:LONGEST_TAG]),
            most=LONGEST_TAG,
        )
    if len(tags) > MOST_TAGS:
        raise ConfigError("A run has {most} tags at most. Take one off first.", most=MOST_TAGS)
    return tags


@contextlib.contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    """Two pages may write on one run at once: what the other one wrote is never lost."""
    try:
        with FileLock(run_dir.parent / LOCK, timeout=5):
            yield
    except OSError as error:  # filelock's Timeout is one too
        raise WorkspaceError(
            "Cannot write on the run {run}: {reason}.", run=run_dir.name, reason=error.strerror or error
        ) from error


def _write(run_dir: Path, labels: Labels) -> Labels:
    write_whole(run_dir / LABELS, json.dumps(asdict(labels), ensure_ascii=False) + "\n")
    return labels
