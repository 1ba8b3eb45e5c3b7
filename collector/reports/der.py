"""As much DER as it takes to find a certificate's end and its SubjectPublicKeyInfo.

A pin is the hash of the SubjectPublicKeyInfo *as it stands in the certificate* (RFC 7469,
section 2.4), so it is cut out, not decoded and encoded again; and a certificate with an oddity
that a strict X.509 library refuses still has its pin.
"""

from __future__ import annotations

SEQUENCE = 0x30
INTEGER = 0x02
BIT_STRING = 0x03
VERSION = 0xA0  # [0] EXPLICIT, absent in X.509 v1


def element(data: bytes, start: int) -> tuple[int, int, int]:
    """(tag, where its content starts, where it ends) of the element at ``start``.

    Raises ValueError where the element does not lie wholly in ``data`` or is not definite DER.
    """
    if start + 2 > len(data):
        raise ValueError("DER ends in a header")
    tag, length = data[start], data[start + 1]
    content = start + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or content + size > len(data):
            raise ValueError("DER length is not definite, or cut")
        length = int.from_bytes(data[content : content + size], "big")
        content += size
    end = content + length
    if end > len(data):
        raise ValueError("DER is cut")
    return tag, content, end


def _expect(data: bytes, start: int, wanted: int) -> tuple[int, int]:
    tag, content, end = element(data, start)
    if tag != wanted:
        raise ValueError(f"DER tag {tag:#x} where {wanted:#x} belongs")
    return content, end


def certificate_and_spki(data: bytes) -> tuple[bytes, bytes]:
    """(the certificate without what trails it, its SubjectPublicKeyInfo), RFC 5280 section 4.1.

    Raises ValueError if ``data`` does not start with a certificate.
    """
    outer, end = _expect(data, 0, SEQUENCE)
    tbs, tbs_end = _expect(data, outer, SEQUENCE)
    place = tbs
    tag, _, after = element(data, place)
    if tag == VERSION:
        place = after
    _, place = _expect(data, place, INTEGER)  # serialNumber
    for _ in ("signature", "issuer", "validity", "subject"):
        _, place = _expect(data, place, SEQUENCE)
    content, spki_end = _expect(data, place, SEQUENCE)
    _, key = _expect(data, content, SEQUENCE)  # algorithm
    _, key_end = _expect(data, key, BIT_STRING)
    if key_end != spki_end or spki_end > tbs_end or tbs_end > end:
        raise ValueError("DER elements overlap")
    return data[:end], data[place:spki_end]
