"""Which language a text is in: sure, or silent. All sentences are our own."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import language

TEXTS = {
    "en": [
        "Drink a glass of water before each meal and tell your nurse if the pain comes back in the evening.",
        "The contract ends on the last day of March, and you will hear from our office before that.",
        "Please keep the receipt, because without it we are not able to send you a new one.",
    ],
    "zh": [
        "饭前喝一杯水，如果晚上疼痛再次出现，请告诉护士。",
        "合同将于三月的最后一天到期，在此之前我们会与您联系。",
    ],
    "de": [
        "Trinken Sie vor jeder Mahlzeit ein Glas Wasser und sagen Sie Bescheid, wenn die Schmerzen wiederkommen.",
        "Der Vertrag endet am letzten Tag im März, und Sie hören vorher noch von unserem Büro.",
        "Bitte heben Sie den Beleg auf, denn ohne ihn können wir Ihnen keinen neuen schicken.",
    ],
    "fr": [
        "Buvez un verre d'eau avant chaque repas et prévenez l'infirmière si la douleur revient dans la soirée.",
        "Le contrat prend fin le dernier jour de mars, et vous aurez de nos nouvelles avant cette date.",
    ],
    "es": [
        "Beba un vaso de agua antes de cada comida y avise a la enfermera si el dolor vuelve por la noche.",
        "El contrato termina el último día de marzo y antes de esa fecha recibirá noticias de nuestra oficina.",
    ],
    "ja": ["食事の前に水を一杯飲んで、夜にまた痛みが出たら看護師に知らせてください。"],
    "ko": ["식사 전에 물을 한 잔 마시고 저녁에 통증이 다시 오면 간호사에게 알려 주세요."],
    "ru": ["Выпивайте стакан воды перед каждой едой и скажите медсестре, если вечером боль вернётся снова."],
}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, texts in TEXTS.items() for text in texts])
def test_sentences_are_recognised(code: str, text: str):
    assert language.recognise(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "阿司匹林",
        "Ibuprofen 400 mg, 2x1",
        "https://www.example.org/a/page/that/has/a/long/address/and/another/one/behind/it",
        "def total(rows):\n    return sum(row.price for row in rows)\n\nimport json\nprint(total(rows))",
        "C12H22O11 + H2O -> 2 C6H12O6; pH 7.4; Na+ 140 mmol/l; K+ 4.1 mmol/l; Ca2+ 2.3 mmol/l",
        "Bitte please sil vous plait por favor per favore alsjeblieft prosim tack obrigado danke gracias merci",
        "Aspirin, Ibuprofen, Paracetamol, Metamizol, Diclofenac, Naproxen",
    ],
)
def test_what_says_nothing_for_sure_stays_silent(text: str):
    assert language.recognise(text) == ""


def test_names_and_terms_in_latin_letters_do_not_change_chinese():
    text = "患者服用Aspirin和Metformin后出现不适，建议复查HbA1c与肝功能，并咨询Dr. Smith。"
    assert language.recognise(text) == "zh"


def test_a_few_kana_do_not_make_chinese_japanese():
    text = "这家餐厅的招牌菜是お好み焼き，另外还有几种面条和米饭套餐可供选择，价格都不贵。"
    assert language.recognise(text) in ("", "zh")


def test_regions_and_near_languages_are_covered():
    assert language.covers(["zh-CN"], "zh")
    assert language.covers(["nb"], "da")
    assert language.covers(["pt-BR"], "gl")
    assert not language.covers(["en"], "de")


def test_common_languages_need_no_model():
    code = (
        "import sys; from finetune.data import language; "
        f"assert language.recognise({TEXTS['en'][0]!r}) == 'en'; "
        f"assert language.recognise({TEXTS['zh'][0]!r}) == 'zh'; "
        "assert 'py3langid' not in sys.modules and 'numpy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@given(st.text(max_size=600))
def test_any_text_gets_an_answer(text: str):
    code = language.recognise(text)
    assert code == "" or (2 <= len(code) <= 3 and code.isalpha())


def test_a_long_text_costs_no_more_than_its_beginning():
    text = TEXTS["de"][0] * 20_000
    language.recognise(text)
    started = time.perf_counter()
    assert language.recognise(text) == "de"
    assert time.perf_counter() - started < 0.2
