"""What the privacy scan finds, misses and takes for personal by mistake, and how fast it is; Presidio beside it.

Run:  FINETUNE_SHARED=<folder with data/> python benchmarks/privacy.py [PEER_PYTHON] [PEER_SPACY_MODEL]

PEER_PYTHON is the interpreter of an environment of its own that holds presidio-analyzer and a spaCy model (by default
en_core_web_sm); the kit itself depends on neither. Without it only the kit's own figures are printed. Without
FINETUNE_SHARED only the hand-labelled rows are measured.

A labelled span counts as found when a finding of its kind overlaps it; a finding is false when it overlaps no label of
its kind. Of the synthetic rows the rules were written looking at the even ones; the odd ones are reported.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HAND_LABELLED = Path(__file__).resolve().parents[1] / "tests" / "privacy_rows.jsonl"
NUM_TIMING_BYTES = 1_000_000  # of MedQuAD, for the peer, which is slow; the kit reads all of it

# Presidio's and its data set's labels -> kinds of the kit. Organisations, places, titles, dates, nationalities, ages
# below 90 and bare domain names are not what the kit looks for.
KIND_OF = {
    "PERSON": "name",
    "STREET_ADDRESS": "address",
    "ZIP_CODE": "address",
    "LOCATION": "address",
    "CREDIT_CARD": "payment_card",
    "PHONE_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "bank_account",
    "US_BANK_NUMBER": "bank_account",
    "IP_ADDRESS": "ip_address",
    "MAC_ADDRESS": "mac_address",
    "US_DRIVER_LICENSE": "driving_licence",
    "US_PASSPORT": "passport",
    "US_MBI": "insurance_number",
    "MEDICAL_LICENSE": "record_number",
    "CRYPTO": "crypto_address",
    "US_SSN": "national_id",
    "US_ITIN": "national_id",
    "UK_NHS": "national_id",
    "UK_NINO": "national_id",
    "ES_NIF": "national_id",
    "ES_NIE": "national_id",
    "IT_FISCAL_CODE": "national_id",
    "PL_PESEL": "national_id",
}
Labelled = tuple[str, list[tuple[str, int, int]]]


def hand_labelled(languages: tuple[str, ...] = ()) -> list[Labelled]:
    """(text, [(kind, start, end)]) of the rows in these languages; of all when none is named."""
    rows = [json.loads(line) for line in HAND_LABELLED.read_text(encoding="utf-8").splitlines()]
    chosen = [row for row in rows if not languages or row["language"] in languages]
    return [(row["text"], [(kind, start, end) for kind, start, end in row["spans"]]) for row in chosen]


def synthetic(data: Path, remainder: int) -> list[Labelled]:
    """Rows of the synthetic set: 0 the even ones (looked at while the rules were written), 1 the odd ones (not)."""
    rows = json.loads((data / "pii_synthetic" / "presidio_synth_700.json").read_text(encoding="utf-8"))
    return [
        (
            row["full_text"],
            [
                (KIND_OF[span["entity_type"]], span["start_position"], span["end_position"])
                for span in row["spans"]
                if span["entity_type"] in KIND_OF
            ],
        )
        for row in rows[remainder::2]
    ]


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _values(inner)


def public_texts(data: Path) -> dict[str, list[str]]:
    """Public question/answer texts in which hardly anything personal stands."""
    with gzip.open(data / "medquad" / "medquad_train.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    turns = [turn["content"] for row in rows for turn in row["messages"] if turn["role"] != "system"]
    chosen = {"MedQuAD (en)": turns}
    for name, place in (
        ("Huatuo (zh)", "huatuo/llama_data_2000.json"),
        ("MedicalGPT SFT (zh)", "medicalgpt/medical_sft_1K_format.jsonl"),
    ):
        lines = (data / place).read_text(encoding="utf-8").splitlines()
        chosen[name] = [text for line in lines if line.strip() for text in _values(json.loads(line))]
    toyhom = data / "toyhom" / "internal_medicine_1500_gb18030.csv"
    with toyhom.open(encoding="gb18030", newline="") as file:
        chosen["Toyhom (zh)"] = [value for row in csv.DictReader(file) for value in row.values() if value]
    return chosen


Finder = Callable[[list[str]], tuple[list[list[tuple[str, int, int]]], float]]


def kit(texts: list[str]) -> tuple[list[list[tuple[str, int, int]]], float]:
    """The kit's findings of each text, and the seconds of processor time they took."""
    from finetune.data.privacy import Scanner

    scanner = Scanner()
    scanner.scan("Dr. Okonjo, 415-555-2671")  # the telephone plans are loaded once
    start = time.process_time()
    made = [[(one.kind, one.start, one.end) for one in scanner.scan(text)] for text in texts]
    return made, time.process_time() - start


def peer(python: str, model: str) -> Finder:
    def find(texts: list[str]) -> tuple[list[list[tuple[str, int, int]]], float]:
        asked = json.dumps({"model": model, "texts": texts, "kinds": KIND_OF})
        done = subprocess.run([python, "-c", _PEER], input=asked, capture_output=True, text=True, check=True)
        answer = json.loads(done.stdout.splitlines()[-1])
        return [[(kind, start, end) for kind, start, end in row] for row in answer["found"]], answer["seconds"]

    return find


