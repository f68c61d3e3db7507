"""Scanner: one text in, the places of personal data out."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence

from finetune.data.privacy import addresses, chinese_names, contacts, credentials, identities, names, numbers, records
from finetune.data.privacy.kinds import KINDS, Found
from finetune.data.privacy.page import Page

# Placeholders of `redact`, or those a clinic wrote itself: [NAME_1]. Nothing is looked for in them.
PLACEHOLDER = re.compile(r"\[(?P<label>[A-Z][A-Z_]{1,15})_(?P<number>\d{1,6})\]", re.ASCII)


class Scanner:
    """Looks for the kinds of KINDS in a text. Holds its settings only, so it can be pickled.

    Args:
        languages: ISO 639-1 codes of the rows (share.languages); they choose whose telephone plan a number without
            a country code is read by. Empty: those of all countries known here.
    """

    def __init__(self, languages: Sequence[str] = ()) -> None:
        self.languages = tuple(languages)

    def scan(self, text: str) -> list[Found]:
        """Every finding, by place; no two overlap. Takes time linear in the text's length; never raises on a text."""
        found: list[Found] = []
        page = Page(text)
        if "@" in text or "(at)" in page.low or "[at]" in page.low:
            contacts.find_emails(text, found)
        if "dot" in page.words and "at" in page.words:
            contacts.find_spelled_emails(page, found)
        if "://" in text:
            contacts.find_urls(text, found)
        contacts.find_colons(text, found)
        names.find(page, found)
        if page.has_chinese:
            chinese_names.find(text, found)
        if page.digits:
            credentials.find(page, found)
            numbers.find(page, self.languages, found)
            identities.find_lettered(page, found)
            contacts.find_ips(page, found)
            records.find(page, found)
            addresses.find(page, found)
        return _apart(_outside_placeholders(text, found)) if found else found


def _outside_placeholders(text: str, found: list[Found]) -> list[Found]:
    if "[" not in text:
        return found
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    return (
        [one for one in found if not any(one.start < end and start < one.end for start, end in taken)]
        if taken
        else found
    )


_ORDER = {kind: place for place, kind in enumerate(KINDS)}


def _apart(found: list[Found]) -> list[Found]:
    """Of findings that overlap, the surer one stays; of equally sure ones the longer; by place in the end."""
    found.sort(key=lambda one: (-one.score, one.start - one.end, one.start, _ORDER[one.kind]))
    kept: list[Found] = []
    starts: list[int] = []
    for one in found:
        at = bisect_left(starts, one.start)
        if at and kept[at - 1].end > one.start:
            continue
        if at < len(kept) and kept[at].start < one.end:
            continue
        starts.insert(at, one.start)
        kept.insert(at, one)
    return kept
