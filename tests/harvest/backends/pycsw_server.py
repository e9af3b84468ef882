"""A pycsw over the records of a folder: `python pycsw_server.py FOLDER`, in an environment that has pycsw 2.6.

Loads `FOLDER/xml/*.xml` into a database in FOLDER, then prints the port that it listens on.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

WORDS = ("identification_title", "identification_abstract", "identification_keywords", "identification_keywords_type",
         "identification_fees", "identification_accessconstraints", "provider_name", "provider_url", "contact_name",
         "contact_position", "contact_address", "contact_city", "contact_stateorprovince", "contact_postalcode",
         "contact_country", "contact_phone", "contact_fax", "contact_email", "contact_url", "contact_hours",
         "contact_instructions", "contact_role")  # fmt: skip


class Silent(WSGIRequestHandler):
    """A handler that keeps no log."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main(folder: Path) -> None:
    from pycsw import server  # type: ignore[import-not-found]
    from pycsw.core import admin, config  # type: ignore[import-not-found]

    database = f"sqlite:///{folder}/records.db"
    admin.setup_db(database, "records", str(folder), create_sfsql_tables=False)
    admin.load_records(config.StaticContext(), database, "records", str(folder / "xml"), True)

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        csw = server.Csw(str(folder / "pycsw.cfg"), environ, version="2.0.2")
        _, body = csw.dispatch_wsgi()
        start("200 OK", [("Content-Type", csw.contenttype)])
        return [body]

    with make_server("127.0.0.1", 0, application, handler_class=Silent) as listening:
        (folder / "pycsw.cfg").write_text(
            f"[server]\nhome={folder}\nurl=http://127.0.0.1:{listening.server_port}/\nencoding=UTF-8\nlanguage=en-US\n"
            "mimetype=application/xml; charset=UTF-8\nmaxrecords=100\nprofiles=apiso\n[manager]\ntransactions=false\n"
            f"[metadata:main]\n{''.join(f'{word}=x' + chr(10) for word in WORDS)}[metadata:inspire]\nenabled=false\n"
            f"[repository]\ndatabase={database}\ntable=records\n"
        )
        sys.stdout.write(f"{listening.server_port}\n")
        sys.stdout.flush()
        listening.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
