"""The wheel, installed in a fresh environment and used from `/`: what users get, not what the checkout has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 10_000_000
SOURCES = ("finetune", "recipes", "data_templates", "demo", "tests", "docs", "benchmarks")
PAPERS = ("pyproject.toml", "README.md", "LICENSE", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore")

pytestmark = pytest.mark.wheel


def call(*command: str | Path, cwd: str | Path = "/") -> str:
    """A command's stdout; it may not see this checkout."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=cwd, env=kept, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as pip would, out of a copy that holds nothing this checkout happens to hold besides."""
    import shutil

    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PAPERS:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, copy / name)
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy)
    assert len(list(out.glob("*.tar.gz"))) == 1
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with the wheel; its dependencies are lent by this one, not downloaded."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    own = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    call(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel)
    # A .pth file adds the folder but runs none of its own .pth files: the editable finetune stays out of sight.
    (Path(own) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_is_small_and_holds_what_it_should(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_BYTES
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    # Other projects install recipes/ or tests/ at top level, where they shadow everybody's.
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"finetune"}
    assert len(tops) == 2
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]
    for wanted in (
        "finetune/_bundled/recipes/quickstart/recipe.yaml",
        "finetune/_bundled/data_templates/medical/train.csv",
        "finetune/_bundled/demo/app.py",
        "finetune/starter/base/model.safetensors",
        "finetune/starter/base/tokenizer.json",
        "finetune/evaluation/report.html.jinja",
    ):
        assert wanted in names, wanted
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "finetune").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(ours) > 50
    assert ours <= held


def test_it_is_the_installed_one(installed: Path) -> None:
    where = Path(call(installed, "-c", "import finetune; print(finetune.__file__)").strip())
    assert ROOT not in where.parents
    assert installed.parents[1] in where.parents


def test_everything_shipped_is_found(installed: Path) -> None:
    code = (
        "import json; from finetune import resources as r; folders = ('recipes', 'data_templates', 'demo'); "
        "print(json.dumps([str(r.shipped(f)) for f in folders] + [str(r.starter_base())]))"
    )
    places = [Path(place) for place in json.loads(call(installed, "-c", code))]
    assert all(place.is_dir() for place in places)
    assert all(installed.parents[1] in place.parents for place in places)


def test_the_commands_work_from_the_root_folder(installed: Path, tmp_path: Path) -> None:
    command = installed.parent / "finetune"
    listed = {row["name"] for row in json.loads(call(command, "recipes", "--json"))}
    assert {"quickstart", "medical_qa"} <= listed
    report = json.loads(call(command, "check", "quickstart", "--json"))
    assert report["num_train"] >= 200
    assert call(command, "new", tmp_path / "mine").strip() == str(tmp_path / "mine" / "recipe.yaml")
    assert "Ready to train" in call(command, "check", tmp_path / "mine", "--output", tmp_path / "checked")
    assert json.loads(call(command, "schema"))["title"]


def test_a_strangers_recipes_folder_is_never_believed(tmp_path: Path) -> None:
    """site-packages/recipes of another project lies where a checkout would have ours."""
    import shutil

    shutil.copytree(ROOT / "finetune", tmp_path / "finetune", ignore=shutil.ignore_patterns("__pycache__", "base"))
    (tmp_path / "recipes" / "theirs").mkdir(parents=True)
    (tmp_path / "recipes" / "theirs" / "recipe.yaml").write_text("recipe: 1\n")
    for pyproject in (None, '[project]\nname = "torchtune"\n'):
        if pyproject:
            (tmp_path / "pyproject.toml").write_text(pyproject)
        command = [sys.executable, "-m", "finetune", "recipes"]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == 2
        assert "reinstall finetune-kit" in result.stderr
        assert "theirs" not in result.stdout
