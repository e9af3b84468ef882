"""Every setting: its name, type, default, range and meaning; and those of a portal that are not taken."""

import re
from pathlib import Path
from typing import Any, NamedTuple

# What a number of 64 bits can hold: the database and the queue take no other.
LARGEST = 2**63 - 1

_TYPE_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false",
               list: "a list", dict: "a mapping"}  # fmt: skip

# A field of the table is called `type`, and hides the built-in one there.
Kind = type


class Setting(NamedTuple):
    """A row of the table: `type` is what a value must be; a default of None makes the setting optional.

    `also` is another type that a portal's own settings file may use. A number must lie between `least` and `most`,
    both included.
    """

    name: str
    type: type
    default: Any
    meaning: str
    secret: bool = False
    also: "Kind | None" = None
    least: float | None = None
    most: float | None = None

    @property
    def range(self) -> str:
        """The range in words, as in `from 1 to 65535`; empty if there is none."""
        if self.least is None or self.most is None:
            return "" if self.least is None else f"at least {self.least:,.10g}"
        return f"from {self.least:g} to {self.most:.10g}"

    @property
    def words(self) -> str:
        """What a value must be."""
        kind = _TYPE_WORDS[self.type]
        return f"{kind} {self.range}" if self.range else kind


SETTINGS = (
    # The servers
    Setting("MONGODB_HOST", str, "mongodb://localhost:27017/udata",
            "The database: a `mongodb://` address with the database's name, or a bare host name."),
    Setting("MONGODB_PORT", int, 27017, "The database's port if `MONGODB_HOST` is a bare host name.",
            least=1, most=65535),
    Setting("MONGODB_DB", str, "udata", "The database's name if `MONGODB_HOST` does not hold one."),
    Setting("CELERY_BROKER_URL", str, "redis://localhost:6379",
            "The queue: `redis://`, `rediss://` (TLS) or `redis+socket://`."),
    Setting("ELASTICSEARCH_URL", str, None,
            "The search server (Elasticsearch 7.10 to 9, OpenSearch 1 to 3), or several of one cluster with commas"
            " between; or `tantivy:` and a folder of this machine. Without it, and with another server named, search"
            " commands end with exit code 4."),
    Setting("SERVER_TIMEOUT", float, 4.0, "Seconds after which a server that does not answer is given up.",
            least=0.01, most=3600),
    # Search
    Setting("ELASTICSEARCH_INDEX_BASENAME", str, "",
            "Stands before the names of indices and aliases, with a hyphen, so that portals can share a server."),
    Setting("ELASTICSEARCH_TIMEOUT", float, 10.0, "Seconds after which an answer of the search server is given up.",
            least=0.01, most=3600),
    Setting("ELASTICSEARCH_INDEX_TIMEOUT", float, 60.0,
            "Seconds after which the answer to a batch of documents is given up.", least=0.01, most=3600),
    Setting("ELASTICSEARCH_CA_CERTS", str, None,
            "The file of the authorities that sign the search server's certificate."),
    Setting("SEARCH_LANGUAGE", str, None,
            "The language of the portal's texts, `fr` or `en`: decides stop words and stems. Else `DEFAULT_LANGUAGE`;"
            " texts in others are searched by their words as they stand."),
    Setting("SEARCH_SYNONYMS", list, None,
            "Lines of words that mean the same (`car, automobile`), or also another (`sncf => train`)."),
    Setting("SEARCH_LOCK_SECONDS", float, 60.0,
            "Embedded search: how long a process waits for another one that writes.", least=0, most=86400),
    Setting("SEARCH_PATIENCE_SECONDS", float, 120.0,
            "How long indexing goes on trying when the search server is away or overloaded.", least=0, most=86400),
    Setting("AUTO_INDEX", bool, True, "Whether what a job or a command changes is indexed by the workers."),
    Setting("TABULAR_FORMATS", list, ["csv", "parquet", "xls", "xlsx", "ods", "tsv", "csv.gz"],
            "The formats of resources that visitors find as tables."),
    Setting("MACHINE_READABLE_FORMATS", list, ["json", "xml", "rdf", "sql", "jsonl", "ndjson"],
            "Those that they find as machine-readable."),
    Setting("GEOGRAPHICAL_FORMATS", list,
            ["shp", "kml", "kmz", "gpx", "shx", "ovr", "geojson", "gpkg", "pmtiles", "mbtiles", "wms", "wfs", "wmts",
             "wcs", "tms", "ogc:wms", "ogc:wfs", "gml", "topojson", "geotiff"],
            "Those that they find as geographical."),
    Setting("DOCUMENTS_FORMATS", list, ["pdf", "doc", "docx", "md", "txt", "html", "htm", "rtf", "odt"],
            "Those that they find as documents."),
    # Queues and workers
    Setting("CELERY_BROKER_USE_SSL", dict, None,
            "TLS options of the queue's connection, as Celery takes them (`ssl_ca_certs`, `ssl_cert_reqs` …)."),
    Setting("CELERY_BROKER_TRANSPORT_OPTIONS", dict, None,
            "More options of the queue's connection, as kombu takes them."),
    Setting("QUEUE_PREFIX", str, "",
            "Stands before the names of our queues, so that a portal's own workers can share the Redis."),
    Setting("WORKER_GRACE_SECONDS", float, 30.0,
            "How long a worker that is told to stop may go on with what it runs; the rest is given back.",
            least=0, most=86400),
    Setting("WORKER_HEARTBEAT_SECONDS", float, 5.0, "How often a worker says that it is alive.", least=0.05, most=3600),
    Setting("WORKER_WATCHDOG_SECONDS", float, 60.0,
            "How long an idle worker may take nothing from a queue that holds messages before it ends with exit code"
            " 1, for its supervisor to start it again. 0 turns this off.", least=0, most=86400),
    Setting("MESSAGE_BYTES", int, 4 * 1024 * 1024,
            "How large the body of a message may be when it is unpacked; a larger one is put among the dead letters.",
            least=1024, most=64 * 1024 * 1024),
    Setting("DEAD_LETTERS", int, 10_000,
            "How many messages that could not be taken are kept; then the oldest go.", least=1, most=1_000_000),
    Setting("DEAD_LETTERS_BYTES", int, 64 * 1024 * 1024,
            "How many bytes of messages that could not be taken are kept; then the oldest go.",
            least=1024, most=64 * 1024 * 1024 * 1024),
    # Jobs and their journal
    Setting("JOB_LEASE_SECONDS", float, 60.0,
            "How long a run belongs to its worker without a sign of life; then it is taken for lost, and run again.",
            least=0.1, most=86400),
    Setting("JOB_HISTORY_DAYS", int, 30, "How many days the record of a run is kept after its end; 0 for ever.",
            least=0, most=36500),
    Setting("REAPER_SECONDS", float, 5.0,
            "How often workers and the scheduler look for runs that were lost or have no message.",
            least=0.05, most=3600),
    Setting("CELERY_TIMEZONE", str, "UTC", "The time zone in which crontabs are read, as in `Europe/Paris`."),
    # The cache
    Setting("CACHE_TYPE", str, "redis", "Where the portal caches: `redis`, or `null` and `simple` for nowhere shared."),
    Setting("CACHE_REDIS_URL", str, None, "The cache's Redis."),
    Setting("CACHE_REDIS_HOST", str, "localhost", "The cache's Redis if `CACHE_REDIS_URL` is not set."),
    Setting("CACHE_REDIS_PORT", int, 6379, "The port of `CACHE_REDIS_HOST`.", least=1, most=65535),
    Setting("CACHE_REDIS_PASSWORD", str, None, "The password of `CACHE_REDIS_HOST`.", secret=True),
    Setting("CACHE_REDIS_DB", int, 0, "The database of `CACHE_REDIS_HOST`.", least=0, most=1000000),
    Setting("CACHE_KEY_PREFIX", str, "udata-cache", "What each of the portal's keys in the cache begins with."),
    # Files and mails
    Setting("FS_BACKEND", str, "local", "Where the portal keeps its files: `local`, in folders of"
            " `FS_ROOT`, or `s3`, in buckets of `FS_S3_ENDPOINT`."),
    Setting("FS_ROOT", str, None, "The folder of the portal's files; a name before it, as in `AVATARS_FS_ROOT`, means"
            " those of one kind.", also=Path),
    Setting("FS_LOCAL_ROOT", str, None, "The same as `FS_ROOT`, before it.", also=Path),
    Setting("FS_S3_ENDPOINT", str, None, "The address of the S3 server if `FS_BACKEND` is `s3`."),
    Setting("FS_S3_REGION", str, None, "Its region."),
    Setting("FS_S3_ACCESS_KEY", str, None, "Its access key.", secret=True),
    Setting("FS_S3_SECRET_KEY", str, None, "Its secret key.", secret=True),
    Setting("SEND_MAIL", bool, True, "Whether mails are sent at all."),
    Setting("MAIL_SERVER", str, None, "The server that takes the mails."),
    Setting("MAIL_PORT", int, 25, "The port of `MAIL_SERVER`.", least=1, most=65535),
    Setting("MAIL_USE_TLS", bool, False, "Whether the connection to `MAIL_SERVER` changes to TLS before it is used."),
    Setting("MAIL_USE_SSL", bool, False, "Whether the connection to `MAIL_SERVER` is TLS from its beginning."),
    Setting("MAIL_USERNAME", str, None, "The user that `MAIL_SERVER` asks for."),
    Setting("MAIL_PASSWORD", str, None, "The password of `MAIL_USERNAME`.", secret=True),
    Setting("MAIL_DEFAULT_SENDER", str, "webmaster@udata", "Who sends the mails.", also=tuple),
    Setting("MAIL_MAX_EMAILS", int, None, "After how many mails the connection to `MAIL_SERVER` is made anew.",
            least=1),
    Setting("MAIL_SUPPRESS_SEND", bool, False, "Whether mails are kept back, as Flask-Mail reads it."),
    Setting("MAIL_RATE", float, 0.0, "How many mails are sent a second at most; 0 for as many as the server takes.",
            least=0, most=1000000),
    Setting("MAIL_TIMEOUT", float, 30.0, "Seconds after which a mail server that falls silent is given up.",
            least=0.01, most=3600),
    # What is kept for how long
    Setting("HARVEST_JOBS_RETENTION_DAYS", int, 365, "How many days `purge-harvest-jobs` leaves the record of a"
            " harvest.", least=1),
    Setting("UPLOAD_MAX_RETENTION", int, 86_400, "After how many seconds without a new piece `purge-chunks` takes an"
            " upload for broken off.", least=1),
    Setting("METRICS_API", str, None, "The tabular API from which views and downloads are imported."),
    # Reminders
    Setting("DELAY_BEFORE_REMINDER_NOTIFICATION", int, 30,
            "How many days after its next update was due a dataset is late enough for a reminder.", least=0),
    Setting("REMINDER_AGAIN_DAYS", int, 30, "How many days nobody who was reminded is reminded again.",
            least=0),
    Setting("REMINDER_HARVESTED", bool, False, "Whether people are reminded of harvested datasets, too."),
    # Requests to other servers
    Setting("HTTP_TIMEOUT", float, 120.0, "Seconds that an answer may take as a whole, its redirects included.",
            least=0.01, most=86400),
    Setting("HTTP_CONNECT_TIMEOUT", float, 10.0, "Seconds after which a server that does not take the connection is"
            " given up.", least=0.01, most=3600),
    Setting("HTTP_READ_TIMEOUT", float, 30.0, "Seconds after which a server that falls silent is given up.",
            least=0.01, most=3600),
    Setting("HTTP_MAX_BYTES", int, 200_000_000, "How large an answer may be, decompressed, in bytes.", least=1),
    Setting("HTTP_MAX_REDIRECTS", int, 10, "How many redirects are followed.", least=0, most=1000),
    Setting("HTTP_USER_AGENT", str, None, "How a request names who asks; by default `udata`, its version and"
            " `CDATA_BASE_URL`."),
    Setting("HTTP_PROXY_URL", str, None, "The proxy through which other servers are asked, as in"
            " `http://proxy.example.org:3128`."),
    Setting("HTTP_ALLOW_PRIVATE", list, None, "The networks that may be asked though they are not public, as in"
            " `[\"10.1.0.0/16\"]`. If it is set, no other is."),
    Setting("URLS_ALLOW_PRIVATE", bool, False, "Whether all private networks, and this machine, may be asked."),
    Setting("URLS_ALLOW_LOCAL", bool, False, "Whether this machine may be asked."),
    # Harvesting
    Setting("HARVESTER_BACKENDS", list, None, "The backends in use, by name or pattern, as in `[\"csw-*\"]`; all of"
            " them if it is not set."),
    Setting("HARVEST_AUTOARCHIVE_GRACE_DAYS", int, 7, "After how many days a dataset that vanished from its source is"
            " archived.", least=0, most=36500),
    Setting("HARVEST_ARCHIVE_MIN_SHARE", float, 0.5, "The share of a source's documents that a run must find again;"
            " else it archives nothing.", least=0, most=1),
    Setting("HARVEST_MAX_CHANGE", float, 10.0, "How many times more or fewer entries stop a run first.", least=1,
            most=1_000_000),
    Setting("HARVEST_DEFAULT_SCHEDULE", str, None, "The crontab that a validated source gets, as in `0 2 * * *`."),
    Setting("HARVEST_MAX_ITEMS", int, None, "How many items a run reads at most; by default all.", least=1),
    Setting("HARVEST_PREVIEW_MAX_ITEMS", int, None, "How many items `harvest run --dry-run` reads at most; by default"
            " as many as the run.", least=1),
    Setting("HARVEST_ACTIVITY_USER_ID", str, None, "The id of the user in whose name the portal's lists of activities"
            " tell what a run created and changed; without it they tell nothing of it."),
    Setting("HARVEST_ENABLE_MANUAL_RUN", bool, False, "Whether the portal lets owners run their sources; it holds for"
            " its pages, and not for who may type `udata harvest launch`."),
    # Crawling: whether what resources name can still be had
    Setting("CRAWL_INTERVAL_DAYS", float, 7.0, "How many days after a check that went well an address is checked again;"
            " twice as many after each that does, up to `CRAWL_INTERVAL_MAX_DAYS`.", least=0.01, most=3650),
    Setting("CRAWL_INTERVAL_MAX_DAYS", float, 28.0, "How many days an address is not checked at most.", least=0.01,
            most=3650),
    Setting("CRAWL_RETRY_HOURS", float, 1.0, "How many hours after a failure an address is checked again; twice as many"
            " after each further one.", least=0.01, most=8760),
    Setting("CRAWL_BROKEN_AFTER", int, 3, "After how many failures in a row a resource counts as broken.", least=1,
            most=1000),
    Setting("CRAWL_TIMEOUT", float, 30.0, "Seconds that the first bytes of a resource may take, redirects included; a"
            " third of it for its head.", least=0.05, most=3600),
    Setting("CRAWL_PER_HOST", int, 2, "How many requests a host is sent at a time.", least=1, most=100),
    Setting("CRAWL_PAUSE_SECONDS", float, 0.5, "Seconds between the beginnings of two requests to a host.", least=0,
            most=3600),
    Setting("CRAWL_CONCURRENCY", int, 100, "How many requests are on their way at a time, to all hosts together.",
            least=1, most=1000),
    Setting("CRAWL_REST_SECONDS", float, 3600.0, "Seconds that a host is left alone that asks for it (429) and does not"
            " say how long.", least=1, most=86400),
    Setting("CRAWL_MAX_MINUTES", float, 300.0, "After how many minutes a run ends by itself; the next one goes on.",
            least=0.01, most=350),
    Setting("CRAWL_ROBOTS", bool, True, "Whether what a host's robots.txt forbids is not checked."),
    Setting("CRAWL_EXCLUDE", list, [], "Hosts and addresses that are not checked, as patterns: `[\"*.example.org\","
            " \"https://example.com/private/*\"]`."),
    Setting("PUBLISH_ON_RESOURCE_EVENTS", bool, False, "Whether the portal tells `RESOURCES_ANALYSER_URI` of each"
            " change of a resource. Of what a harvest changes nothing is told, and the analyser checks what"
            " `crawl-resources` would."),
    Setting("RESOURCES_ANALYSER_URI", str, None, "The address of the portal's analyser of resources."),
    # The portal
    Setting("SITE_ID", str, "default", "The id of the site's document, which holds the portal's own metrics."),
    Setting("CDATA_BASE_URL", str, None, "The address of the portal's pages."),
    Setting("DEFAULT_LANGUAGE", str, "en", "The language of mails and of text analysis."),
    # Secrets and passwords
    Setting("SECRET_KEY", str, "Default uData secret key", "Signs what the portal hands out.", secret=True,
            also=bytes),
    Setting("SECURITY_PASSWORD_SALT", str, "Default uData secret password salt",
            "Goes into every stored password: the portal must have the same.", secret=True, also=bytes),
    Setting("API_TOKEN_SECRET", str, None, "Goes into every stored API token.", secret=True, also=bytes),
    Setting("SECURITY_PASSWORD_HASH", str, "bcrypt", "How passwords are stored."),
    Setting("SECURITY_PASSWORD_SCHEMES", list, None, "Which ways of storing a password are known."),
    Setting("SECURITY_DEPRECATED_PASSWORD_SCHEMES", list, None, "Those of them that the next login replaces."),
    Setting("SECURITY_PASSWORD_HASH_PASSLIB_OPTIONS", dict, None,
            "Options of the way of storing, as in `{\"bcrypt__rounds\": 13}`."),
    Setting("SECURITY_PASSWORD_LENGTH_MIN", int, 8, "The least number of characters in a password.", least=1, most=128),
    Setting("SECURITY_PASSWORD_REQUIREMENTS_LOWERCASE", bool, True, "Whether a password needs a lower-case letter."),
    Setting("SECURITY_PASSWORD_REQUIREMENTS_UPPERCASE", bool, True, "Whether a password needs an upper-case letter."),
    Setting("SECURITY_PASSWORD_REQUIREMENTS_DIGITS", bool, True, "Whether a password needs a digit."),
    Setting("SECURITY_PASSWORD_REQUIREMENTS_SYMBOLS", bool, False, "Whether a password needs a symbol."),
    Setting("SECURITY_EMAIL_VALIDATOR_ARGS", dict, None,
            "Which e-mail addresses are valid, as email-validator takes it: `{\"test_environment\": true}` accepts"
            " those that end in `.test`. No request is made for it."),
)  # fmt: skip

