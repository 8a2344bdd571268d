"""Redivis's upload API."""
