"""One class per console."""
