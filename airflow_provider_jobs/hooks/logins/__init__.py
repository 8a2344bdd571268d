"""How a connection logs in."""
