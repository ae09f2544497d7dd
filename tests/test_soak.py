"""A few of the schedules of `make soak`, and what a schedule is."""

from __future__ import annotations

import pytest

from benchmarks.soak import ATTEMPTS, ROUTES, Tally, clean_run, make_ground, soak
from tests.conftest import isolate_account
from tests.faulty_server import schedule


@pytest.fixture(scope="module", params=ROUTES)
def route(request, tmp_path_factory):
    """A route with its ground and what a run without faults writes."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate_account(monkeypatch, tmp_path_factory.mktemp("home"))
        folder = tmp_path_factory.mktemp("soak")
        make_ground(folder)
        yield ROUTES[request.param], folder, clean_run(folder, ROUTES[request.param])


@pytest.mark.parametrize(("seed", "whole"), [(2, 1), (3, 0)])
def test_a_run_under_faults_is_whole_or_names_what_it_lacks_and_asks_no_more_than_stated(route, seed, whole):
    one, folder, clean = route
    tally = Tally()
    soak(folder, one, seed, clean, tally)
    assert (tally.whole, tally.incomplete) == (whole, 1 - whole)
    assert 1 < tally.most_asked <= ATTEMPTS
    assert tally.repeated > 0


def test_a_schedule_does_not_depend_on_the_order_of_requests():
    asked = [(f"/s/{name}.tif bytes={k}-", before) for name in "abc" for k in range(40) for before in range(3)]
    one, same, other = schedule(4, 0.3), schedule(4, 0.3), schedule(5, 0.3)
    drawn = [one(*what) for what in asked]
    assert drawn == [same(*what) for what in reversed(asked)][::-1]
    assert drawn != [other(*what) for what in asked]
    assert 0.2 < sum(kind is not None for kind in drawn) / len(drawn) < 0.4


def test_stubborn_files_fail_for_ever_and_searches_do_not():
    always = schedule(4, 0.0, stubborn=1.0)
    assert all(always("/s/a.tif bytes=0-9", before) for before in range(50))
    assert not any(schedule(4, 1.0)("/search POST", before) for before in range(2, 50))
