"""Tests that need a browser; they run with ``-m browser`` only."""
