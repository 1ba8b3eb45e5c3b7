"""Read settings and files, report every mistake at once. Exit 1 if there is one.

Where a collector runs (PINFALL_URL, or the 'up' of --data), its warnings are told too.
"""

from __future__ import annotations

import argparse
import json
import ssl
import urllib.error
import urllib.request

from collector.commands import running
from collector.commands.options import add_data, data_directory
from collector.embedded.binaries import choose
from collector.errors import PinfallError, SettingsError
from collector.settings import Settings, load_settings

EXAMPLES = """examples:
  pinfall check
  PINFALL_TLS_CERT=cert.pem PINFALL_TLS_KEY=key.pem pinfall check
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)


def _tls(settings: Settings) -> list[str]:
    if settings.tls_cert is None or settings.tls_key is None:
        return []
    mistakes = [
        f"PINFALL_{name}: {path}: cannot be read"
        for name, path in (("TLS_CERT", settings.tls_cert), ("TLS_KEY", settings.tls_key))
        if not path.is_file()
    ]
    if not mistakes:
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            mistakes.append(f"PINFALL_TLS_CERT, PINFALL_TLS_KEY: {error}")
    return mistakes


def _warnings(told: argparse.Namespace) -> list[str]:
    try:
        found = running.find(data_directory(told))
    except PinfallError as error:
        return [str(error)]
    if found is None:
        return []
    try:
        with urllib.request.urlopen(found.operator_url + "/readyz", timeout=5) as answer:  # noqa: S310
            return list(json.loads(answer.read()).get("warnings", []))
    except urllib.error.HTTPError as error:
        return [] if error.code == 401 else ["the collector is not ready"]
    except (OSError, ValueError):
        return ["the collector does not answer"]


def run(told: argparse.Namespace) -> int:
    mistakes: list[str] = []
    try:
        settings = load_settings()
    except SettingsError as error:
        mistakes += str(error).splitlines()
    else:
        mistakes += _tls(settings)
        if settings.postgres_bin or not settings.database_url:
            try:
                choose(settings.postgres_bin)
            except PinfallError as error:
                mistakes.append(str(error))
    mistakes += _warnings(told)
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    print("ok")
    return 0
