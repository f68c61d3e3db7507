"""E-mail, IP and MAC addresses, and web addresses that carry personal data."""

from __future__ import annotations

import ipaddress
import re

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.page import Page

# The place of the @ is found first; the parts before and after are bounded (RFC 5321: 64 and 255 characters), so a
# text of nothing but @ or of one endless word costs no more than its length.
_AT = re.compile(r"(?<=[A-Za-z0-9._%+\-])@(?=[A-Za-z0-9\u00a1-\uffff])|\s?[\[(](?:at|AT)[\])]\s?(?=[A-Za-z0-9])")
_BEFORE_AT = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+'-"
_AFTER_AT = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?(?:\.|\s?[\[(](?:dot|"
    r"DOT)[\])]\s?)){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9\-]*@)"
)
_AFTER_AT_IDN = re.compile(r"(?:[^\W_][\w\-]{0,62}\.){1,6}[^\W\d_]{2,24}")

# "john dot smith at gmail dot com", after a word for mail. The host is found first, then the words before it.
_SPELLED_HOST = re.compile(
    r" at [a-z0-9\-]{1,63}(?: (?:dot|dash) [a-z0-9\-]{1,63}){0,4} dot (?!dot\b)[a-z]{2,24}(?![\w\-])", re.I
)
_SPELLED_NAME = re.compile(
    r"(?<![\w.+\-])[a-z0-9_.+\-]{1,64}(?: (?:dot|dash|underscore|plus|minus) [a-z0-9_.+\-]{1,64}){0,4}$", re.I
)
_MAIL_CUE = re.compile(
    r"\b(?:e-?mails?|mail)\b[ ,]{0,2}(?:(?:address|id|is|was|to|me|us|him|her|it|at|on|under|:|=)[ ,]{0,2}){0,5}$", re.I
)

_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)", re.ASCII)
_VERSION = re.compile(
    r"(?:version|firmware|release|build|update|driver|kernel|section|chapter|§|abschnitt|版本|第|\bver?\.?|"
    r"\bno\.?)\s{0,2}$",
    re.I,
)
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{6,39}(?:%[a-z0-9]{1,12})?(?![\w:])", re.ASCII
)
_MAC = re.compile(r"(?<![\w:\-])[0-9A-Fa-f]{2}(?:([:\-])[0-9A-Fa-f]{2})(?:\1[0-9A-Fa-f]{2}){4}(?![\w:\-])", re.ASCII)

_URL = re.compile(
    r"(?:https?|ftp|ftps|sftp|wss?|postgres(?:ql)?|mysql|mongodb(?:\+srv)?|redis|amqps?)://[^\s<>\"'，。；、）》]{4,500}"
)
_URL_USER = re.compile(r"^[a-z+]{2,14}://[^/?#\s:@]{1,64}:[^/?#\s@]{1,128}@", re.I)
_URL_DATA = re.compile(
    r"[?&;#](?:e-?mail|mail|user(?:_?name|_?id)?|uid|login|first_?name|last_?name|full_?name|phone|mobile|tel|dob|"
    r"birth_?da(?:te|y)|ssn|patient(?:_?id)?|mrn|token|access_token|auth|session(?:_?id)?|sid|api_?key|key|"
    r"password|passwd|"
    r"pwd|secret|signature|sig)=[^&#\s]{4,}",
    re.I,
)
_PROFILE = re.compile(r"(?:linkedin\.com/in/|facebook\.com/profile\.php\?id=|weibo\.com/u/|vk\.com/id\d)", re.I)


def find_emails(text: str, found: list[Found]) -> None:
    """Appends e-mail addresses, also those written name[at]host."""
    for at in _AT.finditer(text):
        right = _AFTER_AT.match(text, at.end(), min(len(text), at.end() + 255))
        if right is None and at.group() == "@":
            right = _AFTER_AT_IDN.match(text, at.end(), min(len(text), at.end() + 255))
        if right is None:
            continue
        left = text[max(0, at.start() - 64) : at.start()]
        local = left[len(left.rstrip(_BEFORE_AT)) :].lstrip(".'-")
        if local:
            found.append(Found("email", at.start() - len(local), right.end(), 0.95))


def find_spelled_emails(page: Page, found: list[Found]) -> None:
    """Appends e-mail addresses written as they are spoken, where a word for mail stands shortly before."""
    text = page.text
    for host in _SPELLED_HOST.finditer(text):
        begin = max(0, host.start() - 128)
        name = _SPELLED_NAME.search(text[begin : host.start()])
        if name is None:
            continue
        start = begin + name.start()
        if _MAIL_CUE.search(text[max(0, start - 40) : start]):
            found.append(Found("email", start, host.end(), 0.9))


def find_ips(page: Page, found: list[Found]) -> None:
    """Appends IPv4 addresses that single out a machine: not 127.*, 0.*, masks, and not what is called a version."""
    text = page.text
    for start, end in page.digits:
        match = _IPV4.match(text, start) if end - start <= 3 and text[end : end + 1] == "." else None
        if match is None:
            continue
        left = text[max(0, match.start() - 16) : match.start()]
        parts = [int(part) for part in match.group().split(".")]
        if max(parts) > 255 or parts[0] in (0, 127, 255) or (left[-1:].isascii() and left[-1:].isalpha()):
            continue
        if any(len(part) > 1 and part[0] == "0" for part in match.group().split(".")) or _VERSION.search(left):
            continue
        if max(parts) < 20 and not re.search(r"\bip\b|地址", left, re.I):
            continue  # 1.2.3.4 is more often a section or a version
        found.append(Found("ip_address", match.start(), match.end(), 0.85))


def find_colons(text: str, found: list[Found]) -> None:
    """Appends IPv6 and MAC addresses: hexadecimal groups with colons (MAC: also with hyphens)."""
    colons = text.count(":")
    for match in _MAC.finditer(text) if colons >= 5 or text.count("-") >= 5 else ():
        if (
            re.search(r"[A-Fa-f]|^0|:0", match.group())
            or "mac" in text[max(0, match.start() - 24) : match.start()].lower()
        ):
            found.append(Found("mac_address", match.start(), match.end(), 0.9))
    for match in _IPV6.finditer(text) if colons >= 7 or "::" in text else ():
        written = match.group().split("%")[0]
        groups = [group for group in written.split(":") if group]
        if len(groups) < 3 or not any(char.isdigit() for char in written) or max(map(len, groups)) < 3:
            continue  # 12:30:45 and std::min are no addresses
        try:
            address = ipaddress.IPv6Address(written)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            found.append(Found("ip_address", match.start(), match.end(), 0.9))


def find_urls(text: str, found: list[Found]) -> None:
    """Appends web addresses that hold a user and password, personal fields, or that are somebody's profile."""
    for match in _URL.finditer(text):
        url = match.group().rstrip(".,;:!?)]}")
        if _URL_USER.match(url):
            found.append(Found("private_url", match.start(), match.start() + len(url), 0.95))
        elif _URL_DATA.search(url) or _PROFILE.search(url):
            found.append(Found("private_url", match.start(), match.start() + len(url), 0.8))
