"""placerwatch: a satellite monitor of artisanal alluvial mining."""

__version__ = "0.1.0"
