"""How a run and the register meet: ids before the outputs are written, the run's record after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pipeline
from pipeline.areas import zones_of
from pipeline.change import Register, RunRecord, record_run
from pipeline.change.register import renamed
from pipeline.config_file import ConfigFile
from pipeline.errors import BadInput
from pipeline.reports import read_register, write_register
from pipeline.runs.assemble import Assembled
from pipeline.runs.manifest import Work
from pipeline.runs.store import content_key

RECORD = "observations.json"
REGISTER = "register.gpkg"


def register_path(file: ConfigFile, home: Path) -> Path:
    """The register that a programme keeps: its own, or the one that its config names."""
    named = file.config.run.register_file
    return home / REGISTER if named is None else file.path.parent / named


def enter(assembled: Assembled, work: Work, key: str, run_id: str, register: Register) -> tuple[Assembled, RunRecord]:
    """Give the sites of a run the ids that the register has for them; returns the run's record, too."""
    plan = work.plan
    config = plan.file.config
    zones = [(None, "unassigned"), *((zone.zone_id, zone.name) for zone in zones_of(plan.file.areas))]
    record = record_run(
        assembled.sites,
        assembled.grounds,
        assembled.events,
        plan.periods,
        zones,
        [asdict(row) for row in assembled.footprint.rows],
        key=key,
        run_id=run_id,
        programme=config.programme,
        title=config.title,
        as_of=plan.as_of,
        generated_by=f"placerwatch {pipeline.__version__}",
        model=f"{config.disturbance.model} {plan.model_sha256}",
    )
    ids = register.publish(record)
    return _renamed(assembled, ids), renamed(record, ids)


def _renamed(assembled: Assembled, ids: Mapping[str, str]) -> Assembled:
    sites = tuple(
        replace(
            site,
            site_id=ids[site.site_id],
            parent=ids[site.parent] if site.parent else None,
            merged_into=ids[site.merged_into] if site.merged_into else None,
        )
        for site in assembled.sites
    )
    # A change claimed by radar alone is at no site, and keeps its name.
    changes = tuple(
        replace(
            change,
            site_id=ids.get(change.site_id, change.site_id),
            change_id=ids.get(change.site_id, change.site_id) + change.change_id.removeprefix(change.site_id),
        )
        for change in assembled.changes
    )
    events = tuple(
        replace(
            event,
            site_id=ids[event.site_id],
            passed=tuple((ids[name], area) for name, area in event.passed),
        )
        for event in assembled.events
    )
    return replace(assembled, sites=sites, changes=changes, events=events)


def register_note(register: Register, record: RunRecord) -> dict[str, object]:
    """For the manifest: the runs by which the ids were chosen, and what was entered."""
    known = [entry.record.sha256 for entry in register.entries]
    return {"runs_known": len(known), "known_sha256": content_key(runs=known), "record_sha256": record.sha256}


def keep(record: RunRecord, path: Path) -> bool:
    """Enter a run into a register; False if it is its programme's newest there already."""
    known = read_register(path)
    register = known.with_run(record)
    if register is known and path.exists():
        return False
    write_register(path, register)
    return True


def record_of_run(run_dir: Path) -> RunRecord:
    """The record in a run's folder; raises BadInput."""
    path = run_dir / RECORD
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{run_dir}: no {RECORD} there; give a run's folder, outputs/<programme>/runs/<run>") from error
    return RunRecord.from_json(text, str(path))


def merge_registers(paths: Sequence[Path], out: Path) -> Register:
    """Write one register of several, each a register.gpkg or a run's folder, in any order; raises BadInput.

    A register at `out` is taken in, too. Reviews of the others are not: they stay in their files.
    """
    register = read_register(out)
    for path in paths:
        if path.is_dir():
            record = record_of_run(path)
            register = register if register.of_key(record.key) == record else register.with_run(record)
        elif path.exists():
            register = register.merged(read_register(path))
        else:
            raise BadInput(f"{path}: there is no such register or run folder")
    write_register(out, register)
    return register
