"""Reads one value of data.train or data.held_out in a process of its own, and prints what came of it as JSON.

The Hub's libraries read their variables when they are imported; so each test has a fresh process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    value, key, stream, encoding = sys.argv[1:5]
    from reading_kit import read_source

    from finetune.data.reading import sources
    from finetune.errors import FinetuneError

    answer: dict = {"problems": [], "sources": [], "rows": [], "row_problems": [], "error": None}
    problems: list = []
    try:
        found = sources.find(key, value, lambda key, path: Path(path), "recipe.yaml:5", problems, stream=stream == "1")
        for source in found:
            done = read_source(source, encoding)
            facts = {"name": source.name, "note": source.note, "sha256": done.reader.sha256, "kind": done.reader.kind}
            facts |= {"commit": source.hub.commit if source.hub else "", "num_bytes": done.reader.num_bytes}
            answer["sources"].append(facts)
            answer["rows"] += done.values
            answer["row_problems"] += done.row_messages
            problems += done.problems
    except FinetuneError as error:
        answer["error"] = [type(error).__name__, error.exit_code, str(error)]
    answer["problems"] = [str(problem) for problem in problems]
    print(json.dumps(answer))


main()
