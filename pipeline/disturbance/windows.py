"""Cuts an array into windows of one size, with the surroundings that a network looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """Windows along one side of an array.

    The padded array is read in `count` windows of `size`, `step` apart from `first` on; each answers `step` of the
    `inner` pixels, which begin `skip` after its own beginning.
    """

    pad: tuple[int, int]
    first: int
    size: int
    step: int
    skip: int
    inner: int

    @classmethod
    def of(cls, length: int, halo: int, block: int, reach: int, multiple: int) -> Cut:
        """The windows of a side of `length` pixels, `halo` of which at each end are surroundings only.

        Each answers `block` pixels and sees `reach` around them. A side no longer than one window is not cut, but
        brought to a multiple of `multiple`; `block` and `reach` are such.
        """
        inner = length - 2 * halo
        size = block + 2 * reach
        if length <= size:
            more = -length % multiple
            return cls((0, more), 0, length + more, inner, halo, inner)
        before = max(0, reach - halo)
        end = halo - reach + (-(-inner // block) - 1) * block + size
        return cls((before, max(0, end - length)), halo - reach + before, size, block, reach, inner)

    @property
    def count(self) -> int:
        """How many windows there are."""
        return -(-self.inner // self.step)

    def window(self, k: int) -> slice:
        """Window k in the padded array."""
        return slice(self.first + k * self.step, self.first + k * self.step + self.size)

    def place(self, k: int) -> slice:
        """What window k answers, in the answer."""
        return slice(k * self.step, min((k + 1) * self.step, self.inner))

    def core(self, k: int) -> slice:
        """What window k answers, in the window."""
        place = self.place(k)
        return slice(self.skip, self.skip + place.stop - place.start)
