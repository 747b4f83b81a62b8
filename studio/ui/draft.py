"""The widgets as a RunConfig, and a RunConfig as widgets. Knows nothing of where a widget stands on the page.

There is no second copy of the form: a handler takes `inputs=draft.components()` and asks `read(values)`.
Settings without a widget are kept in one hidden textbox (`rest`), so that a loaded config comes back whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from studio.adapters import ADAPTERS
from studio.config.files import explain
from studio.config.run import RunConfig
from studio.errors import ConfigError
from studio.methods import METHODS
from studio.section import Section
from studio.ui.form import as_shown, plain_type, section_of

Values = Mapping[Component, Any]


@dataclass(frozen=True)
class Entry:
    """Some widgets that together hold some settings.

    `read` takes the widgets' values and gives {dotted key: value}; `show` gives one value (or `gr.update`) a widget.
    """

    names: tuple[str, ...]
    components: tuple[Component, ...]
    read: Callable[..., dict[str, Any]]
    show: Callable[[RunConfig], Sequence[Any]]


class Unfinished(ConfigError):
    """Nothing is wrong with the form; something has yet to be chosen."""


class Draft:
    """All widgets that hold settings. Tabs add theirs while they are built."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.rest = gr.Textbox("{}", visible="hidden", elem_id="draft-rest")

    @property
    def filled(self) -> Component:
        """Its `.change` fires when `fill` was shown: what answers to a choice listens here too."""
        return self.rest

    def add(self, section: str, name: str, component: Component) -> Component:
        """One widget that holds one setting; "" is the section of `name`."""
        key = f"{section}.{name}" if section else name
        field = section_of(section).knobs()[name]

        def read(value: Any) -> dict[str, Any]:
            return self.one(key, field, value)

        def show(config: RunConfig) -> tuple[Any, ...]:
            return (as_shown(component, _flat(config).get(key, field.default)),)

        return self.join((key,), (component,), read=read, show=show)[0]

    def join(
        self,
        names: tuple[str, ...],
        components: tuple[Component, ...],
        *,
        read: Callable[..., dict[str, Any]],
        show: Callable[[RunConfig], Sequence[Any]],
    ) -> tuple[Component, ...]:
        """Several widgets that together hold the settings `names`."""
        taken = {name for entry in self._entries for name in entry.names} & set(names)
        if taken:
            raise ValueError(f"two widgets for {', '.join(sorted(taken))}")
        self._entries.append(Entry(names, components, read, show))
        return components

    def one(self, key: str, field: FieldInfo, value: Any) -> dict[str, Any]:
        """What one widget says of one setting; nothing where it is empty and the setting's own default is too."""
        kind, optional = plain_type(field.annotation)
        if value is None or (isinstance(value, str) and not value.strip()) or value == []:
            if optional:
                return {key: None}
            if field.default == "":
                return {key: ""}
            if not isinstance(field.default, tuple | dict) or (value == [] and field.default):
                raise ConfigError("{setting} is empty. Give it a value.", setting=key)
        return {key: _typed(value.strip(), kind) if isinstance(value, str) else value}

    def components(self, *prefixes: str) -> set[Component]:
        """The inputs of a handler: all widgets, or those of some settings ("model", "training.max_length")."""
        found = {one for entry in self._wanted(prefixes) for one in entry.components}
        return found | {self.rest}

    def plain(self, values: Values, *prefixes: str) -> dict[str, Any]:
        """What the widgets say, unchecked, as a run file would hold it. Other settings keep their defaults."""
        flat = {key: value for key, value in self._kept(values).items() if _under(key, prefixes)}
        for entry in self._wanted(prefixes):
            flat.update(entry.read(*(values.get(one) for one in entry.components)))
        return _nested({key: one for key, one in flat.items() if not _is_foreign(key, flat)})

    def read(self, values: Values, *prefixes: str) -> RunConfig:
        """The config the widgets stand for; a mistake is a ConfigError that names the setting."""
        try:
            return RunConfig.model_validate(self.plain(values, *prefixes))
        except ValidationError as error:
            raise explain(error) from error

    def fill(self, config: RunConfig) -> dict[Component, Any]:
        """Component -> update that shows `config`; `read` of what is then shown gives `config` back."""
        updates: dict[Component, Any] = {}
        said: dict[str, Any] = {}
        for entry in self._entries:
            shown = [one if isinstance(one, dict) else gr.update(value=one) for one in entry.show(config)]
            updates.update(zip(entry.components, shown, strict=True))
            said.update(entry.read(*(one["value"] for one in shown)))
        kept = {key: value for key, value in _flat(config, mode="json").items() if key not in said}
        updates[self.rest] = _rest(kept)
        return updates

    def change(self, values: Values, changes: Mapping[str, Any]) -> dict[Component, Any]:
        """Updates that lay dotted changes over the form; only the widgets that they touch. ConfigError where they
        cannot be."""
        flat = _flat(self.read(values), mode="json")
        try:
            config = RunConfig.model_validate(_nested({**_of_method(flat, changes), **changes}))
        except ValidationError as error:
            raise explain(error) from error
        updates: dict[Component, Any] = {}
        said: set[str] = set()
        for entry in self._wanted(tuple(changes)):
            shown = [one if isinstance(one, dict) else gr.update(value=one) for one in entry.show(config)]
            updates.update(zip(entry.components, shown, strict=True))
            said.update(entry.names)
        kept = {**self._kept(values), **{key: one for key, one in changes.items() if key not in said}}
        updates[self.rest] = _rest(kept)
        return updates

    def _wanted(self, prefixes: tuple[str, ...]) -> Iterable[Entry]:
        return (entry for entry in self._entries if any(_under(name, prefixes) for name in entry.names))

    def _kept(self, values: Values) -> dict[str, Any]:
        try:
            kept = json.loads(values.get(self.rest) or "{}").get("keys", {})
        except (ValueError, AttributeError) as error:
            raise ConfigError("The form's hidden field is damaged. Reload the page.") from error
        return dict(kept)


