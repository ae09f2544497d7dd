"""Every setting of a monitoring programme, with its unit, its meaning and its default."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from pipeline.config_secrets import is_bare_address, safe_address
from pipeline.periods import Period as Period
from pipeline.periods import PeriodRule, require_apart


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FolderSource(_Section):
    """Scenes in a folder: STAC items, or plain GeoTIFFs of one band or of six."""

    kind: Literal["folder"]
    path: Path = Field(description="folder, relative to the config file")
    offset: Literal["metadata", "0", "-1000"] = Field(
        default="metadata", description="added to stored numbers; 'metadata' trusts each item and needs one"
    )


class SafeSource(_Section):
    """Sentinel-2 L2A products as Copernicus gives them: folders named .SAFE, or zip files of them."""

    kind: Literal["safe"]
    path: Path = Field(description="folder that holds the products, relative to the config file")


class StacSource(_Section):
    """A STAC API."""

    kind: Literal["stac"]
    url: str = Field(default="https://earth-search.aws.element84.com/v1", description="root of the STAC API")
    collections: tuple[str, ...] = Field(default=("sentinel-2-l2a",), min_length=1)
    assets: dict[str, str] = Field(default_factory=dict, description="band name to asset key, where it is not known")
    signing: Literal["none", "planetary-computer"] | None = Field(
        default=None, description="how addresses of files are signed; default: as the host of the API needs it"
    )
    s3_endpoint: str | None = Field(
        default=None,
        pattern=r"^(https?://)?[A-Za-z0-9.-]{1,250}(:\d{1,5})?$",
        description="host of s3:// addresses read with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment; "
        "default: that of Copernicus for its own API, else Amazon's, without keys",
    )

    @field_validator("url")
    @classmethod
    def _open_to_all(cls, url: str) -> str:
        if not is_bare_address(url):
            raise ValueError(
                "give the http(s) address of a STAC API alone: names, passwords and tokens do not stand in a config"
            )
        return url


class SimulationSource(_Section):
    """A simulated archive; it serves tests and the demonstration."""

    kind: Literal["simulation"]
    scenario: str = Field(description="carnot, tortiya or demo")
    archive: Path | None = Field(default=None, description="where the archive is kept; default: in the output folder")


class SentinelHubSource(_Section):
    """Sentinel Hub, or any server that speaks its API. Credentials never stand here; docs/sources.md says where."""

    kind: Literal["sentinelhub"]
    deployment: Literal["cdse", "commercial"] = Field(
        default="cdse", description="of the Copernicus Data Space Ecosystem, or services.sentinel-hub.com"
    )
    base_url: str | None = Field(default=None, description="of another deployment; default: the deployment's")
    token_url: str | None = Field(default=None, description="that gives tokens; default: the deployment's")
    profile: str | None = Field(
        default=None, min_length=1, max_length=100, description="of sentinelhub-py, that holds the id and the secret"
    )
    collection: str = Field(
        default="sentinel-2-l2a",
        pattern=r"^(sentinel-2-l2a|byoc-[0-9A-Za-z-]{8,64})$",
        description="sentinel-2-l2a, or byoc-... with the same bands in reflectance x 10 000",
    )
    elevation: Literal["COPERNICUS_30", "COPERNICUS_90"] = Field(
        default="COPERNICUS_30", description="the elevation model; at the Data Space the first needs a registration"
    )

    @field_validator("base_url", "token_url")
    @classmethod
    def _safe_address(cls, url: str | None) -> str | None:
        return None if url is None else safe_address(url)


SourceConfig = Annotated[
    FolderSource | SafeSource | StacSource | SimulationSource | SentinelHubSource, Field(discriminator="kind")
]


class Fetch(_Section):
    """How a source on the internet is asked."""

    attempts: int = Field(default=5, ge=1, le=20, description="of each request in all, before it counts as failed")
    timeout_s: float = Field(default=60, gt=0, le=600, description="seconds without an answer, then tried again")
    longest_wait_s: float = Field(
        default=60, ge=0, le=3600, description="seconds between two attempts at the most, whatever the server asks for"
    )
    in_flight: int = Field(default=8, ge=1, le=64, description="scenes read at the same time")
    max_gb: float | None = Field(
        default=None, gt=0, description="a run that would fetch more, by estimate, does not start"
    )
    max_processing_units: float | None = Field(
        default=None, gt=0, description="of Sentinel Hub; a run that would spend more does not start"
    )


_RULE_KEYS = {"every", "from", "to", "since", "until"}


def _kind_of_period(value: Any) -> str:
    is_rule = isinstance(value, str | PeriodRule) or (isinstance(value, Mapping) and not _RULE_KEYS.isdisjoint(value))
    return PeriodRule.__name__ if is_rule else Period.__name__


PeriodConfig = Annotated[
    Annotated[Period, Tag(Period.__name__)] | Annotated[PeriodRule, Tag(PeriodRule.__name__)],
    Discriminator(_kind_of_period),
]


class Imagery(_Section):
    """Which looks are clear, and how they become a composite."""

    max_cloud_cover: float = Field(default=80.0, ge=0, le=100, description="percent; cloudier scenes are skipped")
    max_scenes: int = Field(default=60, ge=1, le=254, description="of a period, least cloudy first")
    cloud_dilation_m: int = Field(default=60, ge=0, le=500, description="metres added around cloud")
    shadow_dilation_m: int = Field(default=40, ge=0, le=500, description="metres added around cloud shadow")
    min_clear_looks: int = Field(default=1, ge=1, le=50, description="fewer: the pixel counts as not observed")
    rescue_bright_ground: bool = Field(default=True, description="give back bare ground that is flagged as cloud")
    rescue_share: float = Field(default=0.6, ge=0.3, le=1, description="of looks flagged before ground is given back")
    season_days: int = Field(default=240, ge=0, le=365, description="days before and after, read for the greenest look")
    max_season_scenes: int = Field(default=12, ge=1, le=60, description="of each side, spread over it, least cloudy")
    season_distance_days: int = Field(
        default=60, ge=0, le=365, description="a look this far from the period's looks shows another season"
    )


class Radar(_Section):
    """Sentinel-1 beside the optical imagery, where the source has it."""

    use: Literal["auto", "off"] = Field(default="auto", description="auto: wherever the source has scenes")
    collection: str = Field(default="sentinel-1-rtc", min_length=1, description="searched for in a STAC API")
    rise_db: float = Field(
        default=1.65, gt=0, le=20, description="rise of the period's minimum that speaks for digging"
    )
    min_looks: int = Field(default=5, ge=2, le=50, description="the minimum is that of so many; an orbit needs as many")
    multilook_px: Literal[1, 3, 5, 7] = Field(
        default=3, description="side of the square averaged against speckle, pixels"
    )
    surroundings_m: int = Field(default=500, ge=50, le=2000, description="ground so far around shows rain, not digging")
    minimum_area_ha: float = Field(default=0.5, ge=0.1, le=100, description="of a change seen by radar alone")


class Elevation(_Section):
    """Terrain beside the imagery: slope, height above the nearest drainage and distance to it."""

    use: Literal["auto", "off"] = Field(
        default="auto", description="auto: if a source is named here or the model was trained with terrain"
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="same (where the imagery comes from), a folder of GeoTIFFs, relative to the config, or the "
        "http(s) address of a STAC API; default: same",
    )
    collection: str = Field(default="cop-dem-glo-30", min_length=1, description="searched for in a STAC API")
    drainage_km2: float = Field(
        default=0.9, ge=0.01, le=100, description="upstream area at which drainage begins, square kilometres"
    )

    @model_validator(mode="after")
    def _known_address(self) -> Elevation:
        # What stands here is printed and written to manifests.
        if self.source and "://" in self.source and not is_bare_address(self.source):
            raise ValueError("source is neither a folder nor a plain http(s) address, without a name, secret or query")
        return self

    @property
    def folder(self) -> Path | None:
        """The folder that `source` names; None where it names something else."""
        named = self.source is not None and self.source != "same" and "://" not in self.source
        return Path(self.source or "") if named else None


class Disturbance(_Section):
    """The classifier."""

    model: str = Field(
        default="default",
        description="a name in models/, or a path: a model's folder (./mine) or an ONNX file (mine.onnx)",
    )


class Change(_Section):
    """When a pixel is disturbed and a change is reported."""

    strong: float = Field(default=0.8, gt=0, lt=1, description="probability at which a pixel seeds an object")
    weak: float = Field(default=0.5, gt=0, lt=1, description="probability at which a neighbour joins it")
    isolated: float = Field(default=0.9, gt=0, le=1, description="seed probability asked of a lone detection")
    isolation_m: float = Field(default=1000, ge=0, le=10000, description="alone: no other object within this distance")
    minimum_mapping_unit_ha: float = Field(default=0.1, ge=0, le=100, description="smaller objects are not mapped")
    link_m: float = Field(default=30, ge=10, le=500, description="parts closer than this are one site, metres")
    green_ndvi: float = Field(default=0.45, gt=0, lt=1, description="greener within the year: seasonal, not workings")
    min_season_looks: int = Field(default=2, ge=1, le=60, description="fewer: the other season was not seen")
    dating: Literal["looks", "periods"] = Field(
        default="looks", description="read the single looks about each opening to date it, or go by the periods"
    )
    max_dated: int = Field(default=500, ge=0, le=100_000, description="openings dated by looks, largest first")
    wide_water_ha: float = Field(
        default=2.0, ge=0, le=4, description="open water at least so wide moves bars and shores; 0 sets none apart"
    )
    max_shift_px: float = Field(
        default=0.5, ge=0, le=10, description="a period that lies farther off the others, in pixels, moves no margin"
    )

    @model_validator(mode="after")
    def _tiers(self) -> Change:
        if not self.weak <= self.strong <= self.isolated:
            raise ValueError(
                f"thresholds must rise: weak ({self.weak}) <= strong ({self.strong}) <= isolated ({self.isolated})"
            )
        return self


class LayerConfig(_Section):
    """A file of polygons by whose units the footprint is told, beside the declared zones."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", description="a short name of letters, digits, dots, hyphens"
    )
    path: Path = Field(description=".geojson, .gpkg or .shp, relative to the config")
    table: str = Field(default="", max_length=200, description="of a GeoPackage with several tables, which")
    id_field: str = Field(min_length=1, max_length=200, description="field that names each unit, once")
    name_field: str = Field(default="", max_length=200, description="field with the name shown; default: id_field")
    kind: Literal["official units", "protected areas", "indigenous lands", "concessions", "other"]
    source: str = Field(min_length=1, max_length=200, description="who published it, such as 'WDPA'")
    vintage: str = Field(min_length=1, max_length=200, description="the day or year for which it holds")
    licence: str = Field(min_length=1, max_length=200, description="the terms under which it came, or 'not stated'")

    @model_validator(mode="after")
    def _not_the_zones(self) -> LayerConfig:
        if self.name == "zones":
            raise ValueError("name 'zones' is that of the declared zones; choose another")
        return self


