"""Recipes that are right: defaults, extends, --set, paths, what is not available yet, dump and fingerprint, schema."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from finetune import recipe, resources
from finetune.errors import Problem, RecipeError

HEAD = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\n"
FULL = """\
# a recipe that sets every word
recipe: 1
name: medical_qa
description: "Answers general questions: never doses."
base:
  model: Qwen/Qwen3-0.6B
  revision: c1899de289a04d12100db370d81485cdf75e47ca
  quantization: none
  chat_template: auto
  thinking: off
data:
  train: [a.csv, more/*.jsonl]
  held_out: held.csv
  format: auto
  columns: {prompt: question, completion: answer}
  group_by: document
  system_prompt: |
    You are careful.

      Never dose: 1e-4 mg, "no".
  max_length: 512
  overlong: error
  privacy: off
  duplicates: keep
adapter: {method: rslora, r: 8, alpha: 16, dropout: 0.05, target_modules: [q_proj, v_proj]}
train: {method: sft, epochs: 0.5, learning_rate: 1e-4, batch_size: 8, warmup: 0, schedule: linear, seed: 7,
        save_every: 50, log_every: 5}
evaluate: {questions: questions.jsonl, suites: [], max_new_tokens: 64, gate: better_than_base}
share: {title: '1e-4', license: apache-2.0, languages: [en, zh-Hans], intended_use: no way, not_for: [diagnosis]}
hardware: {micro_batch: 4, dtype: float32, attention: sdpa, packing: off, pass_tokens: 2048, processes: 1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of its own with the files that FULL names, as the current folder."""
    home = tmp_path / "work"
    (home / "more").mkdir(parents=True)
    for name in ("rows.jsonl", "a.csv", "held.csv", "questions.jsonl", "more/b.jsonl"):
        (home / name).write_text("{}\n")
    monkeypatch.chdir(home)
    return home


def load(text: str, *overrides: str, **options) -> recipe.LoadedRecipe:
    Path("recipe.yaml").write_text(text, encoding="utf-8")
    return recipe.load("recipe.yaml", overrides, **options)


def refusal(text: str, *overrides: str, **options) -> str:
    with pytest.raises(RecipeError) as caught:
        load(text, *overrides, **options)
    return str(caught.value)


def test_the_smallest_recipe_gets_every_default(folder):
    loaded = load(HEAD)
    assert loaded.recipe.name == "work"
    assert loaded.text == HEAD
    assert loaded.path == Path("recipe.yaml")
    assert loaded.chain == ("recipe.yaml",)
    assert loaded.recipe.train.model_dump() == {
        "method": "sft",
        "epochs": 3.0,
        "learning_rate": 2e-4,
        "batch_size": 16,
        "warmup": 0.03,
        "schedule": "cosine",
        "seed": 0,
        "order": "shuffled",
        "measure": (),
        "save_every": None,
        "log_every": 1,
        "evaluate_every": None,
        "keep": "best",
        "early_stop": None,
        "trackers": (),
    }
    assert loaded.recipe.data.held_out == 0.1
    assert loaded.recipe.data.privacy == "warn"
    assert loaded.recipe.evaluate.gate == "none"


def test_every_word_is_read():
    loaded = load(FULL).recipe
    assert loaded.data.train == ("a.csv", "more/*.jsonl")
    assert loaded.data.system_prompt == 'You are careful.\n\n  Never dose: 1e-4 mg, "no".\n'
    assert loaded.train.learning_rate == 1e-4
    assert loaded.train.epochs == 0.5
    assert loaded.adapter.target_modules == ("q_proj", "v_proj")
    assert loaded.share.title == "1e-4"


def test_a_recipe_cannot_be_changed():
    loaded = recipe.parse(HEAD)
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.epochs = 4


def test_where_a_setting_came_from():
    loaded = load(HEAD + "train:\n  epochs: 2\n", "train.seed=4")
    assert loaded.where("train.epochs") == "recipe.yaml:5:3"
    assert loaded.where("train") == "recipe.yaml:4:1"
    assert loaded.where("train.seed") == "--set"
    assert loaded.where("train.warmup") == "recipe.yaml:4:1"
    assert loaded.where("share.title") == "recipe.yaml"
    assert loaded.marks["train", "epochs"] == ("recipe.yaml", 5, 3)


def test_a_folder_or_a_name_without_ending_finds_the_recipe(folder):
    load(HEAD)
    assert recipe.load(folder).recipe == recipe.load("recipe").recipe == recipe.load(".").recipe


# --- extends ---------------------------------------------------------------------------------------------------


def test_extends_merges_maps_replaces_lists_and_keeps_places(folder):
    (folder / "house").mkdir()
    (folder / "house" / "rows.jsonl").write_text("{}\n")
    (folder / "house" / "base.yaml").write_text(
        HEAD + "train: {epochs: 1, seed: 5}\nshare: {not_for: [a, b], languages: [en]}\n"
    )
    loaded = load("recipe: 1\nextends: house/base.yaml\ntrain:\n  epochs: 2\nshare: {not_for: [c]}\n")
    assert (loaded.recipe.train.epochs, loaded.recipe.train.seed) == (2, 5)
    assert loaded.recipe.share.not_for == ("c",)
    assert loaded.recipe.share.languages == ("en",)
    assert loaded.recipe.extends is None
    assert loaded.chain == ("recipe.yaml", "house/base.yaml")
    assert loaded.where("train.epochs") == "recipe.yaml:4:3"
    assert loaded.where("train.seed") == "house/base.yaml:4:20"
    assert loaded.path_of("data.train", "rows.jsonl") == Path("house/rows.jsonl")
    assert loaded.path_of("evaluate.questions", "q.jsonl") == Path("q.jsonl")
    assert ("share", "not_for", 1) not in loaded.marks


def test_problems_in_both_files_come_out_together(folder):
    (folder / "base.yaml").write_text(HEAD + "train: {epoch: 1}\n")
    assert refusal("recipe: 1\nextends: base.yaml\ntrain: {seed: x}\n").splitlines() == [
        "recipe.yaml:3:9: train.seed: expected a whole number (got 'x'). Fix: write, for example, seed: 0",
        "base.yaml:4:9: train.epoch: unknown key; did you mean 'epochs'?",
    ]


def test_extends_chains_up_to_eight_and_no_ring(folder):
    for number in range(1, 9):
        (folder / f"r{number}.yaml").write_text(f"recipe: 1\nextends: r{number + 1}.yaml\n")
    (folder / "r8.yaml").write_text(HEAD)
    assert recipe.load("r1.yaml").recipe.base.model == "starter"
    (folder / "r8.yaml").write_text("recipe: 1\nextends: r9.yaml\n")
    (folder / "r9.yaml").write_text(HEAD)
    with pytest.raises(RecipeError) as caught:
        recipe.load("r1.yaml")
    assert str(caught.value) == (
        "r8.yaml:2:1: extends: more than 8 recipes extend one another (got 'r9.yaml'). Fix: merge some of them"
    )
    (folder / "r8.yaml").write_text("recipe: 1\nextends: r7.yaml\n")
    with pytest.raises(RecipeError) as caught:
        recipe.load("r1.yaml")
    assert str(caught.value) == (
        "r8.yaml:2:1: extends: recipes extend one another in a ring (got r7.yaml -> r8.yaml -> r7.yaml). "
        "Fix: end the ring"
    )


def test_extends_something_missing_says_only_that(folder):
    message = refusal("recipe: 1\nextends: gone\n")
    assert message.startswith("recipe.yaml:2:1: extends: no such recipe (got 'gone'). Fix: name a")
    assert len(message.splitlines()) == 1


def test_a_shipped_recipe_may_reach_into_the_shipped_files(folder, monkeypatch):
    # A checkout of its own: resources finds what is shipped beside the package by its pyproject.toml.
    root = folder / "checkout"
    shutil.copytree(Path(resources.__file__).parent, root / "finetune", ignore=shutil.ignore_patterns("starter"))
    (root / "pyproject.toml").write_text('name = "finetune-kit"\n')
    for place, text in {
        "data_templates/qa/rows.jsonl": "{}\n",
        "recipes/common/recipe.yaml": HEAD.replace("rows.jsonl", "../../data_templates/qa/rows.jsonl"),
        "recipes/clinic/recipe.yaml": "recipe: 1\nextends: ../common\n",
        "outside.jsonl": "{}\n",
    }.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)
    monkeypatch.setattr(resources, "_PACKAGE", root / "finetune")
    for name in ("common", "clinic"):
        loaded = recipe.load(name)
        train = loaded.path_of("data.train", str(loaded.recipe.data.train))
        assert train.resolve() == root / "data_templates/qa/rows.jsonl"
        assert loaded.recipe.name == name
        assert not loaded.notes
    # A recipe of the user's own may build on a shipped name.
    (folder / "mine").mkdir()
    (folder / "mine" / "recipe.yaml").write_text("recipe: 1\nextends: clinic\ntrain: {epochs: 1}\n")
    assert recipe.load("mine").recipe.train.epochs == 1
    # Its own paths still stay in its folder, shipped root or not.
    (folder / "mine" / "recipe.yaml").write_text(HEAD.replace("rows.jsonl", "../checkout/outside.jsonl"))
    with pytest.raises(RecipeError, match="lies outside the recipe's folder"):
        recipe.load("mine")


# --- overrides -------------------------------------------------------------------------------------------------


def test_overrides_are_read_like_the_recipe_and_the_last_wins():
    overrides = ("train.learning_rate=1e-4", "train.epochs=5", "train.epochs=0.5", "share.languages=[en, de]")
    loaded = load(HEAD + "train: {epochs: 9}\n", *overrides, "share.title=no", "data.columns={prompt: q}")
    assert loaded.recipe.train.learning_rate == 1e-4
    assert loaded.recipe.train.epochs == 0.5
    assert loaded.recipe.share.languages == ("en", "de")
    assert loaded.recipe.share.title == "no"
    assert loaded.recipe.data.columns == {"prompt": "q"}
    assert loaded.overrides[:4] == overrides
    assert loaded.where("data.train") == "recipe.yaml:3:8"


def test_an_override_repairs_what_it_replaces_and_null_is_written_as_nothing():
    assert load(HEAD + "train: {epochs: x}\n", "train.epochs=2").recipe.train.epochs == 2
    assert load(HEAD + "train: {save_every: 3}\n", "train.save_every=").recipe.train.save_every is None


def test_paths_given_by_overrides_start_from_the_current_folder(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "recipe.yaml").write_text(HEAD)
    loaded = recipe.load("deep/recipe.yaml", ["data.train=rows.jsonl"])
    assert loaded.path_of("data.train", "rows.jsonl") == folder / "rows.jsonl"


# --- files and models ------------------------------------------------------------------------------------------


def test_every_named_file_must_be_there(folder):
    text = (
        "recipe: 1\nbase: {model: starter, chat_template: mine.jinja}\n"
        "data: {train: [rows.jsonl, gone.jsonl], held_out: gone.csv}\nevaluate: {questions: more}\n"
    )
    fix = "Fix: put it into the recipe's folder, or correct the path"
    assert refusal(text).splitlines() == [
        f"recipe.yaml:2:24: base.chat_template: no such file (got 'mine.jinja'). {fix}",
        f"recipe.yaml:3:28: data.train.1: no such file (got 'gone.jsonl'). {fix}",
        f"recipe.yaml:3:41: data.held_out: no such file (got 'gone.csv'). {fix}",
        "recipe.yaml:4:12: evaluate.questions: is a folder (got 'more'). Fix: name a file",
    ]
    assert load(text, must_exist=False).recipe.data.held_out == "gone.csv"


@pytest.mark.parametrize("model", ["Qwen/Qwen3-0.6B", "starter", "./model", "model", "HuggingFaceTB/SmolLM2-135M"])
def test_models_that_are_named_well(folder, model):
    (folder / "model").mkdir()
    assert load(HEAD.replace("starter", model)).recipe.base.model == model


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("./gone", "no such folder"),
        ("./rows.jsonl", "no such folder"),
        ("gpt2", "is neither a hub id (owner/name), nor a folder, nor starter"),
        ("a/b/c", "is neither a hub id (owner/name), nor a folder, nor starter"),
        ("Qwen/Qwen3 0.6B", "is neither a hub id (owner/name), nor a folder, nor starter"),
        ("../model", "lies outside the recipe's folder"),
        ("~/model", "lies outside the recipe's folder"),
        ("https://example.org/m", "a model is not named by a URL"),
    ],
)
def test_models_that_are_not(model, what):
    assert refusal(HEAD.replace("starter", model)).startswith(f"recipe.yaml:2:8: base.model: {what} (got '{model}'")


@pytest.mark.parametrize("value", ["[]", "[1]", "null", "''", "['']", "{a: b}", "[a.csv, a.csv]", "3"])
def test_train_is_a_path_or_a_list_of_them(value):
    assert refusal(HEAD.replace("rows.jsonl", value)).startswith("recipe.yaml:3:8: data.train: ")


@pytest.mark.parametrize("value", ["0", "1", "-0.1", "1.5", "true", "null", "'0.1'", ".nan", "[0.1]"])
def test_held_out_is_a_share_or_a_path(value):
    message = refusal(HEAD.replace("rows.jsonl", f"rows.jsonl, held_out: {value}"))
    assert message.startswith("recipe.yaml:3:27: data.held_out: expected a share ")


@pytest.mark.parametrize("value", ["'.*proj'", "['(a+)+$']", "[q_proj, '']", "all", "[]", "['q|v']"])
def test_target_modules_are_plain_names(value):
    assert refusal(HEAD + f"adapter: {{target_modules: {value}}}\n").startswith(
        "recipe.yaml:4:11: adapter.target_modules: expected auto, all-linear, attention, experts, or a list of plain "
        "module names"
    )


@pytest.mark.parametrize(
    "entry",
    ["{path: a.csv, weight: 0}", "{path: a.csv, weight: 101}", "{path: a.csv, weight: x}", "{weight: 2}", "{path: ''}"]
    + ["{path: a.csv, wait: 2}", "{path: a.csv, weight: true}", "{path: 3}"],
)
def test_an_entry_with_a_weight_has_a_path_and_a_number(entry):
    message = refusal(HEAD.replace("rows.jsonl", f"[rows.jsonl, {entry}]"))
    assert message.startswith(
        "recipe.yaml:3:8: data.train: expected {path: FILE, weight: a number above 0 and at most 100} "
        "for an entry that is a map (got ["
    )


def test_entries_with_a_weight_are_files_like_any_other(folder):
    (folder / "more.csv").write_text("question,answer\n")
    text = HEAD.replace("rows.jsonl", "[rows.jsonl, {path: more.csv, weight: 2}, hub:owner/name:en@train]")
    loaded = load(text)
    assert loaded.recipe.data.train[1] == recipe.TrainFile(path="more.csv", weight=2.0)
    assert recipe.parse(recipe.dump(loaded.recipe)) == loaded.recipe
    moved = recipe.relocate(loaded, folder / "runs" / "one").data.train
    assert moved == (
        "../../rows.jsonl",
        recipe.TrainFile(path="../../more.csv", weight=2.0),
        "hub:owner/name:en@train",
    )
    assert refusal(text.replace("more.csv", "gone.csv")).startswith(
        "recipe.yaml:3:29: data.train.1.path: no such file (got 'gone.csv')"
    )
    assert refusal(text.replace("more.csv", "../gone.csv")).startswith(
        "recipe.yaml:3:29: data.train.1.path: lies outside the recipe's folder"
    )
    assert "names the same entry twice" in refusal(text.replace("more.csv", "rows.jsonl"))


def test_data_may_be_a_folder(folder):
    (folder / "rows").mkdir()
    assert (
        load(HEAD.replace("rows.jsonl", "rows, held_out: ./rows/kept.csv"), must_exist=False).recipe.data.train
        == "rows"
    )


@pytest.mark.parametrize(
    ("words", "key", "message"),
    [
        ("bad_rows: -1", "bad_rows", "expected a whole number of rows, or a share above 0 and below 1 (got -1)"),
        ("bad_rows: 1.5", "bad_rows", "expected a whole number of rows, or a share above 0 and below 1 (got 1.5)"),
        ("encoding: utf-9", "encoding", "expected auto, or the name of an encoding such as utf-8, utf-16, gb18030, "
         "windows-1252 (got 'utf-9')"),
        ("encoding: base64", "encoding", "expected auto, or the name of an encoding such as utf-8, utf-16, gb18030, "
         "windows-1252 (got 'base64')"),
        ("checks: {mojibak: off}", "checks.mojibak", "unknown key; did you mean 'mojibake'?"),
        ("checks: {mojibake: 1}", "checks.mojibake", "expected one of off, warn, refuse, drop, or a share above 0 and "
         "below 1 beyond which the rows are refused (got 1)"),
        ("roles: {doctor: boss}", "roles.doctor", "expected one of user, assistant, system, tool (got 'boss')"),
    ],
)  # fmt: skip
def test_words_on_odd_rows_are_checked(words, key, message):
    assert (
        refusal(HEAD.replace("rows.jsonl", f"rows.jsonl, {words}"))
        .split(": ", 1)[1]
        .startswith(f"data.{key}: {message}")
    )


def test_words_on_odd_rows_are_kept():
    text = HEAD.replace(
        "rows.jsonl", "rows.jsonl, bad_rows: 0.05, checks: {refusal: drop, mojibake: 0.2}, encoding: GBK"
    )
    words = load(text).recipe.data
    assert (words.bad_rows, words.checks, words.encoding) == (0.05, {"refusal": "drop", "mojibake": 0.2}, "GBK")


def test_unknown_column_words_are_unknown_keys():
    text = HEAD.replace("rows.jsonl", "rows.jsonl, columns: {promt: q}")
    assert refusal(text) == "recipe.yaml:3:37: data.columns.promt: unknown key; did you mean 'prompt'?"


# --- packing ---------------------------------------------------------------------------------------------------


def test_packing_is_a_word_and_yes_and_no_are_told_which():
    for word in ("auto", "prefix", "plain", "off"):
        assert load(HEAD + f"hardware: {{packing: {word}}}\n").recipe.hardware.packing == word
    what = "hardware.packing: expected one of auto, prefix, plain, off"
    for value, word in (("true", "prefix"), ("false", "off")):
        told = refusal(HEAD + f"hardware: {{packing: {value}}}\n")
        assert told.startswith(f"recipe.yaml:4:12: {what} (got ") and told.endswith(f"Fix: write packing: {word}")


def test_a_prefix_is_not_shared_under_dropout():
    told = refusal(HEAD + "hardware: {packing: prefix}\nadapter: {dropout: 0.1}\n")
    assert told == (
        "recipe.yaml:4:12: hardware.packing: computes a shared prefix with one pattern of dropout for all its rows, "
        "which is not the same training, but adapter.dropout is 0.1 at recipe.yaml:5:11 (got 'prefix'). "
        "Fix: write packing: plain, or dropout: 0"
    )
    assert load(HEAD + "hardware: {packing: plain}\nadapter: {dropout: 0.1}\n").recipe.adapter.dropout == 0.1


# --- not available yet -----------------------------------------------------------------------------------------

NOT_YET = [
    ("train.method", "dpo", "'dpo'", "write method: sft"),
    ("train.method", "kto", "'kto'", "write method: sft"),
    ("train.method", "orpo", "'orpo'", "write method: sft"),
    ("hardware.processes", "2", "2", "write processes: 1"),
]


@pytest.mark.parametrize(("key", "value", "shown", "fix"), NOT_YET)
def test_what_is_not_available_yet_is_refused_and_never_ignored(key, value, shown, fix):
    assert refusal(HEAD, f"{key}={value}") == f"--set: {key}: not available yet (got {shown}). Fix: {fix}"


def test_not_available_yet_has_a_place():
    assert refusal(HEAD + "train:\n  method: dpo\n  epochs: x\n").splitlines()[0] == (
        "recipe.yaml:5:3: train.method: not available yet (got 'dpo'). Fix: write method: sft"
    )
    assert recipe.not_yet("a.b", 1, "f:1:1") == Problem("f:1:1", "a.b", "not available yet", "1")


# --- dump, relocate, fingerprint -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [HEAD, FULL])
def test_dump_reads_back_to_the_same_recipe(text):
    first = load(text).recipe
    dumped = recipe.dump(first)
    assert load(dumped).recipe == first
    assert recipe.dump(load(dumped).recipe) == dumped
    assert set(yaml.safe_load(dumped)) == set(recipe.Recipe.model_fields) - {"extends"}


def test_a_resolved_recipe_holds_from_the_run_folder(folder):
    text = FULL.replace("chat_template: auto", "chat_template: ./t.jinja")
    (folder / "t.jinja").write_text("x")
    (folder / "model").mkdir()
    loaded = load(text.replace("Qwen/Qwen3-0.6B", "./model"))
    run = folder.parent / "runs" / "one"
    run.mkdir(parents=True)
    (run / "recipe.resolved.yaml").write_text(recipe.dump(recipe.relocate(loaded, run)))
    again = recipe.load(run / "recipe.resolved.yaml", allow_outside=True)
    assert again.recipe.data.train == ("../../work/a.csv", "../../work/more/*.jsonl")
    assert again.recipe.base.model == "../../work/model"
    assert again.path_of("data.held_out", str(again.recipe.data.held_out)).resolve() == folder / "held.csv"
    assert os.sep + "tmp" not in (run / "recipe.resolved.yaml").read_text()
    assert recipe.relocate(load(HEAD), folder) == load(HEAD).recipe


def test_fingerprint_is_of_the_meaning():
    one = recipe.parse(HEAD + "train: {epochs: 2, seed: 1}\n")
    other = recipe.parse(
        "name: other\ndescription: text\ntrain:\n  seed: 1 # comment\n  epochs: 2.0\n"
        "data: {held_out: 0.10, train: rows.jsonl}\nbase: {model: starter}\nrecipe: 1\n"
    )
    assert recipe.fingerprint(one) == recipe.fingerprint(other)
    assert len(recipe.fingerprint(one)) == 64
    changed = recipe.parse(HEAD + "train: {epochs: 2, seed: 2}\n")
    assert recipe.fingerprint(one) != recipe.fingerprint(changed)


# --- schema and reference --------------------------------------------------------------------------------------


def words_of(schema: dict) -> dict[str, dict]:
    """Dotted word -> its entry in the schema."""
    found = dict(schema["properties"])
    for name, section in schema["definitions"].items():
        found.update({f"{name.lower()}.{word}": entry for word, entry in section["properties"].items()})
    return found


def test_json_schema_describes_every_word_and_refuses_unknown_ones():
    schema = recipe.json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    assert "$defs" not in str(schema)
    words = words_of(schema)
    assert len(words) == 82
    assert all(entry.get("description") for entry in words.values())
    assert all(part["additionalProperties"] is False for part in [schema, *schema["definitions"].values()])


@pytest.mark.parametrize("text", [HEAD, FULL])
def test_json_schema_accepts_recipes(text):
    validator = jsonschema.Draft7Validator(recipe.json_schema())
    data = recipe.parse(text).model_dump(mode="json", exclude_unset=True)
    assert not list(validator.iter_errors(data))
    assert list(validator.iter_errors({**data, "trian": {}}))
    assert list(validator.iter_errors({**data, "train": {"epochs": -1}}))
    assert list(validator.iter_errors({**data, "train": {"epochs": "x"}}))


def test_reference_page_is_in_step_with_the_words():
    page = Path(recipe.__file__).parents[2] / "docs" / "recipe.md"
    assert page.read_text(encoding="utf-8") == recipe.reference_page(), (
        "write recipe.reference_page() to docs/recipe.md"
    )


def test_yaml_itself_is_left_alone():
    assert yaml.safe_load("a: no") == {"a": False}
    assert yaml.safe_load("1e-4") == "1e-4"
    assert yaml.safe_dump("1e-4") == "1e-4\n...\n"
