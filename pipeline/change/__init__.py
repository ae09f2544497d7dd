"""Change: from maps of two or more periods to per-pixel states, the register of sites and what changed at them."""

from pipeline.change.candidates import Candidates, candidates_of_tile, merge
from pipeline.change.changes import build_changes
from pipeline.change.clusters import clusters, follow
from pipeline.change.events import Event, build_events
from pipeline.change.margins import Frame, hold_margins, registration_csv
from pipeline.change.objects import Classified, classify
from pipeline.change.observations import EncodedGround, RunRecord, encode_ground, record_run
from pipeline.change.radar import same_season
from pipeline.change.radar_claims import HALO_PX as RADAR_HALO_PX
from pipeline.change.radar_claims import RisenGround, radar_claims, risen_ground
from pipeline.change.register import Register
from pipeline.change.shores import set_water_apart
from pipeline.change.site import Confidence, Site, SiteChange, SitePeriod, State, Status
from pipeline.change.sites import build_sites
from pipeline.change.states import CLASS_NAMES, OUTSIDE, STATE_NAMES, STATE_OUTSIDE, class_raster, state_raster

__all__ = [
    "CLASS_NAMES",
    "OUTSIDE",
    "RADAR_HALO_PX",
    "STATE_NAMES",
    "STATE_OUTSIDE",
    "Candidates",
    "Classified",
    "Confidence",
    "EncodedGround",
    "Event",
    "Frame",
    "Register",
    "RisenGround",
    "RunRecord",
    "Site",
    "SiteChange",
    "SitePeriod",
    "State",
    "Status",
    "build_changes",
    "build_events",
    "build_sites",
    "candidates_of_tile",
    "class_raster",
    "classify",
    "clusters",
    "encode_ground",
    "follow",
    "hold_margins",
    "merge",
    "radar_claims",
    "record_run",
    "registration_csv",
    "risen_ground",
    "same_season",
    "set_water_apart",
    "state_raster",
]
