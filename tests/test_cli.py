"""The commands as processes: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from commands_kit import finetune, median_seconds

from finetune import resources
from finetune.errors import FinetuneError

WRONG = """recipe: 1
base: {model: starter}
data:
  train: rows.csv
  max_lenght: 512
train:
  learning_rat: 1e-4
  epochs: many
  batch_size: -4
adapter: {r: 0, colour: red}
"""
CANARY = "zq-canary-7319"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A folder with a recipe and twelve good rows."""
    lines = [f"question number {k}?,answer number {k}." for k in range(12)]
    (tmp_path / "rows.csv").write_text("question,answer\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv}\n")
    return tmp_path


def test_help_comes_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = median_seconds(lambda: finetune("--help", cwd=tmp_path))
    with capsys.disabled():
        print(f"\n[finetune --help: median of 5 {seconds:.3f} s, aim 0.3 s]", end="")
    assert seconds < 1.0


def test_help_lists_every_command_and_says_where_to_start(tmp_path: Path) -> None:
    ended = finetune("--help", cwd=tmp_path)
    assert ended.code == 0
    assert ended.err == ""
    for name in ("recipes", "new", "check", "preview", "run", "evaluate", "chat", "demo", "doctor", "schema"):
        assert f"\n    {name} " in ended.out
        assert finetune(name, "--help", cwd=tmp_path).code == 0
    assert "finetune run quickstart" in ended.out


def test_version(tmp_path: Path) -> None:
    import finetune as package

    assert finetune("--version", cwd=tmp_path).out.split() == ["finetune-kit", package.__version__]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("frobnicate",),
        ("check",),
        ("recipes", "--jsno"),
        ("run", "quickstart", "--res"),
        ("chat", "starter", "--temperature", "-1"),
        ("chat", "starter", "--max-new-tokens", "0"),
        ("preview", "quickstart", "--rows", "none"),
        ("preview", "quickstart", "--row", "1", "--find", "x"),
        ("preview", "quickstart", "--order", "random"),
        ("check", "quickstart", "--processes", "0"),
        ("demo", "--port", "99999"),
    ],
)
def test_a_wrong_command_line_ends_with_2(words: tuple[str, ...], tmp_path: Path) -> None:
    ended = finetune(*words, cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert "usage: finetune" in ended.err
    assert "error: " in ended.err


def test_recipes(tmp_path: Path) -> None:
    names = list(resources.shipped_recipes())
    ended = finetune("recipes", cwd=tmp_path)
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()] == names
    bases = [line.split()[1] for line in ended.out.splitlines()]
    starts = {line.index(f" {base} ") for line, base in zip(ended.out.splitlines(), bases)}
    assert len(starts) == 1, "one column, however long the names are"
    listed = json.loads(finetune("recipes", "--json", cwd=tmp_path).out)
    assert [row["name"] for row in listed] == names
    assert all(row["description"] and row["base"] for row in listed)


def test_schema_is_a_schema_and_accepts_the_shipped_recipes(tmp_path: Path) -> None:
    from finetune import recipe

    schema = json.loads(finetune("schema", cwd=tmp_path).out)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    for path in resources.shipped_recipes().values():
        value = recipe.load(path).recipe.model_dump(mode="json")
        assert not list(validator.iter_errors(value)), path
    assert list(validator.iter_errors({"recipe": 1, "colour": "red"}))


def test_check_in_plain_lines(rows: Path) -> None:
    ended = finetune("check", "recipe.yaml", "--set", "data.privacy=off", cwd=rows)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("recipe    ")
    assert "rows      11 to train on, 1 held out" in lines
    assert "note      data.privacy is off: rows were not searched for personal data" in lines
    assert any(line.startswith("Ready to train, but look at these first: 11 rows to train on") for line in lines)
    assert "  1. Only 11 rows to train on. Add rows: fewer than 20 teach little." in lines
    assert [line.split()[0] for line in lines[-2:]] == ["page", "json"]
    assert all((rows / line.split()[1]).is_file() for line in lines[-2:])


