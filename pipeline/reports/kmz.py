"""The changes for Google Earth and other globes: KML 2.2 in a zip, styled by state, with days, asking no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pipeline.reports import xml
from pipeline.reports.geojson import change_features
from pipeline.reports.language import Language
from pipeline.reports.map_data import STATE_COLOURS
from pipeline.reports.result import STATES, RunResult
from pipeline.reports.wording import limits, meaning

_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell; the real one would differ between runs


def changes_kmz(result: RunResult, language: Language) -> bytes:
    """A folder for each state with a placemark for each change; the bytes depend on the arguments alone."""
    buffer = BytesIO()
    entry = ZipInfo("doc.kml", _FIRST_DAY)
    entry.compress_type = ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    with ZipFile(buffer, "w") as archive:
        archive.writestr(entry, _document(result, language), compresslevel=9)
    return buffer.getvalue()


def _document(result: RunResult, language: Language) -> str:
    features = [feature for feature in change_features(result) if feature["geometry"] is not None]
    parts = [_style(state) for state in STATES]
    for state in STATES:
        members = [feature for feature in features if feature["properties"]["state"] == state]
        if members:
            name = language.named(language.word(state), meaning(language, state))
            marks = "\n".join(_placemark(feature["properties"], feature["geometry"], language) for feature in members)
            parts.append(f"<Folder><name>{xml.text(name)}</name>\n{marks}\n</Folder>")
    told = "\n".join(limits(language, result.limits))
    heading = f"{result.heading}, {language.date(result.as_of)}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<name>{xml.text(heading)}</name><description>{xml.text(told)}</description>\n"
        + "\n".join(parts)
        + "\n</Document></kml>\n"
    )


def _style(state: str) -> str:
    red, green, blue = (STATE_COLOURS[state][i : i + 2].lower() for i in (1, 3, 5))
    colour = blue + green + red
    fill = "00" if state == "recovered" else "66"
    # A placemark's own icon would be asked of the network.
    return (
        f'<Style id="{state}"><IconStyle><scale>0</scale></IconStyle><LabelStyle><scale>0.7</scale></LabelStyle>'
        f"<LineStyle><color>ff{colour}</color><width>2</width></LineStyle>"
        f"<PolyStyle><color>{fill}{colour}</color></PolyStyle></Style>"
    )


def _placemark(properties: Mapping[str, Any], geometry: Mapping[str, Any], language: Language) -> str:
    p = properties
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    zone = p["zone_name"] if p["zone_id"] else language.word("unassigned")
    lines = [
        f"{language.word(p['state'])}, {language.word(p['status'])}",
        language.hectares(p["area_ha"]),
        language.named(language.text("zone"), zone),
        language.named(language.text("observed"), language.share(p["observed_share"])),
    ]
    begin, end = p["first_clear_disturbed"], p["last_observed"]
    # A span that ends before it begins is refused by readers.
    span = "".join(f"<{name}>{day}</{name}>" for name, day in (("begin", begin), ("end", end)) if day)
    timed = f"<TimeSpan>{span}</TimeSpan>" if span and not (begin and end and begin > end) else ""
    data = "".join(
        f'<Data name="{name}"><value>{xml.text(p[name])}</value></Data>'
        for name in ("change_id", "site_id", "state", "status", "confidence", "area_ha", "area_gain_ha", "zone_id")
        if p[name] is not None
    )
    shapes = "".join(_polygon(rings) for rings in polygons)
    return (
        f"<Placemark><name>{xml.text(p['site_id'])}</name><description>{xml.text(chr(10).join(lines))}</description>"
        f"{timed}<styleUrl>#{p['state']}</styleUrl><ExtendedData>{data}</ExtendedData>"
        f"<MultiGeometry>{shapes}</MultiGeometry></Placemark>"
    )


def _polygon(rings: Sequence[Sequence[Sequence[float]]]) -> str:
    outer, *inner = (" ".join(f"{x},{y}" for x, y in ring) for ring in rings)
    holes = "".join(f"<innerBoundaryIs>{_ring(hole)}</innerBoundaryIs>" for hole in inner)
    return f"<Polygon><outerBoundaryIs>{_ring(outer)}</outerBoundaryIs>{holes}</Polygon>"


def _ring(coordinates: str) -> str:
    return f"<LinearRing><coordinates>{coordinates}</coordinates></LinearRing>"
