"""Personal names in Chinese characters: after a label, a phrase or before a title."""

from __future__ import annotations

import re

from finetune.data.privacy.kinds import Found
from finetune.data.privacy.lexicon import CHINESE_FAMILY, CHINESE_FAMILY_TWO, CHINESE_FAMILY_WEAK, CHINESE_GIVEN

_FAMILY = "(?:" + "|".join(sorted(CHINESE_FAMILY_TWO)) + "|[" + "".join(sorted(CHINESE_FAMILY)) + "])"
_SURE_FAMILY = (
    "(?:" + "|".join(sorted(CHINESE_FAMILY_TWO)) + "|[" + "".join(sorted(CHINESE_FAMILY - CHINESE_FAMILY_WEAK)) + "])"
)
_H = r"[\u4e00-\u9fff]"
_END = (
    r"(?=$|[\s，,。.；;、！!？?（）()【】\[\]\"”'’:：/|<>\-—~]|\d|[A-Za-z]|男|女|性别|年龄|出生|"
    r"电话|手机|身份证|住址|先生|女士|同志|今年|现年)"
)

# Labels: what follows is a name if it has the form of one and ends there.
_LABEL = re.compile(
    r"(?:姓名|患者姓名|病人姓名|联系人|签名|签字|署名|监护人|家属|收件人|收货人|户主|经办人|主治医师|主治医生|主管医师|责任护士|接诊医生|医师签名|患者|病人|患儿|投保人|被保险人|"
    r"原告|被告(?:人)?|申请人|被申请人|委托人|当事人|法定代表人|户名|开户人|持卡人)(?:是|为)?\s?[:：]\s{0,2}"
    rf"(?P<name>{_FAMILY}[·]?{_H}{{1,3}}){_END}"
)
# Phrases: "my name is"; a family name has to follow.
_PHRASE = re.compile(
    rf"(?:我叫做?|名叫做?|名字叫做?|名字是|本人姓名|我的名字是|姓名是|姓名为|叫我|我是|我姓|这位是|署名)\s?(?P<name>{_FAMILY}{_H}{{1,3}}?)"
    r"(?=$|[\s，,。.；;、！!？?（）()\"”:：]|\d|男|女|今年|现年|来自|是|的|，)"
)
_STRONG_PHRASE = re.compile(r"(?:我叫|名叫|名字|姓名|署名)")
# "患者张伟，男": without a colon the characters after the family name must be such as given names are made of.
_BARE = re.compile(
    rf"(?:患者|病人|患儿|家属|儿子|女儿|丈夫|妻子|老公|老婆|母亲|父亲|妈妈|爸爸|朋友|同事|邻居|同学|护士|医生|主任|教授|原告|被告|当事人|女士|先生|孩子|爷爷|奶奶|外公|外婆|"
    rf"哥哥|姐姐|弟弟|妹妹|户名|姓名|联系人|收件人)叫?(?P<name>{_FAMILY}(?P<given>{_H}{{1,2}}))"
    r"(?=$|[\s，,。；;、（(]|\d|男|女|今年|现年|于|因|，)"
)
# Titles after the name: 王医生, 李建国先生.
_TITLED = re.compile(
    rf"(?P<name>{_SURE_FAMILY}(?P<given>{_H}{{0,2}}?))(?:医生|大夫|主任|医师|教授|护士长?|先生|女士|小姐|老师|同志|律师|法官|经理|院长|阿姨|叔叔|师傅)"
)
_TITLE_HINTS = (
    "医",
    "大夫",
    "主任",
    "教授",
    "护士",
    "先生",
    "女士",
    "小姐",
    "老师",
    "同志",
    "律师",
    "法官",
    "经理",
    "院长",
    "阿姨",
    "叔叔",
    "师傅",
)
_SALUTE = re.compile(rf"(?:尊敬的|亲爱的|此致\s{{0,3}})(?P<name>{_FAMILY}{_H}{{1,2}})(?=[：:，,！!\s]|$)")
# "王芳的电话是139...": whose number or place is told. The value itself has to follow, and before the name no
# character may stand that makes it part of a longer word.
_OWNER = re.compile(
    rf"(?<!{_H})(?:[是找让请和跟与给叫为]|请问|患者|病人|客户|联系人)?(?P<name>{_SURE_FAMILY}(?P<given>{_H}{{1,2}}))的"
    r"(?:(?:手机|联系|家庭|家里|办公|座机)?电话|手机|身份证|住址|家庭住址|家庭地址|家住|微信|邮箱|电子邮箱|电子邮件|银行卡|医保卡|社保卡|护照|病历|住院|门诊)"
    r"(?:号码?|卡号|地址)?(?:\s?(?:是|为|:|：)\s?(?=[\u4e00-\u9fffA-Za-z0-9+(（])|\s?(?=[\d+]))"
)
# Words that begin like a name: who lets rooms, makes telephones, or whatever is as safe as can be.
_NO_OWNERS = frozenset({
    "房东", "安全", "华为", "荣耀", "平安", "公安", "高中", "方正", "金立", "万一", "常用", "高级", "康复", "安心",
    "全家", "时代", "云南", "江苏", "江西", "海南", "河南", "安徽", "明天", "今天", "成人", "成年", "高龄", "向导",
})  # fmt: skip
_OWNER_HINTS = (
    "的电话",
    "的手",
    "的身",
    "的住",
    "的家",
    "的联",
    "的办",
    "的座",
    "的微",
    "的邮",
    "的电子",
    "的银",
    "的医保",
    "的社",
    "的护",
    "的病",
    "的门",
)
_TITLES = ("女士", "先生", "小姐", "医生", "大夫", "老师", "主任")


