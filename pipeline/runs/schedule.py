"""Lines for an unattended run: a crontab entry and a systemd timer. They are printed, never installed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from pipeline.config_file import ConfigFile


def schedule_lines(file: ConfigFile, out: Path) -> str:
    """Crontab and systemd units that run a programme each Monday at 03:00; a run with nothing new ends at once."""
    name = file.config.programme
    binary = Path(sys.executable).with_name("placerwatch")
    command = shlex.join([str(binary), "run", str(file.path), "--out", str(out.resolve())])
    log = file.path.parent / f"{name}.log"
    # Both give the percent sign a meaning of its own.
    cron, unit = f"{command} >> {shlex.quote(str(log))} 2>&1".replace("%", r"\%"), command.replace("%", "%%")
    return f"""# crontab -e  (exit code 3: done but incomplete, the manifest names what is missing)
0 3 * * 1  {cron}

# ~/.config/systemd/user/placerwatch-{name}.service
[Unit]
Description=placerwatch {name}
[Service]
Type=oneshot
ExecStart={unit}
SuccessExitStatus=3

# ~/.config/systemd/user/placerwatch-{name}.timer
[Unit]
Description=placerwatch {name}, each Monday
[Timer]
OnCalendar=Mon 03:00
Persistent=true
[Install]
WantedBy=timers.target

# then: systemctl --user enable --now placerwatch-{name}.timer"""
