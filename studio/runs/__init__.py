"""What a run has left on disk: its directory, events and status. Knows nothing of training or pages."""

from __future__ import annotations

from studio.runs.events import EventLog, read_events
from studio.runs.store import RunRecord, RunStore

__all__ = ["EventLog", "RunRecord", "RunStore", "read_events"]
