"""The surface: commands, options, recipe words, manifest keys, exports and exit codes.

A change here is a change for users: it needs a line in CHANGELOG.md, and then this file.
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from typing import get_args

import pytest

import finetune
from finetune import errors
from finetune.cli.reference import arguments_of, commands, commands_page, written
from finetune.recipe import Recipe
from finetune.recipe.words import NOT_YET, SECTIONS
from finetune.runs import MANIFEST_KEYS

ROOT = Path(__file__).resolve().parents[1]
RECIPE = "RECIPE --debug --set KEY=VALUE --allow-outside --trust-remote-code"
COMMANDS = {
    "recipes": "--debug --json",
    "models": "--debug --json",
    "new": "NAME --debug --from RECIPE",
    "check": f"{RECIPE} --output DIR --fix FILE --processes N --json",
    "preview": f"{RECIPE} --row N --at FILE:LINE --find TEXT --order ORDER --rows N --html FILE --json",
    "run": f"{RECIPE} --output DIR --resume --json",
    "evaluate": "RUN --debug --set KEY=VALUE --suite NAME --benchmark TASK --judge URL --judge-model MODEL "
    "--judge-rows --json",
    "compare": "RUN ... --debug --html FILE --json",
    "chat": "SOURCE --debug --base BASE --question TEXT --image FILE --without-adapter --system TEXT "
    "--max-new-tokens N --temperature T",
    "demo": "[SOURCE ...] --debug --base BASE --host HOST --port PORT --open",
    "share": "RUN --debug --to FOLDER --ungated --json",
    "export": "SOURCE FOLDER --debug --to FORM --dtype DTYPE --base BASE --json",
    "doctor": "--debug --json",
    "schema": "--debug",
}
WORDS = {
    "": "recipe name description extends base data adapter train evaluate share hardware",
    "base": "model revision quantization chat_template thinking",
    "data": "train held_out format columns roles turns encoding group_by system_prompt max_length overlong "
    "bad_rows checks privacy duplicates near_duplicates leakage canaries images max_image_pixels license stream",
    "adapter": "method r alpha dropout target_modules layers rank_pattern alpha_pattern learning_rate_ratio new_tokens",
    "train": "method epochs learning_rate batch_size warmup schedule seed order measure save_every log_every "
    "evaluate_every keep early_stop trackers",
    "evaluate": "questions num_answers task suites benchmarks max_new_tokens show_rows gate",
    "share": "title license languages intended_use not_for",
    "hardware": "micro_batch dtype attention packing pass_tokens processes",
}
CHOICES = {
    "base.quantization": "none 8bit 4bit",
    "base.thinking": "off keep",
    "data.format": "auto messages sharegpt alpaca question_answer prompt_completion preference rated",
    "data.overlong": "drop error trim_history",
    "data.privacy": "warn refuse redact off",
    "data.turns": "strict mend",
    "data.duplicates": "drop warn keep",
    "data.near_duplicates": "warn drop keep",
    "data.leakage": "refuse warn off",
    "data.images": "use ignore",
    "adapter.method": "lora rslora dora pissa olora",
    "train.method": "sft dpo kto orpo",
    "train.schedule": "cosine linear constant",
    "train.order": "shuffled by_group",
    "train.keep": "best last",
    "evaluate.task": "auto answers labels",
    "hardware.dtype": "auto float32 bfloat16 float16",
    "hardware.attention": "auto sdpa eager",
    "hardware.packing": "auto prefix plain off",
}
MANIFEST = (
    "schema run_id name status exit_code started_at ended_at recipe data template base adapter seed plan progress "
    "training environment resumes notes"
)
EXPORTS = "__version__ Engine FinetuneError Run check evaluate load_recipe run"
EXIT_CODES = {
    "FinetuneError": 1,
    "RecipeError": 2,
    "DataError": 2,
    "ModelError": 2,
    "RunError": 2,
    "IntegrityError": 3,
    "ShareError": 3,
    "SurroundingsError": 4,
    "DivergedError": 5,
    "StoppedError": 75,
    "CancelledError": 130,
}


def test_commands_and_options() -> None:
    found = {name: " ".join(written(action) for action in arguments_of(p)) for name, p in commands().items()}
    assert found == COMMANDS


def test_options_are_never_abbreviated() -> None:
    """`--res` would mean something else on the day another option begins with it."""
    with pytest.raises(SystemExit) as refusal:
        commands()["run"].parse_args(["quickstart", "--res"])
    assert refusal.value.code == 2


def test_every_option_says_what_it_does_and_no_percent_sign_breaks_the_help() -> None:
    for name, parser in commands().items():
        assert parser.format_help(), name
        for action in arguments_of(parser):
            assert action.help, f"{name} {written(action)}"
            assert action.help is not argparse.SUPPRESS


def test_recipe_words() -> None:
    found = {"": " ".join(Recipe.model_fields)} | {name: " ".join(s.model_fields) for name, s in SECTIONS.items()}
    assert found == WORDS


def test_recipe_choices() -> None:
    found = {}
    for section, model in SECTIONS.items():
        for word, info in model.model_fields.items():
            choices = get_args(info.annotation)
            if choices and all(isinstance(choice, str) for choice in choices):
                found[f"{section}.{word}"] = " ".join(choices)
    assert found == CHOICES


def test_what_is_refused_until_it_is_built_is_a_choice() -> None:
    for (section, word), values in NOT_YET.items():
        for value in values:
            assert value in CHOICES[f"{section}.{word}"].split()


def test_manifest_keys() -> None:
    assert " ".join(MANIFEST_KEYS) == MANIFEST


def test_exports() -> None:
    assert sorted(finetune.__all__) == sorted(EXPORTS.split())
    for name in finetune.__all__:
        assert getattr(finetune, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trainer'"):
        finetune.trainer  # noqa: B018


def test_exit_codes() -> None:
    tree = {n: c for n, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.FinetuneError)}
    assert {name: error.exit_code for name, error in tree.items()} == EXIT_CODES
    drawn = errors.__doc__ or ""
    for name, code in EXIT_CODES.items():
        line = next(line for line in drawn.splitlines() if name in line)
        assert f"exit {code}" in line, f"{name} is drawn otherwise than it is"


def test_the_version_is_one() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{finetune.__version__}"' in text
    assert finetune.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_docs_commands_is_in_step_with_the_parser() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert page == commands_page(), "run `make docs`"
    for code in {0, *EXIT_CODES.values()}:
        assert f"\n| {code} | " in page
