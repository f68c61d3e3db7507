"""From the raw records to figures: per run, medians over rounds with their range, and ratios within a round."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.speed.runner import key_of, machine, read_json, read_results

SCHEMA = 1
# What is told of a run: name, unit, whether more is better.
KINDS: dict[str, tuple[str, str, bool]] = {
    "examples_per_cpu_second": ("examples", "per CPU-second", True),
    "supervised_per_cpu_second": ("supervised tokens", "per CPU-second", True),
    "tokens_per_cpu_second": ("row tokens", "per CPU-second", True),
    "examples_per_second": ("examples", "per second by the clock", True),
    "peak_bytes": ("peak memory of the process", "bytes", False),
    "peak_over_model_bytes": ("peak memory over the loaded model", "bytes", False),
    "first_step_seconds": ("from start to the end of the first step", "seconds by the clock", False),
    "first_step_cpu_seconds": ("from start to the end of the first step", "CPU-seconds", False),
    "whole_cpu_seconds": ("the whole run", "CPU-seconds", False),
    "float32_share": ("useful arithmetic, share of the float32 matrix peak", "", True),
    "bfloat16_share": ("useful arithmetic, share of the bfloat16 matrix peak", "", True),
}
# The order of the keys: what the page compares everyone with.
BASELINE = "trl"


def of_run(record: Mapping[str, Any], shape: Mapping[str, Any], peaks: Mapping[str, float]) -> dict[str, float]:
    """The figures of one process; steady ones leave the first optimizer step out.

    Args:
        record: of results.jsonl, not failed.
        shape: the entry of shapes.json with the same session.
        peaks: billions of operations a second by number format, the medians of the round.
    """
    steps = record["steps"]
    first, last = steps[0], steps[-1]
    on_gpu = record["session"]["device"] == "cuda"
    wall = last["wall"] - first["wall"]
    cpu = wall if on_gpu else last["cpu"] - first["cpu"]
    examples, tokens, supervised = _steady_work(record, shape)
    order = "by_group" if record["session"]["shape"] == "three" and _by_group(record) else "shuffled"
    operations = shape["operations_per_example"][order] * examples
    loaded = record["loaded"] or first
    peak = max(step["gpu_peak"] for step in steps) if on_gpu else record["whole"]["peak_bytes"]
    during = max(step["gpu_peak" if on_gpu else "VmHWM"] for step in steps)
    found = {
        "examples_per_cpu_second": examples / cpu,
        "supervised_per_cpu_second": supervised / cpu,
        "tokens_per_cpu_second": tokens / cpu,
        "examples_per_second": examples / wall,
        "peak_bytes": peak,
        "peak_over_model_bytes": during - loaded["gpu_now" if on_gpu else "VmRSS"],
        "first_step_seconds": first["wall"] - record["whole"]["launched"],
        "first_step_cpu_seconds": first["cpu"],
        "whole_cpu_seconds": record["whole"]["cpu_seconds"],
    }
    return found | {f"{name}_share": operations / cpu / 1e9 / peak for name, peak in peaks.items()}


def _by_group(record: Mapping[str, Any]) -> bool:
    return record["contender"].startswith("kit") and "shuffled" not in record["contender"]


def _steady_work(record: Mapping[str, Any], shape: Mapping[str, Any]) -> tuple[float, float, float]:
    """Examples, tokens and labels of the steps after the first: as counted step by step, else by the mean row."""
    work = record.get("work") or []
    steps = record["steps"]
    if len(work) == len(steps) > 1:
        kept = work[1:]
        return tuple(sum(entry[key] for entry in kept) for key in ("examples", "tokens", "supervised"))  # type: ignore[return-value]
    examples = shape["num_rows"] * (len(steps) - 1) / len(steps)
    return examples, *(examples * shape[key] / shape["num_rows"] for key in ("tokens", "supervised"))


def of_folder(out: Path) -> dict[str, Any]:
    """Everything that was measured into a folder: sessions, figures of contenders, ratios, checks, raw records."""
    records = read_results(out)
    shapes = read_json(out / "shapes.json")
    sessions = []
    for key, shape in shapes.items():
        found = [record for record in records if key_of(record["session"]) == key]
        if found:
            sessions.append(_of_session(shape, found))
    return {
        "schema": SCHEMA,
        "machine": read_json(out / "machine.json") or machine(),
        "versions": read_json(out / "versions.json"),
        "absent": read_json(out / "absent.json"),
        "kinds": {name: {"what": what, "unit": unit} for name, (what, unit, _) in KINDS.items()},
        "sessions": sessions,
        "failures": [
            {key: record[key] for key in ("contender", "round", "failed")} for record in records if record.get("failed")
        ],
        "records": records,
    }


def _of_session(shape: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    peaks = {}
    for number in sorted({record["round"] for record in records}):
        probes = [record["matrix_peak"] for record in records if record["round"] == number]
        peaks[number] = {name: statistics.median(probe[name] for probe in probes) for name in probes[0]}
    runs: dict[str, dict[int, dict[str, float]]] = {}
    abouts = {}
    for record in records:
        if not record.get("failed") and len(record["steps"]) > 1:
            runs.setdefault(record["contender"], {})[record["round"]] = of_run(record, shape, peaks[record["round"]])
            abouts[record["contender"]] = record["about"]
    contenders = {
        name: {
            "about": abouts[name],
            "rounds": len(rounds),
            **{kind: spread(run[kind] for run in rounds.values()) for kind in KINDS},
            "losses": [r["losses"] for r in records if r["contender"] == name and r.get("losses")],
            "same_work": _same_work([r for r in records if r["contender"] == name and not r.get("failed")], shape),
        }
        for name, rounds in runs.items()
    }
    return {
        "session": shape["session"],
        "rows": {key: shape[key] for key in ("num_rows", "tokens", "supervised", "longest_tokens")},
        "operations_per_example": shape["operations_per_example"],
        "matrix_peak": peaks,
        "contenders": contenders,
        "ratios": _ratios(runs),
        "loss_gap": _loss_gap(contenders),
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, least, most and count."""
    found = sorted(values)
    return {"median": statistics.median(found), "min": found[0], "max": found[-1], "n": len(found)}


