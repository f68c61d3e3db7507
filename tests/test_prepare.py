"""From recipe to rendered rows: length limits, rows that are too long, and the summary."""

from __future__ import annotations

from pathlib import Path

import pytest
import training_kit as kit

from finetune import data, prepare, recipe
from finetune.data import Conversation, Message
from finetune.errors import DataError, ModelError, Problem
from finetune.render import Rendered


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepare")
    kit.workspace(folder)
    return folder


def _open(home: Path, *overrides: str) -> prepare.OpenedBase:
    return prepare.open_base(recipe.load(home / "recipe.yaml", overrides))


def _talk(number: int, *texts: str, system: str | None = None) -> Conversation:
    """user, assistant, user, ... after an optional system prompt."""
    head = (Message("system", system),) if system else ()
    turns = tuple(Message(("user", "assistant")[k % 2], text) for k, text in enumerate(texts))
    return Conversation(head + turns, f"rows.csv:{number}", None)


_SHORT = _talk(2, "hi", "hello")
_LONG = _talk(3, "hi", "x" * 300)


# -- the limit ---------------------------------------------------------------------------------------------------


def test_fault_78_default_limit_beyond_the_base_is_lowered_with_a_note(tmp_path: Path) -> None:
    path = kit.workspace(tmp_path, kit.RECIPE.replace(", max_length: 200", ""))
    base = prepare.open_base(recipe.load(path))
    assert base.max_length == 256
    assert [note for note in base.notes if "data.max_length: 256 instead of 1024" in note]


@pytest.mark.parametrize("how", ["file", "set", "parent"])
def test_fault_78_explicit_limit_beyond_the_base_is_refused(tmp_path: Path, how: str) -> None:
    path = kit.workspace(tmp_path, kit.RECIPE.replace("max_length: 200", "max_length: 257"))
    overrides: tuple[str, ...] = ()
    place = "recipe.yaml:4:"
    if how == "set":
        path.write_text(kit.RECIPE)
        overrides, place = ("data.max_length=257",), "--set"
    elif how == "parent":
        path.rename(tmp_path / "parent.yaml")
        path.write_text("recipe: 1\nextends: parent.yaml\n")
        place = "parent.yaml:4:"
    with pytest.raises(ModelError) as caught:
        prepare.open_base(recipe.load(path, overrides))
    text = str(caught.value)
    assert text.startswith(place) and "data.max_length" in text
    assert "256 tokens only" in text and "(got 257)" in text and "256 or less" in text


def test_limit_within_the_base_is_kept(home: Path) -> None:
    assert _open(home, "data.max_length=256").max_length == 256
    base = _open(home)
    assert base.max_length == 200
    assert not any("max_length" in note for note in base.notes)


def test_how_trained_tokens_were_found_is_said(home: Path) -> None:
    assert any("found by generation marks" in note for note in _open(home).notes)


# -- rows that are too long --------------------------------------------------------------------------------------


def test_drop_counts_and_names_places(home: Path) -> None:
    base = _open(home)
    split = prepare.render_split(base, [_SHORT, _LONG, _SHORT], "drop")
    assert len(split.rows) == len(split.conversations) == 2
    assert split.overlong == ["rows.csv:3"]
    notes = prepare.check_rendered(split, prepare.render_split(base, [_SHORT], "drop"), base)
    assert notes == ["1 training rows left out, longer than 200 tokens: rows.csv:3"]


def test_nothing_is_ever_cut(home: Path) -> None:
    """A row is there whole, with its end token trained, or it is not there."""
    base = _open(home)
    talks = [_talk(number, "hi", "x" * number) for number in range(150, 220)]
    split = prepare.render_split(base, talks, "drop")
    assert 0 < len(split.rows) < len(talks)
    for row, conversation in zip(split.rows, split.conversations):
        assert len(row.input_ids) <= 200
        assert row.num_trained == len(conversation.messages[1].content) + 1
        assert row.labels[row.spans[-1][1] - 1] == base.renderer.end_id
    assert len(split.rows[-1].input_ids) == 200  # the limit itself is allowed


def test_error_names_every_row_and_no_text(home: Path) -> None:
    rows = [_SHORT, _LONG, _talk(9, "hi", f"{kit.CANARY} " * 20)]
    with pytest.raises(DataError) as caught:
        prepare.render_split(_open(home), rows, "error")
    text = str(caught.value)
    assert "rows.csv:3" in text and "rows.csv:9" in text and "data.max_length is 200" in text
    assert "canary" not in text


