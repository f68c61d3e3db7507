"""In which encoding a text file is written: a mark, the zero bytes of wide codes, or evidence that leaves no doubt.

A wrong guess would train a model on garbled text, a refusal costs one line in the recipe. So a guess is made only
where the bytes are valid in the whole sample and read like the language: Chinese of the most frequent characters,
or Latin letters with the accents of one language. Frequencies of Chinese characters lie in the code itself: GB 2312
and Big5 both put the most frequent ones first (levels 1), which Korean, Japanese and Cyrillic text does not match.
"""

from __future__ import annotations

import codecs
import re
import threading
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from finetune.data.reading.streams import SourceError
from finetune.data.shapes import plural

SAMPLE_BYTES = 256 * 1024
_SHIFT_OUT, _SHIFT_BACK = re.compile(rb"\x1b\$[@B]"), re.compile(rb"\x1b\([BJ]")
MANY_BAD_PLACES = 20
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# text codecs of Python that no data file is written in, or that exist on one system only
_UNUSABLE = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_SET_IT = "set data.encoding (for example windows-1252 or gb18030), or save the file as UTF-8"


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes:
        codec: Python's name.
        mark: the byte-order mark it starts with, or empty.
        evidence: why, for the note; empty for UTF-8 and where the recipe says it.
        num_bad: places in the sample that are not UTF-8, where it is UTF-8 all the same.
    """

    codec: str
    mark: bytes = b""
    evidence: str = ""
    num_bad: int = 0

    @property
    def label(self) -> str:
        """What the report calls it."""
        name = {"cp1252": "windows-1252"}.get(self.codec, self.codec)
        return f"{name} with byte-order mark" if self.mark else name


def find(head: bytes, asked: str = "auto") -> Encoding:
    """The encoding of a file that starts with `head`.

    Args:
        head: its first bytes; enough of them to judge.
        asked: `data.encoding`: auto, or a codec's name.

    Raises:
        SourceError: the codec is unknown, or the bytes leave a doubt.
    """
    for mark, codec in _MARKS:
        if head.startswith(mark):
            found = Encoding(codec, mark, f"its byte-order mark is that of {codec.upper()}")
            break
    else:
        found = None
    if asked != "auto":
        return _asked(asked, head, found)
    if found:
        return found if found.codec != "utf-8" else Encoding("utf-8", found.mark)
    sample = head[:SAMPLE_BYTES]
    shift = _SHIFT_OUT.search(sample)
    # seven bits, and back to Latin again at the end of every line: a text that only holds ESC $ is none
    if shift and sample.isascii() and _SHIFT_BACK.search(sample, shift.end()):
        line = sample.count(b"\n", 0, shift.start()) + 1
        what = "changes its character set on the way, as ISO-2022-JP does"
        raise SourceError(what, "set data.encoding: iso2022_jp, or save the file as UTF-8", line)
    if b"\x00" in sample:
        wide = _wide(sample)
        if wide:
            return Encoding(wide, evidence=f"its zero bytes lie as in {wide.upper()}")
    num_good, num_bad, first_bad = _utf_8_places(sample)
    if not num_bad or num_good > num_bad:
        return Encoding("utf-8", num_bad=num_bad)
    return _guess(sample) or _doubt(sample, num_bad, first_bad)


def _asked(asked: str, head: bytes, marked: Encoding | None) -> Encoding:
    try:
        info = codecs.lookup(asked)
        usable = info._is_text_encoding and info.name.replace("-", "_") not in _UNUSABLE
    except (LookupError, ValueError, TypeError):
        usable = False
    if not usable:
        what = "data.encoding names no text encoding that Python knows"
        raise SourceError(what, "use a name such as utf-8, utf-16, gb18030, big5 or windows-1252")
    codec = {"utf-8-sig": "utf-8", "gb2312": "gb18030", "gbk": "gb18030"}.get(info.name, info.name)
    if marked and (marked.codec == codec or (codec in ("utf-16", "utf-32") and marked.codec.startswith(codec))):
        return Encoding(marked.codec, marked.mark)
    if codec in ("utf-16", "utf-32"):
        wide = _wide(head[:SAMPLE_BYTES])
        codec = wide if wide and wide.startswith(codec) else f"{codec}-le"
    return Encoding(codec)


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: valid, no odd characters, and line ends or JSON's signs among them."""
    for codec, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        if len(sample) < 2 * width:
            continue
        try:
            decoder = codecs.getincrementaldecoder(codec)()
            text = decoder.decode(sample)
        except UnicodeDecodeError:
            continue
        text = text[:20_000]
        structure = sum(text.count(sign) for sign in '\n\t",;{}[]: ，。、')
        odd = sum(unicodedata.category(sign) in ("Cc", "Cn", "Co", "Cs") and sign not in "\t\r\n" for sign in text)
        if structure * 100 >= len(text) and not odd:
            return codec
    return None


