"""Schedules: which job is due when, and the scheduler that hands it over."""
