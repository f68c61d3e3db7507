"""For all tests: no network, no telemetry, one thread, nothing chosen by how fast this machine is today; set before
torch or transformers is imported.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["FINETUNE_MEASURE"] = "0"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import pytest
from hypothesis import settings

# Everywhere else new examples are tried each time; what lands must not fail for an example nobody has seen.
settings.register_profile("ci", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

CHROMIUM = Path(os.environ.get("FINETUNE_CHROMIUM", "/usr/bin/chromium"))
BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_REAL_CONNECT, _REAL_CONNECT_EX = socket.socket.connect, socket.socket.connect_ex


class NetworkRefused(BaseException):
    """A test tried to leave this machine. Not an Exception, so that no retry loop or `except` can swallow it."""


def _refuse_strangers(address: Any) -> None:
    if not isinstance(address, tuple):
        return  # a Unix socket's path
    host = str(address[0])
    try:
        is_here = ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        is_here = host == "localhost"
    if not is_here:
        raise NetworkRefused(f"a test tried to reach {host}")


def _connect(self: socket.socket, address: Any) -> None:
    _refuse_strangers(address)
    _REAL_CONNECT(self, address)


def _connect_ex(self: socket.socket, address: Any) -> int:
    _refuse_strangers(address)
    return _REAL_CONNECT_EX(self, address)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to anything but this machine's loopback are refused, whoever makes them."""
    monkeypatch.setattr(socket.socket, "connect", _connect)
    monkeypatch.setattr(socket.socket, "connect_ex", _connect_ex)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama in Hub form, with a ChatML tokenizer. Read it, never write into it."""
    import tiny

    return tiny.save_base(tmp_path_factory.mktemp("bases") / "tiny-chatml")


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a family (tests/families_kit.py) -> its small base in Hub form, written once. Never write into it."""
    import families_kit

    root = tmp_path_factory.getbasetemp()
    # The workers of one test run share what each of them writes.
    root = (root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root) / "families"
    return lambda name: families_kit.folder_of(name, root)


@pytest.fixture(scope="session")
def stories() -> Path:
    """A real small base without a chat template, whose end token is its begin token."""
    shared = os.environ.get("FINETUNE_SHARED")
    if not shared:
        pytest.skip("FINETUNE_SHARED is not set: it names a folder that holds models/stories3M")
    folder = Path(shared) / "models" / "stories3M"
    if not (folder / "config.json").is_file():
        pytest.skip("FINETUNE_SHARED has no models/stories3M")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; without one the test is skipped, or fails where FINETUNE_REQUIRE_BROWSER is set."""
    if not CHROMIUM.is_file():
        complain = pytest.fail if os.environ.get("FINETUNE_REQUIRE_BROWSER") else pytest.skip
        complain(f"no browser at {CHROMIUM}; install Chromium or set FINETUNE_CHROMIUM")
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright (pip)")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=BROWSER_FLAGS)
        yield running
        running.close()
