"""Hypothesis as the tests use it (the main line's conftest.py has this and more)."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("ci")
