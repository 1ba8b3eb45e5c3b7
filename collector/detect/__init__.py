"""Counts, chains, causes and a time, to verdicts. Nothing here reads a clock or a file."""
