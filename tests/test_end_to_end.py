"""The whole loop through the real command line: run, evaluate, chat, demo in a browser; on real input too."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_demo import free_port

from finetune import resources

FINETUNE = [sys.executable, "-m", "finetune"]
CANARY = "zebra-canary-4711"
SETTINGS = ["train.epochs=3", "train.batch_size=32", "evaluate.max_new_tokens=24"]


def finetune(*words: str, cwd: Path, **options) -> subprocess.CompletedProcess:
    return subprocess.run([*FINETUNE, *words], cwd=cwd, capture_output=True, text=True, timeout=300, **options)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder with a recipe of one's own, made by `finetune new`, and a canary in its rows."""
    folder = tmp_path_factory.mktemp("clinic")
    made = finetune("new", "clinic", "--from", "quickstart", cwd=folder)
    assert made.returncode == 0, made.stderr
    rows = folder / "clinic" / "data" / "medical" / "train.csv"
    with rows.open("a", encoding="utf-8") as file:
        file.write(
            f"What is the {CANARY}?,The {CANARY} is a word that no log may hold. It is only for this test.,canary\n"
        )
    return folder


@pytest.fixture(scope="module")
def done(workplace) -> subprocess.CompletedProcess:
    words = [part for setting in SETTINGS for part in ("--set", setting)]
    return finetune("run", "clinic", "--output", "runs/one", "--json", *words, cwd=workplace)


@pytest.fixture(scope="module")
def run_folder(workplace, done) -> Path:
    assert done.returncode == 0, done.stderr
    return workplace / "runs" / "one"


def test_a_run_ends_with_an_adapter_better_than_its_base(done, run_folder):
    summary = json.loads(done.stdout)
    assert summary["status"] == "finished"
    held_out = summary["held_out"]
    assert held_out["adapter"]["loss"] < held_out["base"]["loss"]
    assert held_out["num_rows"] == 64
    assert summary["verdict"]["better_than_base"] is True
    names = {path.name for path in run_folder.iterdir() if not path.name.startswith(".")}
    assert names == {
        "recipe.yaml", "recipe.resolved.yaml", "manifest.json", "metrics.jsonl", "check.json", "check.html",
        "plan.json",
        "checkpoints", "adapter", "evaluation.json", "samples.jsonl", "report.html",
    }  # fmt: skip
    evaluation = json.loads((run_folder / "evaluation.json").read_bytes())
    assert evaluation["held_out"]["num_tokens"] > 64 * 20
    assert evaluation["held_out"]["base"]["loss"] == held_out["base"]["loss"]


def test_the_adapter_folder_is_small_and_clean(run_folder):
    adapter = run_folder / "adapter"
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors",
        "chat.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    config = json.loads((adapter / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == "starter"
    assert sum(path.stat().st_size for path in adapter.iterdir()) < 3_000_000


def test_no_pickle_of_upstream_and_no_local_path_in_a_run(run_folder, workplace):
    assert not list(run_folder.rglob("training_args.bin"))
    for path in run_folder.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".yaml") and path.name != "tokenizer.json":
            assert str(workplace) not in path.read_text(encoding="utf-8"), path.name


def test_row_text_stays_in_the_users_own_files(done, run_folder):
    assert CANARY not in done.stdout + done.stderr
    for path in run_folder.rglob("*.json*"):
        if path.name != "samples.jsonl":
            assert CANARY not in path.read_text(encoding="utf-8"), path.name


def test_every_choice_is_said_and_recorded(done, run_folder):
    manifest = json.loads((run_folder / "manifest.json").read_bytes())
    for note in manifest["notes"]:
        assert note in done.stderr
    for key, reason in manifest["plan"]["reasons"].items():
        assert f"{key.removesuffix('_gib')}: " in done.stderr and reason in done.stderr


def test_evaluating_again_gives_the_same_numbers(run_folder, workplace):
    before = json.loads((run_folder / "evaluation.json").read_bytes())
    again = finetune("evaluate", "runs/one", "--json", cwd=workplace)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["held_out"] == before["held_out"]


