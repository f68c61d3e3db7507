"""`python -m benchmarks`: seconds to the first answer, then training speed and memory beside the peers.

The second part takes most of the time (docs/speed.md says how long); it can be stopped, and goes on where it was.
"""

from __future__ import annotations

import sys

from benchmarks import startup
from benchmarks.speed.__main__ import main

if __name__ == "__main__":
    startup.main()
    sys.exit(main([]))
