"""Training speed and memory of the kit beside its peers: same base, same rows, same work, interleaved.

`python -m benchmarks.speed` runs it; docs/speed.md ("Figures") says what came out.

- protocol.py: what a contender is (the contract for drivers of peers)
- bases.py, shapes.py: what is trained: bases of random weights, and rows of three shapes
- contenders/: the kit and TRL; peers/: the other tools, each in a virtual environment of its own
- hook/: the neutral clock at every optimizer step; matrix_peak.py, arithmetic.py: what the machine could do
- runner.py: rounds in shuffled order; figures.py, page.py: medians, ratios, the page
"""