BY_NAME = {setting.name: setting for setting in SETTINGS}

# A portal's own values of these would break the queue that is shared with it.
IGNORED = {
    "CELERY_TASK_SERIALIZER": "messages are JSON, always",
    "CELERY_RESULT_SERIALIZER": "messages are JSON, always",
    "CELERY_EVENT_SERIALIZER": "messages are JSON, always",
    "CELERY_ACCEPT_CONTENT": "messages are JSON, always",
    "CELERY_RESULT_ACCEPT_CONTENT": "messages are JSON, always",
    "CELERY_BEAT_SCHEDULER": "schedules are read from the collection `schedules`",
    "CELERY_BEAT_SCHEDULE": "schedules are read from the collection `schedules`",
    "CELERY_BEAT_MAX_LOOP_INTERVAL": "schedules are read from the collection `schedules`",
    "CELERY_MONGODB_SCHEDULER_COLLECTION": "schedules are read from the collection `schedules`",
    "CELERY_MONGODB_SCHEDULER_CONNECTION_ALIAS": "schedules are read from the collection `schedules`",
    "CELERY_TASK_ROUTES": "each job names its queue",
    "CELERY_TASK_QUEUES": "each job names its queue",
    "CELERY_TASK_DEFAULT_QUEUE": "each job names its queue",
}

# The storages of a portal. Each may have any setting of the storages for itself: `AVATARS_FS_ROOT`.
STORAGES = ("resources", "avatars", "logos", "images", "chunks", "references")
OF_A_STORAGE = re.compile(rf"(?:(?:{'|'.join(STORAGES).upper()})_)?FS_[A-Z0-9_]+")