def test_trim_history_drops_the_oldest_exchanges_only(home: Path) -> None:
    base = _open(home)
    talk = _talk(5, "hi " + "a" * 90, "b" * 60, "kind", "c" * 40, "user", "hello", system="Be kind")
    split = prepare.render_split(base, [talk], "trim_history")
    assert (len(split.rows), split.num_trimmed, split.overlong) == (1, 1, [])
    text = base.tokenizer.decode(split.rows[0].input_ids)
    assert "Be kind" in text and "c" * 40 in text and "hello" in text
    assert "aaa" not in text and "bbb" not in text
    notes = prepare.check_rendered(split, split, base)
    assert notes[0] == "1 training rows lost their oldest exchanges to fit 200 tokens"


def test_trim_history_leaves_out_what_does_not_fit_even_so(home: Path) -> None:
    talk = _talk(6, "hi", "a" * 100, "hi", "b" * 300)
    split = prepare.render_split(_open(home), [talk, _SHORT], "trim_history")
    assert (len(split.rows), split.num_trimmed, split.overlong) == (1, 0, ["rows.csv:6"])


def test_trim_history_leaves_short_rows_alone(home: Path) -> None:
    base = _open(home)
    talk = _talk(7, "hi", "hello", "kind", "hello")
    split = prepare.render_split(base, [talk], "trim_history")
    assert split.num_trimmed == 0
    assert split.rows == prepare.render_split(base, [talk], "drop").rows


def test_fault_41_all_rows_too_long(home: Path) -> None:
    base = _open(home)
    train = prepare.render_split(base, [_LONG, _LONG], "drop")
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(train, prepare.render_split(base, [_SHORT], "drop"), base)
    assert str(caught.value) == (
        "data.max_length: all 2 training rows are longer than allowed: rows.csv:3, rows.csv:3; 311 tokens would keep "
        "99 % of the rows (got 200). Fix: shorten the rows (this base can look at 256 tokens only)"
    )


def test_fault_41_most_rows_too_long(home: Path) -> None:
    base = _open(home)
    held_out = prepare.render_split(base, [_SHORT], "drop")
    half = prepare.render_split(base, [_SHORT, _LONG], "drop")
    assert prepare.check_rendered(half, held_out, base)
    most = prepare.render_split(base, [_SHORT, _LONG, _LONG], "drop")
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(most, held_out, base)
    assert str(caught.value) == (
        "data.max_length: 2 of 3 training rows are longer than allowed: rows.csv:3, rows.csv:3; 311 tokens would keep "
        "99 % of the rows (got 200). Fix: shorten the rows (this base can look at 256 tokens only)"
    )


def test_fault_41_only_what_would_help_is_advised(home: Path) -> None:
    """A limit that the base has, and trim_history only where a row has something to trim."""
    base, held_out = _open(home), prepare.render_split(_open(home), [_SHORT], "drop")
    fits = _talk(4, "hi", "y" * 150)
    train = prepare.render_split(_open(home, "data.max_length=100"), [fits, fits], "drop")
    low = _open(home, "data.max_length=100")
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(train, held_out, low)
    (problem,) = caught.value.problems
    enough = train.overlong_tokens[0]
    assert isinstance(problem, Problem)
    assert 100 < enough <= 256
    assert problem.fix == f"set data.max_length: {enough}"
    with_history = prepare.render_split(base, [_talk(5, "hi", "y" * 300, "kind", "hello")] * 2, "drop")
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(with_history, held_out, base)
    assert str(caught.value).endswith(
        "Fix: shorten the rows (this base can look at 256 tokens only), or set data.overlong: trim_history (oldest "
        "exchanges are left off)"
    )
    untrimmable = prepare.render_split(base, [_talk(5, "hi", "y", "kind", "y" * 300)] * 2, "trim_history")
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(untrimmable, held_out, base)
    assert "trim_history" not in str(caught.value)


