"""Reminding people of the datasets whose next update is overdue."""
