"""Operators: they submit a job, wait for it, and fail with its error."""
