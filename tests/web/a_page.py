"""A page as somebody reads it who cannot see it, and forms as a browser sends them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import aiohttp

from tests.web.conftest import Site

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e\x1b[31m"
LARGEST = 100_000  # bytes of a page
_VOID = {"meta", "link", "input", "br", "img", "hr", "line", "circle", "rect", "path"}


@dataclass
class Page(HTMLParser):
    """Fails on what could act, and on what a reader of screens could not follow."""

    status: int = 200
    text: str = ""
    alert: str = ""
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    fields: dict[str, str] = field(default_factory=dict)
    named: list[tuple[str, str | None]] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    refresh: str | None = None
    _alert: bool = False
    _in: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        assert len(told) == len(attrs), f"twice the same attribute: {attrs}"
        for name, value in attrs:
            assert not name.startswith("on"), name
            assert name not in ("style", "srcdoc"), name
            if name in ("href", "src", "action"):
                assert value is not None
                assert value.startswith(("/", "#")), value
                assert not value.startswith("//")
        if told.get("id"):
            self.ids.append(told["id"] or "")
        if tag == "a":
            self.links.append(told["href"] or "")
            if "aria-current" in told:
                self.current.append(told["href"] or "")
        if tag == "label":
            self.labels.add(told["for"] or "")
        if tag in ("input", "textarea", "select") and told.get("type") != "hidden":
            self.named.append((tag, told.get("id")))
        if tag == "input" and told.get("name"):
            self.fields.setdefault(told["name"] or "", told.get("value") or "")
        if tag == "th":
            assert told.get("scope") in ("col", "row"), self.get_starttag_text()
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self._alert = told.get("role") == "alert"
        if tag not in _VOID:
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._alert = False
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._alert:
            self.alert += data


async def visit(
    site: Site,
    path: str,
    form: dict[str, Any] | None = None,
    *,
    token: str | None = None,
    files: bool = False,
    **headers: str,
) -> Page:
    """GET, or POST of a form from our own page; what comes of it is followed. files: as multipart."""
    sent = {"Accept": "text/html"} | {k.replace("_", "-"): v for k, v in headers.items()}
    if token:
        sent["Authorization"] = f"Bearer {token}"
    data: Any = form
    if form is not None:
        sent.setdefault("Origin", site.operator)
        if files:
            data = aiohttp.FormData(default_to_multipart=True)
            for name, value in form.items():
                if isinstance(value, bytes):
                    data.add_field(name, io.BytesIO(value), filename="pins.json")
                else:
                    data.add_field(name, value)
    method = "GET" if form is None else "POST"
    async with site.session.request(
        method, site.operator + path, data=data, headers=sent
    ) as response:
        text = await response.text()
        page = Page(response.status, refresh=response.headers.get("Refresh"))
        if response.content_type != "text/html":
            page.text = text
            return page
        csp = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in csp
        assert "unsafe" not in csp
        assert len(text.encode()) < LARGEST, len(text)
    page.feed(text)
    page.close()
    _is_readable(page)
    return page


def _is_readable(page: Page) -> None:
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
    assert len(page.ids) == len(set(page.ids)), sorted(page.ids)
    for tag, id_ in page.named:
        assert id_ in page.labels, f"{tag} {id_} has no label"
    assert page.levels[0] == 1
    for before, after in zip(page.levels, page.levels[1:], strict=False):
        assert after <= before + 1, page.levels
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link


async def fill(
    site: Site, where: str, action: str, token: str | None = None, **fields: Any
) -> Page:
    """Open a page and send one of its forms."""
    page = await visit(site, where, token=token)
    form = {"form_token": page.fields.get("form_token", ""), **fields}
    files = any(isinstance(value, bytes) for value in fields.values())
    return await visit(site, action, form, token=token, files=files)
