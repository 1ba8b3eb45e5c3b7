"""What can be wrong with a host, and how loudly it is told. Names are a public contract."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    PAGE = "page"  # somebody is woken
    TICKET = "ticket"  # somebody looks in working hours

    @property
    def rank(self) -> int:
        return 2 if self is Severity.PAGE else 1


class AlertKind(StrEnum):
    """Each is one alert a (project, host), open until it is resolved."""

    PIN_FAILURE_SPIKE = "pin_failure_spike"
    OWN_CERTIFICATE_EXPIRED = "own_certificate_expired"
    WRONG_ENVIRONMENT = "wrong_environment"
    WRONG_PINS = "wrong_pins"
    MISISSUANCE_SUSPECTED = "misissuance_suspected"
    INTERCEPTION_WAVE = "interception_wave"
    UNTRUSTED_CHAIN_SPIKE = "untrusted_chain_spike"
    UNKNOWN_SPIKE = "unknown_spike"
    REPORTING_SILENT = "reporting_silent"
    PIN_SET_EXPIRING = "pin_set_expiring"
    CERTIFICATE_EXPIRING = "certificate_expiring"
    BACKUP_PIN_MISSING = "backup_pin_missing"
    ROTATION_NOT_SEEN = "rotation_not_seen"
    COLLECTOR_LOSING_REPORTS = "collector_losing_reports"
    ONE_ADDRESS = "one_address"  # all reports come from one network: a proxy that is not declared
