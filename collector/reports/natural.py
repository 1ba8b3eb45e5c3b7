"""JSON that an app made up: a host, and the text of an exception or an SDK's own words in some field.

Keys are compared without case, dashes and underscores; ``device.model`` and the like are found
one level down too.
"""

from __future__ import annotations

import re
from operator import itemgetter

from collector.errors import Reason, ReportError
from collector.model import Dialect, Kind, Violation
from collector.reports.agents import android
from collector.reports.callbacks import read_callback
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.okhttp import Text, read_text
from collector.reports.personal import scrubbed
from collector.reports.pins import pin_set
from collector.reports.platforms import platform_of
from collector.reports.texts import clean, fold

_ALIASES = {
    "host": (
        "host", "hostname", "serverhostname", "serverhost", "url", "uri", "requesturl", "endpoint",
        "nserrorfailingurlstringkey", "nserrorfailingurlkey", "failingurl", "domain",
    ),
    "error": ("exception", "errortype", "exceptiontype", "exceptionclass", "exceptionname", "type", "class"),
    "message": (
        "message", "errormessage", "exceptionmessage", "msg", "detailmessage", "error", "stacktrace",
        "stack", "trace", "cause", "description", "text", "log", "exception", "reason", "details",
    ),
    "time": ("timestamp", "ts", "time", "datetime", "date", "observedat", "occurredat", "eventtime", "createdat"),
    "appid": ("appid", "app", "apppackage", "package", "packagename", "applicationid", "bundleid", "appbundleid",
              "bundleidentifier"),
    "appversion": ("appversion", "appversionname", "versionname", "version", "release"),
    "appbuild": ("appbuild", "versioncode", "appversioncode", "build", "buildnumber"),
    "osversion": ("osversion", "androidversion", "systemversion", "osrelease"),
    "sdkint": ("sdkint", "apilevel", "androidsdk", "androidapi", "androidsdkint"),
    "platform": ("platform", "os", "osname", "appplatform", "systemname"),
    "device": ("device", "devicemodel", "model"),
    "install": ("installid", "installationid", "installuuid", "appinstanceid", "appvendorid", "clientid", "instanceid"),
    "event": ("eventid", "reportid"),
    "port": ("port",),
    "enforced": ("enforced", "enforcepinning", "blocked"),
}  # fmt: skip
_NESTED = {
    ("app", "id"): "appid", ("app", "package"): "appid", ("app", "name"): "appname",
    ("app", "version"): "appversion", ("app", "build"): "appbuild", ("app", "versioncode"): "appbuild",
    ("os", "version"): "osversion", ("os", "name"): "osname", ("os", "sdkint"): "sdkint",
    ("device", "model"): "devicemodel", ("device", "osversion"): "osversion",
    ("device", "os"): "osname", ("device", "platform"): "osname",
    ("error", "message"): "errormessage", ("error", "type"): "errortype", ("error", "class"): "errortype",
    ("error", "name"): "errortype", ("error", "stack"): "stacktrace", ("error", "code"): "errorcode",
    ("error", "domain"): "errordomain", ("error", "localizeddescription"): "localizeddescription",
    ("exception", "message"): "exceptionmessage", ("exception", "type"): "exceptiontype",
    ("exception", "class"): "exceptiontype", ("exception", "value"): "exceptionmessage",
    ("exception", "stacktrace"): "stacktrace", ("request", "host"): "host", ("request", "url"): "url",
}  # fmt: skip


_ERROR_DOMAIN = re.compile(r"(?i)error|domain|^com\.|^org\.|^net\.|^kcf")
_WRAPPERS = frozenset(
    {
        "data",
        "event",
        "report",
        "payload",
        "details",
        "params",
        "attributes",
        "properties",
        "context",
        "cause",
        "nativeevent",
        "userinfo",
    }
)


def _flat(item: dict[str, object], levels: int = 3) -> dict[str, object]:
    """Folded keys of this object, of the objects that only wrap it, and of known pairs.

    Of keys that are one when folded, the nearest counts, then the first by name: their order is the
    client's library's, and another one after a restart.
    """
    flat: dict[str, object] = {}
    for key, value in sorted(item.items(), key=lambda pair: (isinstance(pair[1], dict), pair[0])):
        name = fold(str(key))
        if isinstance(value, dict) and name in _WRAPPERS and levels:
            for inner, entry in _flat(value, levels - 1).items():
                flat.setdefault(inner, entry)
        elif isinstance(value, dict):
            left = {}
            for inner, entry in sorted(value.items(), key=itemgetter(0)):
                place = _NESTED.get((name, fold(str(inner))))
                if place is not None and place not in flat:
                    flat[place] = entry
                elif isinstance(entry, dict) and fold(str(inner)) == "cause" and levels:
                    for deep, told in _flat({"exception": entry}, levels - 1).items():
                        flat.setdefault(deep, told)
                else:
                    left[inner] = entry
            if left:
                flat.setdefault(f"{key}.", left)
        elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            flat.setdefault(name, "\n".join(str(line) for line in value))  # a stack trace, by line
        else:
            flat.setdefault(name, value)
    return flat


