import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.areas.lattice import from_lonlat
from pipeline.change import classify, merge
from pipeline.change.ground import PART_MORE_M, ground_of
from pipeline.change.tracking import track, unused
from tests.change_ground import SETTINGS, UNSEEN, ground

WIDTH = 12


def followed(*grounds):
    """The ground and the tracks of candidates, None and None if nothing is mapped."""
    held = ground_of(classify(grounds, SETTINGS))
    return (None, None) if held is None else (held, track(held, SETTINGS))


def line(text):
    """A row of pixels: # disturbed, . undisturbed, ? not observed, + doubtful, % more strongly disturbed."""
    return [[{"#": 90, ".": 0, "?": UNSEEN, "+": 65, "%": 99}[c] for c in text.ljust(WIDTH, ".")]]


def told(*texts):
    """Each period as a row of letters, one a site in the order of their names, . where none holds the pixel."""
    held, tracks = followed(ground(*[line(text) for text in texts]))
    order = {site: "ABCDEFG"[rank] for rank, site in enumerate(np.argsort(tracks.names))}
    rows = []
    for period in tracks.site:
        row = ["."] * WIDTH
        for col, site in zip(held.plane("col") - 50000, period, strict=True):
            if site >= 0:
                row[col] = order[site]
        rows.append("".join(row).rstrip("."))
    return rows


@pytest.mark.parametrize(
    ("maps", "expected"),
    [
        # One to one goes on, growing and shrinking.
        (["##", "###", ".##"], ["AA", "AAA", ".AA"]),
        # Apart they are two; grown together the older one stays.
        (["##......", "##....##", "########"], ["AA", "AA....BB", "AAAAAAAA"]),
        # As old: the larger one stays, then the first by name.
        (["##....###", "#########"], ["AA....BBB", "BBBBBBBBB"]),
        (["##....##", "########"], ["AA....BB", "AAAAAAAA"]),
        # A split: the larger part goes on, the other is new.
        (["#########", "##....###"], ["AAAAAAAAA", "BB....AAA"]),
        # What was one parts at a gap of a pixel more than what never was; across it two stay two.
        (["########", "##...###", "##....##"], ["AAAAAAAA", "AA...AAA", "AA....BB"]),
        (["##...###", "##...###"], ["AA...BBB", "AA...BBB"]),
        # So does what was taken in.
        (["##...###", "########", "##...###"], ["AA...BBB", "BBBBBBBB", "BB...BBB"]),
        # A part below the mapping unit is no site of its own until it stands.
        (["########", "#.....##"], ["AAAAAAAA", "A.....AA"]),
        (["########", "#.....##", "##....##"], ["AAAAAAAA", "A.....AA", "BB....AA"]),
        # Merged sites that part again have their names back.
        (["##....###", "#########", "##....###"], ["AA....BBB", "BBBBBBBBB", "AA....BBB"]),
        # The place from which a part left is one again: the part's name ends, and comes back with the part.
        (["#########", "##....###", "#########", "##....###"], ["AAAAAAAAA", "BB....AAA", "AAAAAAAAA", "BB....AAA"]),
        # Back on its own former ground a site has its name back.
        (["##", "..", "##"], ["AA", "", "AA"]),
        (["##", "..", ".."], ["AA", "", ""]),
        # A site moves on by less than the link; farther off is another.
        (["##..", "..##"], ["AA", "..AA"]),
        (["##......", ".....##."], ["AA", ".....BB"]),
        # Cloud neither ends, nor splits, nor moves a site.
        (["########", "##????##", "########"], ["AAAAAAAA"] * 3),
        (["########", "????????", "########"], ["AAAAAAAA"] * 3),
        (["##....##", "????????", "##....##"], ["AA....BB"] * 3),
        # Ground not seen before its first look is not held.
        (["????", "####"], ["", "AAAA"]),
        # New ground that another site left long ago, while that one works elsewhere.
        (["########", "......##", "##....##"], ["AAAAAAAA", "......AA", "BB....AA"]),
    ],
)
def test_who_holds_the_ground(maps, expected):
    assert told(*maps) == expected


def test_a_site_remembers_from_whom_it_split_and_into_whom_it_merged():
    _, tracks = followed(ground(line("%########"), line("##....###"), line("#########")))
    old, young = (tracks.names.index(name) for name in ("PW-33N-50000-039999", "PW-33N-50000-039999-2"))
    assert (tracks.born[old], tracks.born[young]) == (0, 1)
    assert (tracks.parent[young], tracks.split[young], tracks.parent[old]) == (old, True, None)
    assert (tracks.merged_into[young], tracks.merged_into[old]) == (old, None)
    assert tracks.merges == ((2, young, old),)


