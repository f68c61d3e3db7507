"""`python -m finetune.starter`: build the starter base anew (see docs/starter.md)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m finetune.starter", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "base", help="folder to write")
    parser.add_argument("--tokens", type=int, help="training tokens (default: see Pretraining)")
    parser.add_argument("--threads", type=int, default=0, help="torch threads (default: torch's choice)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    import torch

    from finetune.starter.pretrain import Pretraining, pretrain

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    settings = Pretraining(seed=arguments.seed, **({"num_tokens": arguments.tokens} if arguments.tokens else {}))
    facts = pretrain(settings, arguments.out, log=lambda line: print(line, flush=True))
    print(facts["held_out"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
