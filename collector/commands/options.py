"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from collector.embedded.directory import default_directory


def add_data(parser: argparse.ArgumentParser) -> None:
    """--data, else PINFALL_DATA, else the user's data directory."""
    default = Path(os.environ.get("PINFALL_DATA") or default_directory())
    parser.add_argument(
        "--data",
        type=Path,
        default=default,
        metavar="DIR",
        help=f"data directory of 'pinfall up' (default: {default})",
    )


def data_directory(told: argparse.Namespace) -> Path:
    path: Path = told.data
    return path.expanduser().absolute()
