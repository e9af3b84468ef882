"""Mending what the integrity check has found: a plan that a person reads, and its execution."""
