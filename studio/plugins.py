"""Methods, formats, checks, evaluators, exporters and rewards of others: from installed packages, and from files that
are named at launch.

Fills the dicts of the rooms below; each entry is held against what its dict takes. A public Space takes none.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_origin

from studio.errors import ConfigError
from studio.methods.grpo import SETTING, with_rewards
from studio.methods.rewards import REWARDS, RewardFunction
from studio.methods.rewards.function import is_reward, reward_of

PREFIX = "tunefork."  # an entry point's group is this and the name of a room


@dataclass(frozen=True)
class Room:
    """A dict that others may add to: of classes, or of what these make when they are called."""

    kind: str  # what a sentence calls an entry
    entries: dict[str, Any]
    base: type
    called: bool = False
    first: bool = False  # whether what is added is asked before our own
    then: Callable[[], None] = lambda: None  # done once something was added


def rooms() -> dict[str, Room]:
    """The dicts by the ends of their groups. To open another to others is a line here."""
    from studio.data.doctor import CHECKS, Check
    from studio.data.formats import FORMATS, Format
    from studio.evaluation import EVALUATORS, Evaluator
    from studio.export import EXPORTERS, Exporter
    from studio.methods import METHODS, Method

    def offer_rewards() -> None:
        METHODS["grpo"] = with_rewards()

    return {
        "methods": Room("method", METHODS, Method),
        "formats": Room("format", FORMATS, Format, called=True, first=True),
        "checks": Room("check", CHECKS, Check, called=True),
        "evaluators": Room("evaluator", EVALUATORS, Evaluator, called=True),
        "exporters": Room("exporter", EXPORTERS, Exporter, called=True),
        "rewards": Room("reward", REWARDS, RewardFunction, then=offer_rewards),
    }


def plug_in(files: Sequence[Path] = (), *, space: bool, strict: bool = True) -> list[ConfigError]:
    """Add what packages and files bring. A package that cannot be used is a sentence among those returned; so is such
    a file, unless `strict`: then it is raised."""
    if space:
        if files:
            raise ConfigError(
                "--plugin runs {file} on this machine, which a public Space does not do. Leave --plugin out.",
                file=files[0],
            )
        return []
    problems: list[ConfigError] = []
    for source, point in _offered():
        try:
            _from_package(point, source=source)
        except ConfigError as error:
            problems.append(error)
    for file in files:
        try:
            _from_file(file)
        except ConfigError as error:
            if strict:
                raise
            problems.append(error)
    return problems


def _offered() -> list[tuple[str, EntryPoint]]:
    """Packages and what they offer; where a package is found twice, the one that would be imported."""
    found: dict[tuple[str, str, str], tuple[str, EntryPoint]] = {}
    for package in distributions():
        for point in package.entry_points:
            if point.group.startswith(PREFIX):
                found.setdefault((point.group, point.name, point.value), (package.name, point))
    return list(found.values())


def _from_package(point: EntryPoint, *, source: str) -> None:
    found = rooms()
    name = point.group.removeprefix(PREFIX)
    if name not in found:
        raise ConfigError(
            "{source} brings something for {group}, which is none of Tunefork's groups; there are: {groups}.",
            source=source, group=point.group, groups=", ".join(PREFIX + one for one in found),
        )  # fmt: skip
    with _told(source):
        thing = point.load()
    _add(found[name], thing, source=source)


def _from_file(file: Path) -> None:
    file = file.expanduser()
    if not file.is_file():
        raise ConfigError("--plugin names {file}, and there is no such file.", file=file)
    module, found = _imported(file), rooms()
    things = [(room, one) for one in _own(module) for room in found.values() if _belongs(one, room)]
    if not things:
        raise ConfigError(
            "--plugin {file} holds no method, format, check, evaluator, exporter or reward. It must define a class "
            "derived from studio.methods.Method, studio.data.formats.Format, studio.data.doctor.Check, "
            "studio.evaluation.Evaluator, studio.export.Exporter or studio.methods.rewards.RewardFunction, or a "
            "function that takes completions.",
            file=file,
        )
    for room, one in things:
        _add(room, one, source=str(file))


def _imported(file: Path) -> ModuleType:
    """The file as a module, run once in a process."""
    path = file.resolve()
    name = f"tunefork_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError("--plugin names {file}, which is no Python file: its name must end in .py.", file=file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with _told(str(file), path):
            spec.loader.exec_module(module)
    except ConfigError:
        del sys.modules[name]
        raise
    return module


@contextmanager
def _told(source: str, file: Path | None = None) -> Iterator[None]:
    """Whatever goes wrong while somebody's code is imported, as a sentence with its line."""
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if file and one.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        raise ConfigError(
            "The plugin {source} could not be loaded ({kind}: {text}), so what it brings is missing. "
            "Mend it, update it, or remove it.",
            source=f"{source}, line {line}" if line else source,
            kind=type(error).__name__,
            text=str(error).strip()[:300],
        ) from error


