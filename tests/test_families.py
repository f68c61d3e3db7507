"""Every family, carried through everything: load, render, train, save, come back, answer, merge, round, pack.

The tests compare what they find with finetune/models/proofs.json, which `finetune models` and docs/models.md print.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import families_proof
import pytest
from families_kit import FAMILIES

from finetune.models.offers import STORIES
from finetune.models.proofs import read_proofs

FINETUNE = [sys.executable, "-m", "finetune"]


@pytest.mark.parametrize("name", FAMILIES)
def test_family(name: str, family_folder, tmp_path: Path) -> None:
    base = family_folder(name)
    if not (base / "tokenizer.json").is_file():
        pytest.importorskip("sentencepiece", reason="its tokenizer is a SentencePiece file: needs the extra pangu")
    before = {path: path.stat().st_mtime_ns for path in base.iterdir()}
    found = families_proof.prove(name, base, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in base.iterdir()} == before, "the base was written to"
    told = dict(read_proofs()["families"].get(name, {}))
    if importlib.util.find_spec("bitsandbytes") is None:
        for key in ("4bit", "8bit"):
            del found[key]
            told.pop(key, None)
    assert not families_proof.differences(found, told), "run `make families && make docs` if this is meant"


def test_every_family_has_a_proof_and_a_line_in_the_table() -> None:
    assert set(read_proofs()["families"]) == set(FAMILIES)
    assert sorted(name for story in STORIES for name in story.proofs) == sorted(FAMILIES)


def test_a_proof_that_came_out_otherwise_is_seen() -> None:
    told = read_proofs()["families"]["aquila"]
    assert families_proof.differences(told, told) == []
    worse = {**told, "merge": {**told["merge"], "difference_under": "1"}}
    assert families_proof.differences(worse, told) == [
        f"merge: differs by up to 1, told {told['merge']['difference_under']}"
    ]
    assert families_proof.differences(told, worse) == []
    changed = {**told, "packing": "no longer"}
    assert families_proof.differences(changed, told) == ["packing: found 'no longer', told True"]
    assert families_proof.differences({**told, "experts": True}, told) == ["experts: found True, told None"]


def finetune(*words: str, cwd: Path) -> str:
    done = subprocess.run([*FINETUNE, *words], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["aquila", "pangu_embedded_7b"])
def test_families_that_bring_code_run_from_the_command_line_without_it(
    name: str, family_folder, tmp_path: Path
) -> None:
    """The hub's layout with config keys, tokenizer files and Python files; trust_remote_code is off, and stays off."""
    base = family_folder(name)
    if name != "aquila":
        pytest.importorskip("sentencepiece", reason="its tokenizer is a SentencePiece file: needs the extra pangu")
    assert "auto_map" in json.loads((base / "config.json").read_bytes())
    assert sorted(base.glob("*.py"))  # each ends the program that runs it
    recipe = families_proof.write_workspace(tmp_path / "recipe", base)
    summary = json.loads(finetune("run", str(recipe), "--allow-outside", "--output", "run", "--json", cwd=tmp_path))
    assert summary["status"] == "finished"
    assert summary["held_out"]["adapter"]["loss"] < summary["held_out"]["base"]["loss"]
    if name != "aquila":
        return
    finetune("chat", "run", "--question", "What helps against a cold?", cwd=tmp_path)
    refused = subprocess.run(
        [*FINETUNE, "run", str(recipe), "--allow-outside", "--trust-remote-code"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert refused.returncode == 2
    assert "trust" in refused.stderr and "Traceback" not in refused.stderr