class Footprint(_Section):
    """How areas are told over time and to others."""

    min_observed_share: float = Field(
        default=0.5, gt=0, le=1, description="of a unit's ground; a period that saw less does not enter its trend"
    )
    licence: str = Field(default="", max_length=200, description="terms under which delve.csv is given to others")


class Reports(_Section):
    """What is written for people."""

    max_chips: int = Field(default=300, ge=0, le=1000, description="changed places with pictures, largest first")
    languages: tuple[str, ...] = Field(
        default=("en",), min_length=1, max_length=8, description="of map and report; the first has the plain file names"
    )

    @field_validator("languages")
    @classmethod
    def _known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        from pipeline.reports.language import languages  # reports rest on this module

        known = languages()
        if unknown := [code for code in codes if code not in known]:
            raise ValueError(f"no language {unknown[0][:20]!r}; choose from {', '.join(known)}")
        if len(set(codes)) < len(codes):
            raise ValueError("a language stands twice")
        return codes


class Release(_Section):
    """What `placerwatch report --release public` shows."""

    grid_km: float = Field(default=5.0, ge=1, le=100, description="side of the cells that stand for places")
    delay_days: int = Field(default=180, ge=0, le=3660, description="nothing is shown that was observed later")
    withhold: tuple[str, ...] = Field(default=(), description="ids of sites, changes and zones that are never shown")


