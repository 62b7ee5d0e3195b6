"""Profiles: flame graphs of what ran."""
