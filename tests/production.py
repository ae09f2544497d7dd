"""A small run and tables for capacity ranges and declared figures."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipeline.footprint.capacity_inputs import InputTable, read_inputs
from pipeline.footprint.declared import Declared, read_declared
from pipeline.footprint.ground import Ground, RunGround, Window
from tests.manifests import write_manifest

INPUT_HEADER = "zone_id,country,commodity,route,input,low,mode,high,source,year,period\n"
DECLARED_HEADER = "zone_id,country,commodity,type,flow,start,end,value,unit,source\n"
LABOUR = """boda,,diamonds,labour,miners,100,200,300,census,2019,
all,,diamonds,labour,days_per_year,200,200,200,survey,2019,
all,,diamonds,labour,m3_gravel_per_miner_day,0.5,0.5,0.5,survey,2019,
all,,diamonds,labour,ct_per_m3,0.1,0.1,0.1,survey,2019,
"""
FOOTPRINT = """all,,diamonds,footprint,dug_fraction,0.5,0.5,0.5,survey,2019,
all,,diamonds,footprint,gravel_thickness_m,0.4,0.4,0.4,survey,2019,
all,,diamonds,footprint,ct_per_m3,0.1,0.1,0.1,survey,2019,
all,,diamonds,footprint,recovery,0.8,0.8,0.8,survey,2019,
"""


def small_run(countries: dict[str, str] | None = None, **boda: float | None) -> RunGround:
    """Boda and Nola in the dry seasons of 2020 to 2022: 30 and 50 ha disturbed, 10 and 20 ha of it new each year."""
    names = ("2020", "2021", "2022")
    windows = (
        Window("2020", date(2019, 12, 1), date(2020, 3, 31), None),
        Window("2021", date(2020, 4, 1), date(2021, 3, 31), 365 / 365.25),
        Window("2022", date(2021, 4, 1), date(2022, 3, 31), 365 / 365.25),
    )
    ground = {}
    for number, name in enumerate(names):
        later = number > 0
        mine = {"disturbed_ha": 30.0, "gain_ha": 10.0, "both_observed_share": 0.9, "observed_ha": 900.0} | boda
        ground["boda", name] = Ground(
            mine["disturbed_ha"],
            mine["gain_ha"] if later else None,
            mine["both_observed_share"] if later else None,
            mine["observed_ha"] or 0.0,
            1000.0,
        )
        ground["nola", name] = Ground(50.0, 20.0 if later else None, 0.8 if later else None, 1600.0, 2000.0)
    return RunGround("run-1", {"boda": "Boda", "nola": "Nola"}, windows, ground, countries or {})


def inputs(folder: Path, text: str, run: RunGround | None = None, header: str = INPUT_HEADER) -> InputTable:
    path = folder / "inputs.csv"
    path.write_text(header + text, encoding="utf-8")
    return read_inputs(path, run or small_run())


def declared(folder: Path, text: str, run: RunGround | None = None, header: str = DECLARED_HEADER) -> Declared:
    path = folder / "declared.csv"
    path.write_text(header + text, encoding="utf-8")
    return read_declared(path, run or small_run())


def write_run(home: Path, layer: bool = True) -> Path:
    """A run's folder with the footprint of Boda in two periods and the manifest beside it; returns the folder."""
    folder = home / "outputs" / "small" / "runs" / "2021-06-01-0a1b2c3d"
    folder.mkdir(parents=True)
    columns = (
        "zone_id,zone_name,period,bare_ha,pond_ha,disturbed_ha,seasonal_ha,other_ha,not_observed_ha,watched_ha,"
        "observed_share,gain_ha,loss_ha,stable_ha,both_observed_share"
    )
    rows = [
        "boda,=cmd|'/c calc'!A1,2020,20,10,30,0,870,100,1000,0.9,,,,",
        "unassigned,,2020,1,0,1,0,1,0,2,1.0,,,,",
        "total,,2020,21,10,31,0,871,100,1002,0.9,,,,",
        "boda,=cmd|'/c calc'!A1,2021,30,10,40,0,860,100,1000,0.9,10,0,30,0.9",
        "unassigned,,2021,1,0,1,0,1,0,2,1.0,0,0,1,1.0",
        "total,,2021,31,10,41,0,861,100,1002,0.9,10,0,31,0.9",
    ]
    if layer:
        rows = [f"zones,{row}" for row in rows] + ["parks,boda,Park,2021,1,1,2,0,8,0,10,1.0,2,0,0,1.0"]
        columns = f"layer,{columns}"
    (folder / "footprint.csv").write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    periods = [
        {"name": "2020", "start": "2019-12-01", "end": "2020-03-31"},
        {"name": "2021", "start": "2020-12-01", "end": "2021-03-31"},
    ]
    config = {"validated": {"periods": periods}}
    write_manifest(folder, as_of="2021-06-01", inputs={"areas": []}, config=config)
    return folder
