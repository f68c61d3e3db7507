"""Upstream's remarks stay off the user's screen, and its compiled code from the Hub off the machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import families_proof
import pytest

pytestmark = pytest.mark.slow
_LOUD = ("[transformers]", "Warning", "bitsandbytes", "LOAD REPORT", "Traceback")
# No settings of the tests' own may hide what a user would see.
_SILENCING = ("HF_HUB_DISABLE_TELEMETRY", "TOKENIZERS_PARALLELISM", "PYTHONWARNINGS", "TRANSFORMERS_VERBOSITY")


def stderr_of(arguments: list[str], folder: Path, given: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if name not in _SILENCING}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, input=given, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def loud_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if any(word in line for word in _LOUD)]


def test_no_command_passes_on_what_upstream_warns_of(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    families_proof.write_workspace(tmp_path, family_folder("aquila"))
    command = ["-m", "finetune"]
    run = stderr_of([*command, "run", "--allow-outside", "--output", "run", "recipe.yaml"], tmp_path)
    assert "adapter proved" in run and loud_lines(run) == []
    assert loud_lines(stderr_of([*command, "chat", "run"], tmp_path, given="hello\n")) == []


def test_the_library_is_as_quiet_as_its_commands(family_folder: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = families_proof.write_workspace(tmp_path, family_folder("gpt_oss"))
    code = (
        "import sys, finetune\n"
        "run = finetune.run(sys.argv[1], sys.argv[2], allow_outside=True)\n"
        "finetune.Engine.open(run.path).reply([{'role': 'user', 'content': 'hello'}])\n"
    )
    assert loud_lines(stderr_of(["-c", code, str(recipe), "run"], tmp_path)) == []


KERNELS = """
print("kernels: imported")
def get_kernel(*words, **more):
    print("kernels: fetched")
    raise RuntimeError("no network")
"""


@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs the extra qlora")
@pytest.mark.parametrize(("before", "then"), [("", "peft"), ("kernels", "peft"), ("kernels, transformers", "trl")])
def test_no_compiled_code_is_fetched_whoever_imports_bitsandbytes(tmp_path: Path, before: str, then: str) -> None:
    (tmp_path / "kernels.py").write_text(KERNELS, encoding="utf-8")
    imports = f"import {before}" if before else ""
    code = f"import sys\nsys.path.insert(0, '.')\n{imports}\nimport finetune.models\nimport {then}\n"
    code += "import bitsandbytes\nprint('kernels' in sys.modules and sys.modules['kernels'] is not None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "kernels: fetched" not in done.stdout
    assert done.stdout.split()[-1] == str("kernels" in before)  # whoever imported it goes on to have it
    assert loud_lines(done.stderr) == []
