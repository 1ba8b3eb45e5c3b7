"""Files that people name on the command line: chains, requests, pin sets."""

from __future__ import annotations

import base64
import ssl
import sys
from pathlib import Path

from collector.errors import PinfallError
from collector.reports.pem import LARGEST, ChainFile, read_chain_file
from collector.web.shown import shown


def read_bytes(name: str, most: int) -> bytes:
    """A file's bytes, or those of standard input for '-'; one more than ``most`` if there are more."""
    if name == "-":
        return sys.stdin.buffer.read(most + 1)
    with Path(name).open("rb") as file:
        return file.read(most + 1)


def chain_file(name: str, host: str | None = None) -> ChainFile:
    """Raises PinfallError, one line that begins with the file's name, or OSError."""
    data = read_bytes(name, LARGEST)
    try:
        return read_chain_file(data, host)
    except PinfallError as error:
        raise PinfallError(f"{shown(name)}: {error}") from None


def only_public(file: ChainFile) -> str:
    """PEM of what a collector needs of a file: a private key beside it never leaves the machine."""
    if file.request is not None:
        body = base64.encodebytes(file.request.der).decode()
        return f"-----BEGIN CERTIFICATE REQUEST-----\n{body}-----END CERTIFICATE REQUEST-----\n"
    certificates = (*file.chain, *file.others)
    return "".join(ssl.DER_cert_to_PEM_cert(certificate.der) for certificate in certificates)
