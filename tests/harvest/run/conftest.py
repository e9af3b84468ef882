"""The portal elsewhere whose catalogue the runs read."""

from tests.harvest.run.test_source import portal

__all__ = ["portal"]
