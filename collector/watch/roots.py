"""Roots that devices trust as they come: those of today, and keys of some that older devices have."""

from __future__ import annotations

import base64
from functools import cache

from collector.detect.paths import Roots
from collector.probing.roots import public_certificates

# Withdrawn from the bundle, and still in devices and at the top of chains. As vendors publish them, for
# one Duo's client of its universal prompt, and Let's Encrypt's client tests for the first.
_OLDER = (
    "Vjs8r4z+80wjNcr1YKepWQboSIRi63WsWXhIMN+eWys=",  # DST Root CA X3
    "r/mIkG3eEpVdm+u/ko/cwxzOMo1bk4TyHIlByibiA5E=",  # DigiCert Global Root CA
    "I/Lt/z7ekCWanjD0Cvj5EqXls2lOaThEA0H2Bg4BT/o=",  # DigiCert Assured ID Root CA
    "WoiWRyIOVNa9ihaBciRSC7XHjliYS9VwUGOIud4PB18=",  # DigiCert High Assurance EV Root CA
    "dykHF2FLJfEpZOvbOLX4PKrcD2w2sHd/iA/G3uHTOcw=",  # SecureTrust CA
    "JZaQTcTWma4gws703OR/KFk313RkrDcHRvUt6na6DCg=",  # Secure Global CA
)


@cache
def public_roots() -> Roots:
    return Roots.of(public_certificates(), map(base64.b64decode, _OLDER))
