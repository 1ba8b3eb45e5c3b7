"""Read settings and files, report every mistake at once. Exit 1 if there is one.

Where a collector runs (PINFALL_URL, or the 'up' of --data), its warnings are told too.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import urllib.error
import urllib.request

from collector import pinfall_toml
from collector.commands import running
from collector.commands.options import add_data, data_directory
from collector.embedded.binaries import choose
from collector.errors import PinfallError, SettingsError
from collector.intake.asn import open_table
from collector.notify.config import configured
from collector.settings import Settings, load_settings

EXAMPLES = """examples:
  pinfall check
  PINFALL_TLS_CERT=cert.pem PINFALL_TLS_KEY=key.pem pinfall check
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)


def _tls(settings: Settings) -> list[str]:
    named = (("TLS_CERT", settings.tls_cert), ("TLS_KEY", settings.tls_key))
    mistakes = [
        f"PINFALL_{name}: {path}: cannot be read"
        for name, path in named
        if path is not None and not path.is_file()
    ]
    if settings.tls_cert is None or settings.tls_key is None or mistakes:
        return mistakes
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError):
        return ["PINFALL_TLS_CERT, PINFALL_TLS_KEY: not a PEM certificate and the key that fits it"]
    return []


def _spool(settings: Settings) -> list[str]:
    place = settings.spool_dir
    if place is None:
        if settings.database_url:
            print("note: without PINFALL_SPOOL_DIR reports are shed while Postgres is away")
        return []
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        return [f"PINFALL_SPOOL_DIR: {place}: cannot be written"]
    return []


def _asn_db(settings: Settings) -> list[str]:
    try:
        if settings.asn_db is not None:
            open_table(settings.asn_db)
    except SettingsError as error:
        return [str(error)]
    except OSError as error:
        return [f"PINFALL_ASN_DB: {settings.asn_db}: {error.strerror}"]
    return []


def _config(settings: Settings) -> list[str]:
    try:
        channels, _ = configured(pinfall_toml.load(settings.config), os.environ)
        if channels and not settings.pages_url:
            print("note: without PINFALL_PAGES_URL alerts have no links to pages and runbooks")
    except SettingsError as error:
        return str(error).splitlines()
    return []


def _collector(told: argparse.Namespace) -> tuple[str | None, str | None]:
    """(URL, token) of the collector to ask, if there is one."""
    if os.environ.get("PINFALL_URL"):
        return os.environ["PINFALL_URL"].rstrip("/"), os.environ.get("PINFALL_TOKEN")
    found = running.find(data_directory(told))
    return (found.operator_url, found.token) if found else (None, None)


def _warnings(url: str, token: str | None) -> list[str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url + "/readyz", headers=headers)  # noqa: S310 (the operator's own)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            return [str(warning) for warning in json.loads(answer.read()).get("warnings", [])]
    except urllib.error.HTTPError as error:
        words = {401: "does not take PINFALL_TOKEN", 503: "is not ready: Postgres does not answer"}
        return [f"the collector at {url} {words.get(error.code, f'answers {error.code}')}"]
    except (OSError, ValueError):
        return [f"the collector at {url} does not answer"]


def run(told: argparse.Namespace) -> int:
    mistakes: list[str] = []
    try:
        settings = load_settings()
    except SettingsError as error:
        mistakes += str(error).splitlines()
    else:
        mistakes += _tls(settings)
        mistakes += _spool(settings)
        mistakes += _config(settings)
        mistakes += _asn_db(settings)
        if settings.postgres_bin or not settings.database_url:
            try:
                choose(settings.postgres_bin)
            except PinfallError as error:
                mistakes.append(str(error))
    url = None
    try:
        url, token = _collector(told)
        mistakes += _warnings(url, token) if url else []
    except PinfallError as error:
        mistakes.append(str(error))
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    print("ok: settings and files" + (f"; the collector at {url} is ready" if url else ""))
    return 0
