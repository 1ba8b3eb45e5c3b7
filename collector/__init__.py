"""Pinfall: receives certificate-pin failure reports and says what they mean."""

__version__ = "0.1.0"
