"""Makes the environments of the peers: a venv each, pip, and the few repairs that a peer needed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

from benchmarks.speed.peers.common import Setup, site_of, versions_in
from benchmarks.speed.protocol import home_of

MODULES = ("litgpt", "torchtune", "llamafactory", "axolotl", "ms_swift")


def setups() -> dict[str, Setup]:
    """Every peer's setup by its name."""
    found = (importlib.import_module(f"benchmarks.speed.peers.{module}").SETUP for module in MODULES)
    return {setup.name: setup for setup in found}


def pip_words(setup: Setup) -> list[list[str]]:
    """The words after `python -m pip` of each call that makes an environment."""
    calls = [["install", "--quiet", *setup.packages]]
    if setup.removed:
        calls.append(["uninstall", "--yes", *setup.removed])
    return calls


def write_stubs(setup: Setup, site: Path) -> None:
    """Write the stand-in modules of a setup into a site-packages folder."""
    for name, source in setup.stubs.items():
        folder = site / name
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(source, encoding="utf-8")


def install(setup: Setup) -> None:
    """Make or complete the environment of one peer.

    Raises:
        subprocess.CalledProcessError: venv or pip failed; what they said is on the terminal.
        RuntimeError: pip ended well, but the peer's package is not there.
    """
    home = home_of(setup.name)
    if not (home / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    for words in pip_words(setup):
        subprocess.run([str(home / "bin" / "python"), "-m", "pip", *words], check=True)
    site = site_of(home)
    versions = versions_in(home, setup.telling)
    if site is None or setup.telling[0] not in versions:
        raise RuntimeError(f"{setup.telling[0]} is not in {home} after the installation")
    write_stubs(setup, site)
    print(f"{setup.name}: {home}: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
