"""How jobs run: registry, journal, leases, schedules, queues."""