def test_a_finished_run_is_not_resumed_or_overwritten(run_folder, workplace):
    words = [part for setting in SETTINGS for part in ("--set", setting)]
    resumed = finetune("run", "clinic", "--output", "runs/one", "--resume", *words, cwd=workplace)
    assert resumed.returncode == 2
    assert "is finished already" in resumed.stderr and "Traceback" not in resumed.stderr
    again = finetune("run", "clinic", "--output", "runs/one", *words, cwd=workplace)
    assert again.returncode == 2
    assert "a run is never overwritten" in again.stderr


def test_chat_answers_with_and_without_the_adapter(run_folder, workplace):
    question = ["chat", "runs/one", "--max-new-tokens", "24", "--question", "What helps against a nosebleed?"]
    adapter = finetune(*question, cwd=workplace)
    base = finetune(*question, "--without-adapter", cwd=workplace)
    assert adapter.returncode == base.returncode == 0, adapter.stderr
    assert adapter.stdout.strip() and base.stdout.strip() and adapter.stdout != base.stdout
    typed = finetune("chat", "runs/one", cwd=workplace, input="hello\n/both\n/retry\n/system\n/quit\n")
    assert typed.returncode == 0 and "[base]" in typed.stdout and "[adapter]" in typed.stdout


def test_a_gate_that_says_no_ends_with_3(run_folder, workplace):
    """Taught nonsense, the adapter is worse than its base on plain rows; the run is complete and kept all the same."""
    nonsense = "question,answer\n" + "".join(f"What is {k}?,xq {k} zv zv kq {k} wj xq zv qqq\n" for k in range(64))
    (workplace / "clinic" / "nonsense.csv").write_text(nonsense, encoding="utf-8")
    plain = "question,answer\n" + "".join(f"What is {k} plus 1?,{k} plus 1 is {k + 1}.\n" for k in range(24))
    (workplace / "clinic" / "plain.csv").write_text(plain, encoding="utf-8")
    words = ["data.train=clinic/nonsense.csv", "data.held_out=clinic/plain.csv"]
    words += ["evaluate.gate=better_than_base", "evaluate.max_new_tokens=4"]
    sets = [part for setting in words for part in ("--set", setting)]
    gated = finetune("run", "clinic", "--output", "runs/gated", "--set", "train.epochs=4", *sets, cwd=workplace)
    assert gated.returncode == 3, gated.stderr
    assert "evaluate.gate, better_than_base: " in gated.stderr and "runs/gated" in gated.stderr
    assert gated.stdout.lstrip().startswith("Verdict: worse than its base") and "Question" in gated.stdout
    manifest = json.loads((workplace / "runs" / "gated" / "manifest.json").read_bytes())
    assert (manifest["status"], manifest["exit_code"]) == ("finished", 3)
    assert (workplace / "runs" / "gated" / "report.html").is_file()


def test_a_mistake_leaves_no_folder_and_questions_are_read_first(workplace):
    (workplace / "q.jsonl").write_text('{"q": 1}\n', encoding="utf-8")
    words = ["--set", "evaluate.questions=q.jsonl"]
    said = 'error: q.jsonl:1: question: is not a question. Fix: write one {"question": "..."} a line\n'
    for command in (["check", "clinic"], ["run", "clinic", "--output", "runs/wrong"]):
        done = finetune(*command, *words, cwd=workplace)
        assert done.returncode == 2 and done.stderr.endswith(said)
    assert not (workplace / "runs" / "wrong").exists()


