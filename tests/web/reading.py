"""A page as a browser without scripts, or a reader of screens, has it; and its forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from tests.web.conftest import Site

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e\x1b[31m=1+1|[a](javascript:b)"
LARGEST = 100_000  # bytes of a page
_VOID = {"meta", "link", "input", "br", "img", "hr"}


class Seen(HTMLParser):
    """Fails on what could act, and on what somebody who cannot see could not follow."""

    def __init__(self, status: int, html: str) -> None:
        super().__init__()
        self.status, self.html, self.text = status, html, ""
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: set[str | None] = set()
        self.fields: list[str | None] = []
        self.tokens: list[str] = []
        self.levels: list[int] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not {"script", "img", "style", "iframe", "object"} & set(self.tags)
        assert not [c for c in self.text if c != "\n" and not c.isprintable()]
        assert len(self.ids) == len(set(self.ids)), sorted(self.ids)
        assert set(self.fields) <= self.labels
        steps = zip(self.levels, self.levels[1:], strict=False)
        assert all(after <= before + 1 for before, after in steps), self.levels
        assert self.open == []
        assert len(html.encode()) < LARGEST, len(html.encode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        assert not [name for name in told if name.startswith("on") or name == "style"]
        for name in ("href", "src", "action"):
            if name in told:
                url = told[name] or ""
                assert re.match(r"/(?!/)|\?|#|https://wiki\.example/", url), url
        if told.get("id"):
            self.ids.append(told["id"] or "")
        if tag == "a":
            self.links.append(told["href"] or "")
        if tag == "label":
            self.labels.add(told["for"])
        if tag in ("input", "select", "textarea") and told.get("type") != "hidden":
            self.fields.append(told.get("id"))
        if told.get("name") == "form_token":
            self.tokens.append(told["value"] or "")
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.text += data


async def look(site: Site, path: str, token: str | None = None) -> Seen:
    headers = {"Accept": "text/html", **({"Authorization": f"Bearer {token}"} if token else {})}
    async with site.session.get(site.operator + path, headers=headers) as response:
        text = await response.text()
        assert response.status == 200, text
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        return Seen(response.status, text)


async def send(site: Site, page: str, action: str, **fields: str) -> Seen:
    """One of a page's forms; what it leads to."""
    form = {"form_token": (await look(site, page)).tokens[0], **fields}
    headers = {"Origin": site.operator, "Accept": "text/html"}
    async with site.session.post(site.operator + action, data=form, headers=headers) as response:
        text = await response.text()
        assert response.content_type == "text/html", text
        return Seen(response.status, text)
