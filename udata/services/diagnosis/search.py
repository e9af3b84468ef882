"""The search engine: which one it is, how it is, and what of the portal is in it. Nothing is created here."""

from typing import Any

from udata.errors import ConfigurationError
from udata.search import names
from udata.search.engines.base import Disk, Engine, Health
from udata.search.engines.opening import open_engine
from udata.search.fields import MODELS
from udata.services.diagnosis.check import Check, Note, judged, passed_over
from udata.settings import Settings
from udata.wording import counted, plural, size

# What the embedded engine calls itself: empty, it is one that nobody has begun to use.
EMBEDDED_NAME = "tantivy"
# Warned of when less than this many times the watermark is free.
NEAR = 2


def look(settings: Settings) -> list[Check]:
    """Whether the engine answers, takes writes and holds the portal's indices. Raises ServerError."""
    if not settings["ELASTICSEARCH_URL"] and not settings.embedded:
        return [passed_over("search", "not configured")]
    try:
        engine = open_engine(settings)
    except ConfigurationError as error:
        # An engine that is named must be usable; the embedded one may lack its package.
        if settings["ELASTICSEARCH_URL"]:
            raise
        return [passed_over("search", error.message)]
    with engine:
        return [_judged(engine, settings)]


def _judged(engine: Engine, settings: Settings) -> Check:
    server = engine.server()
    aliases = {model: names.alias(settings, model) for model in MODELS}
    held = engine.aliases(list(aliases.values()))
    named = {alias: indices for alias, indices in held.items() if indices}
    where = f"{server.name} {server.version} at {server.address}"
    if not named and server.name == EMBEDDED_NAME:
        return passed_over("search", f"{where}: nothing is indexed yet, udata search init begins",
                           server=server.name, version=server.version, address=server.address)  # fmt: skip
    health, disk = engine.health(), engine.disk()
    documents = {alias: engine.count(alias) for alias in named}
    missing = [alias for alias in aliases.values() if alias not in named]
    details: dict[str, Any] = {
        "server": server.name,
        "version": server.version,
        "address": server.address,
        "health": health.status,
        "nodes": health.nodes,
        "aliases": named,
        "missing_aliases": missing,
        "documents": documents,
        "disk": disk._asdict(),
    }
    number = counted(sum(documents.values()), "document")
    value = f"{where}, {health.status}, {number} of {counted(len(named), 'model')}, {size(disk.free)} free"
    problems = [*_problems(health, tuple(aliases.values())), *_several(named)]
    warnings = _missing(missing)
    (problems if 0 < disk.free < disk.watermark else warnings).extend(_little(disk))
    return judged("search", value, problems, warnings, **details)


def _problems(health: Health, aliases: tuple[str, ...]) -> list[Note]:
    found = []
    if health.status == "red":
        found.append(Note("the search engine is red: a part of its documents is missing",
                          "see its log; then udata search index --reindex true builds them anew"))  # fmt: skip
    # Other portals may share the engine.
    ours = [name for name in health.read_only if name.startswith(tuple(f"{alias}-" for alias in aliases))]
    if ours:
        remedy = "free the server's disk, and lift the block (index.blocks) in the index's settings"
        found.append(Note(f"{', '.join(ours)} {plural(len(ours), 'takes', 'take')} no writes", remedy))
    return found


def _several(named: dict[str, list[str]]) -> list[Note]:
    return [
        Note(f"the alias {alias} names {len(indices)} indices: {', '.join(indices)}",
             f"udata search set-alias {indices[-1].removeprefix(f'{alias}-')}")
        for alias, indices in named.items() if len(indices) > 1
    ]  # fmt: skip


def _missing(missing: list[str]) -> list[Note]:
    if not missing:
        return []
    are = plural(len(missing), "alias is", "aliases are")
    return [Note(f"the portal's {are} missing: {', '.join(missing)}", "udata search init")]


def _little(disk: Disk) -> list[Note]:
    if not disk.watermark or disk.free >= NEAR * disk.watermark:
        return []
    return [Note(f"{size(disk.free)} are free on the search server, and with less than {size(disk.watermark)} it takes"
                 " no writes", "free its disk; udata search clean removes old indices")]  # fmt: skip
