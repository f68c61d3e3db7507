"""Rounds: in each, every contender once, in an order shuffled from a seed; results are kept as they come."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.speed import bases, running, shapes
from benchmarks.speed.arithmetic import operations_per_example
from benchmarks.speed.protocol import Contender, Job

# Steps of a run: enough that the first, which is left out, does not decide, and few enough for a slow machine.
STEPS = {"one": 6, "two": 8, "three": 4}
RESULTS = "results.jsonl"


@dataclass(frozen=True)
class Session:
    """What is measured; kept in every record, so that a page never mixes what differs.

    Args:
        shape: of shapes.SHAPES.
        base: of bases.BASES.
        batch_size: examples of an optimizer step.
        num_steps: of one run, the first included.
        seed: of rows, weights and orders.
        device: "cpu" or "cuda".
        threads: torch threads.
        learning_rate, rank, alpha: of the training, the same for all.
    """

    shape: str
    base: str
    batch_size: int
    num_steps: int
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    learning_rate: float = 2e-3
    rank: int = 16
    alpha: int = 32


def measure(
    session: Session,
    rounds: int,
    contenders: Sequence[Contender],
    out: Path,
    say: Callable[[str], None] = print,
    limit_seconds: float = 3_600,
) -> None:
    """Measure what is not measured yet; every record is appended to RESULTS in `out`.

    Args:
        session: what.
        rounds: how often; each contender once a round.
        contenders: who; those that cannot run here are said and left out.
        out: bases, rows and results; made if it is not there.
        say: told what happens.
        limit_seconds: of one process.
    """
    out.mkdir(parents=True, exist_ok=True)
    base = bases.base_folder(session.base, out / "bases", session.seed, session.device)
    num_rows = session.batch_size * session.num_steps
    rows_folder = out / f"rows-{session.shape}-{num_rows}-{session.seed}"
    files = shapes.write_shape(session.shape, base, rows_folder, num_rows, session.seed)
    job = _job(session, base, files, out / "work" / "now")
    present = _present(contenders, job, out, say)
    done = {(r["round"], r["contender"]) for r in read_results(out) if r["session"] == asdict(session)}
    _note_shape(session, files, out)
    say(
        f"shape {session.shape}, base {session.base}: {files.facts.num_rows} rows of "
        f"{files.facts.tokens / files.facts.num_rows:.0f} tokens, {files.facts.supervised / files.facts.tokens:.0%} "
        f"supervised, {session.num_steps} steps of {session.batch_size}; {rounds} rounds of "
        f"{', '.join(c.name for c in present)}"
    )
    for number in range(rounds):
        for place, contender in enumerate(_order(present, session, number)):
            if (number, contender.name) in done:
                continue
            probe = running.matrix_peak(session.device, session.threads)
            record = running.run_once(contender, job, limit_seconds)
            record = {
                "session": asdict(session),
                "round": number,
                "place": place,
                "contender": contender.name,
                "about": contender.about,
                "matrix_peak": probe,
                **record,
            }
            _append(out / RESULTS, record)
            say(line_of(record))
            shutil.rmtree(job.folder, ignore_errors=True)


def read_results(out: Path) -> list[dict[str, Any]]:
    """The records so far; a line that a kill cut off is left out."""
    path = out / RESULTS
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def line_of(record: dict[str, Any]) -> str:
    """One line for the terminal."""
    head = f"  round {record['round'] + 1}, {record['contender']:<14}"
    if record.get("failed"):
        return f"{head} failed: {record['failed']}; {' / '.join(record.get('log', [])[-2:])}"
    steps = [later["cpu"] - sooner["cpu"] for sooner, later in zip(record["steps"], record["steps"][1:])]
    peak = record["whole"]["peak_bytes"] / 2**20
    told = " ".join(f"{seconds:.2f}" for seconds in steps)
    return f"{head} steps from the second, CPU-s: {told}; peak {peak:,.0f} MiB; whole run {_whole(record)}"


def _whole(record: dict[str, Any]) -> str:
    return f"{record['whole']['cpu_seconds']:.0f} CPU-s, {record['whole']['wall_seconds']:.0f} s"


def _job(session: Session, base: Path, files: shapes.ShapeFiles, folder: Path) -> Job:
    return Job(
        shape=session.shape,
        base=base.absolute(),
        base_name=session.base,
        rows=files.rows.absolute(),
        plain_rows=files.plain_rows.absolute(),
        held_out=files.held_out.absolute(),
        folder=folder.absolute(),
        num_rows=files.facts.num_rows,
        examples_per_step=session.batch_size,
        longest_tokens=files.facts.longest_tokens,
        mean_tokens=files.facts.tokens / files.facts.num_rows,
        learning_rate=session.learning_rate,
        rank=session.rank,
        alpha=session.alpha,
        seed=session.seed,
        device=session.device,
        threads=session.threads,
    )


def _present(contenders: Sequence[Contender], job: Job, out: Path, say: Callable[[str], None]) -> list[Contender]:
    """Those that can run, said; their versions go into versions.json."""
    present = []
    versions = read_json(out / "versions.json")
    absent = read_json(out / "absent.json")
    for contender in contenders:
        if why := contender.absent(job):
            say(f"{contender.name} is left out: {why}")
            absent.setdefault(job.shape, {})[contender.name] = why
        else:
            present.append(contender)
            versions[contender.name] = contender.versions()
            absent.get(job.shape, {}).pop(contender.name, None)
    _write_json(out / "versions.json", versions)
    _write_json(out / "absent.json", absent)
    return present


def _order(contenders: Sequence[Contender], session: Session, number: int) -> list[Contender]:
    order = sorted(contenders, key=lambda contender: contender.name)
    random.Random(f"{session.seed}-{session.shape}-{session.base}-{number}").shuffle(order)
    return order


def _note_shape(session: Session, files: shapes.ShapeFiles, out: Path) -> None:
    """What the rows are and what they need at least, for the page."""
    facts = read_json(out / "shapes.json")
    config = bases.BASES[session.base]
    need = {
        kind: operations_per_example(
            config, session.rank, files.encoded, files.documents, session.batch_size, kind == "by_group"
        )
        for kind in ("shuffled", "by_group")
    }
    facts[key_of(asdict(session))] = {
        "session": asdict(session),
        **asdict(files.facts),
        "operations_per_example": need,
    }
    _write_json(out / "shapes.json", facts)
    _write_json(out / "machine.json", machine())


def key_of(session: dict[str, Any]) -> str:
    """A session's name in shapes.json: its values, one after the other."""
    return " ".join(str(value) for value in session.values())


def machine() -> dict[str, Any]:
    """The machine and the date, without names of hosts or users."""
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "")
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        memory = 0
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "processor": model or platform.processor(),
        "cpus": os.cpu_count(),
        "memory_bytes": memory,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
