"""Mending rows and writing them to a new file: what changes, what does not, and what is never written over."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from finetune.data import fixing, quality
from finetune.data.findings import KINDS, rules_of
from finetune.data.fixing import Change, clean, clean_text, write_fixed
from finetune.data.quality import characters
from finetune.data.shapes import Conversation, Message, ToolCall
from finetune.errors import DataError, SurroundingsError


def row(answer: str, where: str = "a.jsonl:1", **more: object) -> Conversation:
    return Conversation((Message("user", "What helps?"), Message("assistant", answer)), where, **more)  # type: ignore[arg-type]


MENDED = [
    ("Cool\u200b it.\u202e", "Cool it.", {"hidden_characters"}),
    ("Cool\x07 it.", "Cool it.", {"control_characters"}),
    ("\x93Cool it\x94 \x96 now\x85", "“Cool it” – now…", {"control_characters"}),
    ("one\x0btwo", "one\ntwo", {"control_characters"}),
    ("The cafÃ© is near; itâ€™s open.", "The café is near; it’s open.", {"mojibake"}),
    ("voilÃ  la cafÃ©", "voilà la café", {"mojibake"}),
    ("one\r\ntwo\rthree", "one\ntwo\nthree", {"line_ends"}),
    ("one  \t\ntwo   ", "one\ntwo", {"blanks"}),
    ("\n\n one\n\n\n\n\ntwo\n\n", " one\n\ntwo", {"blanks"}),
    ("  one line ", "one line", {"blanks"}),
    ("Wait.\u200b\n\n\n\x00Go.", "Wait.\n\nGo.", {"blanks", "control_characters", "hidden_characters"}),
]


@pytest.mark.parametrize(("text", "after", "kinds"), MENDED)
def test_what_is_mended(text: str, after: str, kinds: set[str]):
    assert clean_text(text) == (after, kinds)


KEPT = [
    "می\u200cخواهم",
    "👩\u200d💻 ❤\ufe0f 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "שלום \u200fעולם",
    "A line with a break  \nin Markdown",
    "```python\ndef f():\n\n\n    return 1   \n\n\n\n```",
    "    four spaces\n  two spaces",
    "Two  spaces inside, and\ta tab.",
    "Ünïcode ½ “quotes” – 中文，标点。",
    "烫烫烫 cannot be undone",
    "The cafÃ© could be, but not all of it:\n烫烫烫",
    "The caf\ufffd is lost",
    "cafe\u0301",  # another form of writing, not another text: left to the tokenizer
]


# Letters of which a byte was lost on the way; together with others that could be undone.
LOST = [
    "cafÃ© – â€œquotedâ€",
    "â€œquotedâ€ is quoted",
    "“quotedâ€",
    "\u200bâ€œquotedâ€\n\n\n\nand blanks\x93  ",
    "5Â mg of it",
    "the worldÂ is round",
    "voilÃ  la vie",
    "â€œaâ€ ðŸ˜ b",
    "Ã  la carte",
    "Ãngel y JosÃ©",
    "lost ï¿½ here",
]


@pytest.mark.parametrize("text", LOST)
def test_a_text_with_lost_bytes_is_left_alone_and_still_found(text: str):
    assert clean_text(text) == (text, set())
    assert characters.has_mojibake(text) and fixing.is_lost(text)


@pytest.mark.parametrize(
    "text",
    ["AMANHÃ DE MANHÃ", "a “MANHÃ” e a «IRMû", "“MANHû e manhã", "ROMÂNIA, PÂTÉ, Âge, Âme", "Ân, Âm nhạc, TÂY NINH",
     "la lettre Â est", "a letra Ã é nasal, a letra “Ô", "château à 5€, ñandú", "L’âne, là…"],
)  # fmt: skip
def test_letters_that_belong_there_are_no_halves(text: str):
    assert not characters.has_mojibake(text)
    assert clean_text(text) == (text, set())


def test_rows_with_lost_letters_are_listed(tmp_path: Path):
    summary = write_fixed(
        tmp_path / "clean.jsonl", [Change("a.jsonl:1", row(LOST[0])), Change("a.jsonl:2", row("Go."))]
    )
    assert (summary.num_rows, summary.num_mended, summary.num_lost) == (2, 0, 1)
    listed = json.loads((tmp_path / "clean.jsonl.changes.json").read_bytes())
    assert listed["rows"] == [{"where": "a.jsonl:1", "now": "clean.jsonl:1", "not_mended": ["mojibake"]}]
    assert listed["totals"]["num_not_mended"] == 1


def test_groups_can_be_numbered(tmp_path: Path):
    names = ["Anna Berg", "Tom Wren", "Anna Berg", None, "Tom Wren"]
    rows = [Change(f"a.jsonl:{n}", row("Rest.", group=name), split="held_out" if n == 4 else "train")
            for n, name in enumerate(names)]  # fmt: skip
    write_fixed(tmp_path / "clean.jsonl", rows, group_by="patient", number_groups=True, held_out_apart=True)
    assert [line.get("patient") for line in read(tmp_path / "clean.jsonl")] == ["group 1", "group 2", "group 1", None]
    assert read(tmp_path / "clean.held_out.jsonl")[0]["patient"] == "group 2"


@pytest.mark.parametrize("text", KEPT)
def test_what_stays_as_it_is(text: str):
    assert clean_text(text) == (text, set())


def test_a_sound_row_is_handed_back_itself():
    sound = row("Cool it.")
    assert clean(sound)[0] is sound


def test_all_turns_are_mended_calls_and_tools_are_not():
    call = ToolCall("look\u200bup", '{"a": "\u200b"}')
    before = Conversation(
        (
            Message("system", "Be kind.\x07"),
            Message("user", "What\u200b?"),
            Message("assistant", "", (call,)),
            Message("tool", "  two  \n\n\n\nlines\x07 ", name="lookup"),
            Message("assistant", "It is. \n"),
        ),
        "a.jsonl:1",
        tools='[{"a": "\u200b"}]',
    )
    after, kinds = clean(before)
    assert [message.content for message in after.messages] == [
        "Be kind.", "What?", "", "  two  \n\n\n\nlines ", "It is.",
    ]  # fmt: skip
    assert after.messages[2].tool_calls == (call,) and after.tools == before.tools
    assert kinds == ["blanks", "control_characters", "hidden_characters"]


def test_nothing_visible_left_means_nothing_done():
    assert clean_text("\u200b\u200b") == ("\u200b\u200b", set())
    assert clean_text(" \x07 ") == (" \x07 ", set())


ODD = (
    "\u200b\u200d\u202e\ufeff\ufe0f\ufe00\U000e0061\U0001f3f4\U000e007f\x07\x85\x93\r\n \t`~>aé中ÃÂ©â€™锛\u0627\u0915👩"
)


@given(st.lists(st.sampled_from(list(ODD)) | st.characters(exclude_categories=["Cs"]), max_size=50).map("".join))
@example("â\u200b€â\x85")
@settings(max_examples=500)
def test_mending_twice_is_mending_once(text: str):
    after, kinds = clean_text(text)
    assert clean_text(after) == (after, set())
    assert (after != text) == bool(kinds)
    if text.strip() and any(char.isalnum() for char in text):
        assert after.strip()
    checks = {
        "control_characters": characters.has_control,
        "hidden_characters": characters.has_hidden,
        "mojibake": characters.has_mojibake,
    }
    for kind in kinds & set(checks):
        assert not checks[kind](after), kind


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cf"]), max_size=200))
def test_only_blanks_change_in_plain_text(text: str):
    after, kinds = clean_text(text)
    if kinds <= {"blanks"}:
        assert after.split() == text.split()


@pytest.mark.parametrize(
    "piece", ["`", "```\n", " ", "\n", "\r", "\u200b", "\u200da", "Ã©", "锛", "\x93", "\ufe00", " \n"]
)
def test_hostile_texts_are_mended_in_linear_time(piece: str):
    import time

    text = "a" + piece * (1024**2 // len(piece.encode()))
    started = time.perf_counter()
    clean_text(text)
    assert time.perf_counter() - started < 8.0


def changes() -> list[Change]:
    return [
        Change("a.jsonl:1", row("Cool\u200b it.")),
        Change("a.jsonl:2", None, "bad row: the answer is empty"),
        Change("a.jsonl:3", row("Rest.", "a.jsonl:3", group="p7")),
        Change("a.jsonl:4", row("Rest.", "a.jsonl:4"), "duplicate"),
        Change("a.jsonl:5", row("Wait.\x07  \nGo.", "a.jsonl:5"), split="held_out"),
    ]


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().decode("utf-8").split("\n")[:-1]]


def test_rows_and_changes_are_written(tmp_path: Path):
    target = tmp_path / "clean.jsonl"
    summary = write_fixed(target, iter(changes()), group_by="patient", facts={"kit": "0.1"})
    assert read(target) == [
        {"messages": [{"role": "user", "content": "What helps?"}, {"role": "assistant", "content": "Cool it."}]},
        {
            "messages": [{"role": "user", "content": "What helps?"}, {"role": "assistant", "content": "Rest."}],
            "patient": "p7",
        },
        {"messages": [{"role": "user", "content": "What helps?"}, {"role": "assistant", "content": "Wait.  \nGo."}]},
    ]
    assert json.loads((tmp_path / "clean.jsonl.changes.json").read_bytes()) == {
        "format": 1,
        "files": ["clean.jsonl"],
        "kit": "0.1",
        "rows": [
            {"where": "a.jsonl:1", "now": "clean.jsonl:1", "mended": ["hidden_characters"]},
            {"where": "a.jsonl:2", "dropped": "bad row: the answer is empty"},
            {"where": "a.jsonl:4", "dropped": "duplicate"},
            {"where": "a.jsonl:5", "now": "clean.jsonl:3", "mended": ["control_characters"]},
        ],
        "totals": {
            "num_rows": 3,
            "num_mended": 2,
            "num_dropped": 2,
            "num_not_mended": 0,
            "mended": {"control_characters": 1, "hidden_characters": 1},
            "dropped": {"bad row: the answer is empty": 1, "duplicate": 1},
        },
    }
    assert (summary.num_rows, summary.num_mended, summary.num_dropped) == (3, 2, 2)
    assert sorted(os.listdir(tmp_path)) == ["clean.jsonl", "clean.jsonl.changes.json"]


def test_held_out_rows_can_go_to_a_file_of_their_own(tmp_path: Path):
    summary = write_fixed(tmp_path / "clean.jsonl", changes(), held_out_apart=True)
    assert summary.files == ("clean.jsonl", "clean.held_out.jsonl")
    assert len(read(tmp_path / "clean.jsonl")) == 2
    assert read(tmp_path / "clean.held_out.jsonl")[0]["messages"][1]["content"] == "Wait.  \nGo."


def test_the_recipes_system_prompt_is_not_written_into_the_rows(tmp_path: Path):
    with_prompt = Conversation((Message("system", "Be kind."), *row("Rest.").messages), "a.jsonl:1")
    with_own = Conversation((Message("system", "Be brief."), *row("Rest.").messages), "a.jsonl:2")
    rows = [Change("a.jsonl:1", with_prompt), Change("a.jsonl:2", with_own)]
    write_fixed(tmp_path / "clean.jsonl", rows, system_prompt="Be kind.")
    roles = [[turn["role"] for turn in line["messages"]] for line in read(tmp_path / "clean.jsonl")]
    assert roles == [["user", "assistant"], ["system", "user", "assistant"]]


def test_the_changes_hold_no_text(tmp_path: Path):
    secret = "Zanzibar-7731"
    kept = Change("a.jsonl:1", row(f"{secret}\u200b"))
    write_fixed(tmp_path / "clean.jsonl", [kept, Change("a.jsonl:2", row(secret), "duplicate")])
    assert secret in (tmp_path / "clean.jsonl").read_text(encoding="utf-8")
    assert secret not in (tmp_path / "clean.jsonl.changes.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.jsonl", "exists already, and nothing is written over. Fix: name another file"),
        ("data.jsonl", "is a data file of the recipe, and the cleaned rows are never written over it"),
        ("link.jsonl", "is a data file of the recipe, and the cleaned rows are never written over it"),
        ("dangling.jsonl", "exists already, and nothing is written over"),
        ("listed.jsonl", "listed.jsonl.changes.json: --fix: exists already, and nothing is written over"),
        ("nowhere/out.jsonl", "its folder does not exist. Fix: create the folder, or name another file"),
        ("out.csv", "JSON Lines are written. Fix: end its name in .jsonl"),
    ],
)
def test_nothing_is_written_over(tmp_path: Path, name: str, message: str):
    (tmp_path / "data.jsonl").write_text("data", encoding="utf-8")
    (tmp_path / "there.jsonl").write_text("theirs", encoding="utf-8")
    (tmp_path / "listed.jsonl.changes.json").write_text("theirs", encoding="utf-8")
    (tmp_path / "link.jsonl").symlink_to("data.jsonl")
    (tmp_path / "dangling.jsonl").symlink_to("gone")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.exists()}
    with pytest.raises(DataError) as caught:
        write_fixed(tmp_path / name, changes(), sources=[tmp_path / "data.jsonl"])
    assert message in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.exists()} == before


def test_a_name_taken_meanwhile_is_left_to_its_owner(tmp_path: Path):
    target = tmp_path / "clean.jsonl"

    def slow() -> Iterator[Change]:
        yield from changes()
        target.write_text("theirs", encoding="utf-8")

    with pytest.raises(DataError, match="was made by someone else meanwhile"):
        write_fixed(target, slow())
    assert os.listdir(tmp_path) == ["clean.jsonl"] and target.read_text(encoding="utf-8") == "theirs"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_stop_leaves_nothing_behind(tmp_path: Path, error: type[BaseException]):
    def broken() -> Iterator[Change]:
        yield changes()[0]
        raise error

    with pytest.raises(error):
        write_fixed(tmp_path / "clean.jsonl", broken())
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="no file size limits there")
def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path):
    code = f"""