def _ratios(runs: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Each contender over each other one, within rounds: speed as times faster, memory as a part of the other's."""
    found: dict[str, Any] = {}
    for one, rounds in runs.items():
        for other, others in runs.items():
            both = sorted(set(rounds) & set(others))
            if one == other or not both:
                continue
            found.setdefault(one, {})[other] = {
                kind: spread(rounds[k][kind] / max(others[k][kind], 1e-9) for k in both)
                for kind in ("examples_per_cpu_second", "peak_bytes", "peak_over_model_bytes", "first_step_seconds")
            }
    return found


def _same_work(records: Sequence[Mapping[str, Any]], shape: Mapping[str, Any]) -> dict[str, Any]:
    """Whether the contender counted what the file holds; None where it does not tell."""
    told = [record["work"] for record in records if record.get("work")]
    if not told:
        return {"same": None}
    sums = [{key: sum(entry[key] for entry in work) for key in ("examples", "tokens", "supervised")} for work in told]
    wanted = {"examples": shape["num_rows"], "tokens": shape["tokens"], "supervised": shape["supervised"]}
    return {"same": all(found == wanted for found in sums), "counted": sums[-1], "wanted": wanted}


def _loss_gap(contenders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """How far the mean losses of a run lie apart: rows come in another order in each tool, so steps cannot be equal."""
    means = {
        name: statistics.mean(statistics.mean(losses) for losses in facts["losses"])
        for name, facts in contenders.items()
        if facts["losses"]
    }
    if not means:
        return {}
    return {"means": means, "widest": max(means.values()) - min(means.values())}


def write(told: Mapping[str, Any], path: Path) -> None:
    """All figures and all raw values as one JSON file."""
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def table(told: Mapping[str, Any]) -> str:
    """Tables for the terminal and for Markdown pages, one a session."""
    parts = []
    for session in told["sessions"]:
        words, rows = session["session"], session["rows"]
        parts.append(
            f"\nshape {words['shape']}, base {words['base']}, {words['num_steps']} steps of {words['batch_size']}, "
            f"{rows['tokens'] / rows['num_rows']:.0f} tokens a row, {rows['supervised'] / rows['tokens']:.0%} "
            f"supervised, {words['device']}; medians of n rounds [least-most]\n"
        )
        parts.append(
            "| | n | examples/CPU-s | x trl | supervised/CPU-s | tokens/CPU-s | examples/s | peak MiB | over model MiB "
            "| first step s | whole CPU-s | of float32 peak | of bf16 peak | same work |"
        )
        parts.append("|" + "---|" * 14)
        parts += [row(name, session) for name in sorted_names(session)]
    return "\n".join(parts)


def sorted_names(session: Mapping[str, Any]) -> list[str]:
    """Contenders, the fastest first."""
    found = session["contenders"]
    return sorted(found, key=lambda name: -found[name]["examples_per_cpu_second"]["median"])


def row(name: str, session: Mapping[str, Any]) -> str:
    """One contender as a row of the table."""
    facts = session["contenders"][name]
    over = session["ratios"].get(name, {}).get(BASELINE)
    times = shown(over["examples_per_cpu_second"], 1) if over else "1" if name == BASELINE else "-"
    same = {True: "yes", False: "NO", None: "untold"}[facts["same_work"]["same"]]
    cells = [
        name,
        str(facts["rounds"]),
        shown(facts["examples_per_cpu_second"], 2),
        times,
        shown(facts["supervised_per_cpu_second"], 0),
        shown(facts["tokens_per_cpu_second"], 0),
        shown(facts["examples_per_second"], 2),
        shown(facts["peak_bytes"], 0, 2**20),
        shown(facts["peak_over_model_bytes"], 0, 2**20),
        shown(facts["first_step_seconds"], 0),
        shown(facts["whole_cpu_seconds"], 0),
        f"{facts['float32_share']['median']:.2f}",
        f"{facts['bfloat16_share']['median']:.2f}",
        same,
    ]
    return "| " + " | ".join(cells) + " |"


def shown(value: Mapping[str, float], digits: int, unit: float = 1) -> str:
    """Median and range, e.g. "2.91 [2.70-3.02]"; the median alone where n is 1."""
    middle = f"{value['median'] / unit:,.{digits}f}"
    if value["n"] == 1:
        return middle
    return f"{middle} [{value['min'] / unit:,.{digits}f}-{value['max'] / unit:,.{digits}f}]"
