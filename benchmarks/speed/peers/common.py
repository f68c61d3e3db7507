"""What the drivers of all peers share: the installed packages of an environment, rows rendered as text, plain files.

Nothing of a peer is imported here: versions are read from the metadata of its environment, its files are written as
JSON (every tool here reads YAML, and JSON is YAML).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.speed.protocol import Job, home_of

INSIDE = Path(__file__).resolve().parent / "inside"


@dataclass(frozen=True)
class Setup:
    """How the environment of a peer is made.

    Args:
        name: of the peer and its environment folder.
        packages: pip requirements, in one call, so that pip settles them together. torch is always among them and
            bounded: a wider range resolves to builds that bring gigabytes of GPU libraries.
        removed: packages taken off afterwards.
        stubs: modules, name to source text, written into site-packages in place of packages that cannot load here.
        telling: packages whose versions decide what is measured.
    """

    name: str
    packages: tuple[str, ...]
    removed: tuple[str, ...] = ()
    stubs: dict[str, str] = field(default_factory=dict)
    telling: tuple[str, ...] = ("torch",)


def site_of(home: Path) -> Path | None:
    """The site-packages folder of an environment; None where there is none."""
    return next(iter(sorted(home.glob("lib/python3.*/site-packages"))), None)


def versions_in(home: Path, names: Sequence[str]) -> dict[str, str]:
    """Versions of the named packages in an environment, without starting its Python; missing ones are left out."""
    site = site_of(home)
    found = {}
    for name in names if site else ():
        distribution = next(iter(importlib.metadata.distributions(name=name, path=[str(site)])), None)
        if distribution is not None:
            found[name] = distribution.version
    return found


@dataclass(frozen=True)
class Peer:
    """What is the same in every driver; a driver adds prepare() and losses().

    Args:
        name: of the contender, e.g. "litgpt-micro8".
        setup: of the environment it lives in.
        about: one line for the page.
        bases: `model_type` of the bases that it can train.
    """

    name: str
    setup: Setup
    about: str
    bases: tuple[str, ...] = ("llama", "qwen3")

    @property
    def home(self) -> Path:
        """Its virtual environment."""
        return home_of(self.setup.name)

    def absent(self, job: Job | None = None) -> str | None:
        """Why it cannot run here, in one line; None when it can."""
        main = self.setup.telling[0]
        if main not in versions_in(self.home, [main]):
            return f"{main} is not installed: python -m benchmarks.speed.peers install {self.setup.name}"
        if job is not None and job.device != "cpu":
            return "the driver is written for the CPU only"
        if job is not None and (kind := base_config(job.base)["model_type"]) not in self.bases:
            return f"{main} {versions_in(self.home, [main])[main]} has no model of type {kind}"
        return None

    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide."""
        return versions_in(self.home, self.setup.telling)

    def work(self, job: Job) -> None:
        """None: no peer here tells the tokens of each step."""
        return


def base_config(base: Path) -> dict[str, Any]:
    """config.json of a base folder."""
    return json.loads((base / "config.json").read_text(encoding="utf-8"))


def write_json(path: Path, content: object) -> Path:
    """Write content as JSON (which is YAML, too); parents are made; gives the path back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Every row of a JSON Lines file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


@dataclass(frozen=True)
class Rendered:
    """A row as the base's own chat template writes it, cut where the loss begins.

    Args:
        prompt: everything in front of the answer, the answer's heading included.
        answer: the answer's text.
        ending: what the template writes after it, beginning with the token that ends the answer.
    """

    prompt: str
    answer: str
    ending: str


class Renderer:
    """Renders rows with the chat template of a base, so that a tool without it trains on the same tokens."""

    def __init__(self, base: Path) -> None:
        self.base = base

    @cached_property
    def tokenizer(self) -> Any:
        """The base's tokenizer."""
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.base, local_files_only=True)

    def render(self, messages: list[dict[str, str]]) -> Rendered:
        """Cut one conversation.

        Raises:
            ValueError: The template does not write the conversation as its prompt followed by the answer.
        """
        prompt = self.tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        whole = self.tokenizer.apply_chat_template(messages, tokenize=False)
        answer = messages[-1]["content"]
        if not whole.startswith(prompt + answer):
            raise ValueError(f"the chat template of {self.base} does not write prompt and answer one after the other")
        return Rendered(prompt, answer, whole[len(prompt) + len(answer) :])

    def rows(self, path: Path) -> Iterator[Rendered]:
        """Every row of a file of {"messages": ...} rows."""
        return (self.render(row["messages"]) for row in read_lines(path))


def converted_base(home: Path, base: Path, script: Path) -> Path:
    """A base in a peer's own format, made once and kept in <home>/bases.

    Args:
        home: environment of the peer; its Python runs the script.
        base: folder in Hugging Face's form.
        script: takes the base folder and an existing empty folder, and fills the latter.

    Raises:
        ChildProcessError: The script failed; its last lines are in the text.
    """
    weights = sorted(base.glob("*.safetensors"))
    marks = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in weights]
    text = (base / "config.json").read_text(encoding="utf-8") + script.read_text(encoding="utf-8") + str(base)
    folder = home / "bases" / hashlib.sha256(f"{marks}{text}".encode()).hexdigest()[:16]
    if (folder / "complete").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(home / "bin" / "python"), str(script), str(base), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ChildProcessError(f"{script.name} could not convert {base}: " + " | ".join(done.stderr.splitlines()[-3:]))
    (folder / "complete").touch()
    return folder


def printed_losses(log: str) -> list[float]:
    """Losses that transformers' Trainer printed, one a logged step: {'loss': '10.4', ...} or {'loss': 10.4, ...}."""
    return [float(found) for found in re.findall(r"""['"]loss['"]: ['"]?([0-9.eE+-]+|nan)""", log)]


def losses_of_log(job: Job) -> list[float] | None:
    """The printed losses in the log of the process, which lies in its folder; None where none was printed."""
    path = job.folder / "log.txt"
    if not path.exists():
        return None
    return printed_losses(path.read_text(encoding="utf-8", errors="replace")) or None
