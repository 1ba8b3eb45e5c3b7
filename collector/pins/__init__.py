"""Pin sets: what an app release ships for a host, and what it says to a chain."""
