"""The peers of the speed benchmark: other tools for training adapters, each in a virtual environment of its own.

One module per peer with two names: `SETUP`, what is installed where (`python -m benchmarks.speed.peers install NAME`),
and `contenders()`, the ways of training that the runner asks for. `common` is what they share; `inside/` holds the few
lines that run in a peer's own Python. What each needed before it ran on a CPU stands in README.md and at the top of
its module.
"""
