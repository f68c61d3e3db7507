"""One process of one contender: started, watched by the hook and the kernel, and read afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.speed.bases import num_parameters
from benchmarks.speed.protocol import Contender, Job, Launch

HOOK = Path(__file__).parent / "hook"
ROOT = Path(__file__).resolve().parents[2]
_LOG_LINES_TOLD = 30


def environment(job: Job, launch: Launch, steps: Path) -> dict[str, str]:
    """The same surroundings for everyone: threads, no network, caches of their own, the hook."""
    path = os.pathsep.join([str(HOOK), *filter(None, [launch.environment.get("PYTHONPATH")])])
    cache = job.folder / "cache"
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(job.threads),
        "MKL_NUM_THREADS": str(job.threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_CACHE": str(cache / "datasets"),
        "WANDB_DISABLED": "true",
        **launch.environment,
        "PYTHONPATH": path,
        "FINETUNE_BENCH_STEPS": str(steps),
        "FINETUNE_BENCH_PARAMETERS": str(num_parameters(job.base)),
    }


def run_once(contender: Contender, job: Job, limit_seconds: float) -> dict[str, Any]:
    """Train once; the record of what was measured, or "failed" with the reason.

    Args:
        contender: who.
        job: what; its folder is made anew and left for the caller to remove.
        limit_seconds: by the clock; a process that takes longer is ended.
    """
    shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir(parents=True)
    record: dict[str, Any] = {"started": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    try:
        launch = contender.prepare(job)
        whole = _carry_out(launch, job, limit_seconds)
    except (OSError, ValueError) as error:
        return record | {"failed": f"{type(error).__name__}: {error}"}
    record |= {"whole": whole, "command": [Path(launch.command[0]).name, *launch.command[1:3]]}
    record |= read_steps(job.folder / "steps.jsonl")
    if whole["exit_code"] != 0:
        return record | {"failed": f"exit code {whole['exit_code']}", "log": _end_of(job.folder / "log.txt")}
    if not record["steps"]:
        return record | {"failed": "no optimizer step was seen", "log": _end_of(job.folder / "log.txt")}
    try:
        work = contender.work(job)
        record |= {"losses": contender.losses(job), "work": None if work is None else [asdict(w) for w in work]}
        if tell := getattr(contender, "facts", None):
            record["facts"] = tell(job)
    except (OSError, ValueError, KeyError, IndexError) as error:
        record |= {"losses": None, "work": None, "untold": f"{type(error).__name__}: {error}"}
    return record


def _carry_out(launch: Launch, job: Job, limit_seconds: float) -> dict[str, Any]:
    """Start the process, wait for it, and take what the kernel counted for it and its children."""
    variables = environment(job, launch, job.folder / "steps.jsonl")
    with (job.folder / "log.txt").open("wb") as log:
        started = time.time()
        process = subprocess.Popen(
            list(launch.command),
            env=variables,
            cwd=launch.cwd or job.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        late = False
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if not late and time.time() - started > limit_seconds:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    scale = 1 if sys.platform == "darwin" else 1024
    return {
        "launched": started,
        "wall_seconds": time.time() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * scale,
        "exit_code": "too long" if late else process.returncode,
    }


def read_steps(path: Path) -> dict[str, Any]:
    """The hook's lines as "loaded" and "steps": of the process, and of the optimizer, that made most steps."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    steps = [line for line in lines if line["event"] == "step"]
    if not steps:
        return {"loaded": None, "steps": []}
    (who, _), *_ = Counter((line["pid"], line["optimizer"]) for line in steps).most_common(1)
    loaded = [line for line in lines if line["event"] == "loaded" and line["pid"] == who[0]]
    return {
        "loaded": _facts(loaded[-1]) if loaded else None,
        "steps": [_facts(line) for line in steps if (line["pid"], line["optimizer"]) == who],
    }


def _facts(line: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in ("event", "pid", "optimizer")}


def _end_of(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line[:300] for line in lines[-_LOG_LINES_TOLD:]]


def matrix_peak(device: str, threads: int) -> dict[str, float]:
    """Billions of operations a second of a matrix product, measured in a process of its own (matrix_peak.py)."""
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    words = [sys.executable, "-m", "benchmarks.speed.matrix_peak", device]
    done = subprocess.run(words, env=variables, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
