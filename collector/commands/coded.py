"""Exit codes of commands that a pipeline asks: an answer is never taken for a mistake, nor the other way."""

from __future__ import annotations

import sys
from collections.abc import Callable

from collector.errors import NoAnswerError, PinfallError
from collector.web.shown import shown

WRONG, NO_ANSWER = 2, 4


def coded(work: Callable[[], int]) -> int:
    """What work returns; 2 where something is wrong or cannot be read, 4 where nobody answered, each
    with one line on stderr."""
    try:
        return work()
    except NoAnswerError as error:
        told, code = str(error), NO_ANSWER
    except PinfallError as error:
        told, code = str(error), WRONG
    except BrokenPipeError:  # `pinfall preflight … | head`
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        told, code = f"{place}{error.strerror or error}", WRONG
    print(f"pinfall: {shown(told, 2000)}", file=sys.stderr)
    return code
