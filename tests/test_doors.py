"""One door per dependency, and a front door that opens at once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_layering import DEMO, PACKAGE, files, imported_modules, room_of

DOORS = {
    "yaml": {"recipe"},
    "trl": {"training"},
    "peft": {"models"},
    "datasets": {"data", "training"},
    "gradio": set(),
    "accelerate": {"training"},
    "matplotlib": {"evaluation"},
    **{name: {"data"} for name in ("openpyxl", "orjson", "phonenumbers", "stdnum", "rensa", "ftfy", "py3langid")},
    "pyarrow": {"data"},
    **{name: {"models"} for name in ("sentencepiece", "bitsandbytes", "modelscope_hub")},
    "modelscope": set(),  # the whole library: hundreds of packages for what its hub client does alone
    "PIL": {"data"},
    **{name: {"evaluation"} for name in ("rouge_score", "sacrebleu", "jieba", "sklearn", "lm_eval", "regex")},
    "httpx": {"evaluation"},
    **{name: set() for name in ("trackio", "tensorboard", "wandb", "mlflow")},  # by upstream's own callbacks
}
# What takes seconds to import; none of it may load before it is used.
HEAVY = ("torch", "transformers", "peft", "trl", "datasets", "gradio", "accelerate", "matplotlib", "pyarrow", "pandas",
         "bitsandbytes", "modelscope_hub", "PIL",
         "rouge_score", "sacrebleu", "jieba", "sklearn", "lm_eval", "regex")  # fmt: skip


def outside_libraries(path: Path) -> dict[str, int]:
    """Top-level name -> line of every import in a file."""
    modules = imported_modules(ast.parse(path.read_text(encoding="utf-8")), ("finetune",))
    return {module.split(".")[0]: line for module, line in modules}


@pytest.mark.parametrize("library", DOORS)
def test_a_library_is_imported_in_its_room_only(library: str) -> None:
    found = {room_of(path) for path in files() if library in outside_libraries(path)}
    assert found <= DOORS[library]


@pytest.mark.parametrize(
    "library", ["yaml", "trl", "peft", "datasets", "bitsandbytes", "modelscope_hub", "PIL", "rouge_score", "lm_eval"]
)
def test_the_doors_are_in_use(library: str) -> None:
    assert any(library in outside_libraries(path) for path in files()), "a door that nobody uses guards nothing"


def test_gradio_is_the_demos_own() -> None:
    assert any("gradio" in outside_libraries(path) for path in DEMO.glob("*.py"))


def test_torch_and_transformers_are_imported_inside_functions() -> None:
    """Module-level imports of them would make every command as slow as the slowest one."""
    wrong = []
    for path in files():
        top = ast.Module(body=_outside_functions(ast.parse(path.read_text(encoding="utf-8"))), type_ignores=[])
        for module, line in imported_modules(top, ("finetune",)):
            if module.split(".")[0] in HEAVY and room_of(path) not in ("models", "training"):
                wrong.append(f"{path.relative_to(PACKAGE)}:{line}: {module}")
    assert not wrong, "\n".join(wrong)


def _outside_functions(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run on import; `if TYPE_CHECKING:` does not."""
    found: list[ast.stmt] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                continue
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                found.append(node)
            waiting.append(node)
    return found


@pytest.mark.parametrize(
    "module",
    ["finetune", "finetune.cli", "finetune.cli.commands", "finetune.recipe", "finetune.data", "finetune.runs"],
)
def test_an_import_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, json, {module}; print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(result.stdout))
    assert "finetune" in loaded
    assert not loaded & set(HEAVY)


def test_public_names_are_loaded_on_first_use() -> None:
    code = (
        "import sys, finetune; before = 'finetune.recipe' in sys.modules; finetune.load_recipe; "
        "print(before, 'finetune.recipe' in sys.modules, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["False", "True", "False"]
