"""Encodings: what is recognised, and that what is not sure is refused with its place and never guessed."""

from __future__ import annotations

import json

import pytest
from reading_kit import FIX_ENCODING, read

from finetune.data.reading import encodings
from finetune.data.reading.streams import SourceError

TEXTS = {
    "zh": "高血压患者能吃党参吗？我有高血压，这两天女婿来的时候给"
    "我拿了些党参泡水喝。建议饭后半小时服用，不要超过三天。",
    "zh-Hant": "高血壓患者能吃黨參嗎？我有高血壓，這兩天女婿來的時候給"
    "我拿了些黨參泡水喝。建議飯後半小時服用，不要超過三天。",
    "ja": "高血圧の患者さんは朝鮮人参を食べてもいいですか。わたしは"
    "高血圧で、娘の夫がくれました。食後三十分に飲んでください。",
    "ko": "고혈압 환자가 인삼을 먹어도 되나요? 사위가 인삼을 가져다 주었습니다. 식후 삼십 분에 복용하십시오.",
    "ru": "Можно ли пациентам с гипертонией есть женьшень? Принимайте через полчаса после еды, не дольше трёх дней.",
    "el": "Μπορούν οι ασθενείς με υπέρταση να τρώνε τζίνσενγκ; Μισή ώρα μετά το φαγητό.",
    "pl": "Czy pacjenci z nadciśnieniem mogą jeść żeń-szeń? "
    "Proszę zażywać pół godziny po jedzeniu, najdłużej trzy dni.",
    "cs": "Mohou pacienti s vysokým tlakem jíst ženšen? Užívejte půl hodiny po jídle, ne déle než tři dny. Kůň, ěščř.",
    "hu": "Ehetnek-e ginzenget a magas vérnyomású betegek? Étkezés után fél órával vegye be. Őrült tűző nő, félidő.",
    "tr": "Yüksek tansiyon hastaları ginseng yiyebilir mi? "
    "Yemekten yarım saat sonra alınız, üç günü geçmeyiniz. Şurup.",
    "ro": "Pot pacienţii cu hipertensiune să mănânce ginseng? Luaţi după masă, nu mai mult de trei zile, şi beţi apă.",
    "vi": "Người bệnh cao huyết áp có thể ăn nhân sâm không?",
    "th": "ผู้ป่วยความดันโลหิตสูงกินโสมได้ไหม",
    "ar": "هل يمكن لمرضى ضغط الدم المرتفع تناول الجينسنغ بعد الأكل",
    "he": "האם חולים עם לחץ דם גבוה יכולים לאכול גינסנג",
    "lt": "Ar sergantieji aukštu kraujospūdžiu gali valgyti "
    "ženšenį? Gerkite pusvalandį po valgio, ne ilgiau trijų dienų.",
    "en": "The patient’s “condition” is stable – don’t worry. He’s at the café, 50 % of the time… “Really?” she asked.",
    "fr": "Les patients hypertendus peuvent-ils manger du ginseng ? "
    "Après le repas, pas plus de trois jours. L’été, à l’hôpital.",
    "de": "Dürfen Patienten mit Bluthochdruck Ginseng essen? "
    "Höchstens für drei Tage. Fragen Sie früh Ihren Ärzt: größer, schöner.",
    "es": "¿Pueden los pacientes hipertensos comer ginseng? Tómelo "
    "después, no más de tres días. Mañana tendrá más energía.",
    "pt": "Os pacientes com hipertensão podem comer ginseng? Não "
    "tome mais de três dias, após a refeição. É bom à saúde.",
    "it": "I pazienti ipertesi possono mangiare il ginseng? È più "
    "utile dopo i pasti, perché così è già città, virtù, però.",
    "sv": "Får patienter med högt blodtryck äta ginseng? Ta det en halvtimme efter måltid, högst tre dagar. Åka båt.",
    "fi": "Saavatko verenpainepotilaat syödä ginsengiä? Ota se "
    "puoli tuntia aterian jälkeen. Pää, työ, äiti, hyvää päivää.",
    "da": "Må patienter med højt blodtryk spise ginseng? Tag det "
    "efter måltidet, højst tre dage. Spørg lægen først, øvelser.",
    "is": "Mega sjúklingar með háan blóðþrýsting borða ginseng? "
    "Takið það hálftíma eftir máltíð, ekki lengur en þrjá daga.",
}
WESTERN = ("en", "fr", "de", "es", "pt", "it", "sv", "fi", "da", "is")
RECOGNISED = [
    *((language, codec) for language in TEXTS for codec in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-16")),
    *(("zh", codec) for codec in ("gb2312", "gbk", "gb18030")),
    *(("zh-Hant", codec) for codec in ("big5", "cp950")),
    *((language, "cp1252") for language in WESTERN),
]
CODECS = [
    "gb18030",
    "gbk",
    "gb2312",
    "big5",
    "cp950",
    "big5hkscs",
    "shift_jis",
    "cp932",
    "euc_jp",
    "iso2022_jp",
    "euc_kr",
    "cp949",
    "cp1250",
    "cp1251",
    "cp1252",
    "latin_1",
    "iso8859_15",
    "iso8859_2",
    "iso8859_9",
    "iso8859_13",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "cp874",
    "koi8_r",
    "cp866",
    "cp850",
    "cp437",
    "cp852",
    "mac_roman",
    "mac_latin2",
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-le",
    "utf-32-be",
]


def frames(text: str) -> list[str]:
    """The text in files of several forms."""
    row = json.dumps({"question": text, "answer": text}, ensure_ascii=False)
    quoted = text.replace('"', '""')
    return [f"{row}\n" * 3, f'question,answer\n"{quoted}","{quoted}"\n', f"{text}\n{text}"]


@pytest.mark.parametrize(("language", "codec"), RECOGNISED)
def test_usual_encodings_are_recognised(language, codec):
    for text in frames(TEXTS[language]):
        data = text.encode(codec)
        found = encodings.find(data)
        assert "".join(encodings.texts([data], found)) == text
        assert found.evidence or codec == "utf-8"


@pytest.mark.parametrize("codec", CODECS)
def test_no_encoding_is_taken_for_another(codec):
    """Whatever language in whatever encoding: read right, or refused; never garbled."""
    for language, whole in TEXTS.items():
        for text in frames(whole):
            try:
                data = text.encode(codec)
            except UnicodeEncodeError:
                continue
            try:
                found = encodings.find(data)
                got = "".join(encodings.texts([data], found))
            except SourceError:
                continue
            assert got == text, f"{language} in {codec} read as {found.codec}"


def test_korean_is_not_taken_for_chinese():
    """EUC-KR is valid GB 2312, of its frequent characters even; only their order in the alphabet tells."""
    data = (TEXTS["ko"] * 10).encode("euc_kr")
    assert data.decode("gb2312")
    with pytest.raises(SourceError):
        encodings.find(data)


def test_doubt_is_told_with_the_place(tmp_path):
    data = ("question,answer\nq,a\n" + f"{TEXTS['ja']},a\n" * 3).encode("shift_jis")
    (tmp_path / "rows.csv").write_bytes(data)
    done = read(tmp_path, "rows.csv")
    first = next(index for index, byte in enumerate(data) if byte >= 0x80)
    assert done.messages == [
        f"rows.csv:3: byte 0x{data[first]:02x} at offset {first} is not UTF-8, nor surely anything else. "
        f"Fix: {FIX_ENCODING}"
    ]
    assert read(tmp_path, "rows.csv", "shift_jis").values[1]["question"] == TEXTS["ja"]
    (tmp_path / "rows.csv").write_bytes(f"question,answer\nq,{TEXTS['ja']}\n".encode("iso2022_jp"))
    assert read(tmp_path, "rows.csv").messages == [
        "rows.csv:2: changes its character set on the way, as ISO-2022-JP does. "
        "Fix: set data.encoding: iso2022_jp, or save the file as UTF-8"
    ]
    assert read(tmp_path, "rows.csv", "iso2022_jp").values[0]["answer"] == TEXTS["ja"]


def test_the_recipe_overrides_and_it_is_said(tmp_path):
    (tmp_path / "rows.csv").write_bytes("question,answer\ncafé,naïve\n".encode("latin_1"))
    done = read(tmp_path, "rows.csv", "windows-1252")
    assert done.values == [{"question": "café", "answer": "naïve"}]
    assert done.reader.encoding == "windows-1252"
    assert "rows.csv: read as windows-1252, from data.encoding" in done.notes
    (tmp_path / "rows.csv").write_bytes("question,answer\n患者,可以\n".encode("gbk"))
    assert read(tmp_path, "rows.csv", "gb2312").values == [{"question": "患者", "answer": "可以"}]
    (tmp_path / "rows.csv").write_bytes("\ufeffquestion,answer\nü,a\n".encode())
    assert read(tmp_path, "rows.csv", "utf-8").values == [{"question": "ü", "answer": "a"}]
    (tmp_path / "rows.csv").write_bytes("question,answer\nü,a\n".encode("utf-16"))
    for codec in ("utf-16", "utf-16-le"):
        assert read(tmp_path, "rows.csv", codec).values == [{"question": "ü", "answer": "a"}]
    (tmp_path / "rows.csv").write_bytes("question,answer\nü,a\n".encode("utf-16-be"))
    assert read(tmp_path, "rows.csv", "utf-16").values == [{"question": "ü", "answer": "a"}]


@pytest.mark.parametrize("codec", ["nonsense", "hex", "rot13", "zlib", "idna", "undefined", "", "utf 8 \x00"])
def test_codecs_that_cannot_be_meant(tmp_path, codec):
    (tmp_path / "rows.jsonl").write_text('{"question": "q"}\n')
    assert read(tmp_path, "rows.jsonl", codec).messages == [
        "rows.jsonl: data.encoding names no text encoding that Python knows. "
        "Fix: use a name such as utf-8, utf-16, gb18030, big5 or windows-1252"
    ]


def test_the_wrong_codec_is_told_with_line_and_offset(tmp_path):
    text = "question,answer\nq,a\nü,a\n"
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    assert read(tmp_path, "rows.csv", "ascii").row_messages == [
        "rows.csv:3: row 2: byte 0xc3 at offset 20 is not ascii. "
        "Fix: set data.encoding to what the file is written in, or save it as UTF-8"
    ]


def test_mostly_utf_8_stays_utf_8(tmp_path):
    """One broken character in a file of good ones does not make it Latin-1: the row is told, the others are read."""
    good = json.dumps({"question": "Müßte größer", "answer": "schön"}, ensure_ascii=False).encode() + b"\n"
    (tmp_path / "rows.jsonl").write_bytes(good * 30 + good.replace("ö".encode(), b"\xf6") + good)
    done = read(tmp_path, "rows.jsonl")
    assert ([problem.where for problem in done.row_problems], len(done.rows)) == (["rows.jsonl:31"], 31)
    assert done.reader.encoding == "utf-8"


@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16-le", "utf-32-be", "big5"])
def test_characters_cut_by_blocks_are_whole(codec):
    text = "患者可以喝茶，建議飯後服用。\n" * 50
    text = text.replace("議", "议").replace("飯", "饭").replace("後", "后") if codec == "gb18030" else text
    data = text.encode(codec)
    encoding = encodings.Encoding(codec)
    for size in (1, 2, 3, 7, 1000):
        blocks = [data[start : start + size] for start in range(0, len(data), size)]
        assert "".join(encodings.texts(blocks, encoding)) == text


@pytest.mark.parametrize("size", [1, 3, 4, 1000])
def test_the_offset_of_a_bad_byte_does_not_depend_on_blocks(size):
    data = b"\xef\xbb\xbf" + "äö\n".encode() * 20 + b"\xe4\xb8" + b"x\n"
    blocks = [data[start : start + size] for start in range(0, len(data), size)]
    if size < 4:
        blocks = [data[:4], *(data[start : start + size] for start in range(4, len(data), size))]
    with pytest.raises(SourceError) as caught:
        list(encodings.texts(blocks, encodings.find(data)))
    assert (caught.value.what, caught.value.line) == (f"byte 0xe4 at offset {3 + 100} is not UTF-8", 21)
