"""A program of its own: makes a JSON body by an operator's template, and cannot do more.

stdin: {"template", "facts"}. stdout: the body. Exit 1 and one line on stderr where there is none. It has
no environment and no secrets, and its time and memory end (a loop in a template may not).
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

MOST = 64 * 1024  # characters of a body
SECONDS = 2
_MEMORY = 512 * 1024 * 1024
_AT_FAULT = (
    TemplateError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError,
)  # fmt: skip


def environment() -> ImmutableSandboxedEnvironment:
    """Whatever a template puts out is escaped for the inside of a JSON text; `tojson` makes a whole
    value."""
    made = ImmutableSandboxedEnvironment(
        finalize=_json, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.policies["json.dumps_function"] = _dumps
    return made


def _json(value: object) -> object:
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return json.dumps(value)[1:-1]
    return json.dumps(value) if value is None or isinstance(value, bool | dict | list) else value


def _dumps(value: object, **_: object) -> str:
    return json.dumps(value)


def body(template: str, facts: dict[str, object]) -> str:
    """Raises TemplateError, or ValueError where it makes no JSON or too much."""
    told, size = [], 0
    for part in environment().from_string(template).generate(**facts):
        told.append(part)
        size += len(part)
        if size > MOST:
            raise ValueError(f"the template makes more than {MOST} characters")
    made = "".join(told)
    try:
        json.loads(made)
    except ValueError:
        raise ValueError("the template makes no JSON") from None
    return made


def _bounded() -> None:
    with suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def main() -> int:
    _bounded()
    asked = json.loads(sys.stdin.buffer.read())
    try:
        made = body(asked["template"], asked["facts"])
    except _AT_FAULT as error:
        # Of a template only what it lacks is told: values of reports stay out.
        words = str(error) if str(error).startswith("the template") else type(error).__name__
        sys.stderr.write(words)
        return 1
    sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