_PEER = """
import json, sys, time
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
asked = json.load(sys.stdin)
conf = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": asked["model"]}]}
engine = NlpEngineProvider(nlp_configuration=conf).create_engine()
engine = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
engine.analyze("Dr. Okonjo, 415-555-2671, a@example.org", language="en")
start, found = time.process_time(), []
for text in asked["texts"]:
    hits = engine.analyze(text, language="en")
    kinds = asked["kinds"]
    known = [hit for hit in hits if hit.entity_type in kinds and hit.score >= 0.35]
    found.append([[kinds[hit.entity_type], hit.start, hit.end] for hit in known])
print(json.dumps({"found": found, "seconds": time.process_time() - start}))
"""


def score(rows: list[Labelled], found: list[list[tuple[str, int, int]]]) -> dict[str, tuple[int, int, int, int]]:
    """kind -> (labelled, found of these, found with exact borders, false)."""
    labelled, hit, exact, false = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for (_, spans), hits in zip(rows, found):
        for kind, start, end in spans:
            labelled[kind] += 1
            hit[kind] += any(k == kind and a < end and start < b for k, a, b in hits)
            exact[kind] += (kind, start, end) in hits
        for kind, start, end in hits:
            false[kind] += not any(k == kind and a < end and start < b for k, a, b in spans)
    kinds = sorted(labelled, key=lambda kind: (-labelled[kind], kind))
    return {kind: (labelled[kind], hit[kind], exact[kind], false[kind]) for kind in kinds}


def table(title: str, rows: list[Labelled], finders: dict[str, Finder]) -> None:
    """Prints precision and recall by kind. Kinds without a label in the set are left out: nothing tells them apart."""
    scores = {name: score(rows, find([text for text, _ in rows])[0]) for name, find in finders.items()}
    print(f"\n### {title} (n = {len(rows)} rows)\n")
    heads = " | ".join(f"{name}: found | exact | false | recall | precision" for name in scores)
    print(f"| kind | labelled | {heads} |")
    print("|---" * (2 + 5 * len(scores)) + "|")
    first = next(iter(scores.values()))
    lines = {kind: {name: made[kind] for name, made in scores.items()} for kind in first}
    totals = {name: tuple(map(sum, zip(*made.values()))) for name, made in scores.items()}
    for kind, cells in (*lines.items(), ("all", totals)):
        shown = []
        for num_labelled, num_found, num_exact, num_false in cells.values():
            recall = f"{num_found / num_labelled:.2f}"
            precision = f"{num_found / (num_found + num_false):.2f}" if num_found + num_false else "-"
            shown.append(f"{num_found} | {num_exact} | {num_false} | {recall} | {precision}")
        print(f"| {kind} | {next(iter(cells.values()))[0]} | {' | '.join(shown)} |")


def alarms(texts_of: dict[str, list[str]]) -> None:
    """Prints how many texts of public sets have a finding, by kind, and the speed."""
    print("\n### Public texts, in which next to nothing personal stands\n")
    print("| set | texts | MB | texts with a finding | findings by kind | MB a second |")
    print("|---|---|---|---|---|---|")
    for name, texts in texts_of.items():
        found, seconds = kit(texts)
        num_bytes = sum(len(text.encode()) for text in texts)
        kinds = Counter(kind for hits in found for kind, _, _ in hits)
        shown = ", ".join(f"{kind} {num}" for kind, num in kinds.most_common()) or "none"
        print(
            f"| {name} | {len(texts):,} | {num_bytes / 1e6:.1f} | {sum(map(bool, found))} | {shown} "
            f"| {num_bytes / 1e6 / max(seconds, 1e-9):.1f} |"
        )


def main() -> None:
    """Prints the tables of docs/privacy.md."""
    shared = os.environ.get("FINETUNE_SHARED")
    finders: dict[str, Finder] = {"kit": kit}
    if len(sys.argv) > 1:
        finders["Presidio"] = peer(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "en_core_web_sm")
    today = datetime.now(timezone.utc)
    print(f"{today:%Y-%m-%d}, Python {platform.python_version()}, {platform.machine()}, one process")
    table("Hand-labelled rows, all languages", hand_labelled(), {"kit": kit})
    table("Hand-labelled rows, English", hand_labelled(("en",)), finders)
    if shared:
        data = Path(shared) / "data"
        table("Synthetic rows, the odd half (not looked at)", synthetic(data, 1), finders)
        table("Synthetic rows, the even half (looked at)", synthetic(data, 0), {"kit": kit})
        texts_of = public_texts(data)
        alarms(texts_of)
        if len(finders) > 1:
            sample, num_bytes = [], 0
            for text in texts_of["MedQuAD (en)"]:
                sample.append(text)
                num_bytes += len(text.encode())
                if num_bytes >= NUM_TIMING_BYTES:
                    break
            print(f"\n### Speed on the first {num_bytes / 1e6:.1f} MB of MedQuAD ({len(sample)} texts)\n")
            for name, find in finders.items():
                found, seconds = find(sample)
                num_hits = sum(map(len, found))
                print(f"- {name}: {seconds:.1f} s, {num_bytes / 1e6 / seconds:.2f} MB a second, {num_hits} findings")


if __name__ == "__main__":
    main()
