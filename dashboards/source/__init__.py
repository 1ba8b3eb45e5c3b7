"""Where the Grafana dashboards come from: `python -m dashboards.source` writes ../grafana/*.json."""
