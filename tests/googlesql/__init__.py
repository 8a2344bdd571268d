"""Runs the examples of GoogleSQL's documentation against the sandbox."""