def _utf_8_places(sample: bytes) -> tuple[int, int, int]:
    """(characters beyond ASCII, places that are not UTF-8, offset of the first); a cut at the end is neither."""
    num_bad, first, start = 0, -1, 0
    num_good = 0
    while True:
        try:
            text = sample[start:].decode("utf-8")
        except UnicodeDecodeError as error:
            if start + error.end >= len(sample) and error.reason == "unexpected end of data":
                text = sample[start : start + error.start].decode("utf-8")
            else:
                num_bad += 1
                first = start + error.start if first < 0 else first
                num_good += _num_beyond_ascii(sample[start : start + error.start])
                start += error.end
                # one place after the other is slow; thousands of them tell nothing more
                if num_bad < 1000:
                    continue
                text = ""
        num_good += _num_beyond_ascii(text.encode("utf-8"))
        return num_good, num_bad, first


def _num_beyond_ascii(data: bytes) -> int:
    """How many UTF-8 sequences of several bytes begin in `data`."""
    return 0 if data.isascii() else sum(byte >= 0xC0 for byte in data)


def _guess(sample: bytes, *, some_bad: bool = False) -> Encoding | None:
    """What the bytes read like.

    Args:
        some_bad: codes of two bytes may hold a few that do not belong. Not Windows-1252: of its five bytes without a
            meaning, each one tells another code page.
    """
    for codec, name, is_like in (
        ("gb18030", "Chinese in GB18030", _like_gb18030),
        ("cp950", "Chinese in Big5", _like_big5),
        ("cp1252", "", _like_western),
    ):
        tolerant = some_bad and codec != "cp1252"
        try:
            text = codecs.getincrementaldecoder(codec)("replace" if tolerant else "strict").decode(sample)
        except UnicodeDecodeError:
            continue
        num_bad = text.count("\ufffd") if tolerant else 0
        found = is_like(text.replace("\ufffd", "") if num_bad else text)
        if found and num_bad <= min(MANY_BAD_PLACES, found[0] // _GOOD_FOR_BAD):
            what = plural(found[0], "character")
            evidence = f"it is not UTF-8, and {what} of the sample read as {name or found[1]}"
            return Encoding("big5" if codec == "cp950" else codec, evidence=evidence)
    return None


_IDEOGRAPH = re.compile("[\u4e00-\u9fff]")
# punctuation, wide forms, units, Greek, arrows, mathematics, numerals in circles: what stands between the characters
_EAST_ASIAN_SIGN = re.compile(
    "[\u3000-\u3020\uff01-\uff5e\u2010-\u2026\u2030-\u203b\u00b7\u00b0\u00d7\u2103\u2460-\u249b"
    "\u2160-\u216b\u0370-\u03ff\u2190-\u21ff\u2200-\u22ff\u25a0-\u2605]"
)
_MIN_IDEOGRAPHS = 8
_GOOD_FOR_BAD = 100  # characters that read well, for one place that does not


def _ideographs(text: str) -> str | None:
    """The Chinese characters of a text that holds little else beyond ASCII; None where it holds other things."""
    beyond = [sign for sign in text if sign > "\x7f"]
    ideographs = "".join(sign for sign in beyond if "\u4e00" <= sign <= "\u9fff")
    num_signs = sum(1 for sign in beyond if _EAST_ASIAN_SIGN.match(sign))
    if len(ideographs) < _MIN_IDEOGRAPHS or len(ideographs) + num_signs < 0.97 * len(beyond):
        return None
    return ideographs if num_signs < len(ideographs) else None


def _like_gb18030(text: str) -> tuple[int, str] | None:
    ideographs = _ideographs(text)
    if ideographs is None:
        return None
    leads = ideographs.encode("gb2312", "ignore")[0::2]
    frequent = sum(0xB0 <= lead <= 0xD7 for lead in leads)
    # Level 1 is in the order of pinyin; Korean syllables end where its letters S to Z begin.
    late = sum(0xC9 <= lead <= 0xD7 for lead in leads)
    if frequent < 0.9 * len(ideographs) or late < 0.15 * len(ideographs):
        return None
    return len(ideographs), ""


def _like_big5(text: str) -> tuple[int, str] | None:
    ideographs = _ideographs(text)
    if ideographs is None:
        return None
    pairs = ideographs.encode("cp950", "ignore")
    frequent = sum(0xA4 <= lead <= 0xC6 for lead in pairs[0::2])
    low = sum(trail < 0x7F for trail in pairs[1::2])
    if frequent < 0.93 * len(ideographs) or not 0.15 < low / len(ideographs) < 0.75:
        return None
    return len(ideographs), ""


# The letters beyond ASCII that each language writes. Where one of these lists covers all accents of a file, its
# Windows-1252 reading is right; Polish, Czech, Hungarian, Turkish and Baltic code pages give a mixture of several.
_LATIN_LETTERS = {
    "French": "àâæçèéêëîïôœùûüÿ",
    "German": "äöüßé",
    "Spanish": "áéíñóúüç",
    "Portuguese": "àáâãçéêíóôõúü",
    "Italian": "àèéìîòóù",
    "Swedish or Finnish": "äåéö",
    "Danish or Norwegian": "åæéø",
    "Dutch": "àáèéêëïíóöü",
    "Icelandic": "áæðéíóöúýþ",
}
_ENGLISH_LOANS = "áâàçèéêëíïñóôöü"
_SIGNS = "“”„‚‘’–—…•€£§°«»¿¡©®™´·½¼²³ªº\xa0"
# Typographic quotes and dashes lie at the same bytes in all code pages of Windows, letters in those of DOS.
_QUOTES_AND_DASHES = "“”„‚‘’–—"
_MIN_EVIDENCE = 5
_MAX_UNEXPLAINED = 0.01
_MAX_PAIRED = 0.3  # accents beside accents, as in Finnish; in codes of two bytes nearly all are


def _like_western(text: str) -> tuple[int, str] | None:
    letters: dict[str, int] = {}
    num_odd = num_signs = num_paired = 0
    for match in re.finditer("[^\x00-\x7f]", text):
        sign, place = match.group(), match.start()
        before, after = text[place - 1 : place], text[place + 1 : place + 2]
        if sign.isalpha() and sign not in "ªº":
            letters[sign.lower()] = letters.get(sign.lower(), 0) + 1
            num_paired += before > "\x7f" and before.isalpha()
            alone = not before.isalpha() and not after.isalpha()
            num_odd += alone and sign.lower() not in "àáéèåöøíóyæ"  # words of one letter
            num_odd += sign.isupper() and before.islower()
        elif sign in _QUOTES_AND_DASHES:
            stands_well = _stands_well(sign, before, after)
            num_signs += stands_well
            num_odd += not stands_well
        elif sign not in _SIGNS or (sign not in "´·\xa0" and before.isalpha() and after.isalpha()):
            num_odd += 1
    num_letters = sum(letters.values())
    evidence = num_letters + num_signs
    if evidence < _MIN_EVIDENCE or num_paired > _MAX_PAIRED * num_letters:
        return None
    alphabets = {"English": _ENGLISH_LOANS} if 2 * num_letters <= num_signs else _LATIN_LETTERS
    for language, alphabet in alphabets.items():
        num_known = sum(number for letter, number in letters.items() if letter in alphabet)
        if num_letters - num_known + num_odd <= _MAX_UNEXPLAINED * evidence:
            return evidence, f"{language} in Windows-1252"
    return None


def _stands_well(sign: str, before: str, after: str) -> bool:
    """Whether a quote or dash stands where writers put it, and not in the middle of a word."""
    if sign in "–—":
        return not (before.isalpha() and after.isalpha() and not (before.isascii() and after.isascii()))
    if sign == "’":
        return before.isalnum() or (not before.isalnum() and after.isalnum()) or before in ".,!?"
    if sign == "”":
        return not before.isspace() and not after.isalpha()
    return not before.isalnum() and not after.isspace()  # opening quotes


def _doubt(sample: bytes, num_bad: int, first_bad: int) -> Encoding:
    if num_bad <= MANY_BAD_PLACES:
        return Encoding("utf-8", num_bad=num_bad)  # a few bad rows, each told with its place
    found = _guess(sample, some_bad=True)
    if found:
        return found
    line = sample.count(b"\n", 0, first_bad) + 1
    raise SourceError(f"{not_utf_8(sample, first_bad, first_bad)}, nor surely anything else", _SET_IT, line)


def not_utf_8(data: bytes, index: int, offset: int) -> str:
    """The words for a byte at `index` of `data`, which is `offset` of the file."""
    return f"byte 0x{data[index]:02x} at offset {offset:,} is not UTF-8"


# Stands in a text where bytes do not belong to the encoding. No codec gives half of a surrogate pair, so a file that
# holds U+FFFD, as others that were read badly once do, is not taken for one.
STAND_IN = "\udfff"
STAND_IN_BYTES = STAND_IN.encode("utf-8", "surrogatepass")
_MAX_BAD_IN_BLOCK = 5_000
_FOUND = threading.local()  # what the handler below met in the block at work


class _TooMany(Exception):
    """More bad places in one block than rows that anybody would look at."""


def _put_stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    _FOUND.places.append((len(error.object), error.start, error.object[error.start]))
    if len(_FOUND.places) > _MAX_BAD_IN_BLOCK:
        raise _TooMany
    return STAND_IN, error.end


codecs.register_error("finetune_stand_in", _put_stand_in)


class BadPlaces:
    """The places of a text where bytes do not belong to its encoding, in order: rows with them are bad rows."""

    def __init__(self, encoding: Encoding):
        self.fix = _fix_of(encoding)
        self._words: deque[str] = deque()

    def add(self, words: str) -> None:
        """The next place, in words."""
        self._words.append(words)

    def take(self, text: str | bytes) -> list[str]:
        """The words for the places in the next stretch of the text; each place is taken once."""
        num = text.count(STAND_IN) if isinstance(text, str) else text.count(STAND_IN_BYTES)
        # UTF-7 alone can write the stand-in itself
        return [self._words.popleft() for _ in range(min(num, len(self._words)))]


def texts(blocks: Iterable[bytes], encoding: Encoding, bad: BadPlaces | None = None) -> Iterator[str]:
    """The text of a file, block by block, without its mark.

    Args:
        bad: takes the places where bytes do not belong to the encoding; the text has STAND_IN there. None: the first
            one raises.

    Raises:
        SourceError: a byte that does not belong to the encoding, with line and offset, or more of them than a file
            in this encoding has; what stands before was given.
    """
    decoder = codecs.getincrementaldecoder(encoding.codec)("finetune_stand_in")
    num_read, num_lines, num_bad, num_good = 0, 0, 0, 0
    skipped = len(encoding.mark)
    # what is written otherwise hardly ever passes for UTF-8, but passes for a code of two bytes most of the time
    good_for_bad = 1 if encoding.codec == "utf-8" else _GOOD_FOR_BAD
    first: SourceError | None = None
    for block in _with_end(blocks):
        data = block[skipped:] if skipped and num_read == 0 and block else block or b""
        num_read += skipped if num_read == 0 and block else 0
        _FOUND.places = places = []
        too_many = False
        try:
            text = decoder.decode(data, final=block is None)
        except _TooMany:
            text, too_many = "", True
        except UnicodeError:  # the codecs of UTF-16 and UTF-32 raise the plain one at times
            raise SourceError(f"is not {encoding.codec}", _SET_IT, num_lines + 1) from None
        for length, start, byte in places:
            words = _does_not_decode(byte, num_read + len(data) - length + start, encoding)
            if first is None:
                before = text.partition(STAND_IN)[0]
                first = SourceError(words, _fix_of(encoding), num_lines + before.count("\n") + 1)
                if bad is None:
                    yield before
                    raise first
            if bad:
                bad.add(words)
        num_read += len(data)
        num_lines += text.count("\n")
        num_bad += len(places)
        if not text.isascii():  # bytes beyond one a character, as UTF-8 counts them: two for each stand-in
            num_good += len(text.encode("utf-8", "surrogatepass")) - len(text) - 2 * len(places)
        if first and (too_many or (num_bad > MANY_BAD_PLACES and num_bad * good_for_bad > num_good)):
            raise first
        if text:
            yield text


def _with_end(blocks: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None


def _does_not_decode(byte: int, offset: int, encoding: Encoding) -> str:
    name = "UTF-8" if encoding.codec == "utf-8" else encoding.label.split()[0]
    return f"byte 0x{byte:02x} at offset {offset:,} is not {name}"


def _fix_of(encoding: Encoding) -> str:
    if encoding.codec == "utf-8":
        return _SET_IT
    return "set data.encoding to what the file is written in, or save it as UTF-8"


def mark_of(data: bytes, encoding: Encoding) -> bytes:
    """The byte-order mark that one of several files in an encoding starts with, or none."""
    return next((mark for mark, codec in _MARKS if codec == encoding.codec and data.startswith(mark)), b"")


def head_text(head: bytes, encoding: Encoding) -> str:
    """The beginning of a file as text, faults and all; for looking at, never for rows."""
    decoder = codecs.getincrementaldecoder(encoding.codec)("replace")
    return decoder.decode(head[len(encoding.mark) :])
