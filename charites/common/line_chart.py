"""A line through values of the last minutes or hours, as the numbers that an SVG drawing is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

TOP, BOTTOM = 8, 70  # where the highest value and zero are drawn
LEFT, RIGHT = 4, 316  # of 320, as TOP and BOTTOM are of 72


@dataclass(frozen=True, slots=True)
class Line:
    """`points` as `polyline` wants them, `end_x` and `end_y` of the last one; `highest` is a value."""

    points: str
    end_x: str
    end_y: str
    highest: int


def draw(values: Sequence[int]) -> Line:
    """Values at even distances, oldest first; at least one."""
    highest = max(values)
    step = (RIGHT - LEFT) / max(1, len(values) - 1)
    across = [f"{RIGHT - step * ago:.1f}" for ago in reversed(range(len(values)))]
    down = [f"{BOTTOM - (BOTTOM - TOP) * value / max(1, highest):.1f}" for value in values]
    points = " ".join(f"{x},{y}" for x, y in zip(across, down, strict=True))
    return Line(points, across[-1], down[-1], highest)
