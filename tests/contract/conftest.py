"""Contracts use the clock of the unit tests."""

from __future__ import annotations

from tests.unit.conftest import clock

__all__ = ["clock"]
