"""Safety of paging: every catalogue ends, whatever its pages say of each other."""

from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from urllib.parse import urljoin, urlsplit

from udata.harvest.errors import EndlessPaging
from udata.harvest.records import Record, Remark
from udata.harvest.values.addresses import is_same_origin, web_address

# Far beyond any catalogue; a server may make up new addresses and new contents for ever.
MAX_PAGES = 10_000


class Paging:
    """What one reading of a catalogue has seen: addresses, contents, identities. All methods raise EndlessPaging."""

    def __init__(self, max_pages: int = MAX_PAGES) -> None:
        self._max_pages = max_pages
        self._addresses: set[str] = set()
        # Digests and not the pages: memory stays small however large the catalogue is.
        self._contents: set[bytes] = set()
        self._identities: dict[tuple[type, str], str | None] = {}

    @property
    def identities(self) -> int:
        """How many different records were seen."""
        return len(self._identities)

    def visit(self, address: str) -> None:
        """Note that the page at `address` is about to be read; a page is read once, and not without end."""
        if address in self._addresses:
            raise EndlessPaging(f"the page {address} leads back to itself")
        if len(self._addresses) >= self._max_pages:
            raise EndlessPaging(f"the catalogue has more than {self._max_pages} pages")
        self._addresses.add(address)

    def content(self, address: str, body: bytes) -> None:
        """Note the content of a page; no two pages of a catalogue are equal."""
        digest = sha256(body).digest()
        if digest in self._contents:
            raise EndlessPaging(f"the page {address} is one that was read before, under another address")
        self._contents.add(digest)

    def new(self, address: str, records: Iterable[Record]) -> tuple[Record, ...]:
        """The records that were not seen before. A page that has records, and none of them new, ends the reading.

        A record under a known identifier, but with another address, is another one: the address identifies it.
        """
        found, given = [], 0
        for record in records:
            given += 1
            if fresh := self._fresh(record):
                found.append(fresh)
        # Packages that are fetched one by one visit no page: with them a batch of doubles is no circle.
        if given and not found and len(self._addresses) > 1:
            raise EndlessPaging(f"the page {address} has nothing that was not on a page before")
        return tuple(found)

    def _fresh(self, record: Record) -> Record | None:
        # It is refused later, with its own reason, and cannot be told from others here.
        if record.remote_id is None:
            return record
        key = type(record), record.remote_id
        if key not in self._identities:
            self._identities[key] = record.uri
            return record
        known = self._identities[key]
        # The same record again, as servers give it when records move while pages are read.
        if record.uri is None or known is None or record.uri in (known, record.remote_id):
            return None
        remark = Remark("identifier", record.remote_id, "shared by several; the address identifies it")
        # Looked up again, since its address may have been seen, too.
        return self._fresh(replace(record, remote_id=record.uri, remarks=(*record.remarks, remark)))

    def following(self, page: str, named: str | None) -> str | None:
        """The address that a page names as the next, resolved; None if it names none. It stays on the same server.

        Portals behind a proxy that ends TLS name themselves with `http:`; that is asked with `https:`.
        """
        if named is None:
            return None
        address = web_address(urljoin(page, named))
        if address is None:
            raise EndlessPaging(f"the page {page} names {named!r} as the next, which is no address")
        # With a port of its own it is another server, and no slip of a proxy.
        if page.startswith("https:") and address.startswith("http:") and not urlsplit(address).port:
            address = f"https:{address.removeprefix('http:')}"
        # Whoever writes into a catalogue could otherwise send the run to any server.
        if not is_same_origin(page, address):
            raise EndlessPaging(f"the page {page} names a page of another server as the next: {address}")
        return address