import resource, signal
from pathlib import Path
from finetune.data.fixing import Change, write_fixed
from finetune.data.shapes import Conversation, Message
from finetune.errors import SurroundingsError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
row = Conversation((Message("user", "a" * 500), Message("assistant", "b" * 500)), "a.jsonl:1")
try:
    write_fixed(Path({str(tmp_path)!r}) / "clean.jsonl", (Change(f"a.jsonl:{{n}}", row) for n in range(1000)))
except SurroundingsError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--fix: cannot be written: File too large. Fix: free space, or name a file elsewhere" in done.stdout, (
        done.stderr
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_a_folder_that_may_not_be_written(tmp_path: Path):
    folder = tmp_path / "shut"
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(SurroundingsError, match="cannot be written: Permission denied"):
        write_fixed(folder / "clean.jsonl", changes())
    folder.chmod(0o700)


@pytest.mark.skipif(os.name == "nt", reason="no such permissions there")
@pytest.mark.parametrize(("source_mode", "mode"), [(0o600, 0o600), (0o640, 0o640), (0o400, 0o600), (None, 0o600)])
def test_the_new_files_are_no_more_open_than_the_data(tmp_path: Path, source_mode: int | None, mode: int):
    sources = []
    if source_mode is not None:
        sources = [tmp_path / "data.jsonl"]
        sources[0].write_text("", encoding="utf-8")
        sources[0].chmod(source_mode)
    before = os.umask(0o022)
    try:
        write_fixed(tmp_path / "clean.jsonl", changes(), sources=sources)
    finally:
        os.umask(before)
    for name in ("clean.jsonl", "clean.jsonl.changes.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_what_will_be_mended_does_not_stop_the_reading():
    rules = fixing.rules_for_fixing(rules_of({"mojibake": "refuse", "control_characters": "off", "refusal": "drop"}))
    assert rules["mojibake"] == "warn" and rules["control_characters"] == "off" and rules["refusal"] == "drop"
    assert {kind for kind in KINDS if KINDS[kind].fixable} == {"control_characters", "hidden_characters", "mojibake"}


TOOLS = '[{"type":"function","function":{"name":"lookup","description":"Finds."}}]'
KINDS_OF_ROWS = {
    "plain": row("Cool\u200b it.\x07", group="p1"),
    "preference": row("Cool it.\u200b", rejected=(Message("assistant", "Wait.\u200b"),), group="p2"),
    "two_rounds": Conversation(
        (
            Message("user", "What helps?"),
            Message("assistant", "b"),
            Message("user", "c?"),
            Message("assistant", "d\x07"),
        ),
        "a.jsonl:1",
        "p3",
        rejected=(Message("assistant", "B"), Message("user", "C?"), Message("assistant", "D")),
    ),
    "rated": row("Cool it.\u200b", rating=True, group="p4"),
    "tools": Conversation(
        (
            Message("user", "What helps?"),
            Message("assistant", "", (ToolCall("lookup", '{"what":"ankle"}'),)),
            Message("tool", "cooling", name="lookup"),
            Message("assistant", "Cool it.\u200b"),
        ),
        "a.jsonl:1",
        "p5",
        TOOLS,
    ),
}


@pytest.mark.parametrize("name", KINDS_OF_ROWS)
def test_written_rows_are_read_again_as_they_were(tmp_path: Path, name: str):
    from finetune import recipe
    from finetune.data import load

    before = [
        Conversation(
            tuple(
                Message(m.role, m.content.replace("What helps?", f"What helps, {n}?"), m.tool_calls, m.name)
                for m in KINDS_OF_ROWS[name].messages
            ),
            f"a.jsonl:{n}", f"p{n}", KINDS_OF_ROWS[name].tools, KINDS_OF_ROWS[name].rejected,
            KINDS_OF_ROWS[name].rating,
        )
        for n in range(4)
    ]  # fmt: skip
    write_fixed(tmp_path / "clean.jsonl", [Change(one.where, one) for one in before], group_by="patient")
    (tmp_path / "recipe.yaml").write_text(
        "recipe: 1\nname: again\nbase: {model: starter}\n"
        "data: {train: clean.jsonl, held_out: 0.25, group_by: patient, duplicates: keep, leakage: 'off',\n"
        "  privacy: 'off'}\n",
        encoding="utf-8",
    )
    splits = load(recipe.load(tmp_path / "recipe.yaml"))
    after = sorted([*splits.train, *splits.held_out], key=lambda one: one.group or "")
    assert [one.group for one in after] == ["p0", "p1", "p2", "p3"]
    for old, new in zip(before, after):
        cleaned, kinds = clean(old)
        assert new.fingerprint == cleaned.fingerprint and kinds
        assert not {kind for kind, _ in quality.check(new)} & set(kinds)
