"""The adapter of the best held-out point, kept beside the checkpoints so that no kill and no full disk can lose it.

    checkpoints/best-000040/
      adapter_model.safetensors  adapter_config.json
      checkpoint.json            run id, step, size and SHA-256 of every file, and its own SHA-256

It is staged, hashed and renamed as a checkpoint is. A checkpoint names the best step that it knew; a folder that
neither the run nor one of its checkpoints names is taken away, so a resumption from any checkpoint finds its best.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path
from typing import Any

from finetune.errors import IntegrityError
from finetune.models import rewrite_config
from finetune.training import checkpoints as ck

KIND = "best"
_NAME = re.compile(rf"{KIND}-(\d{{6,}})")


def keep_best(model: Any, folder: Path, step: int, run_id: str, base_label: str) -> Path:
    """Write the adapter as it is now.

    Args:
        model: with its adapter.
        folder: the run's checkpoints.
        step: optimizer steps done.
        run_id: the run it belongs to.
        base_label: what adapter_config.json calls the base.

    Raises:
        SurroundingsError: the disk refused it; what was kept before is untouched.
    """
    with ck.disk_errors(folder, "the adapter of the best step"), ck.staged(folder) as staging:
        source = staging / KIND
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save_pretrained(source, save_embedding_layers=False)
        rewrite_config(source, base_label, None)
        return ck.seal(source, folder, step, run_id, {}, KIND)


def kept(folder: Path, step: int) -> ck.Checkpoint:
    """The folder of a kept step, whether or not it is there."""
    return ck.Checkpoint(folder / f"{KIND}-{step:06d}", step)


def why_lost(folder: Path, step: int, run_id: str) -> str | None:
    """Why the adapter of a kept step cannot be used; None where it is whole and of this run."""
    try:
        ck.verify_checkpoint(kept(folder, step), run_id)
    except (IntegrityError, OSError) as error:
        return str(error)
    return None


def collect(folder: Path, run_id: str, best_step: int | None) -> None:
    """Take away what neither the run nor one of its checkpoints calls its best; strangers are not touched.

    Args:
        folder: the run's checkpoints.
        run_id: the run.
        best_step: the best that it knows now.
    """
    wanted = {best_step}
    for checkpoint in ck.checkpoints(folder):
        with contextlib.suppress(IntegrityError):
            manifest = ck.read_manifest(checkpoint)
            if manifest["run_id"] == run_id:
                wanted.add(manifest["progress"].get("curve", {}).get("best_step"))
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if not match or path.is_symlink() or not path.is_dir() or int(match.group(1)) in wanted:
            continue
        if ck.is_of(ck.Checkpoint(path, int(match.group(1))), run_id):
            ck.discard(path)
