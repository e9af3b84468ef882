"""Which commands a client sends: speed rests on how few they are."""

from pymongo import monitoring


class Commands(monitoring.CommandListener):
    """Notes the names of the commands of the clients that it is given to."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing is noted."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing is noted."""
