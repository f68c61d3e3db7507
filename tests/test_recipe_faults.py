"""The faults 1 to 16: what a wrong recipe gets, word for word. Faults 17 to 24 are in test_recipe_trust.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finetune import recipe
from finetune.errors import RecipeError

HEAD = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\n"
MAPPING = "a recipe must be a mapping of keys to values"
MAPPING_FIX = "Fix: start with 'recipe: 1', then one 'key: value' a line"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of its own, with rows.jsonl, as the current folder."""
    home = tmp_path / "work"
    home.mkdir()
    (home / "rows.jsonl").write_text("{}\n")
    monkeypatch.chdir(home)
    return home


def refusal(text: str | bytes, *overrides: str, **options) -> str:
    """The whole message that a recipe gets; fails when it is accepted or when the exit code is not 2."""
    raw = text.encode() if isinstance(text, str) else text
    Path("recipe.yaml").write_bytes(raw)
    with pytest.raises(RecipeError) as caught:
        recipe.load("recipe.yaml", overrides, **options)
    assert caught.value.exit_code == 2
    return str(caught.value)


def accepted(text: str | bytes, *overrides: str, **options) -> recipe.LoadedRecipe:
    raw = text.encode() if isinstance(text, str) else text
    Path("recipe.yaml").write_bytes(raw)
    return recipe.load("recipe.yaml", overrides, **options)


def test_fault_01_misspelt_key():
    text = "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl}\ntrain:\n  learning_rat: 0.1\n"
    assert refusal(text) == "recipe.yaml:5:3: train.learning_rat: unknown key; did you mean 'learning_rate'?"


def test_fault_01_key_of_another_section_and_of_another_tool():
    assert refusal(HEAD + "learning_rate: 1e-4\n") == (
        "recipe.yaml:4:1: learning_rate: unknown key; belongs under train. Fix: write train.learning_rate"
    )
    assert refusal(HEAD + "train: {name: x}\n") == (
        "recipe.yaml:4:9: train.name: unknown key; 'name' belongs at the top level"
    )
    assert refusal(HEAD + "per_device_train_batch_size: 4\n") == (
        "recipe.yaml:4:1: per_device_train_batch_size: unknown key; another tool's word for train.batch_size. "
        "Fix: write train.batch_size (examples per optimizer step, whatever the hardware)"
    )
    assert refusal(HEAD + "output_dir: x\n") == (
        "recipe.yaml:4:1: output_dir: unknown key; another tool's word. Fix: give --output DIR on the command line"
    )
    assert refusal(HEAD + "zzz: x\n") == (
        "recipe.yaml:4:1: zzz: unknown key. Fix: use one of recipe, name, description, extends, base, data, "
        "adapter, train, evaluate, share, hardware"
    )


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("model_name_or_path", "base.model"),
        ("load_in_4bit", "base.quantization"),
        ("cutoff_len", "data.max_length"),
        ("max_seq_length", "data.max_length"),
        ("val_size", "data.held_out"),
        ("lora_r", "adapter.r"),
        ("lora_rank", "adapter.r"),
        ("lora_alpha", "adapter.alpha"),
        ("lora_dropout", "adapter.dropout"),
        ("lora_target_modules", "adapter.target_modules"),
        ("num_train_epochs", "train.epochs"),
        ("gradient_accumulation_steps", "train.batch_size"),
        ("warmup_ratio", "train.warmup"),
        ("lr_scheduler_type", "train.schedule"),
        ("save_steps", "train.save_every"),
        ("logging_steps", "train.log_every"),
        ("bf16", "hardware.dtype"),
        ("attn_implementation", "hardware.attention"),
    ],
)
def test_fault_01_words_of_other_tools_name_ours(word, ours):
    for text in (HEAD + f"{word}: 1\n", HEAD + f"train:\n  {word}: 1\n"):
        assert f"another tool's word for {ours}. Fix: write {ours}" in refusal(text)


def test_fault_02_wrong_type():
    text = HEAD + "train:\n  save_every: three\n  epochs: many\n"
    assert refusal(text) == (
        "recipe.yaml:5:3: train.save_every: expected a whole number (got 'three'). "
        "Fix: write, for example, save_every: 100\n"
        "recipe.yaml:6:3: train.epochs: expected a number (got 'many'). Fix: write, for example, epochs: 3"
    )
    assert refusal(HEAD + "train: [1]\nshare: {title: 010}\n") == (
        "recipe.yaml:4:1: train: expected a map of settings (got [1]). "
        "Fix: write, for example, train: {epochs: 3, learning_rate: 0.0002}\n"
        "recipe.yaml:5:9: share.title: expected text (got 10). Fix: put it in quotes"
    )
    assert refusal(HEAD + "train: {schedule: cosin}\n") == (
        "recipe.yaml:4:9: train.schedule: expected one of cosine, linear, constant (got 'cosin'). "
        "Fix: write schedule: cosine"
    )


