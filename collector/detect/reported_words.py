"""Words of reports, made fit to stand among ours: short, on one line, and nobody's link or mention.

Receivers make links of addresses, and of bare names such as evil.example; some make mentions of @name
and <!channel>. What they would take for one is written so that people still read it: evil[.]example.
"""

from __future__ import annotations

import re
import unicodedata

MOST = 64  # characters
UNUSUAL = "unusual version"
_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # control, bidi, unassigned, breaks

# Signs that mentions and markup begin with, and backslashes of an address on a network of Windows.
_SIGNS = (
    (re.compile("[@＠﹫]"), "(at)"),
    (re.compile("[<＜]"), "("),
    (re.compile("[>＞]"), ")"),
    (re.compile(r"\\{2,}"), r"\\"),
    (re.compile("[:：](?=[/／]{2})"), "[:]"),
    (re.compile("(?i)(www|…)[.。．｡]"), r"\1[.]"),
    (
        re.compile(r"(?i)\b(mailto|tel|sms|callto|javascript|data|file|sip|skype|xmpp):(?!\s)"),
        r"\1[:]",
    ),
)
_DOT = re.compile("[.。．｡]")  # all of them part the labels of a host name (UTS 46)
_LABEL = r"[^\s!-,./:-@\[-^`{-~。．｡…]+"  # whatever scripts write; of ASCII's other signs - and _
_DOTTED = re.compile(rf"{_LABEL}(?:[.。．｡]{_LABEL})+")
_GOES_ON = frozenset("/\\:?#／：？＃")  # behind a host: it is more than a name

_VERSION = re.compile(r"[A-Za-z0-9._+-]{1,32}")
_NUMBER = re.compile(r"[vV]?\d.*")
# What versions end with, where they end with a word; none is a top-level domain.
_STAGES = frozenset((
    "alpha", "beta", "canary", "debug", "final", "hotfix", "internal", "nightly", "pre", "preview", "release",
    "snapshot", "staging", "test",
))  # fmt: skip
# What application ids begin with (com.example.wallet), beside countries.
_ROOTS = frozenset(("app", "biz", "com", "dev", "edu", "gov", "info", "io", "mobi", "net", "org"))
# What host names end with, beside countries: an id that ends so may be one.
_OLD_ENDINGS = frozenset((
    "biz", "com", "edu", "gov", "info", "int", "mil", "mobi", "name", "net", "org", "pro",
))  # fmt: skip
_ENDINGS = _OLD_ENDINGS.union((
    "app", "art", "bank", "blog", "build", "cash", "chat", "click", "cloud", "club", "codes", "company", "dev",
    "digital", "email", "fun", "games", "global", "group", "help", "host", "icu", "lat", "link", "live", "lol",
    "media", "mov", "network", "news", "one", "online", "page", "plus", "press", "prod", "run", "services", "shop",
    "site", "social", "software", "space", "store", "studio", "support", "systems", "tech", "today", "tools", "top",
    "vip", "web", "website", "wiki", "work", "world", "xyz", "zip", "zone",
))  # fmt: skip
_APP = re.compile(r"[a-z]+(?:\.[A-Za-z0-9_-]+){2,}")


def one_line(text: str, most: int) -> str:
    """At most so many characters; what is not to be seen becomes a space."""
    told = "".join(" " if unicodedata.category(c) in _HIDING else c for c in text[: 2 * most])
    return _cut(" ".join(told.split()), most)


def reported(text: str, host: str = "") -> str:
    """At most 64 characters. host: of the alert; its name, and those it stands under, stay as they are.

    What it returned, it leaves as it is."""
    told = one_line(text, 2 * MOST)
    while True:  # a cut can make a name of a longer one; each round leaves fewer
        safe = _cut(_harmless(told, host), MOST)
        if safe == told:
            return told
        told = safe


def version(text: str) -> str:
    """Of an app: itself, or that it is none that anybody would give."""
    is_usual = _VERSION.fullmatch(text) is not None and reported(text) == text
    return text if is_usual else UNUSUAL


def app(text: str) -> str:
    """Of the contract: programs compare it, so an application id stays whole, com.example.app too."""
    if len(text) <= MOST and _APP.fullmatch(text):
        first, *_, last = text.lower().split(".")
        if _is_root(first) and len(last) > 2 and last not in _OLD_ENDINGS:
            return text
    return reported(text)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _harmless(text: str, host: str) -> str:
    for sign, instead in _SIGNS:
        text = sign.sub(instead, text)

    def told(match: re.Match[str]) -> str:
        word = match[0]
        under = f".{host}".endswith(f".{word.lower()}")
        if _is_no_host(word) or (under and text[match.end() : match.end() + 1] not in _GOES_ON):
            return word
        return _DOT.sub("[.]", word)

    return _DOTTED.sub(told, text).replace("](", "] (")  # the last: a link of Markdown


def _is_no_host(word: str) -> bool:
    """Nobody takes it for one: a number with dots, or an application id."""
    if not word.isascii():
        return False
    first, *labels = word.lower().split(".")
    heads = [re.split("[-_]", label)[0] if label[:4] != "xn--" else "com" for label in labels]
    endings = [head for head in heads if head.isalpha() and len(head) > 1]
    if not endings:
        return True
    if _NUMBER.fullmatch(first):
        return endings[-1] in _STAGES
    ending = endings[-1]
    return _is_root(first) and len(labels) > 1 and len(ending) > 2 and ending not in _ENDINGS


def _is_root(label: str) -> bool:
    return label in _ROOTS or (len(label) == 2 and label.isalpha())
