"""Areas as catalogues publish them (GeoJSON, WKT, GML, four numbers), as polygons.

Coordinates are longitude, latitude. Catalogues that name EPSG:4326, whose order is the other one, write longitude
first nonetheless; if that cannot be, the two are exchanged.
"""

import json
import math
import re
from typing import Any

from udata.harvest.errors import NoArea
from udata.harvest.records import MultiPolygon, Ring

# No digit may belong to two parts of it: else a long row of digits is tried in all the ways of cutting it.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_WKT = re.compile(
    r"(?:<[^>]*>\s*|SRID=\d+;\s*)?(POLYGON|MULTIPOLYGON|ENVELOPE)\s*Z?\s*(\(.*\))", re.IGNORECASE | re.DOTALL
)
# By expression and not by a parser: it is a snippet within a text, often without its namespaces.
_GML_CORNERS = re.compile(r"<(?:\w+:)?(?:lower|upper)Corner[^>]*>([^<]*)<")
_GML_RING = re.compile(r"<(?:\w+:)?posList[^>]*>([^<]*)<")


def area(published: str) -> MultiPolygon:
    """The polygons in a text of GeoJSON, WKT, GML or `west,south,east,north`. Raises NoArea, which says why not."""
    text = published.strip()
    if text.startswith("{"):
        return _geojson(text)
    if match := _WKT.fullmatch(text):
        return _wkt(match[1].upper(), match[2])
    if text.startswith("<") and (corners := _GML_CORNERS.findall(text)):
        # A third number of a corner is a height.
        numbers = [float(number) for corner in corners for number in _floats(corner)[:2]]
        return box(*numbers) if len(numbers) == 4 else _fail("an envelope needs two corners")
    if text.startswith("<") and (rings := _GML_RING.findall(text)):
        return _polygons([[list(zip(*[iter(_floats(ring))] * 2, strict=False)) for ring in rings]])
    numbers = _floats(text)
    if len(numbers) == 4 and re.fullmatch(rf"\s*{_NUMBER}(?:[\s,;]+{_NUMBER}){{3}}\s*", text):
        return box(*numbers)
    raise NoArea("no polygon, envelope or four numbers")


def box(west: float, south: float, east: float, north: float) -> MultiPolygon:
    """The rectangle between two corners, whichever way round they are. Raises NoArea."""
    west, east = min(west, east), max(west, east)
    south, north = min(south, north), max(south, north)
    return _polygons([[[(west, south), (east, south), (east, north), (west, north), (west, south)]]])


def _fail(reason: str) -> MultiPolygon:
    raise NoArea(reason)


def _floats(text: str) -> list[float]:
    return [float(number) for number in re.findall(_NUMBER, text)]


def _geojson(text: str) -> MultiPolygon:
    try:
        shape = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoArea("no GeoJSON") from error
    if isinstance(shape, dict) and str(shape.get("type")).lower() == "feature":
        shape = shape.get("geometry")
    kind = str(shape.get("type")).lower() if isinstance(shape, dict) else ""
    coordinates = shape.get("coordinates") if isinstance(shape, dict) else None
    if kind == "polygon":
        coordinates = [coordinates]
    elif kind != "multipolygon":
        # Points and lines cover nothing, and the portal stores polygons alone.
        raise NoArea(f"{kind or 'this'} has no area")
    return _polygons(coordinates)


def _wkt(kind: str, text: str) -> MultiPolygon:
    if kind == "ENVELOPE":  # west, east, north, south, as CQL has it
        numbers = _floats(text)
        return box(numbers[0], numbers[3], numbers[1], numbers[2]) if len(numbers) == 4 else _fail("no envelope")
    rings = [[tuple(_floats(point)[:2]) for point in ring.split(",")] for ring in re.findall(r"\(([^()]*)\)", text)]
    if kind == "POLYGON":
        return _polygons([rings])
    polygons: list[list[Any]] = []
    for part in re.split(r"\)\s*\)\s*,\s*\(\s*\(", text):
        polygons.append([[tuple(_floats(point)[:2]) for point in ring.split(",")] for ring in part.split("),")])
    return _polygons(polygons)


def _polygons(coordinates: Any) -> MultiPolygon:
    try:
        shape = [[[(float(x), float(y)) for x, y, *_ in ring] for ring in polygon] for polygon in coordinates]
    except (TypeError, ValueError) as error:
        raise NoArea("its coordinates are no numbers") from error
    points = [point for polygon in shape for ring in polygon for point in ring]
    # NaN and infinity are floats, too.
    if not points or not all(math.isfinite(number) for point in points for number in point):
        raise NoArea("its coordinates are no numbers")
    if not _on_earth(points):
        # Probably projected coordinates in metres: there is no way to tell which.
        if not _on_earth([(y, x) for x, y in points]):
            raise NoArea("its coordinates are no longitude and latitude")
        shape = [[[(y, x) for x, y in ring] for ring in polygon] for polygon in shape]
    polygons = tuple(tuple(dict.fromkeys(_closed(ring) for ring in polygon)) for polygon in shape if polygon)
    return polygons if polygons else _fail("it has no ring")


def _on_earth(points: list[tuple[float, float]]) -> bool:
    return all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in points)


def _closed(points: list[tuple[float, float]]) -> Ring:
    ring = tuple(points)
    if ring and ring[0] != ring[-1]:
        ring = (*ring, ring[0])
    # Three corners, and the first once more, by which the ring is closed.
    if len(ring) < 4:
        raise NoArea("a ring needs three corners")
    return ring
