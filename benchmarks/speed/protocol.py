"""What a contender of the speed benchmark is: one way of training the same adapter on the same rows.

The runner gives every contender the same `Job`: a base folder (weights and tokenizer), a file of rows, and numbers.
The contender answers with a `Launch`: the command of one fresh process that trains one epoch over the rows. How long
the steps took is not asked of the contender: a neutral hook (hook/sitecustomize.py, put on PYTHONPATH for everyone
alike) writes a line at every optimizer step of the training process, and the kernel tells CPU time and peak memory of
the whole process tree at its end. Afterwards the contender may say which losses it logged and how much work it saw, so
that equal work can be checked; what it cannot say is None, and the page says so.

Equal work means: `examples_per_step` rows an optimizer step, every row once, no row cut, loss only on the answer
and the token that ends it, LoRA of `rank` and `alpha` on every linear layer of the body, no dropout, AdamW without
weight decay at a constant `learning_rate`, no evaluation and no checkpoint between the steps (both may come at the
end).

How a driver of a peer reaches the runner: a module benchmarks/speed/peers/<name>.py with a function
`contenders() -> list[Contender]`; the runner imports every module of that folder and asks it. Such a module must be
importable without the peer (no import of it at the top, nor of torch). A peer lives in a virtual environment of its
own: `home_of(name)` says where, `absent` says why it is not there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Job:
    """What one process has to train. All paths are absolute.

    Args:
        shape: "one" (long shared system prompt), "two" (no shared prefix), "three" (shared documents).
        base: folder of the base in Hugging Face's form: config.json, model.safetensors (float32 on CPU), tokenizer
            files with a chat template whose answers stand between {% generation %} marks. Read-only.
        base_name: "A" (Llama, 58 M), "B" (Qwen3-like, 250 M), "tiny", "8B".
        rows: JSON Lines, one {"messages": [{"role", "content"}, ...], "document": str} a line (system only where the
            shape has one; the last message is the answer). Beside it lies the file `plain_rows` for tools that
            want three columns.
        plain_rows: JSON Lines, one {"system", "instruction", "output", "input": ""} a line; same rows, same order.
        held_out: two rows in the form of `rows`, for tools that insist on such a file.
        folder: empty folder of this process, for configuration and output; it is removed after the figures are taken.
        num_rows: rows in the file, a whole number of steps.
        examples_per_step: rows of one optimizer step.
        longest_tokens: no row is longer; limits must not be below.
        mean_tokens: of a row, for tools that pack before they batch.
        learning_rate: constant, without warm-up.
        rank: of LoRA.
        alpha: of LoRA.
        seed: for what the tool draws (order of rows, start of the adapter).
        device: "cpu" or "cuda".
        threads: torch threads; the runner sets OMP_NUM_THREADS for everyone.
    """

    shape: str
    base: Path
    base_name: str
    rows: Path
    plain_rows: Path
    held_out: Path
    folder: Path
    num_rows: int
    examples_per_step: int
    longest_tokens: int
    mean_tokens: float
    learning_rate: float
    rank: int
    alpha: int
    seed: int
    device: str = "cpu"
    threads: int = 1

    @property
    def num_steps(self) -> int:
        """Optimizer steps of one epoch."""
        return self.num_rows // self.examples_per_step


@dataclass(frozen=True)
class Launch:
    """One process.

    Args:
        command: program and words; run without a shell.
        environment: added to the common environment (which holds OMP_NUM_THREADS, offline switches of the hub
            libraries and the hook's PYTHONPATH; a PYTHONPATH given here is put behind the hook's).
        cwd: where it runs; default the job's folder.
    """

    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Work:
    """What one optimizer step computed, as the contender itself counted it.

    Args:
        examples: rows of the data file.
        tokens: tokens of these rows, each row in full, without padding.
        supervised: labels that count in the loss (after the shift).
    """

    examples: int
    tokens: int
    supervised: int


@runtime_checkable
class Contender(Protocol):
    """One way of training; stateless, so that one object serves all rounds."""

    @property
    def name(self) -> str:
        """Short and without blanks: what stands in --contenders, e.g. "litgpt"."""
        ...

    @property
    def about(self) -> str:
        """One line for the page: the settings that matter, and every change that was needed to run at all."""
        ...

    def absent(self, job: Job | None = None) -> str | None:
        """Why it cannot run here (not installed, no such shape, no such device), in one line; None when it can."""
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the packages that decide, e.g. {"litgpt": "0.5.13", "torch": "2.13.0"}; may ask its venv."""
        ...

    def prepare(self, job: Job) -> Launch:
        """Write what the process needs into job.folder; the time this takes is not counted."""
        ...

    def losses(self, job: Job) -> list[float] | None:
        """After the run: the training loss of each optimizer step, nats per supervised token."""
        ...

    def work(self, job: Job) -> list[Work] | None:
        """After the run: what each optimizer step computed, or one entry for the whole run; None where untold."""
        ...

    # A contender may also have `facts(self, job: Job) -> dict`: anything worth keeping in its record, asked after work.


PEERS_VARIABLE = "FINETUNE_BENCH_PEERS"


def home_of(name: str) -> Path:
    """The virtual environment of a peer: <peers>/<name>, where <peers> is $FINETUNE_BENCH_PEERS.

    Without the variable it is the folder .peers of the working folder. bin/python inside it is the peer's Python.
    """
    return Path(os.environ.get(PEERS_VARIABLE) or ".peers").absolute() / name
