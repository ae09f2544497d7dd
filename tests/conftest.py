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


@pytest.fixture
def hub_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """The environment of someone with an account at the stand-in for Sentinel Hub, and nothing of this machine's."""
    isolate_account(monkeypatch, tmp_path / "home")
    return monkeypatch


def isolate_account(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Set SH_CLIENT_ID and SH_CLIENT_SECRET; hide profiles of sentinelhub-py and the keyring of this machine."""
    from tests.sentinelhub_server import CLIENT_ID, CLIENT_SECRET

    monkeypatch.setenv("SH_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SH_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.delenv("SH_PROFILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests counted on real pixels: `record_property("counted", ...)` also comes back from workers."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, value in report.user_properties:
            if name == "counted" and report.when == "call":
                terminalreporter.write_line(str(value))
