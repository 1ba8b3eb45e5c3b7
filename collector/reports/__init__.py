"""Bytes to Violation: one module a dialect, one list of dialects. Computes; touches nothing."""
