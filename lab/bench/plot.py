"""The results of `make bench` as a drawing: `python -m lab.bench.plot bench.json bench.svg`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pygal
from pygal.style import Style

from lab.bench.ratio import Ratio

# pygal puts a finder of its plug-ins in front of all imports, in a way that Python warns of, and gives up.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

CURVES = ("#1d6fb8", "#c9821d", "#b8321d", "#2f8f4e")
MANY_CURVES = (*CURVES, "#7b4fa3", "#5c6670")
COLORS = ("#1d6fb8", "#c9d3dc")  # what was measured, and its floor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("drawing", type=Path)
    wanted = parser.parse_args()
    draw(json.loads(wanted.results.read_text()), wanted.drawing)
    return 0


def draw(results: dict[str, Any], file: Path) -> None:
    """Draws every ratio as a share of its goal, beside its floor."""
    ratios = results["ratios"][::-1]  # a bar chart grows upwards
    chart = pygal.HorizontalBar(
        title=f"Share of the goal reached, {results['at'][:10]}, {results['machine']['cpus']} cores",
        style=Style(background="white", plot_background="white", colors=COLORS, value_font_size=12),
        js=[],
        width=900,
        height=120 + 44 * len(ratios),
        legend_at_bottom=True,
        show_minor_x_labels=False,
        value_formatter=lambda share: f"{share:.0%}",
        print_values=True,
    )
    chart.x_labels = [ratio["name"] for ratio in ratios]
    chart.add("measured, median", [share(ratio, ratio["median"]) * ratio.get("is_sound", 1) for ratio in ratios])
    chart.add("floor", [share(ratio, ratio["floor"]) for ratio in ratios])
    chart.render_to_file(str(file))


def share(ratio: dict[str, Any], value: float) -> float:
    """How much of the goal a value would be."""
    return Ratio(ratio["name"], ratio["floor"], ratio["goal"], [value]).reached(ratio["goal"])


def draw_curves(curves: dict[str, list[float]], file: Path, *, title: str) -> None:
    """Draws series of equally long slices of time, each as a share of its median: so all of them fit one scale."""
    medians = {name: median(values) or 1.0 for name, values in curves.items()}
    draw_lines(
        {name: [value / medians[name] for value in values] for name, values in curves.items()},
        file,
        title=f"{title}: shares of the medians, slice by slice",
        colors=CURVES,
        legend_at_bottom_columns=2,
        show_dots=False,
        range=(0, 2),
        value_formatter=lambda share: f"{share:.0%}",
    )


def draw_rates(curves: dict[str, list[float]], sizes: Sequence[int], file: Path, *, title: str) -> None:
    """Draws how many a second by a size; all series have one value for each of the sizes."""
    draw_lines(
        curves,
        file,
        title=title,
        colors=MANY_CURVES,
        legend_at_bottom_columns=3,
        range=(0, max(map(max, curves.values()))),
        value_formatter=lambda rate: f"{rate:,.0f}",
        x_labels=[str(size) for size in sizes],
    )


def draw_lines(curves: Mapping[str, Sequence[float]], file: Path, *, colors: Sequence[str], **options: Any) -> None:
    """Draws a line for each series. `options`: pygal's own."""
    style = Style(background="white", plot_background="white", colors=colors)
    chart = pygal.Line(style=style, js=[], width=900, height=400, legend_at_bottom=True, **options)
    for name, values in curves.items():
        chart.add(name, values)
    file.parent.mkdir(parents=True, exist_ok=True)
    chart.render_to_file(str(file))


if __name__ == "__main__":
    sys.exit(main())
