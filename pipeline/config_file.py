"""Reads a programme's YAML file and tells every problem at once, with its line and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from pipeline.areas import Area, read_areas
from pipeline.config import Config, LayerConfig
from pipeline.config_secrets import secrets_in
from pipeline.disturbance import find_model
from pipeline.errors import BadInput, ModelError, Problems
from pipeline.footprint import Layer, read_layers
from pipeline.simulation import scenario_names

MAX_BYTES = 1_000_000
_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class ConfigFile:
    """A validated programme: where it lies, its text as given, its settings, its areas and its layers of units."""

    path: Path
    text: str
    config: Config
    areas: tuple[Area, ...]
    layers: tuple[Layer, ...] = ()

    @property
    def base(self) -> Path:
        """The folder that relative paths in the file start from."""
        return self.path.parent

    @property
    def area_files(self) -> tuple[Path, ...]:
        """The areas files, resolved."""
        return tuple(self.base / path for path in self.config.areas)


def read_config(path: Path) -> ConfigFile:
    """Read and check a programme; raises Problems with every mistake of the file and of the areas it names."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"{path}: larger than {MAX_BYTES} bytes; this is not a programme's config")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); `placerwatch init DIR` writes one") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: not UTF-8 text; save it as UTF-8") from error
    lines: dict[_Path, int] = {}
    problems: list[str] = []
    data = _parse(path, text, lines, problems)
    config: Config | None = None
    if not isinstance(data, dict):
        raise Problems(str(path), problems or ["line 1: expected settings such as `programme: my-watch`"])
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        problems += [_explain(detail, lines) for detail in _causes(error.errors(include_url=False))]
    areas, area_problems = _read_named_areas(path.parent, data)
    problems += area_problems
    problems += list(_missing_inputs(path.parent, data, lines))
    layers, layer_problems = _read_named_layers(path.parent, config.layers if config else (), areas)
    problems += layer_problems
    if problems or config is None:
        raise Problems(str(path), problems)
    return ConfigFile(path.resolve(), text, config, areas, layers)


def _parse(path: Path, text: str, lines: dict[_Path, int], problems: list[str]) -> Any:
    """Plain data from YAML, the line of each key; anchors and repeated keys are refused."""
    loader = yaml.SafeLoader(text)
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, yaml.SafeLoader)):
            raise BadInput(f"{path}: YAML aliases (*name) are not supported; write the value out")
        node = loader.get_single_node()
        if secrets := secrets_in(text, node):
            # Alone: other messages show what was found.
            raise Problems(str(path), secrets)
        return None if node is None else _construct(loader, node, (), lines, problems)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise Problems(str(path), [f"{where}not YAML ({getattr(error, 'problem', None) or error})"]) from error
    except RecursionError:
        raise BadInput(f"{path}: nested more deeply than any config; `placerwatch init DIR` writes one") from None
    finally:
        loader.dispose()


def _construct(
    loader: yaml.SafeLoader, node: yaml.Node, where: _Path, lines: dict[_Path, int], problems: list[str]
) -> Any:
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, (*where, i), lines, problems) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                problems.append(f"line {line}: {'.'.join(map(str, (*where, key)))} is given twice; keep one")
            lines[(*where, key)] = line
            result[key] = _construct(loader, value_node, (*where, key), lines, problems)
        return result
    return loader.construct_object(node)


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Mistakes without their consequences: a list is "too short" when each of its items was refused."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(len(p) > len(detail["loc"]) and p[: len(detail["loc"])] == detail["loc"] for p in places)
    ]


