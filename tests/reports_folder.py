"""A run's folder as `report` finds it, made from a result without running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.hashing import sha256_of
from pipeline.reports import RunResult, result_json
from tests.manifests import write_manifest


def make_run_dir(home: Path, result: RunResult, **settings: Any) -> Path:
    """`<home>/runs/<run>` with what `report` reads and a manifest that seals it; `settings` are those of the config."""
    assert result.trends is not None
    folder = home / "runs" / result.run_id
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(result_json(result, {}))
    (folder / "footprint.json").write_text(result.footprint.to_json())
    (folder / "trends.json").write_text(result.trends.to_json())
    outputs = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    write_manifest(
        folder,
        programme=result.programme,
        as_of=result.as_of.isoformat(),
        outputs=outputs,
        config={"validated": {"reports": {}, "release": {}} | settings},
    )
    return folder
