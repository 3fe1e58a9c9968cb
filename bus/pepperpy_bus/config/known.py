"""The settings as data: names, kinds, defaults and meanings, read off the models."""

from pathlib import Path
from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from pepperpy_bus.config.setting import Kind, Known
from pepperpy_bus.config.settings import SettingsModel


def sections() -> dict[str, type[BaseModel]]:
    """Returns the section models by name."""
    return {
        name: field.annotation
        for name, field in SettingsModel.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }


def known_settings() -> dict[str, Known]:
    """Returns every setting of every section by its dotted name."""
    return {
        f"{section}.{key}": _known(f"{section}.{key}", field)
        for section, model in sections().items()
        for key, field in model.model_fields.items()
    }


def _known(name: str, field: FieldInfo) -> Known:
    extra = field.json_schema_extra
    kind = _kind_of(field)
    return Known(
        name=name,
        kind=kind,
        default="" if kind == "secret" or field.default is None else str(field.default),
        meaning=field.description or "",
        choices=get_args(field.annotation) if _is_choice(field) else (),
        reloadable=isinstance(extra, dict) and extra.get("reloadable") is True,
    )


def _is_choice(field: FieldInfo) -> bool:
    return all(isinstance(one, str) for one in get_args(field.annotation) or (0,))


def _kind_of(field: FieldInfo) -> Kind:
    types = {field.annotation, *get_args(field.annotation)}
    if "duration" in field.metadata:
        return "duration"
    if "size" in field.metadata:
        return "size"
    if SecretStr in types:
        return "secret"
    if Path in types:
        return "path"
    # `Port | None` keeps its Annotated inside the union.
    plain = {getattr(one, "__origin__", one) for one in types}
    return "number" if plain & {int, float} else "text"