def test_a_trace_that_grows_into_a_site_is_no_merger():
    _, tracks = followed(ground(line("+....##"), line("#######")))
    assert (len(tracks.names), tracks.merges) == (1, ())


def test_a_taken_name_gets_the_next_free_number():
    assert unused("a", set()) == "a"
    assert unused("a", {"a", "a-2"}) == "a-3"


def test_a_site_across_a_zone_meridian_splits_and_merges_as_one():
    def pair(*texts):
        both = []
        for epsg, side in ((32629, -1), (32630, 1)):
            x, y = from_lonlat(epsg).transform(-6 + side * 5 / 110_000, 8.2)
            maps = [np.array(line(text))[:, ::side] for text in texts]
            left = int(x // 10) - (WIDTH - 1 if side < 0 else 0)
            both.append(ground(*maps, epsg=epsg, top=int(-y // 10), left=left))
        return both

    _, whole = followed(*pair("####", "####"))
    assert len(whole.names) == 1
    _, tracks = followed(*pair("######", "....##", "######"))
    assert len(tracks.names) == 2
    assert [(period, tracks.parent[ended]) for period, ended, _ in tracks.merges] == [(2, tracks.merges[0][2])]


percent_maps = arrays(np.int32, (4, 4, 14), elements=st.sampled_from([UNSEEN, 0, 0, 60, 85, 95]))


def holders(held, tracks):
    """Name of the site of every pixel in every period, by place."""
    places = zip(held.epsg.tolist(), held.plane("row").tolist(), held.plane("col").tolist(), strict=True)
    names = [*tracks.names, None]
    return {place: [names[site] for site in tracks.site[:, i]] for i, place in enumerate(places)}


@settings(deadline=None, max_examples=150)
@given(percent_maps)
def test_held_ground_belongs_to_one_site_which_is_one_group_or_its_traces(maps):
    held, tracks = followed(ground(*maps))
    if held is None:
        return
    assert len(set(tracks.names)) == len(tracks.names)
    assert np.array_equal(tracks.site >= 0, held.held)
    for period in range(len(maps)):
        group, count = held.groups(held.held[period], SETTINGS.link_m)
        own = [np.unique(tracks.site[period, group == g]) for g in range(count)]
        assert all(site.size == 1 for site in own)
        # Standing groups of one site lie within the gap at which it would part.
        near, _ = held.groups(held.held[period], SETTINGS.link_m + PART_MORE_M)
        standing = [
            (int(site[0]), int(near[group == g][0]))
            for g, site in enumerate(own)
            if (held.mapped[period] & (group == g)).sum() >= 2
        ]
        assert len({site for site, _ in standing}) == len(set(standing))
    for site, born in enumerate(tracks.born):
        assert (held.mapped[born] & (tracks.site[born] == site)).sum() >= 2


@settings(deadline=None, max_examples=100)
@given(percent_maps, st.integers(1, 3))
def test_a_period_without_a_look_changes_no_site(maps, at):
    held, tracks = followed(ground(*maps))
    blank = np.insert(maps, at, UNSEEN, axis=0)
    again, more = followed(ground(*blank))
    if held is None:
        assert again is None
        return
    assert more.names == tracks.names
    assert np.array_equal(np.delete(more.site, at, axis=0), tracks.site)
    assert np.array_equal(more.site[at], more.site[at - 1])


@settings(deadline=None, max_examples=60)
@given(percent_maps, st.integers(1, 13), st.randoms(use_true_random=False))
def test_identities_do_not_depend_on_tiles_or_their_order(maps, cut, random):
    parts = [ground(*maps[:, :, :cut]), ground(*maps[:, :, cut:], left=50000 + cut)]
    random.shuffle(parts)
    held, tracks = followed(ground(*maps))
    again, same = followed(merge(parts))
    assert (held is None) == (again is None)
    if held is not None:
        assert holders(again, same) == holders(held, tracks)
        assert same.merges == tracks.merges


@settings(deadline=None, max_examples=60)
@given(percent_maps)
def test_what_happens_later_changes_no_earlier_holder(maps):
    maps = np.where(maps == 60, 0, maps)  # doubtful ground may be mapped by what comes later
    held, tracks = followed(ground(*maps[:3]))
    if held is None:
        return
    later, more = followed(ground(*maps))
    known, before = holders(later, more), holders(held, tracks)
    assert all(known[place][:3] == row for place, row in before.items())
