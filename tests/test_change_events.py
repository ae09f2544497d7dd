from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from pipeline.change import build_sites, classify, merge
from pipeline.change.clusters import follow
from pipeline.change.events import build_events
from pipeline.change.shores import set_water_apart
from pipeline.change.states import WATERS_EDGE
from pipeline.config import Change
from tests.change_ground import BARREN, GREEN, SETTINGS, UNSEEN, day, ground, periods

EPOCH = date(1970, 1, 1)
UNIT = Change(minimum_mapping_unit_ha=0.04, isolated=0.8)
PIXEL = 100_000_000  # square millimetres


def events(*maps, with_settings=SETTINGS, **more):
    grounds = [ground(*maps, **more)]
    return build_events(classify(grounds, with_settings), periods(grounds[0].periods), with_settings)


def kinds(*maps, **more):
    """The kind of each event with the number of its period."""
    return [(event.kind, int(event.period_after[1:])) for event in events(*maps, **more)]


def days(period, which):
    return EPOCH + timedelta(days=day(period, which))


ON, OFF, DARK = [[90, 90]], [[0, 0]], [[UNSEEN, UNSEEN]]


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        ([OFF, ON], [("opened", 1)]),
        ([ON, ON], []),
        # What the first period shows, or ground that was never seen before, may be older.
        ([ON], []),
        ([DARK, ON], []),
        ([[[UNSEEN, UNSEEN, 0]], [[90, 90, 90]]], []),
        ([[[UNSEEN, 0]], [[90, 90]]], [("opened", 1)]),
        # A period without a look hides nothing for good: what it hid is told by the next look.
        ([OFF, DARK, ON], [("opened", 2)]),
        ([ON, DARK, OFF], [("went quiet", 2)]),
        ([ON, DARK, ON], []),
        # Gone once is quiet, gone twice recovered, whatever lies between but work.
        ([ON, OFF], [("went quiet", 1)]),
        ([ON, OFF, OFF], [("went quiet", 1), ("recovered", 2)]),
        ([ON, OFF, DARK, OFF, OFF], [("went quiet", 1), ("recovered", 3)]),
        ([ON, OFF, ON], [("went quiet", 1), ("reopened", 2)]),
        ([ON, OFF, OFF, ON], [("went quiet", 1), ("recovered", 2), ("reopened", 3)]),
        ([ON, OFF, ON, OFF], [("went quiet", 1), ("reopened", 2), ("went quiet", 3)]),
        # Half of the ground is enough to tell, less is not.
        ([ON, [[UNSEEN, 0]]], [("went quiet", 1)]),
        ([[[90, 90, 90]], [[UNSEEN, UNSEEN, 0]]], []),
        # A trace is no site yet.
        ([[[0, 0, 0]], [[65, 0, 0]], [[90, 95, 90]]], [("opened", 2)]),
    ],
)
def test_the_life_of_a_site(maps, expected):
    assert kinds(*maps) == expected


def test_ground_that_greened_within_the_year_has_recovered_at_once():
    greenest = [(None, BARREN), (None, GREEN)]
    assert kinds(ON, OFF, greenest=greenest) == [("recovered", 1)]


def test_ground_that_water_covered_or_uncovered_tells_nothing_of_a_site():
    (zone,) = classify([ground(ON, OFF, OFF, ON)], SETTINGS)
    zone.classes[1:3] = WATERS_EDGE
    assert build_events([zone], periods(4), SETTINGS) == ()
    (site,) = build_sites([zone], periods(4), SETTINGS)
    assert site.state == "active"


OLD = np.zeros((6, 9), int)
OLD[:, :3] = 90
GROWN = OLD.copy()
GROWN[2:4, 3:5] = 90


def test_a_broad_part_expands_a_site_and_its_loss_shrinks_it():
    assert kinds(OLD, GROWN, with_settings=UNIT) == [("expanded", 1)]
    assert kinds(GROWN, OLD, with_settings=UNIT) == [("shrunk", 1)]
    (event,) = events(OLD, GROWN, with_settings=UNIT)
    assert (event.before_mm2, event.after_mm2, event.gain_mm2, event.loss_mm2) == (18 * PIXEL, 22 * PIXEL, 4 * PIXEL, 0)


shapes = arrays(bool, (9, 9)).filter(lambda mask: mask.any())


@settings(deadline=None)
@given(shapes, st.sampled_from([-1, 0, 1]), st.sampled_from([-1, 0, 1]))
def test_moving_every_site_by_one_pixel_is_no_event(shape, down, right):
    shape = np.pad(ndimage.binary_opening(shape, np.ones((2, 2))), 2)
    moved = np.roll(shape, (down, right), (0, 1))
    assert kinds(np.where(shape, 90, 0), np.where(moved, 90, 0), with_settings=UNIT) == []


def test_events_lie_between_the_looks_that_bound_them():
    opened, quiet, recovered = events(OFF, ON, OFF, OFF)
    assert (opened.earliest, opened.latest) == (days(0, 1), days(1, 2))
    assert (quiet.earliest, quiet.latest) == (days(1, 1), days(2, 2))
    assert (recovered.earliest, recovered.latest) == (days(1, 1), days(3, 2))
    (hidden,) = events(OFF, DARK, ON)
    assert (hidden.earliest, hidden.latest) == (days(0, 1), days(2, 2))


