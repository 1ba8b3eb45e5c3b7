"""Lists that are data, with where they are from."""
