"""The words of a recipe: one frozen pydantic model per section, each word with its kind, range, default and
meaning.

The descriptions below are the only ones: docs/recipe.md and the JSON Schema are made from them (see
schema.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from finetune.recipe.adapter_words import Adapter
from finetune.recipe.data_words import Data
from finetune.recipe.evaluate_words import Evaluate
from finetune.recipe.kinds import Line, LineList, PathText, Prose, Section

FORMAT_VERSION = 1

# Words that are parsed and known, and refused with "not available yet" until their room is built.
NOT_YET: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("train", "method"): ("dpo", "kto", "orpo"),
}


class Base(Section):
    """The model that is adapted."""

    model: PathText = Field(
        description="The base model: a hub id (owner/name, or ms://owner/name on ModelScope), a folder, or `starter`, "
        "the bundled tiny base.",
        examples=["Qwen/Qwen3-0.6B"],
    )
    revision: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] | None = Field(
        default=None,
        description="The commit, tag or branch of a hub model; shipped recipes pin a commit. "
        "`null`: the newest. The run records the commit it stands for.",
        examples=["c1899de289a04d12100db370d81485cdf75e47ca"],
    )
    quantization: Literal["none", "8bit", "4bit"] = Field(
        default="none",
        description="Hold the frozen base in fewer bits to save memory (`4bit` is QLoRA). Needs the extra `qlora`.",
    )
    chat_template: PathText = Field(
        default="auto",
        description="How a conversation becomes text: `auto` takes the model's own template, or name a "
        "shipped one or a file (ending in .jinja).",
        examples=["auto"],
    )
    thinking: Literal["off", "keep"] = Field(
        default="off",
        description="Thoughts before an answer, between `<think>` and `</think>`: `off` leaves them out of training "
        "and asks for answers without, `keep` trains and shows them.",
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
    order: Literal["shuffled", "by_group"] = Field(
        default="shuffled",
        description="The order of the rows: `shuffled`, or the groups of data.group_by shuffled and the rows of a "
        "group kept together (`by_group`), so that a long document they share is computed once in a step.",
    )
    measure: Annotated[tuple[Literal["accuracy", "entropy"], ...], Field(strict=False)] = Field(
        default=(),
        description="What else is measured in each step, over the trained tokens: `accuracy` (the share predicted "
        "right) and `entropy` (in nats). Both go to metrics.jsonl, and cost a little time.",
        examples=["[accuracy]"],
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
    evaluate_every: int | None = Field(
        default=None,
        ge=1,
        description="Optimizer steps between two points of the held-out curve; the last step is always one. `null`: "
        "10 points. So many held-out rows are looked at that all cost about a tenth of the computing, 32 at least.",
        examples=[50],
    )
    keep: Literal["best", "last"] = Field(
        default="best",
        description="Which adapter is kept: that of the point with the lowest held-out loss (`best`), or that of the "
        "last step (`last`).",
    )
    early_stop: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="End the training when so many held-out points in a row brought no lower loss; `null`: train to "
        "the end.",
        examples=[3],
    )
    trackers: Annotated[tuple[Literal["trackio", "tensorboard", "wandb", "mlflow"], ...], Field(strict=False)] = Field(
        default=(),
        description="Dashboards that are told the numbers of each step, by their own libraries (`trackio` and "
        "`tensorboard` by the extra `trackers`; the others by `pip install`). They write to `tracking/` in the run "
        "folder; nothing leaves the machine unless your own environment says so, which is told.",
        examples=["[tensorboard]"],
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
        description="Examples computed at once at most; must divide train.batch_size. `null`: tokens alone decide.",
        examples=[4],
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="The number format of the computation."
    )
    attention: Literal["auto", "sdpa", "eager"] = Field(default="auto", description="The implementation of attention.")
    packing: Literal["auto", "prefix", "plain", "off"] = Field(
        default="auto",
        description="How the rows of a step share a pass: `prefix` computes what they begin with alike only once, "
        "`plain` puts them side by side, `off` pads them. All learn the same. `auto`: `prefix` where it is exact.",
    )
    pass_tokens: int | None = Field(
        default=None,
        ge=64,
        le=1_048_576,
        description="Tokens computed at once; a longer row is computed alone. `null`: chosen by the kit.",
        examples=[4096],
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
