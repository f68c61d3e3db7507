"""The kinds of personal data that are looked for, and what a finding says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Found:
    """One finding: what and where, never the text.

    Attributes:
        kind: a key of KINDS.
        start, end: the place in the text that was scanned, in characters; end is exclusive.
        score: how sure the rule is, 0 to 1. 0.9 and more: a checksum or an unmistakable form; 0.6: a word list only.
    """

    kind: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class PrivacyKind:
    """A kind as people read it.

    Attributes:
        title_en, title_zh: its name in a report.
        why_en, why_zh: one sentence: why it should not be learnt.
        label: the word in the placeholder, as in [NAME_1].
    """

    title_en: str
    title_zh: str
    why_en: str
    why_zh: str
    label: str


_WHO_EN, _WHO_ZH = "It says who the row is about.", "它直接指明这一行说的是谁。"
_REACH_EN, _REACH_ZH = "It leads to a person or a household.", "凭它可以联系或找到本人或家庭。"
_DOCUMENT_EN, _DOCUMENT_ZH = (
    "It is one person's for life and opens other files.",
    "它终身属于一个人，并能关联其他档案。",
)
_MONEY_EN, _MONEY_ZH = "It gives access to somebody's money.", "它关系到个人资金安全。"
_ACCESS_EN, _ACCESS_ZH = "Whoever reads it can act in somebody's name.", "看到它的人可以冒用他人身份操作。"

KINDS: dict[str, PrivacyKind] = {
    "name": PrivacyKind("personal name", "姓名", _WHO_EN, _WHO_ZH, "NAME"),
    "phone": PrivacyKind("telephone number", "电话号码", _REACH_EN, _REACH_ZH, "PHONE"),
    "email": PrivacyKind("e-mail address", "电子邮箱", _REACH_EN, _REACH_ZH, "EMAIL"),
    "address": PrivacyKind("postal address", "通信地址", _REACH_EN, _REACH_ZH, "ADDRESS"),
    "national_id": PrivacyKind("national identity or tax number", "身份证号或税号", _DOCUMENT_EN, _DOCUMENT_ZH, "ID"),
    "record_number": PrivacyKind(
        "medical record number",
        "病历号",
        "A hospital finds the patient by it.",
        "医院可凭它查到患者。",
        "RECORD",
    ),
    "insurance_number": PrivacyKind("insurance number", "医保或保单号", _DOCUMENT_EN, _DOCUMENT_ZH, "INSURANCE"),
    "birth_date": PrivacyKind(
        "date of birth",
        "出生日期",
        "With a place or a sex it often singles one person out.",
        "与地点或性别合在一起往往能锁定一个人。",
        "BIRTH_DATE",
    ),
    "age_over_89": PrivacyKind(
        "age over 89",
        "89 岁以上的年龄",
        "So few people are that old that the age alone can point at one.",
        "如此高龄的人很少，仅凭年龄就可能认出本人。",
        "AGE",
    ),
    "passport": PrivacyKind("passport number", "护照号", _DOCUMENT_EN, _DOCUMENT_ZH, "PASSPORT"),
    "driving_licence": PrivacyKind("driving licence number", "驾驶证号", _DOCUMENT_EN, _DOCUMENT_ZH, "LICENCE"),
    "vehicle_plate": PrivacyKind("vehicle plate", "车牌号", _REACH_EN, _REACH_ZH, "PLATE"),
    "payment_card": PrivacyKind("payment card number", "银行卡号", _MONEY_EN, _MONEY_ZH, "CARD"),
    "bank_account": PrivacyKind("bank account", "银行账户", _MONEY_EN, _MONEY_ZH, "ACCOUNT"),
    "crypto_address": PrivacyKind("crypto-currency address", "加密货币地址", _MONEY_EN, _MONEY_ZH, "WALLET"),
    "ip_address": PrivacyKind("IP address", "IP 地址", _REACH_EN, _REACH_ZH, "IP"),
    "mac_address": PrivacyKind("network card (MAC) address", "MAC 地址", _REACH_EN, _REACH_ZH, "MAC"),
    "secret": PrivacyKind("key, token or password", "密钥、令牌或密码", _ACCESS_EN, _ACCESS_ZH, "SECRET"),
    "private_url": PrivacyKind("web address with personal data in it", "含个人数据的网址", _REACH_EN, _REACH_ZH, "URL"),
}
