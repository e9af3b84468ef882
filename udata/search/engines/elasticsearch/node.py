"""The one client of Elasticsearch, made to talk with every server that portals run.

The client asks for answers in the form of its own major version, which older servers and OpenSearch do not know, and
takes no answer without a header that they do not send. A node is the client's own place for how requests travel:
https://www.elastic.co/docs/reference/elasticsearch/clients/python/connecting (node classes).
"""

import logging
import re
from typing import Any

from elastic_transport import HttpHeaders, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType

from udata.errors import ConfigurationError
from udata.masking import mask_credentials

log = logging.getLogger(__name__)

PRODUCT = "x-elastic-product"
_VERSIONED = re.compile(r"application/vnd\.elasticsearch\+([\w-]+)\s*;\s*compatible-with=\d+")


class AnyServerNode(Urllib3HttpNode):
    """Sends plain JSON, and adds to answers the header that the client looks for.

    What a server warns of (mostly what a later version will no longer take) goes to the log: an operator who indexes
    can do nothing about it.
    """

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> Any:
        """Send one request, as the client wants it but for its headers."""
        plain = HttpHeaders({name: _VERSIONED.sub(r"application/\1", value) for name, value in (headers or {}).items()})
        answer = super().perform_request(method, target, body, plain, request_timeout)
        received: Any = answer.meta.headers
        # Left there, the client would show it as a warning of Python's.
        if warning := received.pop("warning", None):
            log.debug("%s %s: %s", method, target, warning)
        received.setdefault(PRODUCT, "Elasticsearch")
        return answer


def addresses(setting: str) -> list[str]:
    """The addresses in ELASTICSEARCH_URL: several may be named with commas between, and `http://` may be missing.

    Raises ConfigurationError for what is no address.
    """
    from urllib.parse import urlsplit

    found = []
    for part in setting.split(","):
        text = part.strip()
        if not text:
            continue
        text = text if "://" in text else f"http://{text}"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise _wrong(setting, str(error)) from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _wrong(setting, "it must be http:// or https:// and a host")
        # The client takes no address without a port.
        if port is None:
            parts = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{443 if parts.scheme == 'https' else 9200}")
        found.append(parts.geturl())
    if not found:
        raise _wrong(setting, "it names no server")
    return found


def _wrong(setting: str, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"ELASTICSEARCH_URL is {mask_credentials(setting)!r}: {reason}",
        "write it as in https://user:password@search.example.org:9200",
    )
