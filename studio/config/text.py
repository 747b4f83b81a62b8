"""YAML text -> plain values, every mistake a sentence with its line. Knows nothing of what the keys mean."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from studio.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Safe YAML with YAML 1.2 scalars: `1e-4` is a number, `no` is text, doubled keys and aliases are refused."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few of them, nested, become gigabytes
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read here", problem_mark=mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.endswith(":null")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), "tTfF")
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), "-+0123456789")
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
    "-+.0123456789",
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, Hashable):
            raise yaml.MarkedYAMLError(problem="a key is a list or a mapping", problem_mark=key_node.start_mark)
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} is there twice", problem_mark=key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def parse_yaml(text: str, *, name: str) -> dict[str, Any]:
    """YAML text -> a plain mapping. `name` is what the messages call it."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(
            "{file}, line {line}: not valid YAML ({problem}).", file=name, line=line, problem=error.problem or error
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError("{file}: not valid YAML ({problem}).", file=name, problem=error) from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError("{file}: a run is a mapping of keys such as `model:` and `training:`.", file=name)
    return data


def parse_value(text: str, *, name: str) -> Any:
    """One value as YAML reads it: `1e-4` a number, `null` None, `[a, b]` a list, else text."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigError("{name}: {value!r} is not a valid value.", name=name, value=text) from error
