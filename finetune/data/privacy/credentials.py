"""Keys, tokens, passwords, and addresses of crypto-currencies.

The forms are those that the issuers publish (AWS, GitHub, GitLab, Slack, Hugging Face, OpenAI, Anthropic, Google,
Stripe, npm, PyPI, SendGrid, Telegram); others count after a word such as `token=` when they look random.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page

_TAIL = r"(?![A-Za-z0-9_\-])"
# (what must stand in the text for the rule to be tried, the rule)
_FORMS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("AKIA", "ASIA", "AROA", "AIDA"), re.compile(r"(?<![A-Z0-9])(?:AKIA|ASIA|AROA|AIDA)[A-Z2-7]{16}(?![A-Z0-9])")),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,255}" + _TAIL)),
    (("github_pat_",), re.compile(r"\bgithub_pat_[A-Za-z0-9_]{22,255}" + _TAIL)),
    (("glpat-",), re.compile(r"\bglpat-[A-Za-z0-9_\-]{20,64}" + _TAIL)),
    (("xox",), re.compile(r"\bxox[abeoprs]-[A-Za-z0-9\-]{10,255}" + _TAIL)),
    (("hooks.slack.com",), re.compile(r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}")),
    (("hf_",), re.compile(r"\bhf_[A-Za-z0-9]{30,64}" + _TAIL)),
    (("sk-",), re.compile(r"\bsk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_\-]{20,255}" + _TAIL)),
    (("AIza",), re.compile(r"\bAIza[A-Za-z0-9_\-]{35}" + _TAIL)),
    (("ya29.",), re.compile(r"\bya29\.[A-Za-z0-9_\-]{20,255}" + _TAIL)),
    (("k_live_", "k_test_"), re.compile(r"\b[rps]k_(?:live|test)_[A-Za-z0-9]{16,128}" + _TAIL)),
    (("npm_",), re.compile(r"\bnpm_[A-Za-z0-9]{36}" + _TAIL)),
    (("pypi-",), re.compile(r"\bpypi-[A-Za-z0-9_\-]{50,255}" + _TAIL)),
    (("SG.",), re.compile(r"\bSG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}" + _TAIL)),
    (("eyJ",), re.compile(r"\beyJ[A-Za-z0-9_\-]{8,2000}\.[A-Za-z0-9_\-]{8,4000}\.[A-Za-z0-9_\-]{0,1000}" + _TAIL)),
    (
        ("-----BEGIN",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,24}PRIVATE KEY(?: BLOCK)?-----[^\-]{20,8000}(?:-----END [A-Z ]{0,24}PRIVATE"
            r" KEY(?: BLOCK)?-----)?"
        ),
    ),
    ((":AA",), re.compile(r"(?<![A-Za-z0-9])\d{8,10}:AA[A-Za-z0-9_\-]{33}" + _TAIL)),
)
_NAMED_HINTS = (
    "api key", "api_key", "apikey", "api-key", "access key", "access_key", "access-key", "accesskey",
    "secret", "secretkey", "client secret", "client_secret", "token", "bearer", "private key",
    "private_key", "credential", "credentials", "密钥", "令牌",
)  # fmt: skip
_PASSWORD_HINTS = (
    "password", "passwd", "passwort", "kennwort", "pwd", "passphrase", "mot de passe", "contraseña",
    "contrasena", "密码", "口令",
)  # fmt: skip
_NAMED = re.compile(
    r"(?:api[ _\-]?key|access[ _\-]?key(?:[ _\-]?id)?|secret(?:[ _\-]?(?:access[ _\-]?)?key)?|client[ _\-]?secret|"
    r"(?:access|auth|refresh|bearer|session|id)?[ _\-]?token|authorization: ?bearer|bearer|private[ _\-]?key|"
    r"credentials?|密钥|令牌)"
    r"[\"'`]?\s{0,2}(?:[:=：]|=>|is|为|是)?\s{0,2}[\"'`]?(?P<value>[A-Za-z0-9_\-./+=~]{16,512})",
    re.I,
)
_PASSWORD = re.compile(
    r"(?:password|passwd|passwort|kennwort|pwd|passphrase|mot de passe|contraseña|contrasena|密码|口令)"
    r"[\"'`]?\s{0,2}(?:[:=：]|=>|\bis\b|\bist\b|\best\b|\bes\b|为|是)\s{0,2}[\"'`]?(?P<value>[^\s\"'`，。；、]{6,64})",
    re.I,
)
_ETHEREUM = re.compile(r"(?<![A-Za-z0-9])0x[0-9A-Fa-f]{40}(?![A-Za-z0-9])")
_BITCOIN = re.compile(r"(?<![A-Za-z0-9])(?:bc1[02-9ac-hj-np-z]{25,71}|[13][1-9A-HJ-NP-Za-km-z]{25,33})(?![A-Za-z0-9])")


def find(page: Page, found: list[Found]) -> None:
    """Appends secrets and crypto-currency addresses; the text holds a digit."""
    text = page.text
    for match in page.near(_PASSWORD_HINTS, _PASSWORD):
        value = match.group("value").rstrip(".,;:!?)")
        start = match.start("value")
        if len(value) >= 6 and _mixed(value) and not value.startswith("["):
            found.append(Found("secret", start, start + len(value), 0.75))
    if not page.has_mixed:
        return
    for words, form in _FORMS:
        if any(word in text for word in words):
            for match in form.finditer(text):
                if _varied(match.group()):
                    found.append(Found("secret", match.start(), match.end(), 0.95))
    for match in page.near(_NAMED_HINTS, _NAMED, after=600):
        if _random(match.group("value")):
            found.append(Found("secret", *match.span("value"), 0.8))
    if "0x" in text:
        found.extend(Found("crypto_address", *match.span(), 0.9) for match in _ETHEREUM.finditer(text))
    if "bc1" in text or any(text[start] in "13" and text[end : end + 1].isalpha() for start, end in page.digits):
        _bitcoin(text, found)


def _bitcoin(text: str, found: list[Found]) -> None:
    for match in _BITCOIN.finditer(text):
        from stdnum import bitcoin

        if bitcoin.is_valid(match.group()):
            found.append(Found("crypto_address", match.start(), match.end(), 0.95))


def _varied(value: str) -> bool:
    """Examples such as sk-xxxxxxxxxxxxxxxxxxxx are no keys; real ones use many signs."""
    return len(set(value[4:])) >= 8


def _random(value: str) -> bool:
    """Letters and digits, and more bits a character than words have (Shannon; 3 bits is a word of eight signs)."""
    if not (any(char.isdigit() for char in value) and any(char.isalpha() for char in value)):
        return False
    counts = Counter(value)
    bits = -sum(num / len(value) * math.log2(num / len(value)) for num in counts.values())
    return bits >= 3.3


def _mixed(value: str) -> bool:
    return any(char.isdigit() for char in value) and any(char.isalpha() for char in value)
