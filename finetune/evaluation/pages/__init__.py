"""The pages of an evaluation, report.html and a comparison of runs: words, views and drawings; no script, no network.

Each word stands in the page twice, in English and in Chinese, and the reader's switch hides one of them. Answers and
drawings stand there once: they hold no word of ours, so that a page of many answers does not double.
"""
