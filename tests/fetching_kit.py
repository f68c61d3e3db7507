"""Bases on a hub of this machine, and processes of their own that fetch them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from hub_server import COMMIT, Hub, Model, model, serving

TESTS = Path(__file__).parent
LATER = "fedcba9876543210fedcba9876543210fedcba98"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
STARTER = "a folder, or base.model: starter"


def shard(num_bytes: int, fill: int, tensor: str = "w") -> bytes:
    """A safetensors file with one tensor of bytes."""
    header = {tensor: {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes([fill]) * num_bytes


def small_files(tiny: Path) -> dict[str, bytes]:
    """Everything of the tiny base but its weights."""
    return {path.name: path.read_bytes() for path in sorted(tiny.iterdir()) if path.suffix != ".safetensors"}


def cut_up(tiny_base: Path) -> dict[str, bytes]:
    """A repository as they are: weights in two shards, beside code, pickles and other formats."""
    index = {"metadata": {}, "weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    return {
        **small_files(tiny_base),
        "README.md": b"---\nlicense: apache-2.0\n---\n",
        "LICENSE": b"Apache\n",
        "model.safetensors.index.json": json.dumps(index).encode(),
        SHARDS[0]: shard(6_000_000, 1, "a"),
        SHARDS[1]: shard(3_000_000, 2, "b"),
        "consolidated.safetensors": shard(100, 3),
        "original/model.safetensors": shard(100, 4),
        "modeling_tiny.py": b"raise SystemExit\n",
        "pytorch_model.bin": b"\x80\x04pickle",
        "pytorch_model.bin.index.json": b"{}",
        "model.gguf": b"GGUF",
        "training_args.bin": b"\x80\x04pickle",
    }


@contextlib.contextmanager
def known_hub(files: dict[str, bytes], tiny_base: Path) -> Iterator[Hub]:
    """A hub with good and bad repositories of bases."""
    whole = {**small_files(tiny_base), "model.safetensors": (tiny_base / "model.safetensors").read_bytes()}
    later = {**whole, "README.md": b"---\nlicense: mit\n---\n"}
    small = small_files(tiny_base)
    known = {
        "clinic/cut-up": model(files),
        "clinic/tiny": Model({COMMIT: whole, LATER: later}, {"main": LATER, "v1": COMMIT, "master": LATER}),
        "clinic/gated": model(whole),
        "clinic/private": Model({COMMIT: whole}, {"main": COMMIT}, is_private=True),
        "clinic/pickled": model({**small, "pytorch_model.bin": b"\x80\x04pickle", "tiny.py": b""}),
        "clinic/gguf": model({**small, "model.gguf": b"GGUF"}),
        "clinic/adapter": model({"adapter_config.json": b"{}", "adapter_model.safetensors": shard(10, 1)}),
        "clinic/lacks-a-shard": model({name: data for name, data in files.items() if name != SHARDS[1]}),
    }
    with serving({}, {"clinic/gated"}, known) as served:
        yield served


def environment(url: str, home: Path, **variables: str) -> dict[str, str]:
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("HF_", "HUGGING", "MODELSCOPE", "XDG", "HOME"))
    }
    paths = f"{TESTS}{os.pathsep}{TESTS.parent}"
    return {
        **kept,
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_HUB_OFFLINE": "0",
        "MODELSCOPE_ENDPOINT": url,
        "MODELSCOPE_CACHE": str(home / "ms"),
        "NO_PROXY": "*",
        "PYTHONPATH": paths,
        **variables,
    }


def command(name: str, revision: str, weights: bool) -> list[str]:
    return [sys.executable, str(TESTS / "hub_fetcher.py"), name, revision, "weights" if weights else "small"]


def fetch(
    url: str, home: Path, name: str, revision: str = "", *, weights: bool = True, **variables: str
) -> dict[str, Any]:
    """What fetching gives in a fresh process that knows this hub and this home only."""
    env = environment(url, home, **variables)
    done = subprocess.run(command(name, revision, weights), capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing but the kit's own talk is drawn"
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def serving_a_web_site(status: int) -> Iterator[str]:
    """A server that answers everything with a page."""

    class Page(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def names_in(location: str) -> set[str]:
    return {path.relative_to(location).as_posix() for path in Path(location).rglob("*") if path.is_file()}


def partial_bytes(home: Path) -> int:
    """How much of large files is here."""
    found = [path for pattern in ("*.finetune-partial", "*.incomplete") for path in home.rglob(pattern)]
    return sum(path.stat().st_size for path in found if "safetensors" in path.name or path.suffix != ".incomplete")
