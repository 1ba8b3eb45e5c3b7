"""Bodies by templates of operators, made in a process of their own, which time and memory bound."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from collector.notify import render
from collector.notify.channel import DeliveryError

_PROGRAM = Path(__file__).with_name("render.py")
_WITHIN = 10.0  # seconds; its own limit is on what it computes


async def rendered(template: str, facts: Mapping[str, object]) -> bytes:
    """Raises DeliveryError, a permanent one where the template is at fault."""
    asked = json.dumps({"template": template, "facts": dict(facts)}).encode()
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-B", _PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe, env={}
        )
    except OSError as error:
        raise DeliveryError(f"template: {type(error).__name__}", permanent=False) from None
    try:
        async with asyncio.timeout(_WITHIN):
            body, words = await process.communicate(asked)
    except TimeoutError:
        raise DeliveryError("template: takes too long", permanent=True) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return body
    if process.returncode is not None and process.returncode < 0:
        raise DeliveryError(f"template: more than {render.SECONDS} s of work", permanent=True)
    told = words.decode("utf-8", "replace").splitlines() or [f"exit {process.returncode}"]
    raise DeliveryError(f"template: {told[-1][:120]}", permanent=True)
