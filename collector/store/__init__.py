"""SQL: one module a table. Functions take a connection, so the caller owns the transaction."""