def find(text: str, found: list[Found]) -> None:
    """Appends names in Chinese characters."""
    for match in _LABEL.finditer(text):
        _take(match, False, 0.9, found)
    for match in _PHRASE.finditer(text):
        strong = _STRONG_PHRASE.match(match.group()) is not None
        _take(match, not strong, 0.85 if strong else 0.7, found)
    for form in (_BARE, _SALUTE):
        for match in form.finditer(text):
            _take(match, True, 0.75, found)
    if any(hint in text for hint in _OWNER_HINTS):
        for match in _OWNER.finditer(text):
            if match.group("name") not in _NO_OWNERS:
                _take(match, True, 0.8, found)
    if any(hint in text for hint in _TITLE_HINTS):
        for match in _TITLED.finditer(text):
            _titled(text, match, found)


def _take(match: re.Match[str], checked: bool, score: float, found: list[Found]) -> None:
    """Adds the name, less a title after it. `checked`: those after the family name must be common in given names."""
    start, name = match.start("name"), match.group("name")
    length = 2 if name[:2] in CHINESE_FAMILY_TWO else 1
    given = name[length:].lstrip("·")
    if given in _TITLES:
        found.append(Found("name", start, start + length, 0.6))
    elif 1 <= len(given) <= 2 + (length == 2) and "某" not in given and given[-1] not in "的了是在有和们":
        common = all(sign in CHINESE_GIVEN for sign in given)
        if common or not checked:
            found.append(Found("name", start, start + len(name), score))


def _titled(text: str, match: re.Match[str], found: list[Found]) -> None:
    start, end = match.span("name")
    given = match.group("given")
    if given and not all(sign in CHINESE_GIVEN for sign in given):
        return
    before = text[start - 1] if start else ""
    # a character before it that is no pause and no particle makes the family name part of another word
    if (
        not given
        and "\u4e00" <= before <= "\u9fff"
        and before not in "是找向问请让和跟与给对见有的由叫为到谢位了者人系"
    ):
        return
    if given and len(given) == 1 and match.group("name")[0] in CHINESE_FAMILY_WEAK:
        return
    found.append(Found("name", start, end, 0.8 if given else 0.6))