def read_natural(item: dict[str, object], hints: Hints) -> Violation | None:
    """A Violation, or None if nothing in it is about certificates or pins.

    Raises ReportError(no_host) where something is, but neither it nor a field names a host.
    """
    fields = Fields(_flat(item))
    text, told = _told(fields)
    agent_version, agent_device = android(hints.user_agent)
    sdk_int = fields.integer(next((n for n in _ALIASES["sdkint"] if n in fields.rest), "sdkint"))
    platform = platform_of(fields.text(*_ALIASES["platform"], limit=32))
    if sdk_int is not None or agent_version or "versioncode" in fields.rest:
        platform = platform or "ANDROID"
    callback = read_callback(fields, told, platform)
    if callback is not None:
        told = callback.text or Text(kind=callback.kind, known_pins=pin_set([*callback.known_pins]))
    if told is None:
        return None
    if _ERROR_DOMAIN.search(str(fields.rest.get("domain", ""))):
        fields.rest.pop("domain")  # of an error: no host's
    field_host, host_port = fields.host(*_ALIASES["host"])
    if field_host is not None and host_port is None:
        url_host, url_port = fields.host("url", "uri", "requesturl", "endpoint")
        host_port = url_port if url_host == field_host else None
    host = told.host or field_host
    common_name = callback.common_name if callback else None
    if host is None and not common_name:
        raise ReportError(
            Reason.NO_HOST, "neither the text nor a field such as host or url names a host"
        )
    if field_host is not None and field_host != host:
        fields.flags.append("host_differs")
    fields.flags.extend(told.flags)
    for alias in (
        "url",
        "uri",
        "requesturl",
        "endpoint",
        "domain",
        "nserrorfailingurlstringkey",
        "nserrorfailingurlkey",
        "failingurl",
    ):
        fields.rest.pop(alias, None)  # only its host is kept
    release_app, release_version = fields.release("release")
    raw, at, trust = fields.time(*_ALIASES["time"], hints=hints)
    enforced = fields.boolean(*_ALIASES["enforced"])
    if enforced is None and callback is None:
        enforced = True
    install_id = fields.identifier(*_ALIASES["install"])
    error_type = scrubbed(fields.text(*_ALIASES["error"]), install_id, 128)
    blocked = True if enforced is None or told.kind is not Kind.PIN_MISMATCH else enforced
    if told.kind is Kind.OK:
        blocked = False
    return Violation(
        dialect=Dialect.SDK_CALLBACK if callback else Dialect.GENERIC,
        host=host,
        common_name=common_name,
        port=fields.port() or host_port,
        kind=told.kind,
        confirmed=told.kind is not Kind.SUSPECTED,
        enforced=enforced,
        blocked=blocked,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=told.known_pins,
        validated_chain=told.chain,
        app_id=fields.text(*_ALIASES["appid"]) or release_app,
        app_version=release_version or fields.text(*_ALIASES["appversion"], limit=64),
        app_build=fields.text(*_ALIASES["appbuild"], limit=64),
        platform=platform,
        os_version=fields.text(*_ALIASES["osversion"], limit=32) or agent_version,
        device=scrubbed(fields.text(*_ALIASES["device"], limit=160), install_id, 80)
        or agent_device,
        sdk=callback.sdk if callback else None,
        install_id=install_id,
        event_id=fields.identifier(*_ALIASES["event"]),
        error_type=error_type,
        error_message=None if told.chain else scrubbed(clean(text), install_id, 2000),
        sampling_fraction=fields.weight(),
        suspect=told.suspect,
        extra=keep(
            {k.rstrip("."): v for k, v in fields.rest.items()}, fields.flags, known=install_id
        ),
        flags=tuple(fields.flags),
    )


def _told(fields: Fields) -> tuple[str, Text | None]:
    """The first field whose text says something; one that names a host beats one that does not."""
    best: tuple[str, Text | None] = ("", None)
    for name in _ALIASES["message"]:
        value = fields.rest.get(name)
        if not isinstance(value, str):
            continue
        found = read_text(value)
        if found is None:
            continue
        if best[1] is None or (found.host and not best[1].host):
            best = (value, found)
        fields.rest.pop(name)
    return best
