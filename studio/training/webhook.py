"""Tells an address of the user's that a run has ended. The address is a secret: it is in no sentence and no file."""

from __future__ import annotations

import http.client
import json
import logging
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from studio.config import RunConfig
from studio.runs.events import TERMINAL, Event, EventLog
from studio.runs.store import is_figure

logger = logging.getLogger(__name__)

SECONDS = 10.0  # for each of connecting, sending and the answer


class _Here(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: what was meant for one address is not told to another."""

    def redirect_request(self, *given: Any, **named: Any) -> None:
        return None


class Webhook:
    """Posts one JSON object when a run ends, in a thread of its own: training and the queue never wait for it."""

    def __init__(self, address: str, config: RunConfig, run_dir: Path) -> None:
        self._address, self._run_dir, self._name = address, run_dir, config.name or run_dir.name
        self._seen: Event = {}

    def __call__(self, event: Event) -> None:
        if event["kind"] in ("log", "evaluated"):  # a run that fails does not say how far it came
            figures = {name: value for name, value in event.items() if is_figure(name)}
            self._seen = {"step": event.get("step"), "metrics": {**self._seen.get("metrics", {}), **figures}}
        elif event["kind"] in TERMINAL:
            told = payload({**self._seen, **event}, run_id=self._run_dir.name, name=self._name)
            # No daemon: a command line that is done lets it end.
            threading.Thread(target=self._tell, args=(told,), name=f"webhook-{self._run_dir.name}").start()

    def _tell(self, told: dict[str, Any]) -> None:
        problem = post(self._address, told)
        if problem is None:
            return
        logger.warning("%s: the webhook was not told (%s)", self._run_dir.name, problem)
        try:
            with EventLog(self._run_dir) as log:
                log.tell(
                    "warning",
                    "The webhook could not be told that the run has ended ({problem}). The run is not touched by it; "
                    "look at TUNEFORK_WEBHOOK.",
                    {"problem": problem},
                )
        except OSError:
            logger.warning("%s is gone", self._run_dir.name)


def payload(event: Event, *, run_id: str, name: str) -> dict[str, Any]:
    """What the address is sent; `text` is what chat services show."""
    message = str(event.get("message", ""))
    return {
        "run_id": run_id,
        "name": name,
        "status": event["kind"],
        "steps": event.get("step") or 0,
        "metrics": event.get("metrics") or {},
        "message": message,
        "text": f"{name}: {message}" if message else f"{name}: {event['kind']}",
    }


def post(address: str, told: dict[str, Any]) -> str | None:
    """Send it; None when it was taken, else why not, without the address."""
    body = json.dumps(told, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Tunefork"}
    opener = urllib.request.build_opener(_Here)
    try:
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310 - checked
        with opener.open(request, timeout=SECONDS):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"HTTP {error.code}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return "no answer in time"
        return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
