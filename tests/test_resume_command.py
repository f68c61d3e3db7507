"""`finetune run` in processes of its own: stopped by SIGTERM, resumed; what it says and what it writes down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import training_kit as kit

from finetune.runs import MANIFEST_KEYS, Run


def _spread(value: Any) -> list[str]:
    """Every text in a JSON value, keys too."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *_spread(item))]
    if isinstance(value, list):
        return [text for item in value for text in _spread(item)]
    return [str(value)]


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`finetune run` in processes of its own: stopped by SIGTERM after two steps, then resumed to the end."""
    folder = tmp_path_factory.mktemp("commanded")
    recipe = kit.workspace(folder, kit.RECIPE.replace("epochs: 2", "epochs: 30"))
    command = [sys.executable, "-m", "finetune", "run", str(recipe), "--output", str(folder / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment, "cwd": folder}
    first = subprocess.Popen(command, **pipes)
    metrics, deadline = folder / "run" / "metrics.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and first.poll() is None:
        if metrics.exists() and metrics.read_text().count("\n") >= 2:
            break
        time.sleep(0.005)
    first.send_signal(signal.SIGTERM)
    stopped_out, stopped_err = first.communicate(timeout=120)
    status = Run.open(folder / "run").manifest["status"]
    second = subprocess.run([*command, "--resume", "--json"], timeout=240, check=False, **pipes)
    return {
        "folder": folder,
        "first": (first.returncode, stopped_out, stopped_err, status),
        "second": (second.returncode, second.stdout, second.stderr),
    }


def test_fault_87_the_command_ends_with_75_and_resumes_to_0(commanded: dict[str, Any]) -> None:
    code, out, err, status = commanded["first"]
    assert (code, out, status) == (75, "", "interrupted"), err
    assert "stopped by SIGTERM; step" in err and "--resume" in err and "Traceback" not in err
    code, out, err = commanded["second"]
    assert code == 0, err
    assert json.loads(out)["status"] == "finished"
    assert kit.steps_of(Run.open(commanded["folder"] / "run")) == list(range(1, 91))


def test_no_warning_reaches_the_terminal(commanded: dict[str, Any]) -> None:
    for text in (commanded["first"][2], commanded["second"][2]):
        ours = [line for line in text.splitlines() if not line.startswith("  warning: only 12 training rows")]
        assert "warn" not in "\n".join(ours).lower(), text


def test_no_text_of_a_row_outside_samples(commanded: dict[str, Any]) -> None:
    said = "".join([*commanded["first"][1:3], *commanded["second"][1:3]])
    assert kit.CANARY not in said and "canary" not in said
    names = kit.text_files(commanded["folder"] / "run")
    assert {"manifest.json", "check.json", "plan.json", "metrics.jsonl", "evaluation.json"} <= set(names)
    for name, data in names.items():
        if name != "samples.jsonl":
            assert b"canary" not in data, name


def test_no_absolute_path_in_the_run(commanded: dict[str, Any]) -> None:
    for name, data in kit.text_files(commanded["folder"] / "run").items():
        assert str(commanded["folder"]).encode() not in data, name
    manifest = Run.open(commanded["folder"] / "run").manifest
    assert not [text for text in _spread(manifest) if text.startswith(("/", "~")) or ":\\" in text]


def test_manifest_keys_are_frozen(commanded: dict[str, Any]) -> None:
    manifest = json.loads((commanded["folder"] / "run" / "manifest.json").read_bytes())
    assert tuple(manifest) == MANIFEST_KEYS
    assert all(manifest[key] is not None for key in MANIFEST_KEYS)
    assert set(manifest["training"]) == {
        "num_steps", "final_loss", "tokens_seen", "trained_tokens_seen", "computed_tokens", "seconds",
        "tokens_per_second", "peak_memory_bytes", "path", "best",
    }  # fmt: skip
    path = manifest["training"]["path"]
    assert set(path) == {"packing", "attention", "lean", "head", "proof", "fallbacks"}
    assert path["proof"]["rows"] > 0 and path == manifest["plan"]["path"]