def _rest(kept: Mapping[str, Any]) -> Any:
    """The hidden field, never twice the same: its change says that the form was filled."""
    return gr.update(value=json.dumps({"filled": time.time(), "keys": kept}, ensure_ascii=False))


def _is_foreign(key: str, flat: Mapping[str, Any]) -> bool:
    """Whether a setting was kept of another method, or of another kind of adapter, than the chosen one."""
    room, _, name = key.partition(".")
    every: dict[str, Mapping[str, type[Section]]] = {"method": METHODS, "adapter": ADAPTERS}
    kinds = every.get(room, {})
    chosen = kinds.get(str(flat.get(f"{room}.type")))
    return bool(name) and chosen is not None and name not in chosen.knobs()


def _of_method(flat: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Without the settings of the method, or the kind of adapter, that another one takes the place of."""
    other = {
        f"{room}." for room in ("method", "adapter")
        if changes.get(f"{room}.type", flat.get(f"{room}.type")) != flat.get(f"{room}.type")
    }  # fmt: skip
    return {key: one for key, one in flat.items() if not key.startswith(tuple(other))}


def _typed(text: str, kind: Any) -> Any:
    """A line of text as the number it stands for, where its setting is one; else as it is."""
    for number in (int, float) if kind in (int, float) else ():
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _under(key: str, prefixes: tuple[str, ...]) -> bool:
    return not prefixes or any(key == one or key.startswith(f"{one}.") for one in prefixes)


def _flat(config: RunConfig, *, mode: str = "python") -> dict[str, Any]:
    """`{"training.seed": 42, ..., "adapter": None}`: sections one level deep, a missing one as None."""
    flat: dict[str, Any] = {}
    for name, value in config.model_dump(mode=mode).items():
        if isinstance(value, dict):
            flat.update({f"{name}.{inner}": one for inner, one in value.items()})
        else:
            flat[name] = value
    return flat


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_flat`; `adapter: None` wins over its widgets."""
    data: dict[str, Any] = {}
    off = {key for key, value in flat.items() if value is None and "." not in key}
    for key, value in flat.items():
        section, _, name = key.partition(".")
        if not name or section in off:
            data[section] = None if section in off else value
        else:
            data.setdefault(section, {})[name] = value
    return data
