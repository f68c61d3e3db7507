"""Properties: nothing but RecipeError ever comes out, in time, and a problem names the line of its key."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune import recipe
from finetune.errors import RecipeError
from finetune.recipe.strict_yaml import MAX_BYTES, Tree, read, read_value, scalar

GOOD = """\
recipe: 1
name: one
description: text
base:
  model: starter
  thinking: off
data:
  train: rows.jsonl
  held_out: 0.1
  max_length: 512
adapter:
  r: 8
  alpha: 16
  dropout: 0.1
train:
  epochs: 2
  learning_rate: 1e-4
  batch_size: 8
  schedule: linear
  seed: 3
evaluate:
  max_new_tokens: 32
share:
  title: A title
  languages: [en]
hardware:
  micro_batch: 4
"""
LINES = GOOD.splitlines()
FRAGMENTS = st.sampled_from(
    [
        *LINES,
        "  ",
        "\t",
        "\n",
        ":",
        "- ",
        "? ",
        "*a",
        "&a ",
        "!!int ",
        "!",
        "|",
        ">",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        '"',
        "<<: ",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "#",
        "\\U0010ffff",
        '"\\ud800"',
        "1e999",
        "0x",
        "9" * 40,
        "\u00a0",
        "\u0430",
        "\x85",
        "\u2028",
        "\ufeff",
        "\0",
        "${A}",
        "hub:x",
        "~",
        "null",
        "true",
        ".nan",
        "recipe: 1\n",
    ]
)
many = settings(max_examples=400, deadline=1000, suppress_health_check=[HealthCheck.too_slow])


def judged(raw: str | bytes) -> None:
    """Parses within a second (five on a busy machine); a refusal is a RecipeError whose every line names the file."""
    refused = None
    start = time.process_time()
    try:
        recipe.parse(raw)
    except RecipeError as error:
        refused = error
    assert time.process_time() - start < 5
    if refused is not None:
        assert refused.exit_code == 2
        assert refused.problems
        assert all(str(problem).startswith("recipe.yaml") for problem in refused.problems)
        assert all("\n" not in str(problem) for problem in refused.problems)


@many
@given(st.text(max_size=400))
def test_any_text(text):
    judged(text)


@many
@given(st.binary(max_size=400))
def test_any_bytes(raw):
    judged(raw)


@many
@given(st.lists(FRAGMENTS, max_size=40))
def test_any_soup_of_yaml(pieces):
    judged("".join(pieces))


@many
@given(st.lists(st.tuples(st.sampled_from(LINES), FRAGMENTS, st.booleans()), max_size=25))
def test_any_soup_of_lines(pieces):
    judged("".join(line + (piece if glued else "") + "\n" for line, piece, glued in pieces))


@many
@given(st.text(max_size=60) | FRAGMENTS)
def test_any_override(text):
    assert isinstance(read_value(text), Tree)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "{a: ",
        "- ",
        "? ",
        "a: ",
        "x,",
        "&a ",
        "!a ",
        "'",
        '"\\n',
        "|\n",
        "a\n",
        "a:\n ",
        "\t",
        "\n",
        "# ",
        "*a ",
        "a: b\n",
        "- a\n",
        "[],",
        "{},",
        "\r",
        "\u2028",
        "%a\n",
    ],
)
def test_any_repetition_is_read_in_a_second(piece):
    for text in (piece * (MAX_BYTES // len(piece)), "recipe: [" + piece * (MAX_BYTES // len(piece) - 9)):
        start = time.process_time()
        judged(text)
        assert time.process_time() - start < 1


SETTINGS = [
    (number, line)
    for number, line in enumerate(LINES, start=1)
    if line.startswith("  ") and line.strip().split(":")[0] not in ("title", "held_out", "train")
]


@many
@given(st.sampled_from(SETTINGS), st.sampled_from(["[[]]", "{a: b}", "-7", ".inf", "true", "'\u00e9 \u00fc'"]))
def test_a_wrong_value_names_the_line_of_its_key(setting, value):
    number, line = setting
    key = line.split(":")[0]
    text = "\n".join([*LINES[: number - 1], f"{key}: {value}", *LINES[number:]])
    if value == "'\u00e9 \u00fc'" and key.strip() == "model":
        return  # any text may name a model as far as the words go; load() looks further
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text)
    assert any(str(problem).startswith(f"recipe.yaml:{number}:") for problem in caught.value.problems)
    assert any(f".{key.strip()}" in str(problem) for problem in caught.value.problems)


@many
@given(st.sampled_from(SETTINGS), st.integers(0, 30), st.sampled_from("qzx_"))
def test_a_misspelt_key_names_its_line(setting, at, letter):
    number, line = setting
    key = line.split(":")[0].strip()
    wrong = key[: at % (len(key) + 1)] + letter + letter + key[at % (len(key) + 1) :]
    text = "\n".join([*LINES[: number - 1], line.replace(key, wrong, 1), *LINES[number:]])
    with pytest.raises(RecipeError) as caught:
        recipe.parse(text)
    assert any(
        str(problem).startswith(f"recipe.yaml:{number}:3: ") and f".{wrong}: unknown key" in str(problem)
        for problem in caught.value.problems
    )


ODD_TEXTS = st.sampled_from(["1e-4", "no", "0o7", "~", "", " a ", "a\n", "\n a\n\n", "- a", "# a", "a: b"])
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=40)


@many
@given(
    prompt=texts | ODD_TEXTS,
    uses=texts,
    rate=st.floats(1e-12, 1),
    epochs=st.floats(1e-6, 1000),
    share=st.floats(1e-9, 0.999999),
)
def test_dump_and_parse_are_inverse(prompt, uses, rate, epochs, share):
    first = recipe.Recipe(
        recipe=1,
        base=recipe.Base(model="starter"),
        data=recipe.Data(train="rows.jsonl", system_prompt=prompt, held_out=share),
        train=recipe.Train(learning_rate=rate, epochs=epochs),
        share=recipe.Share(intended_use=uses),
    )
    dumped = recipe.dump(first)
    assert recipe.parse(dumped.encode()) == first


@many
@given(st.integers(-(10**20), 10**20) | st.floats(allow_nan=False))
def test_numbers_are_read_as_they_are_written(number):
    assert scalar(repr(number) if abs(number) != float("inf") else f"{'-' if number < 0 else ''}.inf") == number


def test_reading_never_raises_on_the_good_recipe_cut_anywhere():
    for length in range(len(GOOD)):
        assert read(GOOD[:length]) is not None
        judged(GOOD[:length])