def _explain(detail: ErrorDetails, lines: Mapping[_Path, int]) -> str:
    """One problem in words: line, setting, what was found and what to write."""
    # pydantic puts the tag of a union ("folder") into the path; the file has no such level.
    tag = {"source": 1, "periods": 2}.get(str(detail["loc"][0])) if detail["loc"] else None
    place = tuple(p for i, p in enumerate(detail["loc"]) if i != tag)
    line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), 1)
    name = ".".join(map(str, place)) or "the file"
    kind, message = detail["type"], detail["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        known = _fields_at(detail["loc"][:-1])
        close = difflib.get_close_matches(str(place[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return f"line {line}: {name} is not a setting; {hint}"
    if kind == "missing":
        return f"line {line}: {name} is missing; add it ({_description_of(detail['loc'])})"
    if kind == "string_pattern_mismatch":
        return f"line {line}: {name}: {_short(detail['input'])} cannot be used; write {_description_of(detail['loc'])}"
    if kind == "union_tag_invalid":
        known = detail["ctx"]["expected_tags"]
        return f"line {line}: {name}.kind: there is no {_short(detail['ctx']['tag'])}; choose one of {known}"
    if kind == "value_error":
        return f"line {line}: {name}: {message}"
    return f"line {line}: {name}: {message[0].lower()}{message[1:]}; found {_short(detail['input'])}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not None or type(annotation) is type(int | str) or annotation is Union:
        for part in get_args(annotation):
            yield from _models_in(part)


def _model_at(place: tuple[str | int, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] = Config
    for step in place:
        field = _settings_of(model).get(str(step))
        if field is None:
            continue
        choices = list(_models_in(field.annotation))
        if len(choices) > 1:
            choices = [c for c in choices if _tag_of(c) in place]
        if not choices:
            return None
        model = choices[0]
    return model


def _tag_of(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return str(get_args(kind.annotation)[0]) if kind else model.__name__


def _settings_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Settings under the names that they have in a file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _fields_at(place: tuple[str | int, ...]) -> list[str]:
    model = _model_at(place)
    return list(_settings_of(model)) if model else []


def _description_of(place: tuple[str | int, ...]) -> str:
    model = _model_at(place[:-1])
    field = _settings_of(model).get(str(place[-1])) if model else None
    return (field.description if field else None) or "required"


def _read_named_areas(base: Path, data: Mapping[Hashable, Any]) -> tuple[tuple[Area, ...], list[str]]:
    """The declared areas, or what is wrong with them, whatever else the config gets wrong."""
    named = data.get("areas")
    if not isinstance(named, list) or not all(isinstance(item, str) for item in named) or not named:
        return (), []
    zones = data.get("zones") or []
    asked = tuple(zones) if isinstance(zones, list) and all(isinstance(z, str) for z in zones) else ()
    try:
        return read_areas([base / item for item in named], asked), []
    except Problems as error:
        return (), list(error.problems)
    except BadInput as error:
        return (), [str(error)]


def _read_named_layers(
    base: Path, settings: Sequence[LayerConfig], areas: Sequence[Area]
) -> tuple[tuple[Layer, ...], list[str]]:
    """The layers of units, or what is wrong with them; they are placed on the areas, so not read without."""
    try:
        return read_layers(settings, base, areas) if areas else (), []
    except Problems as error:
        return (), list(error.problems)


def _missing_inputs(base: Path, data: Mapping[Hashable, Any], lines: Mapping[_Path, int]) -> Iterator[str]:
    """What the config names and is not there: a folder of imagery or elevation, a scenario, a model."""
    kind, path = _text_at(data, "source", "kind"), _text_at(data, "source", "path")
    if kind in ("folder", "safe") and path is not None and not (base / path).is_dir():
        line = lines.get(("source", "path"), 1)
        yield f"line {line}: source.path: no folder {path!r} beside the config; give one that exists"
    elevation = _text_at(data, "elevation", "source")
    if elevation and elevation != "same" and "://" not in elevation and not (base / elevation).is_dir():
        line = lines.get(("elevation", "source"), 1)
        yield f"line {line}: elevation.source: no folder {elevation!r} beside the config; give one that exists, or same"
    scenario, model = _text_at(data, "source", "scenario"), _text_at(data, "disturbance", "model")
    if kind == "simulation" and scenario is not None and scenario not in scenario_names():
        line = lines.get(("source", "scenario"), 1)
        yield f"line {line}: source.scenario: {scenario!r} is not known; choose one of: {', '.join(scenario_names())}"
    try:
        if model is not None:
            find_model(model, base)
    except ModelError as error:
        yield f"line {lines.get(('disturbance', 'model'), 1)}: disturbance.model: {error}"


def _text_at(data: Mapping[Hashable, Any], section: str, key: str) -> str | None:
    """A setting that is text; None where it is not, which the settings' own check tells."""
    part = data.get(section)
    value = part.get(key) if isinstance(part, dict) else None
    return value if isinstance(value, str) else None
