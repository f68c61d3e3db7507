"""From the recipe to the two splits: the one way in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune.data import canaries, findings, outcomes, pipeline
from finetune.data.converting.conversion import warned
from finetune.data.converting.recognition import Choices
from finetune.data.fates import Fates
from finetune.data.likeness.marks_store import without_signatures
from finetune.data.pipeline import Gathered
from finetune.data.reading import sources
from finetune.data.reading.sources import Source
from finetune.data.rowwork import Settings
from finetune.data.shapes import Conversation, DataReport, Splits, name_shown, plural
from finetune.data.store import Rows
from finetune.errors import DataError, Problem
from finetune.talk import Talk

if TYPE_CHECKING:
    import numpy as np

    from finetune.data.likeness.duplicates import Marks
    from finetune.recipe import LoadedRecipe

MANY_COPIES = 0.2  # more exact copies than this share of the rows come from somewhere: a file named twice, a bad export
MANY_ROWS = 50_000  # comparing more of them takes long enough to be said


@dataclass
class Side:
    """Rows on their way into one split: their numbers in the store, and their marks in the same order."""

    numbers: np.ndarray
    marks: Marks

    def taken(self, keep: np.ndarray) -> Side:
        """The rows at these positions, or under a mask; not copied where all of them stay."""
        if keep.dtype == bool and keep.all():
            return self
        return Side(self.numbers[keep], self.marks.take(keep))


def load(
    loaded: LoadedRecipe,
    *,
    num_processes: int | None = None,
    talk: Talk | None = None,
    lenient: bool = False,
    keep_disliked: bool = False,
) -> Splits:
    """Read, recognise and check all rows that a recipe names, drop duplicates, and split.

    Nothing is guessed silently: every choice is a line in the report's notes. Needs no torch. Rows, order, report and
    fingerprint do not depend on the number of processes.

    Args:
        num_processes: that parse and check rows; None: one for small inputs, else as many as the processors.
        talk: told how far the reading is.
        lenient: what the rules for rows refuse is not raised but handed back as `Splits.refused`, with the bad rows
            left out; for a check that goes on to mend. What cannot be read at all is refused all the same.
        keep_disliked: rated rows that were disliked stay whatever the method is; to be written on, not to be trained.

    Raises:
        DataError: with every problem found, each with file, line and remedy; never with the text of a row. Its
            `report` holds what was found up to there.
        SurroundingsError: no room on the disk, or a worker process died.
    """
    problems: list[Problem] = []
    talk = talk or Talk()
    data = loaded.recipe.data
    named = _sources(loaded, problems)
    columns = {str(word): column for word, column in data.columns.items()}
    mend = data.turns == "mend"
    choices = Choices(data.format, columns, data.group_by, dict(data.roles), mend, data.images)
    off = findings.off_kinds(findings.rules_of({str(kind): rule for kind, rule in data.checks.items()}))
    liked_only = loaded.recipe.train.method == "sft" and not keep_disliked
    settings = Settings(tuple(loaded.recipe.share.languages), off, data.privacy, data.system_prompt, liked_only)
    gathered = pipeline.read(named, choices, data.encoding, settings, num_processes, talk)
    report = _report_of(loaded, gathered)
    refused = outcomes.of_bad_rows(loaded, gathered, report)
    if problems or gathered.problems:
        raise DataError([*problems, *refused, *gathered.problems], report)
    if not gathered.store.num_rows:
        raise DataError(refused or [outcomes.of_nothing_left(loaded, report)], report)
    return _Loading(loaded, gathered, report, refused, lenient, talk).run()


def _sources(loaded: LoadedRecipe, problems: list[Problem]) -> list[tuple[str, Source]]:
    """(train or held_out, source) in order; what cannot be found goes to `problems`."""
    data = loaded.recipe.data

    def find(key: str, value: Any) -> list[Source]:
        return sources.find(key, value, loaded.path_of, loaded.where(key), problems, stream=data.stream)

    train = find("data.train", data.train)
    held_out: list[Source] = []
    if isinstance(data.held_out, str):
        trained = {source.identity for source in train}
        for source in find("data.held_out", data.held_out):
            if source.identity in trained:
                what = f"{source.name} is also a file of data.train"
                fix = "hold out other rows, or a share such as 0.1"
                problems.append(Problem(loaded.where("data.held_out"), "data.held_out", what, fix=fix))
            else:
                held_out.append(source)
    return [("train", source) for source in train] + [("held_out", source) for source in held_out]


def _report_of(loaded: LoadedRecipe, gathered: Gathered) -> DataReport:
    """What was read, before any rule is applied to it."""
    data, report = loaded.recipe.data, DataReport()
    for file in gathered.files:
        report.notes += file.notes
        report.warnings += warned(file.plan, file.seen) if file.plan else []
        report.files.append(pipeline.facts_of(file))
    report.num_rows_read, report.num_images = gathered.num_rows, gathered.num_images
    if gathered.num_images and data.privacy != "off":
        found = plural(gathered.num_images, "image")
        what = f"data.privacy looks at texts only: what {found} show (faces, names, papers) is not searched"
        report.warnings.append(what)
    report.languages = dict(sorted(gathered.languages.items(), key=lambda pair: (-pair[1], pair[0])))
    report.license = data.license
    if data.license is None:
        report.notes.append("data.license is not set: nothing says under which licence the rows may be used")
    layouts = {file.plan.layout.format for file in gathered.files if file.plan}
    if loaded.recipe.train.method == "sft" and "preference" in layouts:
        report.notes.append("preference rows: train.method sft learns the chosen answers; the rejected ones are kept")
    outcomes.of_disliked(gathered, report)
    return report


class _Loading:
    """The rules for rows in their order: findings, privacy, duplicates, near duplicates, leakage or split, weights."""

    def __init__(
        self,
        loaded: LoadedRecipe,
        gathered: Gathered,
        report: DataReport,
        refused: list[Problem],
        lenient: bool,
        talk: Talk,
    ):
        self.loaded, self.data, self.gathered, self.report = loaded, loaded.recipe.data, gathered, report
        self.refused, self.lenient, self.talk = refused, lenient, talk
        self.fates = Fates(gathered)

    def run(self) -> Splits:
        """Apply them.

        Raises:
            DataError: with all that any of them refuses.
        """
        import numpy as np

        marks = self.gathered.marks()
        keep, refused, dropped = outcomes.of_findings(self.loaded, self.gathered, marks, self.report)
        self.fates.leave_out(np.flatnonzero(~keep), " or ".join(f"data.checks.{kind}" for kind in dropped))
        self.refused += refused
        self.refused += outcomes.of_privacy(self.loaded, self.gathered, self.report)
        is_train = np.zeros(len(marks), bool)
        for file in self.gathered.files:
            is_train[file.first : file.end] = file.side == "train"
        every = Side(np.arange(len(marks)), marks)
        train, held_out = every.taken(keep & is_train), every.taken(keep & ~is_train)
        del marks, every
        if not len(train.numbers):
            raise DataError(self.refused or [outcomes.of_nothing_left(self.loaded, self.report)], self.report)
        train, held_out = self._split(train, held_out)
        if self.refused and not self.lenient:
            raise DataError(self.refused, self.report)
        return self._finish(train, held_out)

    def _split(self, train: Side, held_out: Side) -> tuple[Side, Side]:
        from finetune.data.splitting import FEW_ROWS

        report = self.report
        by_file = isinstance(self.data.held_out, str)
        train, near = self._deduplicated(train, "training" if by_file else "", report.duplicates)
        if by_file:
            report.duplicates["held_out"] = {}
            held_out, _ = self._deduplicated(held_out, "held-out", report.duplicates["held_out"])
            held_out = self._leakage(train, held_out)
            report.notes.append(f"held out {plural(len(held_out.numbers), 'row')}: the files of data.held_out")
        else:
            train, held_out = self._by_share(train, near)
        if self.data.group_by:
            report.notes.append(f"rows are grouped by the column {name_shown(self.data.group_by, named=True)}")
        if len(train.numbers) < FEW_ROWS:
            what = f"only {plural(len(train.numbers), 'training row')}; fewer than {FEW_ROWS} teach little"
            report.warnings.append(what)
        return train, held_out

    def _rows(self, side: Side) -> Rows:
        return Rows(self.gathered.store, side.numbers)

    def _deduplicated(self, side: Side, which: str, found: dict[str, Any]) -> tuple[Side, Any]:
        """(rows that stay, their near groups), with exact and near repetitions told of."""
        import numpy as np

        from finetune.data.likeness import comparing as likeness
        from finetune.data.likeness import duplicates

        rule, near_rule = self.data.duplicates, self.data.near_duplicates
        rows = self._rows(side)
        if len(rows) > MANY_ROWS:
            self.talk.say(f"comparing {plural(len(rows), 'row')} with each other")
        looked = near_rule != "keep" or not isinstance(self.data.held_out, str)
        near = likeness.find_near(side.marks, rows) if looked else None
        found.update(duplicates.report_of(side.marks, near if near_rule != "keep" else None, rows))
        keep = np.ones(len(rows), bool)
        self._tell_exact(found["exact"], len(rows), which)
        if rule == "drop":
            keep = duplicates.without_duplicates(side.marks)
            self.fates.leave_out(side.numbers[~keep], "duplicate")
        if near is not None and near_rule != "keep":
            self._tell_near(found, which)
            if near_rule == "drop":
                first = likeness.without_near(near)
                self.fates.leave_out(side.numbers[keep & ~first], "near duplicate")
                keep &= first
        num = found["same_question_other_answer"]
        if num:
            verb = "has" if num == 1 else "have"
            self._warn(which, f"{plural(num, 'question')} {verb} more than one answer; all are kept")
        if not isinstance(self.data.held_out, str):  # nothing is compared with these rows any more
            side = Side(side.numbers, without_signatures(side.marks))
        return side.taken(keep), near.take(keep) if near is not None else None

    def _warn(self, which: str, text: str) -> None:
        self.report.warnings.append(f"{which} rows: {text}" if which else text)

    def _tell_exact(self, num: int, num_rows: int, which: str) -> None:
        rule, report = self.data.duplicates, self.report
        if rule == "drop":
            report.dropped["duplicate"] = report.dropped.get("duplicate", 0) + num
            what = "dropped, the first of each kept"
        else:
            what = f"kept, as data.duplicates is {rule}"
        if num:
            rows = plural(num, f"{which} row".strip())
            report.notes.append(f"{rows} that repeat an earlier row exactly: {what}")
            if rule == "warn" or num > MANY_COPIES * num_rows:
                verb = "repeats" if num == 1 else "repeat"
                self._warn(which, f"{num:,} of {plural(num_rows, 'row')} {verb} an earlier row exactly; {what}")

    def _tell_near(self, found: dict[str, Any], which: str) -> None:
        num, rule = found["near"], self.data.near_duplicates
        if rule == "drop" and num:
            self.report.dropped["near duplicate"] = self.report.dropped.get("near duplicate", 0) + num
        if num:
            done = "left out, the first of each kept" if rule == "drop" else "kept, as data.near_duplicates is warn"
            verb = "repeats" if num == 1 else "repeat"
            places = outcomes.places_shown([pair[0] for pair in found["places"]["near"]], num)
            self._warn(which, f"{plural(num, 'row')} nearly {verb} an earlier row ({places}); {done}")

    def _leakage(self, train: Side, held_out: Side) -> Side:
        """The held-out rows; under `refuse` without those that are trained on, so that mended files hold none."""
        rule = self.data.leakage
        if rule == "off" or not len(held_out.numbers):
            self.report.leakage = {"rule": rule, "num_rows": 0, "kinds": {}}
            return held_out
        from finetune.data.likeness import leakage

        rows = self._rows(train), self._rows(held_out)
        groups = (rows[0].groups, rows[1].groups) if self.data.group_by else (None, None)
        leaks = leakage.leaks(train.marks, held_out.marks, *rows, *groups)
        self.report.leakage = leaks.as_dict(rule)
        if not leaks:
            return held_out
        if rule != "refuse":
            self.report.warnings += leaks.warnings()
            return held_out
        import numpy as np

        self.refused += leaks.problems(self.loaded.where("data.held_out"))
        numbers = leaks.numbers()
        self.fates.leave_out(held_out.numbers[numbers], "also trained on")
        if len(numbers):
            self.report.dropped["also trained on"] = len(numbers)
        keep = np.ones(len(held_out.numbers), bool)
        keep[numbers] = False
        return held_out.taken(keep)

    def _by_share(self, side: Side, near: Any) -> tuple[Side, Side]:
        from finetune.data.splitting import can_be_split, split_by_share

        data, rows, share = self.data, self._rows(side), self.data.held_out
        assert not isinstance(share, str)
        groups = rows.groups if data.group_by else None
        seed = self.loaded.recipe.train.seed
        split = split_by_share(side.marks, rows, share, seed, groups=groups, near=near)
        if split is None:
            unit = "group of data.group_by" if data.group_by else "different row"
            what = f"a share cannot be held out: there is only one {unit}"
            where = self.loaded.where("data.held_out")
            problem = Problem(where, "data.held_out", what, fix="add rows, or name a held-out file")
            # where rows are refused, there will be more of them once they are mended
            raise DataError(self.refused or [problem], self.report)
        self.report.notes += split.notes

        def alone() -> bool:
            return can_be_split(side.marks, groups, near, share)

        self.refused += outcomes.of_straddling(self.loaded, split.leaks, alone, self.report)
        return side.taken(split.train), side.taken(split.held_out)

    def _finish(self, train: Side, held_out: Side) -> Splits:
        report, store = self.report, self.gathered.store
        self.fates.hold_out(held_out.numbers)
        trained = self._weighted(train)
        self._tell_unused(trained, held_out.numbers)
        self._tell_shared_images(trained, held_out.numbers)
        prompt = self.data.system_prompt
        splits = Rows(store, trained, prompt), Rows(store, held_out.numbers, prompt)
        has_own = store.has_system()
        num_own = int(has_own[trained].sum() + has_own[held_out.numbers].sum())
        num_rows = len(trained) + len(held_out.numbers)
        if prompt:
            report.notes.append(
                f"data.system_prompt put before {plural(num_rows - num_own, 'row')}; "
                f"{num_own:,} keep a system turn of their own"
            )
        elif num_own:
            what = f"{plural(num_own, 'row')} have a system turn of their own, {num_rows - num_own:,} none"
            report.notes.append(what)
        report.num_train, report.num_held_out = len(trained), len(held_out.numbers)
        report.fingerprint = _fingerprint(zip(("train", "held_out"), splits))
        return Splits(self._planted(splits[0]), splits[1], report, tuple(self.refused), self.fates)

    def _planted(self, rows: Rows) -> Sequence[Conversation]:
        """The training rows with data.canaries behind them, said; the fingerprint is of the user's rows alone."""
        num = self.data.canaries
        if not num:
            return rows
        chinese = next(iter(self.report.languages), "") == "zh"
        planted = canaries.plant(
            num, self.loaded.recipe.train.seed, chinese=chinese, system_prompt=self.data.system_prompt
        )
        self.report.notes.append(
            f"{plural(num, 'made-up row')} planted behind the training rows and counted in the lengths, as "
            "data.canaries says, to measure what is learnt by heart: an adapter trained with them knows "
            f"{'it' if num == 1 else 'them'}, so do not share it"
        )
        return canaries.Planted(rows, planted)

    def _tell_unused(self, trained: np.ndarray, held_out: np.ndarray) -> None:
        """Warn of files of which no row is used: named twice, perhaps, or holding what another one holds."""
        import numpy as np

        used = np.zeros(self.gathered.store.num_rows, bool)
        used[trained] = used[held_out] = True
        for file in self.gathered.files:
            if file.num_rows and not used[file.first : file.end].any():
                reasons = self.fates.reasons(file.first, file.end)
                what = f"{file.source.name}: none of its {plural(file.num_rows, 'row')} is used"
                left_out = ", ".join(f"{num:,} as {reason}" for reason, num in reasons.items())
                self.report.warnings.append(f"{what}: {left_out}" if left_out else what)

    def _tell_shared_images(self, trained: np.ndarray, held_out: np.ndarray) -> None:
        """Warn of held-out rows with an image that training rows show too: other questions, and the answer is known."""
        if not self.report.num_images or self.data.leakage == "off":
            return
        shown = self.gathered.store.images()
        seen = set[str]().union(*(shown.get(number, ()) for number in trained.tolist()))
        pictured = [number for number in held_out.tolist() if number in shown]
        shared = [number for number in pictured if shown[number] & seen]
        if shared:
            places = [self.gathered.store.row(number).where for number in shared[: outcomes.PLACES_SHOWN]]
            told = outcomes.places_shown(places, len(shared))
            verb = "shows" if len(shared) == 1 else "show"
            what = f"{plural(len(pictured), 'held-out row')} with images {verb} one of the training rows' images"
            why = "what was learnt of it counts as if it were new; keep an image on one side with data.group_by"
            self.report.warnings.append(f"{len(shared):,} of {what} ({told}): {why}")

    def _weighted(self, train: Side) -> np.ndarray:
        """Row numbers of the training split: those of a source with weight 2 stand twice, with 0.5 half of them do.

        Which rows stand once more for the broken part of a weight is told by a hash of the row and the seed.
        """
        import numpy as np

        times = np.ones(len(train.numbers), np.int64)
        for file in self.gathered.files:
            weight = file.source.weight
            if file.side != "train" or weight == 1:
                continue
            mine = np.flatnonzero((train.numbers >= file.first) & (train.numbers < file.end))
            whole = int(weight)
            times[mine] = whole
            more = round((weight - whole) * len(mine))
            seed = str(self.loaded.recipe.train.seed).encode()
            order = sorted(mine.tolist(), key=lambda at: hashlib.sha256(seed + train.marks.row[at].tobytes()).digest())
            times[order[:more]] += 1
            what = f"weight {weight:g}: its {plural(len(mine), 'training row')} stand {int(times[mine].sum()):,} times"
            self.report.notes.append(f"{file.source.name}: {what} in the training rows")
        if not times.any():
            problem = Problem(self.loaded.where("data.train"), "data.train", "the weights leave no training row")
            raise DataError([Problem(problem.where, problem.key, problem.what, fix="raise a weight")], self.report)
        return np.repeat(train.numbers, times)


def _fingerprint(splits: Iterable[tuple[str, Rows]]) -> str:
    """As `shapes.fingerprint_of`, from what the workers have hashed already."""
    digest = hashlib.sha256()
    for name, rows in splits:
        digest.update(f"{name}\n".encode())
        for fingerprint in rows.fingerprints():
            digest.update(fingerprint.encode("ascii") + b"\n")
    return digest.hexdigest()
