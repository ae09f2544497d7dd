"""Capacity ranges: what ground or hands could have given, never what they did (docs/production.md).

Working forms of the field: miners × days a year × m³ of gravel a miner and day × grade, and newly dug area × dug
fraction × gravel thickness × grade × recovery. Every input is the analyst's; there is no default of any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.errors import BadInput
from pipeline.footprint.capacity_inputs import FOOTPRINT, LABOUR, MINERS, NEW_AREA, UNITS, Input, InputTable, inputs_of
from pipeline.footprint.factors import EstimatedArea, Factor, Product, Triangular, draw, quantiles, variance_shares
from pipeline.footprint.ground import ALL, Place, RunGround, Window

TITLE = "Capacity range, not production"
DRAWS = 100_000
_DRAW_LIMITS = (1_000, 2_000_000)
_LEVELS = (0.05, 0.5, 0.95)
_M2_PER_HA = 10_000
LIMITS = (
    "What the ground or the hands could have given under the analyst's inputs. It is no measurement of what was dug, "
    "found, declared or sold.",
    "Each input is triangular between low and high with its peak at mode (Johnson 1997). Inputs are independent of "
    "each other; a row for all zones or for a country is one quantity that its zones share.",
    "P5, P50 and P95 are those of the draws; ± is half the 95 % interval that the number of draws leaves each.",
    "The share of an input is its first-order index (Sobol 1993), exact for products of independent inputs.",
)
AREA_BASES = {
    "table": "newly dug area of the analyst's table",
    "estimate": "newly dug area estimated from a sample; its standard error is in the range",
    "mapped": "newly dug area as mapped; its error is NOT in the range",
}


@dataclass(frozen=True)
class Settings:
    """How ranges are drawn, and below which share of ground observed at both dates none is told from imagery."""

    seed: int = 0
    draws: int = DRAWS
    least_observed_share: float = 0.5

    def __post_init__(self) -> None:
        """Raise BadInput for settings that make no sense."""
        if not _DRAW_LIMITS[0] <= self.draws <= _DRAW_LIMITS[1]:
            raise BadInput(f"--draws {self.draws}: expected {_DRAW_LIMITS[0]} to {_DRAW_LIMITS[1]}")
        if self.seed < 0:
            raise BadInput(f"--seed {self.seed}: expected 0 or more")
        if not 0 < self.least_observed_share <= 1:
            raise BadInput(f"--min-observed {self.least_observed_share:g}: expected more than 0 and at most 1")


@dataclass(frozen=True)
class AreaEstimate:
    """Newly dug area of a zone between two periods, estimated from a sample, hectares."""

    area_ha: float
    se_ha: float


@dataclass(frozen=True)
class Range:
    """Percentiles of capacity in carats or grams a year, each with its Monte Carlo error.

    `period` "" is any year (labour without rows by period). `zones` are those that it adds up. `shares` gives the
    share of variance by input, largest first. `areas` are keys of AREA_BASES, none of the labour route;
    `observed_share` is the least of the zones' shares that were observed at both dates, None where imagery has no part.
    """

    place: Place
    name: str
    commodity: str
    route: str
    period: str
    zones: tuple[str, ...]
    percentiles: tuple[float, float, float]
    errors: tuple[float, float, float]
    mean: float
    shares: Mapping[str, float]
    areas: tuple[str, ...]
    observed_share: float | None

    @property
    def unit(self) -> str:
        """Carats a year or grams a year."""
        return f"{UNITS[self.commodity]}/year"

    @property
    def dominant(self) -> str:
        """The input with the largest share; "" where nothing varies."""
        return next(iter(self.shares), "")


@dataclass(frozen=True)
class NotComputed:
    """A range that is not told, and why."""

    place: Place
    commodity: str
    route: str
    period: str
    reason: str


@dataclass(frozen=True)
class Capacity:
    """All ranges of a run and table, what was not computed, and notes for the reader."""

    run: RunGround
    table: InputTable
    settings: Settings
    ranges: tuple[Range, ...]
    missing: tuple[NotComputed, ...]
    notes: tuple[str, ...] = ()

    def find(self, place: Place, commodity: str, route: str, period: str) -> Range | NotComputed | None:
        """The range of a place in a period, or of any year, or why there is none."""
        keys = ((place, commodity, route, period), (place, commodity, route, ""))
        return next((self._by_key[key] for key in keys if key in self._by_key), None)

    @cached_property
    def _by_key(self) -> dict[tuple[Place, str, str, str], Range | NotComputed]:
        items: list[Range | NotComputed] = [*self.missing, *self.ranges]
        return {(item.place, item.commodity, item.route, item.period): item for item in items}


def capacity_ranges(
    run: RunGround,
    table: InputTable,
    settings: Settings | None = None,
    estimates: Mapping[tuple[str, str], AreaEstimate] | None = None,
) -> Capacity:
    """Ranges of every zone, country and sum of zones for which the table has all inputs of a route.

    `estimates` are by zone and period; without one the mapped gain stands as it is.
    """
    settings = settings or Settings()
    ranges: list[Range] = []
    missing: list[NotComputed] = []
    for commodity in table.commodities():
        for route in (LABOUR, FOOTPRINT):
            rows = tuple(i for i in table.inputs if (i.commodity, i.route) == (commodity, route))
            if not rows:
                missing.append(NotComputed(ALL, commodity, route, "", _lacking(inputs_of(commodity, route))))
                continue
            sheet = _Sheet(run, InputTable(rows), settings, estimates or {}, commodity, route)
            sheet.multiply()
            ranges += sheet.ranges()
            missing += sheet.missing
    unplaced = sorted({i.place.id for i in table.inputs if i.place.kind == "country" and not run.zones_of(i.place)})
    notes = tuple(
        f"{code}: no zone of the run is known to lie there, so its rows serve no zone; name the areas file with --areas"
        for code in unplaced
    )
    return Capacity(run, table, settings, tuple(ranges), tuple(missing), notes)


def _lacking(names: Sequence[str]) -> str:
    return f"the table lacks {', '.join(names)}"


@dataclass(frozen=True)
class _Term:
    """The product of one place and period, what its area is, and the share of it observed at both dates."""

    product: Product
    area: str = ""
    observed_share: float | None = None


@dataclass
class _Sheet:
    """The work on one commodity by one route."""

    run: RunGround
    table: InputTable
    settings: Settings
    estimates: Mapping[tuple[str, str], AreaEstimate]
    commodity: str
    route: str

    def __post_init__(self) -> None:
        self.terms: dict[tuple[Place, str], _Term] = {}
        self.missing: list[NotComputed] = []

    def multiply(self) -> None:
        """Fill `terms` with every product whose inputs are all there, and `missing` with the rest."""
        count = MINERS if self.route == LABOUR else NEW_AREA
        counted = sorted({i.place for i in self.table.inputs if i.name == count and i.place.kind == "country"})
        for place in [*(Place("zone", zone) for zone in self.run.zones), *counted]:
            if self.route == LABOUR:
                self._labour(place)
            else:
                self._footprint(place)

    def _labour(self, place: Place) -> None:
        """Capacity of any year, and of each period for which the table has rows of its own."""
        names, places = inputs_of(self.commodity, LABOUR), self._chain(place)
        periods = {i.period for i in self.table.inputs if i.place in places}
        for period in sorted(periods | {""}):
            # Miners are counted at a place: those of a country are not those of each of its zones.
            rows = {name: self._find(places[:1] if name == MINERS else places, name, period) for name in names}
            if lacking := [name for name, row in rows.items() if row is None]:
                if period or len(periods) <= 1:
                    self._miss(place, period, _lacking(lacking))
            else:
                self.terms[place, period] = _Term(_product(rows, 1.0))

    def _footprint(self, place: Place) -> None:
        """Capacity of each period that has one before it, spread over the years between the two."""
        names = [name for name in inputs_of(self.commodity, FOOTPRINT) if name != NEW_AREA]
        for window in self.run.windows:
            if window.years is None:
                if len(self.run.windows) == 1:
                    self._miss(place, window.name, "the run has one period and none before it to compare with")
                continue
            rows = {name: self._find(self._chain(place), name, window.name) for name in names}
            lacking = [name for name, row in rows.items() if row is None]
            area = self._new_area(place, window)
            if lacking or isinstance(area, str):
                self._miss(place, window.name, _lacking(lacking) if lacking else str(area))
            else:
                factor, basis, share = area
                self.terms[place, window.name] = _Term(_product(rows, _M2_PER_HA / window.years, factor), basis, share)

    def _new_area(self, place: Place, window: Window) -> tuple[Factor, str, float | None] | str:
        """Newly dug area with its basis and the share observed at both dates, or why it cannot be told."""
        key = "|".join((NEW_AREA, *place, window.name))  # one area whatever is sought in it
        if row := self._find((place,), NEW_AREA, window.name):
            return Triangular(key, row.low, row.mode, row.high), "table", None
        if place.kind != "zone":
            return _lacking([NEW_AREA])
        ground = self.run.ground[place.id, window.name]
        share, least = ground.both_observed_share, self.settings.least_observed_share
        if share is None or ground.gain_ha is None:
            return "none of its ground was observed in both periods"
        if share < least:
            return f"{share:.0%} of its ground was observed in both periods, {least:.0%} are asked for"
        if estimate := self.estimates.get((place.id, window.name)):
            return EstimatedArea(key, estimate.area_ha, estimate.se_ha), "estimate", share
        return Triangular(key, ground.gain_ha, ground.gain_ha, ground.gain_ha), "mapped", share

    def _chain(self, place: Place) -> tuple[Place, ...]:
        """Places whose rows serve one, the nearest first."""
        if place.kind == "zone" and place.id in self.run.countries:
            return place, Place("country", self.run.countries[place.id]), ALL
        return place, ALL

    def _find(self, places: Sequence[Place], name: str, period: str) -> Input | None:
        return self.table.find(places, self.commodity, self.route, name, period)

    def _miss(self, place: Place, period: str, reason: str) -> None:
        self.missing.append(NotComputed(place, self.commodity, self.route, period, reason))

    def ranges(self) -> Iterator[Range]:
        """Ranges of places, then of countries and of all zones as sums of those of their zones."""
        for (place, period), term in self.terms.items():
            yield self._range(place, period, {place.id: term} if place.kind == "zone" else {}, [term])
        order = [window.name for window in self.run.windows]
        periods = sorted({period for _, period in self.terms}, key=["", *order].index)
        codes = sorted({self.run.countries[zone] for zone in self.run.zones if zone in self.run.countries})
        counted = {place for place, _ in self.terms}
        for place in [*(Place("country", code) for code in codes), ALL]:
            for period in periods if place not in counted else ():
                parts = {zone: self._of_zone(zone, period) for zone in self.run.zones_of(place)}
                found = {zone: term for zone, term in parts.items() if term is not None}
                if len(found) >= (2 if place == ALL else 1):
                    yield self._range(place, period, found, list(found.values()))

    def _of_zone(self, zone: str, period: str) -> _Term | None:
        place = Place("zone", zone)
        return self.terms.get((place, period), self.terms.get((place, "")))

    def _range(self, place: Place, period: str, zones: Mapping[str, _Term], terms: Sequence[_Term]) -> Range:
        products = [term.product for term in terms]
        found = quantiles(draw(products, self.settings.seed, self.settings.draws), _LEVELS)
        (p5, e5), (p50, e50), (p95, e95) = found
        _, shares = variance_shares(products)
        observed = [term.observed_share for term in terms if term.observed_share is not None]
        return Range(
            place,
            self.run.name_of(place),
            self.commodity,
            self.route,
            period,
            tuple(zones),
            (p5, p50, p95),
            (e5, e50, e95),
            sum(product.mean for product in products),
            dict(sorted(shares.items(), key=lambda pair: (-round(pair[1], 6), pair[0]))),
            tuple(sorted({term.area for term in terms} - {""})),
            min(observed, default=None),
        )


def _product(rows: Mapping[str, Input | None], scale: float, area: Factor | None = None) -> Product:
    factors: list[tuple[str, Factor]] = [] if area is None else [(NEW_AREA, area)]
    for name, row in rows.items():
        if row is not None:
            key = "|".join((*row.place, *row.key[1:]))
            factors.append((name, Triangular(key, row.low, row.mode, row.high)))
    return Product(scale, tuple(factors))
