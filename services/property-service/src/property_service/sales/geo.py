"""Radius search without a geographic database: ranges of grid cells around a place.

Cells are those of `sale.geo_cell`: 0.02 degrees, numbered by rows from the south-west.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Mean radius of the Earth in metres.
EARTH = 6_371_008.8
_PER_DEGREE = 50
_ROW = 18_000
_METRES_PER_DEGREE = EARTH * math.pi / 180


@dataclass(frozen=True, slots=True)
class Circle:
    """A place in degrees and a radius in metres."""

    latitude: float
    longitude: float
    radius: float

    def ranges(self) -> tuple[list[int], list[int]]:
        """First and last cells of the rows that the circle touches; they hold all of it and some more."""
        height = self.radius / _METRES_PER_DEGREE
        # Meridians are nearest to each other on the side of the pole.
        farthest = min(abs(self.latitude) + height, 89.0)
        width = self.radius / (_METRES_PER_DEGREE * math.cos(math.radians(farthest)))
        first_row, last_row = _cell(self.latitude - height + 90), _cell(self.latitude + height + 90)
        first, last = _cell(self.longitude - width + 180), _cell(self.longitude + width + 180)
        rows = [row * _ROW for row in range(first_row, last_row + 1)]
        return [row + max(first, 0) for row in rows], [row + min(last, _ROW - 1) for row in rows]


def _cell(degrees: float) -> int:
    return math.floor(degrees * _PER_DEGREE)
