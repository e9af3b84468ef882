"""The screen: one module a group of commands."""
