"""Write the dashboards anew: python -m dashboards.source"""

from __future__ import annotations

import json
from pathlib import Path

from dashboards.source.collector import COLLECTOR
from dashboards.source.host import HOST_BOARD
from dashboards.source.overview import OVERVIEW
from dashboards.source.rotation import ROTATION

PLACE = Path(__file__).parents[1] / "grafana"
BOARDS = (OVERVIEW, HOST_BOARD, COLLECTOR, ROTATION)


def texts() -> dict[str, str]:
    """By file name."""
    return {
        f"{board.uid.removeprefix('pinfall-')}.json": json.dumps(board.json(), indent=1) + "\n"
        for board in BOARDS
    }


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    for name, text in texts().items():
        (PLACE / name).write_text(text)


if __name__ == "__main__":
    main()