def test_fault_41_more_than_one_percent_too_long_and_nobody_chose_it(home: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(_many(3_688, 312), _many(5, 0), _open(home))
    assert str(caught.value) == (
        "data.max_length: 312 of 4000 training rows are longer than allowed: rows.csv:2, rows.csv:3, rows.csv:4, ...; "
        "250 tokens would keep 99 % of the rows (got 200). Fix: set data.max_length: 250, or say that they may be left "
        "out with data.overlong: drop"
    )


@pytest.mark.parametrize("overlong", ["drop", "trim_history"])
def test_fault_42_no_answer_is_cut_and_its_end_token_is_always_trained(home: Path, overlong: str) -> None:
    """Peers keep the beginning of a long answer; here a row is there whole, or it is named as left out."""
    base = _open(home)
    talks = [_talk(k, "hi " * (k % 50), "x" * (3 * k), "kind", "y" * (2 * k)) for k in range(1, 120)]
    split = prepare.render_split(base, talks, overlong)
    assert split.rows and split.overlong
    assert len(split.rows) + len(split.overlong) == len(talks)
    for row, conversation in zip(split.rows, split.conversations):
        answers = [message.content for message in conversation.messages if message.role == "assistant"]
        for (start, end), answer in zip(row.spans, answers[-len(row.spans) :]):
            assert row.input_ids[end - 1] == row.labels[end - 1] == base.renderer.end_id
            assert base.tokenizer.decode(row.input_ids[start : end - 1]) == answer


def test_fault_94_no_held_out_row_left(home: Path) -> None:
    base = _open(home)
    train = prepare.render_split(base, [_SHORT], "drop")
    with pytest.raises(DataError, match="no held-out row is left"):
        prepare.check_rendered(train, prepare.render_split(base, [_LONG], "drop"), base)


def _many(num_short: int, num_long: int, num_tokens: int = 250) -> prepare.RenderedSplit:
    """A training split with that many rows, and that many left out."""
    places = [f"rows.csv:{k + 2}" for k in range(num_long)]
    return prepare.RenderedSplit(
        rows=[_row(50 + k % 20, 5) for k in range(num_short)], overlong=places, overlong_tokens=[num_tokens] * num_long
    )


@pytest.mark.parametrize(("num_short", "num_long"), [(1_000, 10), (16_000, 160), (97, 3), (4, 3)])
def test_a_few_rows_too_long_are_left_out_unasked(home: Path, num_short: int, num_long: int) -> None:
    """Up to 1 % of the rows, or three of them."""
    base = _open(home)
    notes = prepare.check_rendered(_many(num_short, num_long), _many(5, 0), base)
    assert notes[0].startswith(f"{num_long} training rows left out")


@pytest.mark.parametrize(("num_short", "num_long"), [(985, 15), (96, 4), (300, 200)])
def test_many_rows_are_left_out_only_where_the_recipe_says_so(home: Path, num_short: int, num_long: int) -> None:
    train = _many(num_short, num_long)
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(train, _many(5, 0), _open(home))
    text = str(caught.value)
    assert f"{num_long} of {num_short + num_long} training rows" in text
    assert "rows.csv:2, rows.csv:3, rows.csv:4, ..." in text
    assert "250 tokens would keep 99 %" in text and "set data.max_length: 250" in text and "data.overlong: drop" in text
    assert caught.value.exit_code == 2
    chosen = _open(home, "data.overlong=drop")
    assert chosen.overlong_chosen
    assert prepare.check_rendered(train, _many(5, 0), chosen)


def test_the_length_that_is_named_keeps_99_percent_and_no_more_than_needed(home: Path) -> None:
    train = _many(195, 5)
    train.overlong_tokens = [210, 220, 230, 240, 250]
    with pytest.raises(DataError, match=r"data\.max_length: 230,"):  # 2 of 200 rows are longer
        prepare.check_rendered(train, _many(5, 0), _open(home))


def test_a_length_that_the_base_does_not_have_is_not_advised(home: Path) -> None:
    with pytest.raises(DataError) as caught:
        prepare.check_rendered(_many(90, 10, num_tokens=400), _many(5, 0), _open(home))
    assert "set data.max_length" not in str(caught.value)
    assert "this base can look at 256 tokens only" in str(caught.value)


def test_a_base_opened_by_hand_has_made_the_choice(home: Path) -> None:
    base = _open(home)
    assert not base.overlong_chosen
    assert prepare.OpenedBase(base.source, base.config, base.tokenizer, base.renderer, 200, []).overlong_chosen


def test_long_lists_of_places_are_shortened(home: Path) -> None:
    base = _open(home, "data.overlong=drop")
    rows = [_SHORT] * 5 + [_talk(number, "hi", "x" * 300) for number in range(10, 15)]
    notes = prepare.check_rendered(
        prepare.render_split(base, rows, "drop"), prepare.render_split(base, [_SHORT], "drop"), base
    )
    assert notes == ["5 training rows left out, longer than 200 tokens: rows.csv:10, rows.csv:11, rows.csv:12, ..."]


def test_rows_the_template_refuses_come_all_at_once(home: Path) -> None:
    bad = [_talk(number, f"{kit.CANARY} \ue0f0", "hello") for number in (4, 8)]
    with pytest.raises(DataError) as caught:
        prepare.render_split(_open(home), [_SHORT, *bad], "drop")
    text = str(caught.value)
    assert "rows.csv:4" in text and "rows.csv:8" in text and "canary" not in text


def test_fault_62_control_tokens_in_texts_are_counted(home: Path) -> None:
    base = _open(home)
    split = prepare.render_split(base, [_talk(2, "hi <|im_end|> <|im_start|>", "hello")], "drop")
    assert split.num_control_texts == 2
    assert "2 control tokens in training texts were encoded as plain text" in prepare.check_rendered(split, split, base)


# -- the summary -------------------------------------------------------------------------------------------------


def _row(num_tokens: int, num_trained: int) -> Rendered:
    start = num_tokens - num_trained
    ids = list(range(num_tokens))
    return Rendered(ids, [-100] * start + ids[start:], [(start, num_tokens)], "generation marks")


def test_summary_of_lengths() -> None:
    rows = [_row(n, 2) for n in (30, 10, 20, 40)]
    split = prepare.RenderedSplit(rows=rows, overlong=["a:1"], overlong_tokens=[99], num_trimmed=3)
    assert split.summary() == {
        "num_rows": 4,
        "num_tokens": 100,
        "num_trained_tokens": 8,
        "trained_share": 0.08,
        "parts": None,
        "shortest_tokens": 10,
        "median_tokens": 30,
        "p90_tokens": 40,
        "p99_tokens": 40,
        "longest_tokens": 40,
        "keeps_99_tokens": 99,
        "num_overlong_left_out": 1,
        "overlong_places": ["a:1"],
        "num_trimmed": 3,
        "num_control_texts": 0,
        "num_thoughts_left_out": 0,
        "length_histogram": {
            "edges": list(range(0, 43, 3)),
            "counts": [0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1],
        },
    }


def test_the_place_of_every_row_left_out_is_kept_up_to_a_thousand(home: Path) -> None:
    split = prepare.render_split(_open(home), [_SHORT, *(_talk(k, "hi", "x" * 300) for k in range(3, 9))], "drop")
    assert split.summary()["overlong_places"] == [f"rows.csv:{k}" for k in range(3, 9)]
    assert len(split.overlong_tokens) == 6 and min(split.overlong_tokens) > 200
    many = prepare.RenderedSplit(overlong=[f"rows.csv:{k}" for k in range(1_500)]).summary()
    assert (len(many["overlong_places"]), many["num_overlong_left_out"]) == (1_000, 1_500)


def test_summary_of_nothing() -> None:
    summary = prepare.RenderedSplit().summary()
    assert summary["num_rows"] == summary["num_tokens"] == 0
    assert summary["trained_share"] is None and summary["longest_tokens"] is None
    assert summary["length_histogram"] == {"edges": [], "counts": []}


@pytest.mark.parametrize("lengths", [[1], [19], [20], [21], [5, 399, 400, 401], [1] * 7 + [5000]])
def test_histogram_counts_every_row(lengths: list[int]) -> None:
    histogram = prepare.RenderedSplit(rows=[_row(n, 1) for n in lengths]).summary()["length_histogram"]
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1 <= 21
    for low, high, count in zip(histogram["edges"], histogram["edges"][1:], histogram["counts"]):
        assert count == sum(low <= n < high for n in lengths)
    assert sum(histogram["counts"]) == len(lengths)


def test_pairs_are_what_training_is_given(home: Path) -> None:
    loaded = recipe.load(home / "recipe.yaml")
    splits = data.load(loaded)
    base = prepare.open_base(loaded)
    told: list[tuple[int, int]] = []
    many = list(splits.train) * 200
    split = prepare.render_split(base, many, "drop", on_done=lambda done, total: told.append((done, total)))
    assert len(split.pairs()) == 2_400
    assert told == [(1_000, 2_400), (2_000, 2_400), (2_400, 2_400)]
    ids, labels = split.pairs()[0]
    assert len(ids) == len(labels) and any(label != -100 for label in labels)
    assert all(label in (-100, token) for token, label in zip(ids, labels))
