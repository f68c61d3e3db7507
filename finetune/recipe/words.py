"""The words of a recipe: one frozen pydantic model per section, each word with its kind, range, default and
meaning.

The descriptions below are the only ones: docs/recipe.md and the JSON Schema are made from them (see
schema.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

FORMAT_VERSION = 1
COLUMN_WORDS = ("prompt", "completion", "system")
MAX_ALPHA_PER_RANK = 64

# Words that are parsed and known, and refused with "not available yet" until their room is built.
NOT_YET: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("base", "quantization"): ("8bit", "4bit"),
    ("base", "thinking"): ("keep",),
    ("data", "format"): ("prompt_completion", "preference", "rated"),
    ("data", "privacy"): ("warn", "refuse", "redact"),
    ("adapter", "method"): ("pissa",),
    ("train", "method"): ("dpo", "kto", "orpo"),
    ("hardware", "packing"): (True,),
}

_PLAIN_MODULE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$"

Line = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Prose = Annotated[str, StringConstraints(max_length=100_000)]


def _expected(kind: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "expected {kind}", {"kind": kind})


def _texts(value: Any, kind: str) -> tuple[str, ...]:
    """A list of non-empty texts as a tuple, or a pydantic error that says what was expected."""
    if not isinstance(value, (list, tuple)) or not value:
        raise _expected(kind)
    if not all(isinstance(item, str) and item.strip() for item in value):
        raise _expected(kind)
    if len(set(value)) != len(value):
        raise PydanticCustomError("expected", "names the same entry twice")
    return tuple(value)


def _train_files(value: Any) -> str | tuple[str, ...]:
    kind = "a path, a pattern such as data/*.jsonl, or a list of them"
    if isinstance(value, str) and value.strip():
        return value
    return _texts(value, kind)


def _held_out(value: Any) -> float | str:
    kind = "a share above 0 and below 1, or a path"
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    if isinstance(value, str) and value.strip():
        try:
            float(value)
        except ValueError:
            return value
        raise _expected("a share without quotes, or a path")
    raise _expected(kind)


def _target_modules(value: Any) -> str | tuple[str, ...]:
    import re

    kind = "all-linear, or a list of plain module names such as [q_proj, v_proj]"
    if value == "all-linear":
        return value
    names = _texts(value, kind)
    # PEFT would read anything else as a regular expression, and a bad one hangs the load.
    if not all(re.match(_PLAIN_MODULE, name) for name in names):
        raise _expected(kind)
    return names


_PATH_LIST_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "uniqueItems": True},
    ]
}
_HELD_OUT_SCHEMA = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "string", "minLength": 1},
    ]
}
_MODULES_SCHEMA = {
    "anyOf": [
        {"const": "all-linear"},
        {
            "type": "array",
            "items": {"type": "string", "pattern": _PLAIN_MODULE},
            "minItems": 1,
            "uniqueItems": True,
        },
    ]
}

# A dump holds a list where a recipe would; without it pydantic warns of the tuple it made of it itself.
_AS_LIST = PlainSerializer(lambda value: value if isinstance(value, str) else list(value), return_type=Any)

TrainFiles = Annotated[str | tuple[str, ...], PlainValidator(_train_files), _AS_LIST, WithJsonSchema(_PATH_LIST_SCHEMA)]
HeldOut = Annotated[float | str, PlainValidator(_held_out), WithJsonSchema(_HELD_OUT_SCHEMA)]
Modules = Annotated[str | tuple[str, ...], PlainValidator(_target_modules), _AS_LIST, WithJsonSchema(_MODULES_SCHEMA)]
LineList = Annotated[tuple[Line, ...], Field(strict=False)]


class Section(BaseModel):
    """Base of all sections: unknown words refused, values never coerced, objects never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Base(Section):
    """The model that is adapted."""

    model: PathText = Field(
        description="The base model: a hub id (owner/name), a folder, or `starter`, the bundled tiny base.",
        examples=["Qwen/Qwen3-0.6B"],
    )
    revision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] | None = Field(
        default=None,
        description="The commit, tag or branch of a hub model; shipped recipes pin a commit. "
        "`null`: the newest, recorded in the run.",
        examples=["c1899de289a04d12100db370d81485cdf75e47ca"],
    )
    quantization: Literal["none", "8bit", "4bit"] = Field(
        default="none", description="Hold the frozen base in fewer bits to save memory (`4bit` is QLoRA)."
    )
    chat_template: PathText = Field(
        default="auto",
        description="How a conversation becomes text: `auto` takes the model's own template, or name a "
        "shipped one or a file (ending in .jinja).",
        examples=["auto"],
    )
    thinking: Literal["off", "keep"] = Field(
        default="off",
        description="For models with a think block: `off` trains and answers without it, `keep` keeps it.",
    )


