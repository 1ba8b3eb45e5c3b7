"""What lies between a parsed item and durability."""
