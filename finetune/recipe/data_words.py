"""The words of a recipe's data section: which rows, how they are read, and what becomes of odd ones."""

from __future__ import annotations

import codecs
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from finetune.recipe.kinds import Line, PathText, Prose, Section, expected

# What a row can be found to hold (finetune.data.findings says what each means; a test holds the two together).
Check = Literal[
    "control_characters",
    "hidden_characters",
    "mojibake",
    "replacement_character",
    "chat_markers",
    "html_remains",
    "refusal",
    "boilerplate",
    "other_language",
    "prompt_in_answer",
    "repeated_text",
    "repeated_answer",
    "unbalanced",
    "cut_answer",
    "placeholder",
    "short_answer",
    "empty_looking",
]
CHECKS: tuple[str, ...] = get_args(Check)
_RULES = ("off", "warn", "refuse", "drop")
_MAX_WEIGHT = 100


class TrainFile(BaseModel):
    """One entry of data.train with a weight."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: PathText
    weight: float = Field(default=1.0, gt=0, le=_MAX_WEIGHT)


def _train_files(value: Any) -> str | tuple[str | TrainFile, ...]:
    kind = "a path, a pattern such as data/*.jsonl, or a list of them"
    if isinstance(value, str) and value.strip():
        return value
    if not isinstance(value, (list, tuple)) or not value:
        raise expected(kind)
    entries = tuple(_train_file(item, kind) for item in value)
    paths = [entry if isinstance(entry, str) else entry.path for entry in entries]
    if len(set(paths)) != len(paths):
        raise PydanticCustomError("expected", "names the same entry twice")
    return entries


def _train_file(item: Any, kind: str) -> str | TrainFile:
    if isinstance(item, str) and item.strip():
        return item
    if isinstance(item, TrainFile):
        return item
    if not isinstance(item, dict):
        raise expected(kind)
    path, weight = item.get("path"), item.get("weight", 1.0)
    known = set(item) <= {"path", "weight"} and isinstance(path, str) and path.strip()
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not known or not is_number or not 0 < weight <= _MAX_WEIGHT:
        raise expected(f"{{path: FILE, weight: a number above 0 and at most {_MAX_WEIGHT}}} for an entry that is a map")
    return TrainFile(path=str(path), weight=float(weight))


def _as_written(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return [item if isinstance(item, str) else {"path": item.path, "weight": item.weight} for item in value]


def _share(value: Any) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _held_out(value: Any) -> float | str:
    kind = "a share above 0 and below 1, or a path"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    if isinstance(value, str) and value.strip():
        try:
            float(value)
        except ValueError:
            return value
        raise expected("a share without quotes, or a path")
    raise expected(kind)


def _bad_rows(value: Any) -> int | float:
    if _share(value) or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise expected("a whole number of rows, or a share above 0 and below 1")


def _rule(value: Any) -> str | float:
    if value in _RULES or _share(value):
        return value
    raise expected(f"one of {', '.join(_RULES)}, or a share above 0 and below 1 beyond which the rows are refused")


def _encoding(value: Any) -> str:
    kind = "auto, or the name of an encoding such as utf-8, utf-16, gb18030, windows-1252"
    if not isinstance(value, str):
        raise expected(kind)
    if value != "auto":
        try:
            if not codecs.lookup(value)._is_text_encoding:
                raise expected(kind)
        except (LookupError, ValueError):
            raise expected(kind) from None
    return value


_TEXT_SCHEMA = {"type": "string", "minLength": 1}
_SHARE_SCHEMA = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
_TRAIN_FILE_SCHEMA = {
    "type": "object",
    "properties": {
        "path": _TEXT_SCHEMA,
        "weight": {"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_WEIGHT},
    },
    "required": ["path"],
    "additionalProperties": False,
}
_PATH_LIST_SCHEMA = {
    "anyOf": [
        _TEXT_SCHEMA,
        {"type": "array", "items": {"anyOf": [_TEXT_SCHEMA, _TRAIN_FILE_SCHEMA]}, "minItems": 1, "uniqueItems": True},
    ]
}
_ROWS_SCHEMA = {"anyOf": [{"type": "integer", "minimum": 0}, _SHARE_SCHEMA]}

TrainFiles = Annotated[
    str | tuple[str | TrainFile, ...],
    PlainValidator(_train_files),
    PlainSerializer(_as_written, return_type=Any),
    WithJsonSchema(_PATH_LIST_SCHEMA),
]
HeldOut = Annotated[float | str, PlainValidator(_held_out), WithJsonSchema({"anyOf": [_SHARE_SCHEMA, _TEXT_SCHEMA]})]
Rows = Annotated[int | float, PlainValidator(_bad_rows), WithJsonSchema(_ROWS_SCHEMA)]
Rule = Annotated[str | float, PlainValidator(_rule), WithJsonSchema({"anyOf": [{"enum": list(_RULES)}, _SHARE_SCHEMA]})]
ColumnWord = Literal["prompt", "completion", "context", "system", "chosen", "rejected", "label", "messages"]
COLUMN_WORDS: tuple[str, ...] = get_args(ColumnWord)
Encoding = Annotated[str, PlainValidator(_encoding), WithJsonSchema({"type": "string", "minLength": 1})]


class Data(Section):
    """What is learnt, what is held out, and the rules for rows."""

    train: TrainFiles = Field(
        description="The training rows: a path, a folder, a pattern such as `data/*.jsonl`, a data set of the hub "
        "(`hub:owner/name[:config][@split][#revision]`), or a list of them; in a list, `{path: ..., weight: 2}` "
        "takes every row of that entry twice, and a weight of 0.5 half of its rows.",
        examples=["my_rows.jsonl"],
    )
    held_out: HeldOut = Field(
        default=0.1,
        description="Rows kept away from training to measure on: a share of the training rows (0.1 is one in "
        "ten), or a path (or hub data set) of rows of their own.",
        examples=[0.1],
    )
    format: Literal[
        "auto",
        "messages",
        "sharegpt",
        "alpaca",
        "question_answer",
        "prompt_completion",
        "preference",
        "rated",
    ] = Field(default="auto", description="The layout of a row; `auto` recognises it by its columns and says so.")
    columns: dict[ColumnWord, Line] = Field(
        default_factory=dict,
        description="Which column holds the question (`prompt`), the answer (`completion`), the text the question is "
        "about (`context`, joined with it), the `system` text, the "
        "preferred and the other answer (`chosen`, `rejected`), whether an answer was liked (`label`), or the turns "
        "(`messages`), when the names differ from the usual ones.",
        examples=["{prompt: question, completion: answer}"],
    )
    roles: dict[Line, Literal["user", "assistant", "system", "tool"]] = Field(
        default_factory=dict,
        description="What your names of the speakers mean, when they are not the usual ones.",
        examples=["{patient: user, doctor: assistant}"],
    )
    turns: Literal["strict", "mend"] = Field(
        default="strict",
        description="Conversations in which user and assistant do not take turns: `strict` counts them as broken; "
        "`mend` joins neighbouring turns of one speaker, and leaves off answers before the first question and turns "
        "after the last answer.",
    )
    encoding: Encoding = Field(
        default="auto",
        description="How the characters of the files are written: `auto` recognises it and says so, or name it.",
        examples=["gb18030"],
    )
    group_by: Line | None = Field(
        default=None,
        description="A column; rows with the same value there never straddle the training and held-out rows.",
        examples=["document"],
    )
    system_prompt: Prose | None = Field(
        default=None,
        description="The instruction put before every conversation that has none of its own.",
        examples=["You are a careful assistant of our clinic."],
    )
    max_length: int = Field(
        default=1024, ge=16, le=1_048_576, description="The longest conversation, in tokens.", examples=[1024]
    )
    overlong: Literal["drop", "error", "trim_history"] = Field(
        default="drop",
        description="What happens to a longer conversation: `drop` and count it, stop with an `error`, "
        "or drop its oldest turns (`trim_history`). An answer is never cut silently. Left out: `drop`, but a run "
        "stops when that would cost more than 1 % of the training rows (and more than 3).",
    )
    bad_rows: Rows = Field(
        default=0,
        description="How many rows that cannot be used (no answer, an unknown speaker, broken JSON) may be left out: "
        "a number of rows, or a share such as 0.05. With more of them the run stops and names them all.",
        examples=[10],
    )
    checks: dict[Check, Rule] = Field(
        default_factory=dict,
        description="What happens to rows with a finding of `finetune check`, by kind: `off`, `warn`, `refuse`, `drop` "
        "the rows, or a share beyond which the rows are refused. Kinds and defaults: docs/findings.md.",
        examples=["{mojibake: refuse, refusal: drop, other_language: 0.05}"],
    )
    privacy: Literal["warn", "refuse", "redact", "off"] = Field(
        default="warn",
        description="What happens when rows hold personal data: `warn`, `refuse` them, `redact` (names, numbers and "
        "addresses become placeholders such as [NAME_1] before anything is trained), or `off`: not searched.",
    )
    duplicates: Literal["drop", "warn", "keep"] = Field(
        default="drop", description="What happens to rows that say exactly the same as an earlier one."
    )
    near_duplicates: Literal["warn", "drop", "keep"] = Field(
        default="warn", description="What happens to rows that say nearly the same as an earlier one."
    )
    leakage: Literal["refuse", "warn", "off"] = Field(
        default="refuse",
        description="What happens when held-out rows also stand in the training rows, exactly or nearly: their numbers "
        "would measure memory. A share that the kit holds out itself keeps rows and questions that say the same on one "
        "side; where that is not possible, as nearly all of them do, it is refused too. Equal answers of a share are "
        "only told of.",
    )
    canaries: int = Field(
        default=0,
        ge=0,
        le=500,
        description="So many made-up rows with a random number each are planted into the training rows (never into the "
        "held-out ones), to measure afterwards how much the adapter learnt by heart: docs/memorisation.md. It is a "
        "test of your settings; do not share an adapter that was trained with them.",
        examples=[10],
    )
    images: Literal["use", "ignore"] = Field(
        default="use",
        description="Images of rows (a column `images` or `image`, or image parts of turns): `use` them, which needs "
        "a base that takes images, or `ignore` them and train on the texts alone.",
    )
    max_image_pixels: int = Field(
        default=401_408,
        ge=3_136,
        le=16_777_216,
        description="A larger image is made smaller, to so many pixels, before the model sees it; 401,408 are about "
        "400 to 512 tokens, and a photo as a camera takes it would be 16,000. Smaller is faster, larger shows more "
        "detail. The same holds when the adapter is asked.",
        examples=[401_408],
    )
    license: Line | None = Field(
        default=None,
        description="The licence of the rows, as an SPDX name or in words; goes into the card of a shared adapter.",
        examples=["cc-by-4.0"],
    )
    stream: bool = Field(
        default=False,
        description="Read data sets of the hub without keeping a copy of them on disk.",
        examples=[False],
    )
