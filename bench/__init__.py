"""What ingest, queries and memory cost, measured on this machine: `./pinfall bench --help`."""