def test_check_as_json_is_one_value_on_stdout(rows: Path) -> None:
    ended = finetune("check", "recipe.yaml", "--json", cwd=rows)
    report = json.loads(ended.out)
    assert (report["num_train"], report["num_held_out"]) == (11, 1)
    assert report["lengths"]["unit"] == "tokens"
    assert report["verdict"]["kind"] == "look"
    assert str(rows) not in ended.out


@pytest.mark.parametrize(
    ("overlong", "code", "says"),
    [("drop", 0, "will be left out"), ("error", 2, "Not ready to train"), ("trim_history", 0, "oldest exchanges")],
)
def test_check_tells_of_rows_beyond_the_limit(overlong: str, code: int, says: str, rows: Path) -> None:
    path = rows / "rows.csv"
    path.write_text(path.read_text() + "".join(f"long {k}?,{CANARY} {'so on ' * 30}\n" for k in range(8)))
    words = ("check", "recipe.yaml", "--set", "data.max_length=64", "--set", f"data.overlong={overlong}")
    ended = finetune(*words, cwd=rows)
    assert ended.code == code
    assert says in ended.out
    report = json.loads(finetune(*words, "--json", cwd=rows).out)
    number = report["lengths"]["train"]["num_over"]
    assert 1 <= number <= 8
    assert code == 2 or f"{number} training row" in ended.out
    assert CANARY not in ended.out + ended.err
    unchosen = finetune("check", "recipe.yaml", "--set", "data.max_length=64", cwd=rows)
    assert unchosen.code == 2, "the run would stop there, so the check does"
    assert "longer than" not in finetune("check", "recipe.yaml", cwd=rows).out


