"""The kinds of values that several sections of a recipe share, and the base of all sections."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic_core import PydanticCustomError

Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Prose = Annotated[str, StringConstraints(max_length=100_000)]


def expected(kind: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "expected {kind}", {"kind": kind})


def texts(value: Any, kind: str) -> tuple[str, ...]:
    """A list of non-empty texts as a tuple, or a pydantic error that says what was expected."""
    if not isinstance(value, (list, tuple)) or not value:
        raise expected(kind)
    if not all(isinstance(item, str) and item.strip() for item in value):
        raise expected(kind)
    if len(set(value)) != len(value):
        raise PydanticCustomError("expected", "names the same entry twice")
    return tuple(value)


# A dump holds a list where a recipe would; without it pydantic warns of the tuple it made of it itself.
AS_LIST = PlainSerializer(lambda value: value if isinstance(value, str) else list(value), return_type=Any)
LineList = Annotated[tuple[Line, ...], Field(strict=False)]


class Section(BaseModel):
    """Base of all sections: unknown words refused, values never coerced, objects never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)
