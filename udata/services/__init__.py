"""What an operator asks for, with no screen and no queue."""
