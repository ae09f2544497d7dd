"""Shared fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real pixels and metadata that lie beside the project; the test skips where it is absent."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("needs the real-data folder ../shared/data, which is not on this machine")
    return SHARED_DATA


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests counted on real pixels: `record_property("counted", ...)` also comes back from workers."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, value in report.user_properties:
            if name == "counted" and report.when == "call":
                terminalreporter.write_line(str(value))
