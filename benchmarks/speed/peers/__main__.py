"""`python -m benchmarks.speed.peers install [NAME ...]` and `... list`: the environments of the peers."""

from __future__ import annotations

import argparse
import os
import shutil

from benchmarks.speed.peers.common import versions_in
from benchmarks.speed.peers.install import install, setups
from benchmarks.speed.protocol import PEERS_VARIABLE, home_of


def main() -> None:
    """Install the named peers (default: all), or say which are there."""
    known = setups()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.peers", description=main.__doc__)
    parser.add_argument("do", choices=("install", "list"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--peers", help=f"folder of the environments (default: ${PEERS_VARIABLE}, else .peers)")
    words = parser.parse_args()
    if unknown := sorted(set(words.names) - set(known)):
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(known)}")
    if words.peers:
        os.environ[PEERS_VARIABLE] = words.peers
    for name in words.names or known:
        if words.do == "install":
            install(known[name])
        else:
            versions = versions_in(home_of(name), known[name].telling)
            print(f"{name}: " + (", ".join(f"{key} {value}" for key, value in versions.items()) or "not installed"))
    if words.do == "install":
        free_gib = shutil.disk_usage(home_of("x").parent).free / 2**30
        print(f"{free_gib:.0f} GiB free beside them")


if __name__ == "__main__":
    main()