class Data(Section):
    """What is learnt, what is held out, and the rules for rows."""

    train: TrainFiles = Field(
        description="The training rows: a path, a pattern such as `data/*.jsonl`, or a list of them.",
        examples=["my_rows.jsonl"],
    )
    held_out: HeldOut = Field(
        default=0.1,
        description="Rows kept away from training to measure on: a share of the training rows (0.1 is one in "
        "ten), or a path to rows of their own.",
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
    columns: dict[Literal["prompt", "completion", "system"], Line] = Field(
        default_factory=dict,
        description="Which column holds the question (`prompt`), the answer (`completion`) and the `system` "
        "text, when the names differ from the usual ones: "
        "`{prompt: question, completion: answer}`.",
        examples=["{prompt: question, completion: answer}"],
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
    privacy: Literal["warn", "refuse", "redact", "off"] = Field(
        default="off", description="What happens when rows hold personal data."
    )
    duplicates: Literal["drop", "warn", "keep"] = Field(
        default="drop", description="What happens to rows that say exactly the same as an earlier one."
    )


class Adapter(Section):
    """The small set of weights that is trained beside the frozen base."""

    method: Literal["lora", "rslora", "dora", "pissa"] = Field(
        default="lora", description="The kind of low-rank adapter."
    )
    r: int = Field(default=16, ge=1, le=1024, description="Rank: the width of the adapter.", examples=[16])
    alpha: float = Field(
        default=32.0,
        gt=0,
        le=65_536,
        description=f"Strength: the adapter is scaled by alpha / r. At most {MAX_ALPHA_PER_RANK} times r.",
        examples=[32],
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="The share of adapter inputs dropped at random in training.",
        examples=[0.05],
    )
    target_modules: Modules = Field(
        default="all-linear",
        description="Which linear layers get an adapter: `all-linear`, or a list of plain module names.",
        examples=["all-linear"],
    )


class Train(Section):
    """How the adapter is trained."""

    method: Literal["sft", "dpo", "kto", "orpo"] = Field(
        default="sft",
        description="`sft` learns from answers; the others learn from preferences.",
    )
    epochs: float = Field(
        default=3.0,
        gt=0,
        le=1000,
        description="How often every row is seen; 0.5 is half of them once.",
        examples=[3],
    )
    learning_rate: float = Field(
        default=2e-4, gt=0, le=1, description="The largest step of the optimizer.", examples=[2e-4]
    )
    batch_size: int = Field(
        default=16,
        ge=1,
        le=4096,
        description="Examples per optimizer step, whatever the hardware.",
        examples=[16],
    )
    warmup: float = Field(
        default=0.03,
        ge=0,
        lt=1,
        description="The share of all steps in which the learning rate rises from zero.",
        examples=[0.03],
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine", description="How the learning rate goes on after the warmup."
    )
    seed: int = Field(
        default=0, ge=0, le=4_294_967_295, description="The seed of everything that is random.", examples=[0]
    )
    save_every: int | None = Field(
        default=None,
        ge=1,
        description="Optimizer steps between two checkpoints; `null`: chosen by the kit.",
        examples=[100],
    )
    log_every: int = Field(
        default=1, ge=1, description="Optimizer steps between two lines of metrics.jsonl.", examples=[1]
    )


class Evaluate(Section):
    """How the adapter is compared with its base."""

    questions: PathText | None = Field(
        default=None,
        description="A file of questions that base and adapter answer side by side; `null`: held-out rows are taken.",
        examples=["questions.jsonl"],
    )
    suites: LineList = Field(
        default=(), description="Named test suites to run.", examples=["[medical_safety, general]"]
    )
    max_new_tokens: int = Field(
        default=256, ge=1, le=32_768, description="The longest answer written, in tokens.", examples=[256]
    )
    gate: Literal["none", "better_than_base"] = Field(
        default="none",
        description="`better_than_base`: the run ends with exit code 3 when the adapter is not better than "
        "its base on the held-out rows.",
    )


class Share(Section):
    """What the card of a shared adapter says."""

    title: Line | None = Field(default=None, description="The title of the card.", examples=["Clinic answers"])
    license: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$")] | None = Field(
        default=None, description="The licence of the adapter, as an SPDX name.", examples=["apache-2.0"]
    )
    languages: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")], ...],
        Field(strict=False),
    ] = Field(default=(), description="The languages of the rows, as codes.", examples=["[en]"])
    intended_use: Prose | None = Field(
        default=None,
        description="What the adapter is for, in one or a few sentences.",
        examples=["Answers to general questions of patients"],
    )
    not_for: LineList = Field(default=(), description="What it must not be used for.", examples=["[diagnosis]"])


