"""The masked median and what is told about its looks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.imagery.median import look_days, masked_median, midpoint, sorting_network
from pipeline.imagery.scene import NODATA


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 24, 33, 60, 254])
def test_the_network_sorts_any_number_of_dates(size):
    values = np.random.default_rng(size).integers(0, 9, (size, 200))
    expected = np.sort(values, axis=0)
    for a, b in sorting_network(size):
        values[[a, b]] = np.minimum(values[a], values[b]), np.maximum(values[a], values[b])
    assert (values == expected).all()


def test_a_network_of_few_dates_sorts_every_order_of_zeros_and_ones():
    for size in range(1, 11):
        values = (np.arange(2**size) >> np.arange(size)[:, np.newaxis]) & 1
        for a, b in sorting_network(size):
            values[[a, b]] = np.minimum(values[a], values[b]), np.maximum(values[a], values[b])
        assert (np.diff(values, axis=0) >= 0).all()


@st.composite
def stacks(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 4), st.integers(1, 140)))
    stack = draw(hnp.arrays(np.uint16, shape, elements=st.integers(1, NODATA - 1)))
    clear = draw(hnp.arrays(np.bool_, (shape[0], *shape[2:])))
    return stack, clear


@given(stacks(), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_the_median_equals_nanmedian_exactly(case, threads):
    stack, clear = case
    lower, upper = masked_median(stack, clear, threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmedian(np.where(clear[:, np.newaxis], stack, np.nan), axis=0)
    seen = ~np.isnan(expected)
    assert ((lower.astype(float) + upper)[seen] / 2 == expected[seen]).all()
    assert (midpoint(lower, upper)[seen] == np.rint(expected[seen])).all()
    assert (lower[~seen] == NODATA).all()
    assert (upper[~seen] == NODATA).all()


def test_no_dates_at_all_give_nothing_observed():
    lower, upper = masked_median(np.empty((0, 6, 2, 3), np.uint16), np.empty((0, 2, 3), np.bool_))
    assert (lower == NODATA).all()
    assert (upper == NODATA).all()


def test_days_are_those_of_the_first_the_two_middle_and_the_last_clear_look():
    clear = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0]], dtype=bool).reshape(4, 1, 3)
    looks, days = look_days(clear, np.array([10, 20, 30, 45], dtype=np.uint16))
    assert looks.tolist() == [[4, 3, 0]]
    assert days[:, 0, 0].tolist() == [10, 20, 30, 45]
    assert days[:, 0, 1].tolist() == [10, 30, 30, 45]
    assert days[:, 0, 2].tolist() == [NODATA] * 4