class Run(_Section):
    """How the work is carried out."""

    executor: Literal["serial", "threads", "processes"] = Field(default="threads")
    workers: int = Field(default=2, ge=1, le=256)
    register_file: Path | None = Field(
        default=None, description="register.gpkg shared with other programmes, relative to the config; default: its own"
    )


class Config(_Section):
    """A monitoring programme."""

    programme: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,39}$",
        description="a short name of lower-case letters, digits and hyphens, such as car-west",
    )
    title: str = Field(default="", description="shown on maps")
    areas: tuple[Path, ...] = Field(min_length=1, description="GeoJSON files of declared areas, relative to the config")
    zones: tuple[str, ...] = Field(default=(), description="zone ids to watch; empty: all that the files declare")
    periods: tuple[PeriodConfig, ...] = Field(
        min_length=1, description="periods, or rules such as 'Dec-Mar every year from 2019'; pipeline/periods.py"
    )
    source: SourceConfig
    fetch: Fetch = Field(default_factory=Fetch)
    imagery: Imagery = Field(default_factory=Imagery)
    radar: Radar = Field(default_factory=Radar)
    elevation: Elevation = Field(default_factory=Elevation)
    disturbance: Disturbance = Field(default_factory=Disturbance)
    change: Change = Field(default_factory=Change)
    layers: tuple[LayerConfig, ...] = Field(default=(), description="files of units to tell the footprint by")
    footprint: Footprint = Field(default_factory=Footprint)
    reports: Reports = Field(default_factory=Reports)
    release: Release = Field(default_factory=Release)
    run: Run = Field(default_factory=Run)

    @model_validator(mode="after")
    def _periods_apart(self) -> Config:
        require_apart(self.periods)
        return self

    @model_validator(mode="after")
    def _layers_apart(self) -> Config:
        if len({layer.name for layer in self.layers}) < len(self.layers):
            raise ValueError("two layers share a name")
        return self