def test_fault_03_same_key_twice():
    text = HEAD + "train:\n  epochs: 1\n  seed: 1\n  epochs: 2\n"
    assert refusal(text) == (
        "recipe.yaml:7:3: train.epochs: set twice, on line 5 and again on line 7. Fix: keep one of the two"
    )


def test_fault_04_scientific_numbers_are_numbers():
    for text, value in (("2e-4", 2e-4), ("1E-4", 1e-4), ("1.e-4", 1e-4), (".5", 0.5), ("2.5e-05", 2.5e-5)):
        assert accepted(HEAD + f"train: {{learning_rate: {text}}}\n").recipe.train.learning_rate == value


def test_fault_05_yaml_1_2_scalars():
    for text in ("no", "on", "yes", "off", "12:30", "1_000", "2026-11-23"):
        assert accepted(HEAD + f"share: {{title: {text}}}\n").recipe.share.title == text
    assert accepted(HEAD + "name: '1'\n").recipe.name == "1"
    assert accepted(HEAD + "train: {batch_size: 010}\n").recipe.train.batch_size == 10
    assert accepted("recipe: 1\nbase: {model: starter, thinking: off}\ndata: {train: rows.jsonl}\n")
    assert refusal(HEAD + "train: {batch_size: 1_000}\n") == (
        "recipe.yaml:4:9: train.batch_size: expected a whole number (got '1_000'). "
        "Fix: write the number without quotes and separators"
    )


def test_fault_06_alias_bomb():
    bomb = "a0: &a0 [lol, lol]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10))
    start = time.perf_counter()
    message = refusal(bomb)
    assert time.perf_counter() - start < 0.1
    expected = "recipe.yaml:2:10: a1.0: aliases are not allowed in recipes (got *a0). Fix: write the value out"
    assert expected in message.splitlines()


def test_fault_07_self_referring_alias():
    assert refusal(HEAD + "share: &s {title: *s}\n") == (
        "recipe.yaml:4:19: share.title: aliases are not allowed in recipes (got *s). Fix: write the value out"
    )
    assert refusal(HEAD + "share:\n  <<: {title: x}\n") == (
        "recipe.yaml:5:3: share: merge keys are not allowed (got '<<'). Fix: write the settings out"
    )


@pytest.mark.parametrize("num_brackets", [33, 5_000, 100_000])
def test_fault_08_deep_nesting(num_brackets):
    start = time.perf_counter()
    message = refusal("recipe: 1\na: " + "[" * num_brackets)
    assert message == "recipe.yaml:2:35: nested deeper than 32. Fix: use fewer brackets"
    assert time.perf_counter() - start < 1


def test_fault_09_size():
    fix = "Fix: keep it under 131072 bytes; rows belong in data files"
    assert refusal(HEAD + "#" * 2_000_000) == (
        f"recipe.yaml: the recipe is too large (got {2_000_000 + len(HEAD)} bytes). {fix}"
    )
    assert "the recipe is too large" in refusal(HEAD + "description: " + "x" * 5_000_000)
    assert refusal(HEAD + "share: {not_for: [" + "x," * 11_000 + "]}\n").endswith(
        "more than 10000 values. Fix: keep rows in data files"
    )


def test_fault_10_tags():
    text = HEAD + "name: !!python/object/apply:os.system ['touch pwned']\ntrain: {epoch: 1}\n"
    assert refusal(text) == (
        "recipe.yaml:4:7: name: tags are not allowed (got '!!python/object/apply:os.system'). "
        "Fix: delete the tag\n"
        "recipe.yaml:5:9: train.epoch: unknown key; did you mean 'epochs'?"
    )
    assert not Path("pwned").exists()


