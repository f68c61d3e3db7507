"""`finetune models` and docs/models.md: what can be downloaded, and what was shown of it."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from finetune.cli import families, main
from finetune.models import proofs

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_in_step_with_the_proofs() -> None:
    page = ROOT / "docs" / "models.md"
    if not page.is_file():
        pytest.skip("docs are not here (installed package)")
    assert page.read_text(encoding="utf-8") == families.models_page(), "run `make docs`"


def test_json_has_every_family_with_ids_and_proofs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["shown_with"]["transformers"]
    first = told["families"][0]
    assert first["name"] == "Wu Dao 3.0"
    assert first["offers"][0] == {
        "id": "BAAI/AquilaChat2-7B",
        "size": "7B",
        "licence": "BAAI Aquila Model License",
        "context_tokens": 2048,
        "sure": False,
        "gated": False,
        "note": "",
    }
    assert first["proofs"]["aquila"]["architecture"] == "AquilaForCausalLM"
    ids = [offer["id"] for entry in told["families"] for offer in entry["offers"]]
    assert len(ids) == len(set(ids))
    assert all(entry["proofs"] and entry["offers"] for entry in told["families"])


def test_people_are_told_what_is_not_certain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert any(line.split()[:1] == ["BAAI/AquilaChat2-7B"] and line.endswith("(?)") for line in lines)
    assert any("openPangu" in line and "European Union" in line for line in lines)
    assert any("shown as gpt_oss_mxfp4:" in line and "not: 8 bit, 4 bit, prefix packing" in line for line in lines)
    shown = [line for line in lines if line.startswith("  shown as ")]
    assert shown and not any("prefix packing" in line.partition("; not: ")[0] for line in shown), "it is refused so far"
    assert "random weights" in err and "models" not in out.splitlines()[0]


def test_what_does_not_work_is_not_told_as_working() -> None:
    entries = copy.deepcopy(proofs.families())
    entries[0]["proofs"]["aquila"] |= {"reload": False, "4bit": "no kernel", "packing": "because"}
    page = "\n".join(families._proofs(entries))
    assert "| aquila | AquilaForCausalLM | aquila | no | " in page
    assert "1. no kernel" in page and "2. because" in page
    assert "yes | no (1) |  |  | no (2) |" in page


def test_the_list_needs_no_torch() -> None:
    code = "import sys; from finetune.cli import main; main(['models']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
