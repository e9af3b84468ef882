"""Accounts: creating and changing them, listing them, and their passwords."""
