"""Tiny Sentinel-2 L2A products, in folders and zip files: JPEG 2000 without loss and metadata as Copernicus writes."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from rasterio.transform import from_origin

from tests.scenes import BANDS

TILE_NAME = "33NUG"
_IDS = {"B02": 1, "B03": 2, "B04": 3, "B08": 7, "B11": 11, "B12": 12}


def at_20_m(bands: np.ndarray) -> np.ndarray:
    """Bands (6, y, x) as a satellite sees them: B11 and B12 in pixels of 20 m."""
    bands = bands.copy()
    bands[4:] = bands[4:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    return bands


def product_name(when: datetime, baseline: str = "02.14", made: datetime | None = None, tile: str = TILE_NAME) -> str:
    """The name of a product without .SAFE."""
    made = made or when + timedelta(hours=4)
    return f"S2A_MSIL2A_{when:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R093_T{tile}_{made:%Y%m%dT%H%M%S}"


def write_product(
    root: Path,
    day: str,
    bands: np.ndarray,
    *,
    west: int,
    north: int,
    epsg: int = 32633,
    baseline: str = "02.14",
    scl: np.ndarray | None = None,
    cloud: float = 3.5,
    leave_out: tuple[str, ...] = (),
) -> Path:
    """A product of one granule from reflectance x 10 000 (6, y, x), with its +1000 from baseline 04.00 on."""
    when = datetime.fromisoformat(f"{day}T09:30:00").replace(tzinfo=UTC)
    name = product_name(when, baseline)
    folder = root / f"{name}.SAFE"
    granule = folder / "GRANULE" / f"L2A_T{TILE_NAME}_A036000_{when:%Y%m%dT%H%M%S}"
    shift = 1000 if baseline >= "04.00" else 0
    height, width = bands.shape[1:]
    planes: dict[str, np.ndarray] = dict(zip(BANDS, bands + np.uint16(shift), strict=True))
    planes["SCL"] = np.full((height, width), 4, np.uint8) if scl is None else scl
    for band, plane in planes.items():
        step = 20 if band in ("B11", "B12", "SCL") else 10
        if band not in leave_out:
            place = granule / "IMG_DATA" / f"R{step}m" / f"T{TILE_NAME}_{when:%Y%m%dT%H%M%S}_{band}_{step}m.jp2"
            write_jp2(place, plane[:: step // 10, :: step // 10], step, west, north, epsg)
    box = Transformer.from_crs(epsg, 4326, always_xy=True).transform_bounds(
        west, north - height * 10, west + width * 10, north
    )
    (folder / "MTD_MSIL2A.xml").write_text(product_xml(name, baseline, when, box, shift))
    (granule / "MTD_TL.xml").write_text(granule_xml(when, baseline, (west, north), (height, width), epsg, cloud))
    return folder


def write_jp2(path: Path, plane: np.ndarray, step: int, west: int, north: int, epsg: int) -> None:
    """A band as JPEG 2000 that gives back every number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "JP2OpenJPEG", "count": 1, "dtype": plane.dtype.name, "crs": f"EPSG:{epsg}"}
    profile |= {"height": plane.shape[0], "width": plane.shape[1], "transform": from_origin(west, north, step, step)}
    with rasterio.open(path, "w", **profile, QUALITY="100", REVERSIBLE="YES") as raster:
        raster.write(plane, 1)


def product_xml(name: str, baseline: str, when: datetime, box, shift: int) -> str:
    """MTD_MSIL2A.xml."""
    w, s, e, n = box
    corners = f"{n} {w} {n} {e} {s} {e} {s} {w} {n} {w}"
    offsets = "".join(f'<BOA_ADD_OFFSET band_id="{k}">{-shift}</BOA_ADD_OFFSET>' for k in range(13) if shift)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="urn:test"><n1:General_Info><Product_Info>
<PRODUCT_URI>{name}.SAFE</PRODUCT_URI><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<GENERATION_TIME>{when + timedelta(hours=4):%Y-%m-%dT%H:%M:%S.000000Z}</GENERATION_TIME></Product_Info>
<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
</QUANTIFICATION_VALUES_LIST>{offsets}</n1:General_Info><n1:Geometric_Info><Global_Footprint>
<EXT_POS_LIST>{corners}</EXT_POS_LIST></Global_Footprint></n1:Geometric_Info></n1:Level-2A_User_Product>"""


def granule_xml(when: datetime, baseline: str, corner, shape, epsg: int, cloud: float) -> str:
    """MTD_TL.xml."""
    sizes = "".join(
        f'<Size resolution="{r}"><NROWS>{shape[0] * 10 // r}</NROWS><NCOLS>{shape[1] * 10 // r}</NCOLS></Size>'
        f'<Geoposition resolution="{r}"><ULX>{corner[0]}</ULX><ULY>{corner[1]}</ULY></Geoposition>'
        for r in (10, 20, 60)
    )
    made = f"{when + timedelta(hours=4):%Y%m%dT%H%M%S}"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_Tile_ID xmlns:n1="urn:test"><n1:General_Info>
<TILE_ID>S2A_OPER_MSI_L2A_TL_2APS_{made}_A036000_T{TILE_NAME}_N{baseline}</TILE_ID>
<DATASTRIP_ID>S2A_OPER_MSI_L2A_DS_2APS_{made}_S{when:%Y%m%dT%H%M%S}_N{baseline}</DATASTRIP_ID>
<SENSING_TIME>{when + timedelta(minutes=9):%Y-%m-%dT%H:%M:%S.123456Z}</SENSING_TIME></n1:General_Info>
<n1:Geometric_Info><Tile_Geocoding><HORIZONTAL_CS_CODE>EPSG:{epsg}</HORIZONTAL_CS_CODE>{sizes}</Tile_Geocoding>
</n1:Geometric_Info><n1:Quality_Indicators_Info><L1C_Image_Content_QI>
<CLOUDY_PIXEL_PERCENTAGE>77.0</CLOUDY_PIXEL_PERCENTAGE></L1C_Image_Content_QI><Image_Content_QI>
<CLOUDY_PIXEL_PERCENTAGE>{cloud}</CLOUDY_PIXEL_PERCENTAGE></Image_Content_QI></n1:Quality_Indicators_Info>
</n1:Level-2A_Tile_ID>"""


def zipped(folder: Path, target: Path | None = None, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The same product as a zip file in place of its folder."""
    target = target or folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
            path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()
    return target