def test_fault_11_tab_and_other_syntax_errors_keep_the_rest():
    text = HEAD + "train:\n\tepochs: 1\nadapter:\n  rang: 8\n"
    assert refusal(text) == (
        "recipe.yaml:5:1: a tab cannot be used for indentation. Fix: use spaces\n"
        "recipe.yaml:7:3: adapter.rang: unknown key. Fix: use one of method, r, alpha, dropout, target_modules, "
        "layers, rank_pattern, alpha_pattern, learning_rate_ratio, new_tokens"
    )
    assert refusal(HEAD + "share:\n  title: 'open\ntrain: {epochs: x}\n") == (
        "recipe.yaml:5:10: a quote is opened here and never closed. Fix: close the quote\n"
        "recipe.yaml:6:9: train.epochs: expected a number (got 'x'). Fix: write, for example, epochs: 3"
    )
    assert refusal(HEAD + "share:\n  title: a: b\n") == (
        "recipe.yaml:5:11: a ':' that cannot stand here. Fix: put the text in quotes, or check the indentation"
    )


def test_fault_12_empty_and_list():
    assert refusal("") == f"recipe.yaml:1:1: {MAPPING} (got nothing). {MAPPING_FIX}"
    assert refusal("# only a comment\n") == f"recipe.yaml:1:1: {MAPPING} (got nothing). {MAPPING_FIX}"
    assert refusal("- a\n") == f"recipe.yaml:1:1: {MAPPING} (got a list). {MAPPING_FIX}"
    assert refusal("just text\n") == f"recipe.yaml:1:1: {MAPPING} (got one value). {MAPPING_FIX}"
    assert refusal(HEAD + "---\nrecipe: 1\n") == (
        "recipe.yaml:4:1: a second document starts here. Fix: keep one recipe in one file"
    )


def test_fault_13_encodings():
    assert refusal(HEAD.encode("utf-16")) == "recipe.yaml:1:1: the file is UTF-16. Fix: save it as UTF-8"
    assert refusal(HEAD.encode("utf-16-be")) == "recipe.yaml:1:1: the file is UTF-16. Fix: save it as UTF-8"
    assert refusal(HEAD.encode() + b"name: caf\xe9\n") == (
        f"recipe.yaml:4:10: byte {len(HEAD) + 9} (0xe9) is not UTF-8. Fix: save the file as UTF-8"
    )
    assert accepted(b"\xef\xbb\xbf" + HEAD.encode())
    assert accepted(HEAD.replace("\n", "\r\n") + "train:\r\n  epochs: 2\r\n").recipe.train.epochs == 2


def test_fault_14_look_alike_letters():
    assert refusal(HEAD + "tr\u0430in: {epochs: 1}\n") == (
        "recipe.yaml:4:1: tr\u0430in: unknown key; it holds U+0430 CYRILLIC SMALL LETTER A; did you mean 'train'?"
    )
    assert refusal(HEAD + "train:\n  \u00a0epochs: 1\n") == (
        "recipe.yaml:5:3: train.?epochs: unknown key; it holds U+00A0 NO-BREAK SPACE; did you mean 'epochs'?"
    )
    assert refusal(HEAD + "train: {se\u200bed: 1}\n") == (
        "recipe.yaml:4:9: train.se?ed: unknown key; it holds U+200B ZERO WIDTH SPACE; did you mean 'seed'?"
    )


@pytest.mark.parametrize(
    ("word", "value", "shown", "range_", "example"),
    [
        ("learning_rate", "-1", "-1", "above 0 and at most 1", "0.0002"),
        ("learning_rate", "0", "0", "above 0 and at most 1", "0.0002"),
        ("learning_rate", ".nan", "nan", "above 0 and at most 1", "0.0002"),
        ("learning_rate", ".inf", "inf", "above 0 and at most 1", "0.0002"),
        ("learning_rate", "1e999", "inf", "above 0 and at most 1", "0.0002"),
        ("batch_size", "0", "0", "at least 1 and at most 4096", "16"),
        ("warmup", "1", "1", "at least 0 and below 1", "0.03"),
        ("epochs", "1001", "1001", "above 0 and at most 1000", "3"),
    ],
)
def test_fault_15_ranges(word, value, shown, range_, example):
    assert refusal(HEAD + f"train: {{{word}: {value}}}\n") == (
        f"recipe.yaml:4:9: train.{word}: must be {range_} (got {shown}). Fix: write, for example, {word}: {example}"
    )


def test_fault_15_a_number_too_long_to_be_meant():
    assert refusal(HEAD + f"train: {{seed: {'9' * 5000}}}\n") == (
        "recipe.yaml:4:15: train.seed: a number of more than 30 digits. "
        "Fix: write a smaller number, or put the text in quotes"
    )