def _own(module: ModuleType) -> list[Any]:
    """The public classes and functions that a module defines itself."""
    named = [one for name, one in vars(module).items() if not name.startswith("_")]
    return [
        one
        for one in dict.fromkeys(one for one in named if inspect.isclass(one) or inspect.isfunction(one))
        if one.__module__ == module.__name__
    ]


def _belongs(thing: Any, room: Room) -> bool:
    """Whether a thing is what a room's dict is made of."""
    if inspect.isclass(thing):
        return issubclass(thing, room.base) and not inspect.isabstract(thing)
    return isinstance(thing, room.base) if room.called else room.kind == "reward" and is_reward(thing)


def _add(room: Room, thing: Any, *, source: str) -> None:
    if not _belongs(thing, room):
        raise ConfigError(
            "The plugin {source} offers {thing} as a {kind}, which is no complete subclass of {base}. "
            "Derive it from that, and define all that is abstract there.",
            source=source,
            thing=getattr(thing, "__name__", repr(thing)[:60]),
            kind=room.kind,
            base=f"{room.base.__module__}.{room.base.__name__}",
        )
    if inspect.isfunction(thing):
        thing = reward_of(thing)
    name, entries = _name(thing, room, source=source), room.entries
    if name in entries and _made_alike(entries[name], thing):
        return
    if name in entries or (room.kind == "reward" and _settings_taken(thing)):
        raise ConfigError(
            "The plugin {source} brings the {kind} {name}, and one of this name, or with a setting of this name, is "
            "there already (of {owner}). Rename it in the plugin.",
            source=source,
            kind=room.kind,
            name=name,
            owner=_owner(entries[name]) if name in entries else "Tunefork",
        )
    made = {name: thing() if room.called and inspect.isclass(thing) else thing}
    before = dict(entries)
    entries.clear()
    entries.update({**made, **before} if room.first else {**before, **made})
    room.then()


def _name(thing: Any, room: Room, *, source: str) -> str:
    """What a thing is called in its dict: a method's `type`, the `name` of anything else."""
    field = thing.model_fields.get("type") if room.kind == "method" else None
    name = getattr(thing, "name", None)
    if field is not None and get_origin(field.annotation) is Literal:
        name = field.default
    elif room.kind == "method":
        name = None
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(
            "The plugin {source} has a {kind}, {thing}, without a name. Give it {example}, a name of letters, digits "
            "and underscores.",
            source=source,
            kind=room.kind,
            thing=getattr(thing, "__name__", type(thing).__name__),
            example='type: Literal["mine"] = knob("mine")' if room.kind == "method" else 'name = "mine"',
        )
    return name


def _made_alike(entry: Any, thing: Any) -> bool:
    """Whether this very thing was added before."""
    function = getattr(thing, "function", None)
    if function is not None and getattr(entry, "function", None) is function:
        return True
    return entry is thing or type(entry) is thing


def _settings_taken(reward: type[RewardFunction]) -> bool:
    """Whether a run's method has a setting already that a new reward would bring."""
    from studio.methods import METHODS

    return bool({SETTING + field for field in reward.model_fields} & METHODS["grpo"].model_fields.keys())


def _owner(entry: Any) -> str:
    kind = entry if inspect.isclass(entry) else type(entry)
    room = kind.__module__.partition(".")[0]
    return "Tunefork" if room == "studio" else room