@pytest.mark.parametrize("command", ["check", "run", "preview"])
def test_six_faults_are_six_lines(command: str, rows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (rows / "recipe.yaml").write_text(WRONG)
    ended = finetune(command, "recipe.yaml", cwd=rows)
    assert ended.code == 2
    assert ended.out == ""
    faults = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert [fault.split(": ")[1].split(":")[1] for fault in faults] == ["5", "7", "8", "9", "10", "10"]
    for key in ("max_length", "learning_rate", "train.epochs", "train.batch_size", "adapter.r", "adapter.colour"):
        assert any(key in fault for fault in faults)
    assert not (rows / "runs").exists(), "a wrong recipe leaves nothing behind"
    if command != "preview":
        seconds = median_seconds(lambda: finetune(command, "recipe.yaml", cwd=rows))
        with capsys.disabled():
            print(f"\n[finetune {command}, six faults: median of 5 {seconds:.3f} s, aim 0.5 s]", end="")
        assert seconds < 1.5


@pytest.mark.parametrize("command", ["check", "run", "preview"])
def test_a_missing_recipe_lists_the_shipped_ones(command: str, tmp_path: Path) -> None:
    ended = finetune(command, "nowhere", cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    assert "quickstart" in ended.err


@pytest.mark.parametrize("command", ["check", "run", "preview"])
@pytest.mark.parametrize(
    ("text", "places"),
    [
        (f"{CANARY} is my name,\n,{CANARY}\n", ("rows.csv:14", "rows.csv:15")),
        (f"hello,\x00{CANARY}\n", ("rows.csv:14",)),
        (f"hello,good day,{CANARY}\n", ("rows.csv:14",)),
        (f'hello,"{CANARY}\n', ("rows.csv:14",)),
    ],
)
def test_the_text_of_a_row_never_reaches_an_error(command: str, text: str, places: tuple[str, ...], rows: Path) -> None:
    path = rows / "rows.csv"
    path.write_text(path.read_text() + text)
    ended = finetune(command, "recipe.yaml", cwd=rows)
    assert ended.code == 2
    assert all(place in ended.err for place in places), ended.err
    assert CANARY not in ended.err + ended.out


def test_ten_thousand_rows_are_checked_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["question,answer"]
    lines += [
        f"What is rule {k} of the house?,Rule {k} says: close door {k % 97} before {k % 24}:00." for k in range(10_000)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "recipe.yaml").write_text("recipe: 1\nbase: {model: starter}\ndata: {train: rows.csv}\n")
    ended = finetune("check", "recipe.yaml", "--json", cwd=tmp_path)
    report = json.loads(ended.out)
    assert report["num_train"] + report["num_held_out"] == 10_000
    with capsys.disabled():
        print(f"\n[finetune check of 10,000 rows: {ended.seconds:.2f} s, aim 3 s]", end="")
    assert ended.seconds < 20, "a busy machine may take its time; something quadratic takes more"


def test_set_changes_a_setting_and_its_fault_is_named(rows: Path) -> None:
    ended = finetune("check", "recipe.yaml", "--set", "data.held_out=0.25", "--json", cwd=rows)
    assert json.loads(ended.out)["num_held_out"] == 3
    ended = finetune("check", "recipe.yaml", "--set", "train.epoch=1", cwd=rows)
    assert ended.code == 2
    assert "--set" in ended.err
    assert "epochs" in ended.err


def test_resume_without_a_run_says_what_is_missing(rows: Path) -> None:
    ended = finetune("run", "recipe.yaml", "--resume", cwd=rows)
    assert ended.code == 2
    assert "--output" in ended.err
    assert not (rows / "runs").exists()


@pytest.mark.parametrize("words", [("evaluate", "nowhere"), ("chat", "./nowhere"), ("chat", "recipe.yaml")])
def test_what_is_no_run_ends_with_2(words: tuple[str, ...], rows: Path) -> None:
    ended = finetune(*words, cwd=rows)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: ")
    assert len(ended.err.splitlines()) <= 2


def test_debug_shows_the_traceback_and_keeps_the_exit_code(tmp_path: Path) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "finetune", "check", "nowhere", "--debug"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "Traceback" in result.stderr


def test_every_error_has_a_code_of_its_own_kind() -> None:
    from finetune.cli import _report

    for error in (FinetuneError, *FinetuneError.__subclasses__()):
        assert _report(error("what is wrong"), debug=False) == error.exit_code


def test_a_fault_of_ours_is_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from finetune.cli import commands, main

    def break_down(arguments: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(commands, "doctor", break_down)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().err
    assert "KeyError" in told
    assert "--debug" in told
    assert CANARY not in told


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    import subprocess
    import sys

    command = f"{sys.executable} -m finetune schema | head -c 1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "{", "")


def test_a_terminal_that_is_not_utf8_is_no_error(rows: Path) -> None:
    (rows / "recipe.yaml").write_text(
        "recipe: 1\nname: a\ndescription: 问\nbase: {model: starter}\ndata: {train: 行.csv}\n", encoding="utf-8"
    )
    (rows / "rows.csv").rename(rows / "行.csv")
    ended = finetune("check", "recipe.yaml", cwd=rows, PYTHONIOENCODING="ascii")
    assert ended.code == 0
    assert "\\u884c.csv" in ended.out
    report = finetune("check", "recipe.yaml", "--json", cwd=rows, PYTHONIOENCODING="ascii")
    assert json.loads(report.out)["files"][0]["name"] == "行.csv"


def test_the_hub_is_told_nothing_of_what_is_done(tmp_path: Path) -> None:
    code = (
        "import os, finetune.cli as cli; cli.main(['schema']); "
        "print([os.environ[name] for name in ('HF_HUB_DISABLE_TELEMETRY', 'HF_UPDATE_DOWNLOAD_COUNTS')]); "
        "import datasets, huggingface_hub.constants as hub; "
        "print(hub.HF_HUB_DISABLE_TELEMETRY, datasets.config.HF_UPDATE_DOWNLOAD_COUNTS)"
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    for own, expected in (
        ({}, ["['1', '0']", "True False"]),
        ({"HF_UPDATE_DOWNLOAD_COUNTS": "1"}, ["['1', '1']", "True True"]),
    ):
        command = [sys.executable, "-c", code]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=variables | own, timeout=100)
        assert ended.stdout.splitlines()[-2:] == expected, ended.stderr
