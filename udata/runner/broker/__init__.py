"""The broker: its connection, queues, dead letters and heartbeats."""
