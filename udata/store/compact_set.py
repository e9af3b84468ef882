"""Sets of very many short byte strings, held at little more than what they are long."""

# How many buckets there are at first, how many items each has on average before there are more, and how many times
# more.
FIRST_BUCKETS = 64
FULL = 40
GROWTH = 8


class CompactSet:
    """A set of byte strings that all have `size` bytes; a million of 12 bytes take some 18 MB, a `set` 100."""

    __slots__ = ("buckets", "count", "mask", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        # Their number is a power of two, so that a mask picks the bucket.
        self.mask = FIRST_BUCKETS - 1
        self.buckets: list[bytearray | None] = [None] * FIRST_BUCKETS

    def __len__(self) -> int:
        return self.count

    def __contains__(self, item: bytes) -> bool:
        bucket = self.buckets[hash(item) & self.mask]
        return bucket is not None and self._holds(bucket, item)

    def add(self, item: bytes) -> bool:
        """Add `item`; returns whether it is new."""
        place = hash(item) & self.mask
        bucket = self.buckets[place]
        if bucket is None:
            self.buckets[place] = bytearray(item)
        elif self._holds(bucket, item):
            return False
        else:
            bucket += item
        self.count += 1
        if self.count > FULL * len(self.buckets):
            self._grow()
        return True

    def _holds(self, bucket: bytearray, item: bytes) -> bool:
        at = bucket.find(item)
        # The bytes may also stand across two items.
        while at > 0 and at % self.size:
            at = bucket.find(item, at + 1)
        return at >= 0

    def _grow(self) -> None:
        old, size = self.buckets, self.size
        self.mask = len(old) * GROWTH - 1
        self.buckets = [None] * (self.mask + 1)
        for index, bucket in enumerate(old):
            for start in range(0, len(bucket or b""), size):
                item = bytes(bucket[start : start + size])  # type: ignore[index]
                place = hash(item) & self.mask
                there = self.buckets[place]
                if there is None:
                    self.buckets[place] = bytearray(item)
                else:
                    there += item
            # Given back at once: the old and the new are never held both in full.
            old[index] = None
