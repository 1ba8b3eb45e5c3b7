"""Several processes that take reports at one port: one /metrics, and one that starts them again."""
