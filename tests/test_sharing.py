"""Sharing: a clean folder of a real run, refused without a gate that passed, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import models, recipe, sharing
from finetune.cli import main
from finetune.data import load as load_data
from finetune.errors import IntegrityError, RunError, ShareError, SurroundingsError
from finetune.generation import Engine
from finetune.render import Renderer
from finetune.runs import Run, sha256_of

torch = pytest.importorskip("torch")

SECRET = "Mrs-Zebedee-Quux"
FILES = {"README.md", "adapter_config.json", "adapter_model.safetensors", "chat.json", "chat_template.jinja",
         "evaluation.json", "package.json", "recipe.resolved.yaml", "tokenizer.json",
         "tokenizer_config.json"}  # fmt: skip

INTERVAL = {"mean": 0.5, "low": 0.4, "high": 0.6}
PASSED = {"asked": {"better_than_base": True}, "passed": True,
          "checks": [{"name": "better_than_base", "passed": True, "why": "the adapter is better"}]}  # fmt: skip
FAILED = {"asked": {"better_than_base": True, "safety": 0}, "passed": False,
          "checks": [{"name": "better_than_base", "passed": False, "why": "the loss is higher"},
                     {"name": "safety", "passed": False, "why": "2 new failures; 0 allowed"}]}  # fmt: skip
NONE = {"asked": {}, "passed": None, "checks": []}


def evaluation_of(run: Run, gate: dict[str, Any] | None) -> dict[str, Any]:
    """As the evaluation room writes it; its own tests see to what stands in it."""
    found: dict[str, Any] = {
        "schema": 2, "date": "2026-11-23T12:00:00Z", "kit_version": "0.0", "seed": 5,
        "base": {"id": "starter", "revision": None},
        "adapter": {"weights_sha256": sha256_of(run.adapter_dir / "adapter_model.safetensors")},
        "held_out": {"num_rows": 24},
        "scorecard": [{"name": "token_f1", "group": "answers", "unit": "share", "higher_is_better": True,
                       "num_rows": 24, "num_units": 24, "unit_of_draw": "row", "base": INTERVAL, "adapter": INTERVAL,
                       "difference": INTERVAL, "result": "better"}],
        "suites": [{"name": str(run.path / "house|rules.jsonl"), "category": "safety", "num_items": 9, "base_passed": 8,
                    "adapter_passed": 7, "new_failures": ["a-1"]}],
        "memorisation": {"num_given_away": 0, "why": "nothing was found"},
        "judge": {"host": "judge.inside.example:8000", "model": "big-judge", "num_judged": 4, "num_pairs": 5},
        "verdict": {"better_than_base": True, "result": "better", "why": "the adapter is better than base"},
    }  # fmt: skip
    return found | ({"gate": gate} if gate is not None else {})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the starter base, evaluated, with a gate that passed. Never changed: tests copy it."""
    folder = tmp_path_factory.mktemp("sharing")
    rows = [{"question": f"What does {SECRET} do on day {k}?", "answer": f"She calls at {k}."} for k in range(40)]
    (folder / f"{SECRET}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "questions.jsonl").write_text('{"question": "Hello?"}\n')
    words = {
        "recipe": 1, "name": "clinic", "description": "Answers | for <b>patients</b>.", "base": {"model": "starter"},
        "data": {"train": f"{SECRET}.jsonl", "held_out": 0.3, "system_prompt": "Be brief.", "license": "cc-by-4.0"},
        "adapter": {"r": 4, "alpha": 8}, "evaluate": {"questions": "questions.jsonl"},
        "share": {"title": 'The "clinic": answers', "license": "apache-2.0", "languages": ["en"],
                  "intended_use": "General questions", "not_for": ["diagnosis"]},
        "hardware": {"micro_batch": 4},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(json.dumps(words))
    loaded = recipe.load(folder / "recipe.yaml")
    run = Run.create("clinic", loaded.text, "", folder / "run")
    run.resolved_path.write_text(recipe.dump(recipe.relocate(loaded, run.path)))
    model = models.attach_adapter(models.load_base(models.find_base("starter"), "float32"), loaded.recipe.adapter, 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    models.save_adapter(model, run.adapter_dir, "starter", None)
    source = models.find_base("starter")
    tokenizer, _ = models.load_tokenizer(source, "auto", None)
    facts = models.base_facts(source, models.load_config(source))
    chat = models.chat_facts(
        Renderer(tokenizer, {"enable_thinking": False}), facts, system_prompt="Be brief.", max_new_tokens=8,
        chat_template="auto", quantization="none", max_image_pixels=None, title="clinic",
    )  # fmt: skip
    sha256 = models.save_chat(run.adapter_dir, tokenizer, chat)
    report = load_data(loaded).report
    run.update(
        status="finished", exit_code=0, base=facts, adapter={"chat_sha256": sha256}, training={"num_steps": 1},
        data={"num_train": report.num_train, "num_held_out": report.num_held_out, "license": report.license},
    )  # fmt: skip
    run.evaluation_path.write_text(json.dumps(evaluation_of(run, PASSED)))
    run.samples_path.write_text(json.dumps({"question": SECRET}) + "\n")
    return run.path


@pytest.fixture
def run_with(trained: Path, tmp_path: Path) -> Callable[..., Path]:
    """Gives a copy of the run whose evaluation holds another gate."""

    def made(gate: dict[str, Any] | None = PASSED, **changes: Any) -> Path:
        path = tmp_path / "run"
        shutil.copytree(trained, path)
        (tmp_path / f"{SECRET}.jsonl").write_text("")
        run = Run.open(path)
        run.evaluation_path.write_text(json.dumps(evaluation_of(run, gate) | changes))
        return path

    return made


# -- what is shared --------------------------------------------------------------------------------------------------


def test_a_shared_folder_holds_the_whitelisted_files_and_their_hashes(run_with, tmp_path):
    path = run_with()
    (path / "adapter" / "optimizer.pt").write_bytes(b"pickle")
    (path / "adapter" / "notes.txt").write_text(SECRET)
    facts = sharing.share_run(path, tmp_path / "out")
    there = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert there - {"special_tokens_map.json", "added_tokens.json"} == FILES
    assert facts["left_out"] == ["notes.txt", "optimizer.pt"]
    package = json.loads((tmp_path / "out" / "package.json").read_bytes())
    assert set(package["files"]) == there - {"package.json"}
    for name, known in package["files"].items():
        raw = (tmp_path / "out" / name).read_bytes()
        assert known == {"sha256": hashlib.sha256(raw).hexdigest(), "num_bytes": len(raw)}
    assert package["is_gated"] is True and package["why_ungated"] == []
    assert package["base"]["id"] == "starter"
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_no_path_no_row_no_host_and_no_hardware_leave(run_with, tmp_path):
    path = run_with(notes=["judge: 4 questions of the recipe go to judge.inside.example:8000"])
    sharing.share_run(path, tmp_path / "out")
    for entry in (tmp_path / "out").iterdir():
        raw = entry.read_bytes()
        for word in (SECRET, str(tmp_path), str(Path.cwd()), "judge.inside.example"):
            assert word.encode() not in raw + raw.replace(b"\\", b""), f"{entry.name} holds {word}"
    words = recipe.load(tmp_path / "out" / "recipe.resolved.yaml", allow_outside=True, must_exist=False).recipe
    assert words.data.train == "training_rows.jsonl" and words.evaluate.questions is None
    assert words.hardware.micro_batch is None
    assert words.adapter.r == 4 and words.data.system_prompt == "Be brief."
    found = json.loads((tmp_path / "out" / "evaluation.json").read_bytes())
    assert found["judge"]["model"] == "big-judge" and found["suites"][0]["name"] == "house|rules.jsonl"


def test_the_shared_adapter_answers_as_the_run_does(run_with, tmp_path):
    path = run_with()
    sharing.share_run(path, tmp_path / "out")
    messages = [{"role": "user", "content": "When does she call?"}]
    shared, own = Engine.open(tmp_path / "out"), Engine.open(path)
    assert shared.system_prompt == "Be brief."
    answers = [engine.answer(messages, max_new_tokens=8) for engine in (shared, own)]
    assert answers[0] == answers[1]
    assert answers[0] != own.answer(messages, max_new_tokens=8, adapter=False), "the adapter must matter here"


def test_the_card_has_metadata_scorecard_and_gate(run_with, tmp_path):
    sharing.share_run(run_with(), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    from huggingface_hub import ModelCard

    read = ModelCard(card).data.to_dict()
    assert read["license"] == "apache-2.0" and read["language"] == ["en"] and "finetune-kit" in read["tags"]
    assert read.get("base_model") is None, "the starter is no model of the hub"
    assert '# The "clinic": answers' in card
    assert r"Answers \| for &lt;b&gt;patients&lt;/b&gt;." in card
    assert r"| token f1 | 24 | 0.500 | 0.500 | +0.500 (+0.400 to +0.600) | better |" in card
    assert "**Verdict: better than its base**" in card
    assert "## Gate\n\n**Passed**." in card and "- passed: better\\_than\\_base: the adapter is better" in card
    assert "**Not for:** diagnosis" in card and "28 trained on, 12 held out" in card
    assert "Not let through" not in card and r"Suite house\|rules.jsonl" in card


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "whys"),
    [
        (FAILED, ["the loss is higher", "2 new failures; 0 allowed"]),
        (NONE, ["no gate was asked"]),
        (None, ["no gate was asked"]),
    ],
)
def test_without_a_gate_that_passed_nothing_is_shared_unless_told_so(run_with, tmp_path, gate, whys):
    path = run_with(gate)
    with pytest.raises(ShareError) as refusal:
        sharing.share_run(path, tmp_path / "out")
    assert refusal.value.exit_code == 3 and not (tmp_path / "out").exists()
    for why in whys:
        assert why in str(refusal.value) and "--ungated" in str(refusal.value)
    facts = sharing.share_run(path, tmp_path / "out", ungated=True)
    assert facts["is_gated"] is False and len(facts["why_ungated"]) == len(whys)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "**Not let through, and shared all the same (`--ungated`).**" in card
    assert all(why in card for why in whys)
    assert ("**Failed**, and shared all the same." in card) == (gate is FAILED)


def test_an_adapter_with_canaries_is_refused_though_its_gate_passed(run_with, tmp_path):
    path = run_with()
    text = (path / "recipe.resolved.yaml").read_text()
    assert "canaries: 0" in text
    (path / "recipe.resolved.yaml").write_text(text.replace("canaries: 0", "canaries: 7"))
    with pytest.raises(ShareError, match="7 made-up rows were planted"):
        sharing.share_run(path, tmp_path / "out")
    sharing.share_run(path, tmp_path / "out", ungated=True)
    assert "7 made-up rows were planted" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.parametrize("make", ["file", "empty folder", "full folder", "dangling link"])
def test_what_exists_is_never_touched(run_with, tmp_path, make):
    path, out = run_with(), tmp_path / "out"
    if make == "file":
        out.write_text("mine")
    elif make == "dangling link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        out.mkdir()
        if make == "full folder":
            (out / "mine").write_text("mine")
    before = sorted(str(entry) for entry in tmp_path.rglob("*"))
    with pytest.raises(RunError, match="exists already"):
        sharing.share_run(path, out, ungated=True)
    assert sorted(str(entry) for entry in tmp_path.rglob("*")) == before


def test_a_folder_appears_whole_or_not_at_all(run_with, tmp_path, monkeypatch):
    path = run_with()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(SurroundingsError, match="No space left") as refusal:
        sharing.share_run(path, tmp_path / "out")
    assert refusal.value.exit_code == 4
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["run", f"{SECRET}.jsonl"])


def test_an_evaluation_of_other_weights_is_refused_even_ungated(run_with, tmp_path):
    path = run_with(adapter={"weights_sha256": "0" * 64})
    with pytest.raises(IntegrityError, match="other weights"):
        sharing.share_run(path, tmp_path / "out", ungated=True)


def test_a_file_changed_after_training_is_refused_even_ungated(run_with, tmp_path):
    path = run_with()
    chat = json.loads((path / "adapter" / "chat.json").read_bytes())
    (path / "adapter" / "chat.json").write_text(json.dumps({**chat, "system_prompt": "Be rude."}))
    with pytest.raises(IntegrityError):
        sharing.share_run(path, tmp_path / "out", ungated=True)
    assert not (tmp_path / "out").exists()


def test_a_path_in_a_file_ends_it(run_with, tmp_path):
    path = run_with(device=f"{tmp_path}/run/rows.csv")
    with pytest.raises(IntegrityError, match="path of this machine"):
        sharing.share_run(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_a_run_that_was_not_evaluated_is_refused(run_with, tmp_path, text):
    path = run_with()
    (path / "evaluation.json").unlink()
    if text is not None:
        (path / "evaluation.json").write_text(text)
    with pytest.raises(RunError, match="finetune evaluate"):
        sharing.share_run(path, tmp_path / "out", ungated=True)


def test_an_evaluation_of_an_older_kit_has_a_card_too(run_with, tmp_path):
    path = run_with(None)
    found = json.loads((path / "evaluation.json").read_bytes())
    for key in ("scorecard", "suites", "memorisation", "judge"):
        del found[key]
    del found["verdict"]["result"]
    (path / "evaluation.json").write_text(json.dumps({**found, "schema": 1}))
    sharing.share_run(path, tmp_path / "out", ungated=True)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "None was asked" in card and "**Verdict: better than its base**" in card


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_shares_refuses_and_speaks_json(run_with, tmp_path, capsys):
    path = run_with(FAILED)
    assert main(["share", str(path), "--to", str(tmp_path / "out")]) == 3
    told = capsys.readouterr()
    assert told.out == "" and "the loss is higher" in told.err and "\x1b" not in told.err
    assert main(["share", str(path), "--to", str(tmp_path / "out"), "--ungated", "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["is_gated"] is False
    assert "the card says: the loss is higher" in told.err
    assert main(["share", str(path), "--to", str(tmp_path / "other"), "--ungated"]) == 0
    assert "adapter_model.safetensors" in capsys.readouterr().out


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("variables", "is_red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_refusal_is_red_on_a_terminal_and_plain_with_no_color(run_with, tmp_path, variables, is_red):
    import subprocess
    import sys

    path = run_with(FAILED)
    leader, follower = os.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", **variables}
    command = [sys.executable, "-m", "finetune", "share", str(path), "--to", str(tmp_path / "out")]
    done = subprocess.run(command, stderr=follower, stdout=subprocess.DEVNULL, env=environment, check=False)
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 65_536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    assert done.returncode == 3 and b"the loss is higher" in said
    assert (b"\x1b[31m" in said) == is_red