def test_fault_16_contradictions_name_both_places():
    text = "recipe: 1\nbase: {model: starter}\ndata:\n  train: rows.jsonl\n  held_out: ./rows.jsonl\n"
    assert refusal(text) == (
        "recipe.yaml:5:3: data.held_out: would measure on the rows that are learnt, but data.train is 'rows.jsonl' "
        "at recipe.yaml:4:3 (got './rows.jsonl'). Fix: name other rows, or a share such as 0.1"
    )
    assert refusal(HEAD + "train: {batch_size: 10}\nhardware: {micro_batch: 4}\n") == (
        "recipe.yaml:5:12: hardware.micro_batch: must divide train.batch_size, but train.batch_size is 10 "
        "at recipe.yaml:4:9 (got 4). Fix: choose a divisor of the batch size"
    )
    assert refusal(HEAD + "hardware: {micro_batch: 32}\n") == (
        "recipe.yaml:4:12: hardware.micro_batch: cannot be larger than train.batch_size, but train.batch_size is 16 "
        "by default (got 32). Fix: choose a divisor of the batch size"
    )
    assert refusal(HEAD + "adapter: {r: 2, alpha: 256}\n") == (
        "recipe.yaml:4:17: adapter.alpha: may be at most 64 times adapter.r, but adapter.r is 2 at recipe.yaml:4:11 "
        "(got 256). Fix: write alpha: 4, or raise r"
    )
    text = "recipe: 1\nbase: {{model: starter}}\ndata:\n  train: rows.jsonl\n  format: {}\n  {}\n"
    assert refusal(text.format("question_answer", "overlong: trim_history")) == (
        "recipe.yaml:6:3: data.overlong: needs conversations of several turns, but data.format is "
        "'question_answer' at recipe.yaml:5:3 (got 'trim_history'). Fix: write overlong: drop"
    )
    assert refusal(text.format("messages", "columns: {prompt: q}")) == (
        "recipe.yaml:6:3: data.columns: are for questions and answers, but data.format is 'messages' at "
        "recipe.yaml:5:3 (got {'prompt': 'q'}). Fix: delete one of the two"
    )
    assert refusal(text.format("auto", "columns: {prompt: q, completion: q}")) == (
        "recipe.yaml:6:24: data.columns.completion: names the same column as data.columns.prompt at "
        "recipe.yaml:6:13 (got 'q'). Fix: give each its own column"
    )
    assert refusal(HEAD + "evaluate: {questions: rows.jsonl}\n") == (
        "recipe.yaml:4:12: evaluate.questions: would ask the questions that are learnt, but data.train is "
        "'rows.jsonl' at recipe.yaml:3:8 (got 'rows.jsonl'). Fix: name a file of other questions, or null"
    )


SIX = """\
recipe: 1
base: {model: starter, quantisation: none}
data:
  train: gone.jsonl
  max_length: long
train:
  learning_rate: 1e+4
  lora_r: 8
  epochs: 1
  epochs: 2
"""


def test_six_faults_come_out_together_in_file_order():
    assert refusal(SIX).splitlines() == [
        "recipe.yaml:2:24: base.quantisation: unknown key; did you mean 'quantization'?",
        "recipe.yaml:4:3: data.train: no such file (got 'gone.jsonl'). "
        "Fix: put it into the recipe's folder, or correct the path",
        "recipe.yaml:5:3: data.max_length: expected a whole number (got 'long'). "
        "Fix: write, for example, max_length: 1024",
        "recipe.yaml:7:3: train.learning_rate: must be above 0 and at most 1 (got 10000.0). "
        "Fix: write, for example, learning_rate: 0.0002",
        "recipe.yaml:8:3: train.lora_r: unknown key; another tool's word for adapter.r. Fix: write adapter.r",
        "recipe.yaml:10:3: train.epochs: set twice, on line 9 and again on line 10. Fix: keep one of the two",
    ]


def test_six_faults_are_told_without_torch(folder):
    """How long it takes is measured by benchmarks/startup.py: a bound here would fail on a busy machine."""
    (folder / "recipe.yaml").write_text(SIX)
    code = (
        "import sys\nfrom finetune import recipe\n"
        "try: recipe.load('recipe.yaml')\n"
        "except ValueError as error: print(len(error.problems), {'torch', 'transformers', 'numpy'} & set(sys.modules))"
    )
    root = Path(recipe.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.stdout == "6 set()\n", done.stderr
