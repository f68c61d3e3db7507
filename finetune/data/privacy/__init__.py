"""Personal data in rows: where it stands, of what kind, and a copy of the row without it.

    scanner = Scanner(languages=("en", "zh"))        # once a process; can be pickled
    scanner.scan(text)                               # [Found(kind="phone", start=12, end=24, score=0.9), ...]
    scan_conversation(conversation, scanner)         # [("message 2", Found(...)), ...]: every turn and tool call
    redact(conversation, scanner)                    # (the conversation with [PHONE_1] there, Counter({"phone": 1}))

A finding is a hint for a person to look at; a row without findings is not proved to be anonymous (docs/privacy.md says
what is missed, with figures). A finding says kind and place and never holds the text itself, so it can be logged.
No model is used and nothing is fetched: rules, checksums (python-stdnum), telephone plans (phonenumbers), word lists.
"""

from __future__ import annotations

from finetune.data.privacy.kinds import KINDS, Found, PrivacyKind
from finetune.data.privacy.redaction import redact, scan_conversation
from finetune.data.privacy.scanner import Scanner

__all__ = ["KINDS", "Found", "PrivacyKind", "Scanner", "redact", "scan_conversation"]
