"""Asking a host which chain it serves."""