def test_a_signal_before_training_leaves_a_run_that_goes_on(workplace):
    """SIGTERM while rows are rendered or weights are loaded is not somebody else's error."""
    process = subprocess.Popen(
        [*FINETUNE, "run", "clinic", "--output", "runs/early", *[w for s in SETTINGS for w in ("--set", s)]],
        cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "run folder" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    rest = process.stderr.read()
    assert "stopped by SIGTERM; nothing was saved yet. Fix: go on with: finetune run clinic --resume --output" in rest
    manifest = json.loads((workplace / "runs" / "early" / "manifest.json").read_bytes())
    assert (manifest["status"], manifest["exit_code"]) == ("interrupted", 75)


def test_a_run_can_be_talked_to_when_it_moved_and_its_rows_are_gone(run_folder, workplace, tmp_path):
    import shutil

    moved = tmp_path / "deep" / "er" / "run"
    shutil.copytree(run_folder, moved)
    for source in (moved, moved / "adapter"):
        done = finetune("chat", str(source), "--question", "hello", "--max-new-tokens", "8", cwd=tmp_path)
        assert done.returncode == 0, done.stderr


def test_an_adapter_alone_and_elsewhere_answers_as_in_its_run(run_folder, workplace, tmp_path):
    import shutil

    shutil.copytree(run_folder / "adapter", tmp_path / "lone")
    question = ["--question", "What helps against a nosebleed?", "--max-new-tokens", "12"]
    inside = finetune("chat", "runs/one", *question, cwd=workplace)
    alone = finetune("chat", "lone", *question, cwd=tmp_path)
    assert inside.returncode == alone.returncode == 0, alone.stderr
    assert inside.stdout == alone.stdout and alone.stdout.strip()
    assert "those the adapter was trained with" in alone.stderr


@pytest.fixture(scope="module")
def served(run_folder, workplace) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        [*FINETUNE, "demo", "runs/one", "--port", str(port)],
        cwd=workplace, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ},
    )  # fmt: skip
    import socket

    until = time.monotonic() + 90
    while time.monotonic() < until:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.3)
    yield f"http://127.0.0.1:{port}/"
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.mark.browser
def test_the_demo_of_a_run_answers_in_a_browser(browser, served):
    """Base and adapter side by side, from the run's own weights, streamed into a real page."""
    tab = browser.new_context(locale="en-US").new_page()
    tab.set_default_timeout(20_000)
    tab.goto(served)
    tab.wait_for_selector("#send:not([disabled])")
    tab.wait_for_selector("html[lang=en]", state="attached")  # the page has been told its language: it is alive
    for _ in range(10):  # the page's own first drawing may still be on its way, and would undo the choice
        tab.check("#mode input[value=adapter]")
        tab.wait_for_timeout(1_000)
        tab.check("#mode input[value=both]")
        tab.wait_for_timeout(1_000)
        if tab.locator("#chat-base").is_visible():
            break
    tab.fill("#question textarea", "What should I do about a nosebleed?")
    tab.press("#question textarea", "Enter")
    tab.wait_for_selector("#chat-adapter [data-testid=bot]")
    tab.wait_for_selector("#stop[disabled]")
    answers = {who: tab.locator(f"#chat-{who} [data-testid=bot]").last.inner_text() for who in ("base", "adapter")}
    assert answers["base"].strip() and answers["adapter"].strip() and answers["base"] != answers["adapter"]
    folder = os.environ.get("FINETUNE_SCREENSHOTS")
    if folder:
        tab.screenshot(path=str(Path(folder) / "demo_run.png"), full_page=True)
    tab.context.close()


def test_the_newest_run_is_served_when_none_is_named(run_folder, workplace, monkeypatch):
    from finetune.cli.commands import _newest_run

    monkeypatch.chdir(workplace)
    assert re.fullmatch(r"runs/(one|gated)", _newest_run())
    monkeypatch.chdir(workplace / "clinic")
    assert _newest_run() == resources.STARTER_ID


@pytest.mark.slow
def test_real_rows_on_a_real_base(stories, tmp_path):
    """MedQuAD rows on a real story model without a chat template; a few steps, not the run of the README."""
    rows = Path(os.environ["FINETUNE_SHARED"]) / "data" / "medquad" / "medquad_train_short.jsonl"
    if not rows.is_file():
        pytest.skip("FINETUNE_SHARED has no data/medquad")
    lines = rows.read_text(encoding="utf-8").split("\n")[:400]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "medquad.yaml").write_text(
        "recipe: 1\nbase: {model: starter}\ndata: {train: rows.jsonl, held_out: 0.1, group_by: document}\n"
        "train: {epochs: 1, learning_rate: 3e-3}\nevaluate: {max_new_tokens: 8}\n",
        encoding="utf-8",
    )
    ran = finetune("run", "medquad.yaml", "--set", f"base.model={stories}", "--output", "run", "--json", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    held_out = json.loads(ran.stdout)["held_out"]
    assert held_out["adapter"]["loss"] < 0.7 * held_out["base"]["loss"]
    assert "'plain'" in ran.stderr
    assert "data.max_length: 512 instead of 1024" in ran.stderr
