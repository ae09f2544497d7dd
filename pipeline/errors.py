"""The errors of placerwatch: each says what was asked, what was found and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class PlacerwatchError(Exception):
    """Base of every error that placerwatch raises on purpose; `exit_code` is what the command returns."""

    exit_code = 1


class BadInput(PlacerwatchError):
    """What the user gave cannot be used: a config, an area, an option."""

    exit_code = 2


class Problems(BadInput):
    """Several problems of one input, reported together."""

    def __init__(self, subject: str, problems: Sequence[str]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        noun = "problem" if len(self.problems) == 1 else "problems"
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{subject}: {len(self.problems)} {noun}\n{lines}")


class LatticeMismatch(PlacerwatchError):
    """Two rasters do not share one geobox and may not be combined."""


class SceneRejected(PlacerwatchError):
    """A scene cannot be used; the message is the reason that stands in the manifest."""


class SourceUnavailable(PlacerwatchError):
    """An imagery source cannot be reached or answers nonsense."""


class AccessRefused(SourceUnavailable):
    """A source refuses this account: wrong credentials, or a quota that is used up. Trying again does not help."""


class ModelError(PlacerwatchError):
    """A model file is missing, altered or not of a known format."""


class StoreError(PlacerwatchError):
    """The store cannot be written or holds a damaged result."""


class AreaBalanceError(PlacerwatchError):
    """Zones and unassigned ground do not add up to the total: a defect, never rounded away."""