class Hardware(Section):
    """How this machine is used. Optional, and never in a shared recipe: the kit chooses and says why."""

    micro_batch: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Examples computed at once; must divide train.batch_size. `null`: chosen by the kit.",
        examples=[4],
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="The number format of the computation."
    )
    attention: Literal["auto", "sdpa", "eager"] = Field(default="auto", description="The implementation of attention.")
    packing: bool = Field(
        default=False, description="Compute a prefix shared by several rows only once.", examples=[False]
    )
    processes: int = Field(
        default=1, ge=1, le=64, description="Processes, one a GPU, that train together.", examples=[1]
    )


class Recipe(Section):
    """A recipe of finetune-kit: what to adapt, on which rows, how, and how to prove it."""

    recipe: Literal[1] = Field(description="The version of the recipe format.", examples=[FORMAT_VERSION])
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")] = Field(
        default="recipe",
        description="The name of the run: letters, digits, `_`, `.` and `-`. Left out: the name of the "
        "recipe's file or folder.",
        examples=["medical_qa"],
    )
    description: Prose = Field(
        default="",
        description="One line that says what the adapter does and does not do.",
        examples=["Answers general questions; never doses, never diagnoses."],
    )
    extends: PathText | None = Field(
        default=None,
        description="Another recipe, or a shipped name, that this one builds on. Maps merge, lists replace.",
        examples=["base_chat"],
    )
    base: Base = Field(description="The model that is adapted.", examples=["{model: Qwen/Qwen3-0.6B}"])
    data: Data = Field(
        description="What is learnt, what is held out, and the rules for rows.",
        examples=["{train: my_rows.jsonl}"],
    )
    adapter: Adapter = Field(
        default_factory=Adapter,
        description="The small set of weights that is trained beside the frozen base.",
        examples=["{method: lora, r: 16}"],
    )
    train: Train = Field(
        default_factory=Train,
        description="How the adapter is trained.",
        examples=["{epochs: 3, learning_rate: 0.0002}"],
    )
    evaluate: Evaluate = Field(
        default_factory=Evaluate,
        description="How the adapter is compared with its base.",
        examples=["{questions: questions.jsonl}"],
    )
    share: Share = Field(
        default_factory=Share,
        description="What the card of a shared adapter says.",
        examples=["{license: apache-2.0}"],
    )
    hardware: Hardware = Field(
        default_factory=Hardware,
        description="How this machine is used. Optional, and never in a shared recipe.",
        examples=["{micro_batch: 4}"],
    )


SECTIONS: dict[str, type[Section]] = {
    "base": Base,
    "data": Data,
    "adapter": Adapter,
    "train": Train,
    "evaluate": Evaluate,
    "share": Share,
    "hardware": Hardware,
}


def section_of(path: tuple) -> type[Section] | None:
    """The model whose words may stand at `path`: () -> Recipe, ("train",) -> Train, deeper -> None."""
    if not path:
        return Recipe
    return SECTIONS.get(path[0]) if len(path) == 1 else None
