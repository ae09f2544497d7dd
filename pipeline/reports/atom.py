"""The changes as a feed: Atom (RFC 4287) with the places in GeoRSS Simple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

import shapely
from shapely.geometry import shape

from pipeline.reports import xml
from pipeline.reports.geojson import change_features
from pipeline.reports.language import Language
from pipeline.reports.result import RunResult

# Any fixed name space will do; ids must only stay the same from run to run.
_SPACE = UUID("0b1d6b5c-6d5f-5c52-9a1f-3f0f6b6f6e52")


def changes_atom(result: RunResult, language: Language, page: str) -> str:
    """A feed with an entry for each change, ordered by its id; `page` is the map, where each leads to its place.

    Ids are those of the programme and the change, so a reader knows an entry again; all are updated on the as-of day.
    """
    updated = f"{result.as_of.isoformat()}T00:00:00Z"
    subtitle = language.text("Disturbed alluvial ground, as of {day}", day=result.as_of)
    entries = "".join(_entry(result, feature, language, page, updated) for feature in change_features(result))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:georss="http://www.georss.org/georss" '
        f'xml:lang="{language.code}">\n'
        f"<id>{_urn(result.programme)}</id>\n<title>{xml.text(result.heading)}</title>\n"
        f"<subtitle>{xml.text(subtitle)}</subtitle>\n<updated>{updated}</updated>\n"
        f"<author><name>{xml.text(result.programme)}</name></author>\n"
        f"<generator>{xml.text(result.generated_by)}</generator>\n<link href={xml.attribute(page)}/>\n"
        f"{entries}</feed>\n"
    )


def _urn(name: str) -> str:
    return uuid5(_SPACE, name).urn


def _entry(result: RunResult, feature: Mapping[str, Any], language: Language, page: str, updated: str) -> str:
    p = feature["properties"]
    zone = p["zone_name"] if p["zone_id"] else language.word("unassigned")
    title = language.named(f"{language.word(p['state'])}, {language.hectares(p['area_ha'])}", zone)
    content = language.text(
        "{site}: {status}; confidence {confidence}; {share} of its ground observed.",
        site=p["site_id"],
        status=language.word(p["status"]),
        confidence=language.word(p["confidence"]),
        share=language.share(p["observed_share"]),
    )
    place = f"{page}#{quote(p['change_id'], safe='')}"
    return (
        f"<entry>\n<id>{_urn(result.programme + '/' + p['change_id'])}</id>\n<title>{xml.text(title)}</title>\n"
        f"<updated>{updated}</updated>\n<link href={xml.attribute(place)}/>\n"
        f"<category term={xml.attribute(p['state'])}/>\n"
        f'<content type="text">{xml.text(content)}</content>\n{_place(feature["geometry"])}</entry>\n'
    )


def _place(geometry: dict[str, Any] | None) -> str:
    """A point on the ground and the outline of its largest part, latitude first."""
    if geometry is None:
        return ""
    whole = shape(geometry)
    point = whole.point_on_surface()
    largest = max(shapely.get_parts(whole), key=lambda part: part.area)
    outline = " ".join(f"{y:.6f} {x:.6f}" for x, y in largest.exterior.coords)
    return f"<georss:point>{point.y:.6f} {point.x:.6f}</georss:point>\n<georss:polygon>{outline}</georss:polygon>\n"