def test_a_merger_tells_what_ground_passed_to_whom():
    merged = events([[90, 95, 0, 0, 0, 90, 90, 90]], [[90, 90, 90, 90, 90, 90, 0, 90]])[0]
    assert (merged.kind, merged.site_id) == ("merged", "PW-33N-50001-039999")
    assert merged.passed == (("PW-33N-50005-039999", 2 * PIXEL),)
    assert (merged.before_mm2, merged.after_mm2, merged.loss_mm2) == (2 * PIXEL, 0, 0)
    assert merged.latest == days(1, 2)


def test_a_split_tells_what_ground_passed_to_each_and_what_was_lost():
    (split,) = (e for e in events([[99] + [90] * 8], [[90, 90, 90, 0, 0, 0, 0, 90, 95]]) if e.kind == "split")
    assert split.site_id == "PW-33N-50000-039999"
    assert split.passed == (("PW-33N-50000-039999", 3 * PIXEL), ("PW-33N-50008-039999", 2 * PIXEL))
    assert (split.before_mm2, split.loss_mm2) == (9 * PIXEL, 4 * PIXEL)


def test_a_part_that_leaves_for_another_site_is_a_split_of_the_one_and_no_merger():
    found = events([[90] * 8 + [0, 0, 0, 90, 90]], [[90, 90, 90, 0, 0, 0, 0, 90, 90, 90, 90, 90, 90]])
    told = [(e.kind, dict(e.passed)) for e in found if e.passed]
    assert told == [("split", {"PW-33N-50000-039999": 3 * PIXEL, "PW-33N-50011-039999": PIXEL})]


def test_a_part_that_broke_off_was_not_opened():
    assert {kind for kind, _ in kinds([[90] * 9], [[90, 90, 90, 0, 0, 0, 0, 90, 90]])} <= {"split", "shrunk"}


percent_maps = arrays(np.int32, (4, 4, 14), elements=st.sampled_from([UNSEEN, 0, 0, 60, 85, 95]))
unequal = 100.0 + np.arange(4 * 14).reshape(4, 14) / 7


@settings(deadline=None, max_examples=150)
@given(percent_maps)
def test_areas_passed_on_and_lost_make_up_the_parent_and_children_take_no_more_than_they_hold(maps):
    candidates = ground(*maps)
    candidates.area_m2[:] = unequal[candidates.row + 40000, candidates.col - 50000]
    zones = classify([candidates], SETTINGS)
    found = build_events(zones, periods(4), SETTINGS)
    followed = follow(zones, SETTINGS)
    for event in found:
        assert event.before_mm2 >= event.loss_mm2 >= 0
        if event.kind not in ("merged", "split"):
            assert event.passed == ()
            continue
        assert sum(area for _, area in event.passed) + event.loss_mm2 == event.before_mm2
        period = int(event.period_after[1:])
        for child, area in event.passed:
            site = followed.tracks.names.index(child)
            assert 0 < area <= followed.ground.area_mm2[followed.tracks.site[period] == site].sum()
    merged = {(int(e.period_after[1:]), e.site_id) for e in found if e.kind == "merged"}
    merges = followed.tracks.merges if followed else ()
    assert merged == {(period, followed.tracks.names[site]) for period, site, _ in merges}


@settings(deadline=None, max_examples=100)
@given(percent_maps, st.integers(1, 3))
def test_a_period_without_a_look_makes_and_hides_no_event(maps, at):
    def told(found, skip=None):
        def number(name):
            period = int(name[1:])
            return period - (skip is not None and period > skip)

        return [(e.site_id, e.kind, number(e.period_after), e.gain_mm2, e.loss_mm2, e.passed) for e in found]

    found = events(*np.insert(maps, at, UNSEEN, axis=0))
    assert not [event for event in found if event.period_after == f"p{at}"]
    assert told(found, skip=at) == told(events(*maps))


@settings(deadline=None, max_examples=60)
@given(percent_maps, st.integers(1, 13), st.randoms(use_true_random=False))
def test_events_do_not_depend_on_tiles_or_their_order(maps, cut, random):
    parts = [ground(*maps[:, :, :cut]), ground(*maps[:, :, cut:], left=50000 + cut)]
    random.shuffle(parts)
    again = build_events(classify([merge(parts)], SETTINGS), periods(4), SETTINGS)
    assert again == events(*maps)


@settings(deadline=None, max_examples=60)
@given(percent_maps)
def test_the_register_of_a_run_names_every_site_of_its_events(maps):
    zones = classify([ground(*maps)], SETTINGS)
    known = {site.site_id for site in build_sites(zones, periods(4), SETTINGS)}
    for event in build_events(zones, periods(4), SETTINGS):
        assert {event.site_id, *(name for name, _ in event.passed)} <= known


@pytest.mark.parametrize("elsewhere", ["....", "####"])
def test_what_the_water_left_of_an_object_is_no_site_and_does_not_stand_in_the_way_of_others(elsewhere):
    # Six of eight pixels were water before; the two that are left make up no mapping unit and no site.
    dug = [[0] * 12, [90] * 8 + [0] * 4, [0] * 12, [0] * 12, [0] * 12, [90 if c == "#" else 0 for c in elsewhere * 3]]
    wet = np.zeros((2, 6, 12), bool)
    wet[0, 1, :6] = True
    zones = classify([ground(np.zeros((6, 12), int), dug, water=wet)], UNIT)
    found = build_events(set_water_apart(zones, UNIT), periods(2), UNIT)
    assert [(event.kind, event.gain_mm2) for event in found] == [("opened", 12 * PIXEL)] * (elsewhere == "####")
