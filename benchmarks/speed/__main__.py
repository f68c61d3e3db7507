"""`python -m benchmarks.speed`: rounds of training by everyone installed, JSON and one page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.speed import figures, page, runner
from benchmarks.speed.bases import BASES
from benchmarks.speed.contenders import all_contenders
from benchmarks.speed.shapes import SHAPES

# Who runs when nobody is named: one or two settings of each tool, so that a round stays short; "all" takes everyone.
USUAL = (
    "kit", "kit-shuffled", "trl", "trl-best", "trl-packed", "trl-best-bf16", "trl-packed-bf16", "litgpt", "torchtune",
    "llamafactory-best", "ms-swift-best", "axolotl", "trl-flash", "trl-flex", "unsloth",
)  # fmt: skip


def main(words: list[str] | None = None) -> int:
    """Measure what is asked for, then write speed.json and speed.html into the folder; 1 when a process failed."""
    arguments = _arguments(words)
    everyone = all_contenders()
    names = list(everyone) if arguments.contenders == "all" else arguments.contenders.split(",")
    if unknown := [name for name in names if name not in everyone]:
        print(f"no such contender: {', '.join(unknown)}; known: {', '.join(everyone)}", file=sys.stderr)
        return 2
    print(f"results in {arguments.out}; taken up again there by the same command", flush=True)
    for shape in arguments.shape.split(",") if not arguments.page_only else ():
        session = runner.Session(
            shape=shape,
            base=arguments.base,
            batch_size=arguments.batch_size,
            num_steps=arguments.steps or runner.STEPS[shape],
            seed=arguments.seed,
            device=arguments.device,
            threads=arguments.threads,
            learning_rate=arguments.learning_rate,
        )
        chosen = [everyone[name] for name in names]
        runner.measure(session, arguments.rounds, chosen, arguments.out, _say, arguments.limit)
    told = figures.of_folder(arguments.out)
    figures.write(told, arguments.out / "speed.json")
    (arguments.out / "speed.html").write_text(page.render(told), encoding="utf-8")
    print(figures.table(told))
    print(f"written: {arguments.out / 'speed.json'}, {arguments.out / 'speed.html'}")
    return 1 if told["failures"] else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _shapes(text: str) -> str:
    text = ",".join(SHAPES) if text == "all" else text
    if unknown := [name for name in text.split(",") if name not in SHAPES]:
        raise argparse.ArgumentTypeError(f"no such shape: {', '.join(unknown)}; known: {', '.join(SHAPES)}, all")
    return text


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", type=_shapes, default="one,two,three", help="one, two, three, with commas, or all")
    parser.add_argument("--base", choices=list(BASES), default="A", help="A: Llama 58 M, B: Qwen3-like 250 M, 8B: GPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--contenders",
        metavar="NAMES",
        default=",".join(USUAL),
        help="with commas, or all; those that are not installed are left out, and said; default: %(default)s",
    )
    parser.add_argument("--steps", type=int, help=f"optimizer steps of a run, default {runner.STEPS}")
    parser.add_argument("--batch-size", type=int, default=8, help="examples of an optimizer step")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0, help="of rows, weights and the order in a round")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--limit", type=float, default=3_600, metavar="SECONDS", help="of one process")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-speed"), metavar="FOLDER")
    parser.add_argument("--page-only", action="store_true", help="only write figures and page of what is measured")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
