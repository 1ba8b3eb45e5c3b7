"""A fleet of clients, for trying Pinfall out: real dialects over real HTTP, certificates of its own."""
