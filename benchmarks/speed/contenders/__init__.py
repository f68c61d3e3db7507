"""Everyone who takes part: the kit, TRL, and the drivers of other tools in benchmarks/speed/peers/."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks.speed import peers
from benchmarks.speed.contenders import kit, trl, unsloth
from benchmarks.speed.protocol import Contender


def all_contenders() -> dict[str, Contender]:
    """Every contender by its name, the kit first.

    Raises:
        ValueError: two of them have one name.
    """
    found = [*kit.contenders(), *trl.contenders(), *unsloth.contenders()]
    for module in sorted(name for _, name, _ in pkgutil.iter_modules(peers.__path__) if name[0] != "_"):
        loaded = importlib.import_module(f"{peers.__name__}.{module}")
        if hasattr(loaded, "contenders"):
            found += loaded.contenders()
    by_name = {contender.name: contender for contender in found}
    if len(by_name) != len(found):
        raise ValueError(f"two contenders have one name: {sorted(contender.name for contender in found)}")
    return by_name
