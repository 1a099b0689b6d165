"""Figures: what is drawn is what was given, and it can be read by everyone."""

import ast
import base64
import html
import inspect
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import cache
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox

import gallery
from gradbook.book import drawings
from gradbook.book.drawings.wiring import all_edges
from gradbook.press.places import ROOT
from gradbook.show import figures
from gradbook.show.figures import Picture
from gradbook.show.figures.labels import spread
from gradbook.show.figures.style import LOOKS
from gradbook.show.theme import INK, PAPER, SERIES, TEXT_SIZE

TEXTS = gallery.TEXTS
DRAWING = [
    function
    for module in (figures, drawings)
    for name in module.__all__
    if inspect.isfunction(function := getattr(module, name))
    and inspect.signature(function).return_annotation is Picture
]
every_picture = pytest.mark.parametrize("draw", gallery.ALL, ids=lambda draw: draw.__name__)


def axes_of(picture: Picture) -> Axes:
    (axes,) = picture.figure.axes
    return axes


def drawn_lines(picture: Picture) -> dict[str, np.ndarray]:
    """The points of the labelled lines inside the axes, by label."""
    axes = axes_of(picture)
    return {
        str(line.get_label()): np.asarray(line.get_xydata())
        for line in axes.lines
        if line.get_transform() == axes.transData
    }


@cache
def source(draw) -> str:
    """The SVG of a picture of the gallery."""
    return draw().svg()


def text_boxes(picture: Picture) -> list[tuple[str, Bbox]]:
    """Where each text of the SVG stands, measured by the outlines of its letters."""
    root = ET.fromstring(picture.svg())
    height = float(root.attrib["viewBox"].split()[3])
    boxes = []
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        style = dict(re.findall(r"([a-z-]+): ([^;]+)", element.get("style", "")))
        font = FontProperties(family="DejaVu Sans", weight=style.get("font-weight", "normal"))
        box = TextPath((0, 0), element.text, size=TEXT_SIZE, prop=font).get_extents()
        shift = {"start": 0, "middle": box.width / 2, "end": box.width}[style["text-anchor"]]
        x = float(element.attrib["x"]) - shift
        y = height - float(element.attrib["y"])
        boxes.append((element.text or "", box.translated(x - box.x0, y)))
    return boxes


# --- the record -----------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["alt", "caption"])
@pytest.mark.parametrize("text", ["", " \n"])
def test_a_picture_without_its_texts_is_refused(missing, text):
    with pytest.raises(ValueError, match=f"^{missing} must not be empty"):
        Picture(Figure(), **{**TEXTS, missing: text})


def test_a_picture_holds_a_figure_and_strings():
    with pytest.raises(TypeError, match=r"^figure must be a matplotlib.figure.Figure, got None"):
        Picture(None, **TEXTS)
    with pytest.raises(TypeError, match=r"^alt must be a string, got None"):
        Picture(Figure(), alt=None, caption="c")


def test_every_drawing_function_demands_alt_and_caption_by_name():
    assert {function.__name__ for function in DRAWING} == {
        "descent_plane",
        "lines",
        "network_diagram",
        "norms",
        "phase_diagram",
    }
    for function in DRAWING:
        for name in ("alt", "caption"):
            parameter = inspect.signature(function).parameters[name]
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert parameter.default is inspect.Parameter.empty


@every_picture
def test_pictures_keep_the_texts_they_were_given(draw):
    picture = draw()
    assert (picture.alt, picture.caption) == (TEXTS["alt"], TEXTS["caption"])


def test_a_notebook_shows_the_drawing_with_its_texts_escaped():
    picture = gallery.chain()
    page = picture._repr_html_()
    data = re.search(r'src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]+)"', page)
    assert base64.b64decode(data[1]).decode() == picture.svg()
    assert html.unescape(data[2]) == TEXTS["alt"]
    assert "<figcaption>What $x &lt; 1$ shows.</figcaption>" in page


# --- the same bytes everywhere --------------------------------------------------------------


def test_another_process_with_another_hash_seed_draws_the_same_bytes():
    script = "import gallery, sys; sys.stdout.write(''.join(d().svg() for d in gallery.ALL))"
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    run = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": paths},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert run.stdout == "".join(map(source, gallery.ALL))


@every_picture
def test_a_picture_is_the_same_every_time_it_is_shown(draw):
    picture = draw.__wrapped__()
    assert picture.svg() == picture.svg() == source(draw)


def test_a_reader_s_own_settings_do_not_change_a_figure():
    expected = gallery.four_lines().svg()
    draw_anew = gallery.four_lines.__wrapped__
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert draw_anew().svg() == expected


def test_drawing_leaves_the_reader_s_settings_alone():
    before = dict(mpl.rcParams)
    gallery.four_lines.__wrapped__().svg()
    assert dict(mpl.rcParams) == before


def test_the_svg_tells_neither_date_nor_maker():
    assert not re.search(r"metadata|Matplotlib|20\d\d-\d\d", gallery.four_lines().svg())


# --- one importer of Matplotlib -------------------------------------------------------------


def test_matplotlib_is_imported_where_figures_are_drawn_and_pyplot_by_nobody():
    for path in (ROOT / "gradbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            module = getattr(node, "module", None) or ""
            if any(name.split(".")[0] == "matplotlib" for name in [module, *names]):
                drawn_here = path.parent.name in ("figures", "drawings", "explorers")
                # And a page's picture, and the numbers of a drawing.
                assert drawn_here or path.name in ("cards.py", "plotted.py"), path
                assert not any("pyplot" in name for name in [module, *names]), path


# --- legibility -----------------------------------------------------------------------------


@every_picture
def test_no_text_is_cut_off_or_covers_another(draw):
    picture = draw()
    boxes = text_boxes(picture)
    width, height = 72 * picture.figure.get_size_inches()
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.x1 <= width, text
        assert box.y0 >= 0, text
        assert box.y1 <= height, text
    for (text, box), (other, its_box) in combinations(boxes, 2):
        assert not box.overlaps(its_box), (text, other)


@every_picture
def test_text_is_never_set_smaller_than_the_book_s_size(draw):
    sizes = re.findall(r"font-size: ([\d.]+)px", source(draw))
    assert sizes
    assert min(map(float, sizes)) >= TEXT_SIZE


@every_picture
def test_figures_are_drawn_in_the_theme_s_colors_only(draw):
    colors = set(re.findall(r"#[0-9a-f]{6}\b", source(draw)))
    assert colors <= {INK, PAPER, *SERIES}


def test_no_two_series_share_their_dashes_or_their_marker():
    for one, other in combinations(LOOKS, 2):
        assert one.dashes != other.dashes
        assert one.marker != other.marker
        assert one.color != other.color or LOOKS.index(other) - LOOKS.index(one) == len(SERIES)


def test_eight_series_are_drawn_with_eight_looks():
    lines = axes_of(gallery.eight_in_a_legend()).lines
    looks = [(to_hex(x.get_color()), x.get_linestyle(), x.get_marker()) for x in lines]
    assert [marker for _, _, marker in looks] == [look.marker for look in LOOKS]
    assert [color for color, _, _ in looks] == list(SERIES) * 2


# --- lines ----------------------------------------------------------------------------------


def test_lines_pass_through_the_given_points():
    found = drawn_lines(gallery.four_lines())
    assert np.array_equal(found["tanh"], np.stack([gallery.LAYERS, 0.6**gallery.LAYERS], axis=1))
    assert list(found) == ["sigmoid", "tanh", "ReLU", "SELU"]


def test_bands_theory_and_levels_stand_where_they_were_given():
    axes = axes_of(gallery.everything_on_lines())
    band = axes.collections[0].get_paths()[0].vertices
    assert (30.0, 0.7**30) in map(tuple, band)
    assert (30.0, 0.5**30) in map(tuple, band)
    (rings,) = (line for line in axes.lines if line.get_markerfacecolor() == "none")
    assert np.array_equal(rings.get_ydata(), 0.25**gallery.LAYERS)
    assert rings.get_linestyle() == "None"
    assert set(drawn_lines(gallery.everything_on_lines())) >= {"sigmoid", "tanh"}
    assert any(set(line.get_ydata()) == {2.0**-149} for line in axes.lines)


def test_names_at_the_ends_stand_in_the_order_of_the_ends():
    texts = axes_of(gallery.four_lines()).texts
    by_height = sorted(texts, key=lambda text: text.get_position()[1])
    assert [text.get_text() for text in by_height] == ["sigmoid", "tanh", "ReLU", "SELU"]


def test_the_sample_beside_a_name_looks_like_its_line():
    axes = axes_of(gallery.four_lines())
    lines = [line for line in axes.lines if line.get_transform() == axes.transData]
    samples = [line for line in axes.lines if line.get_transform() == axes.transAxes]
    for line, sample in zip(lines, samples, strict=True):
        assert line.get_color() == sample.get_color()
        assert line.get_marker() == sample.get_marker()
        assert line.get_linestyle() == sample.get_linestyle()


def test_a_legend_is_read_by_rows_and_names_the_theory():
    picture = figures.lines(
        [1, 2],
        {f"a rather long name {n}": [n, n] for n in range(4)},
        theory={"a rather long name 0": [0, 0]},
        legend=True,
        x_label="x",
        y_label="y",
        **TEXTS,
    )
    texts = [(box.y1, box.x0, text) for text, box in text_boxes(picture) if "long" in text]
    rows = sorted(texts, key=lambda item: (-round(item[0]), item[1]))
    assert [text[-1] for *_, text in rows] == ["0", "1", "2", "3"]
    assert "theory" in [text for text, _ in text_boxes(picture)]


def test_nan_leaves_a_gap():
    values = [1.0, np.nan, 3.0]
    picture = figures.lines([1, 2, 3], {"a": values}, x_label="x", y_label="y", **TEXTS)
    assert np.array_equal(drawn_lines(picture)["a"][:, 1], values, equal_nan=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"series": {}}, "series must hold 1 to 8 series, got 0"),
        ({"series": {str(n): [1, 2] for n in range(9)}}, "series must hold 1 to 8 series, got 9"),
        ({"series": {"a": [1, 2, 3]}}, "series['a'] must have shape (2,), got (3,)"),
        ({"series": {"a": [1, np.inf]}}, "series['a'] must be finite, got inf at index 1"),
        ({"series": {"a": [np.nan] * 2}}, "series['a'] must hold a number to draw, got nothing"),
        ({"x": [[1, 2]]}, "x must have shape (n,), got (1, 2)"),
        ({"x": [0, 1], "log_x": True}, "x must be positive on a logarithmic axis, got 0.0"),
        ({"series": {"a": [1, -2]}, "log_y": True}, "got -2.0 at index 1: put NaN where"),
        ({"theory": {"b": [1, 2]}}, "theory must name one of ['a'], got 'b'"),
        ({"theory": {"a": [0, 2]}, "log_y": True}, "theory['a'] must be positive on a log"),
        ({"bands": {"b": ([1, 2], [1, 2])}}, "bands must name one of ['a'], got 'b'"),
        ({"bands": {"a": ([0, 1], [1, 2])}, "log_y": True}, "bands['a'] must be positive on"),
        ({"levels": {"zero": 0}, "log_y": True}, "levels['zero'] must be positive, got 0"),
        ({"levels": {"top": np.inf}}, "levels['top'] must be a finite number, got inf"),
    ],
)
def test_lines_refuse_what_they_cannot_show(changes, message):
    given_arguments = {"x": [1, 2], "series": {"a": [1, 2]}, "x_label": "x", "y_label": "y"}
    with pytest.raises(ValueError, match=re.escape(message)):
        figures.lines(**{**given_arguments, **TEXTS, **changes})


@given(heights=st.lists(st.floats(0, 1), min_size=1, max_size=8), gap=st.floats(0.001, 0.12))
def test_names_are_spread_in_order_apart_and_inside(heights, gap):
    moved = spread(np.array(heights), gap)
    order = np.argsort(heights, kind="stable")
    # 1e-12: rounding of sums of numbers below 1.
    assert (np.diff(moved[order]) >= gap - 1e-12).all()
    assert moved.min() >= -1e-12
    assert moved.max() <= 1 + 1e-12


@given(heights=st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True))
def test_names_that_are_apart_stay_where_they_are(heights):
    wanted = np.array(heights) / 4
    assert np.allclose(spread(wanted, 0.2), wanted, atol=1e-12)


@settings(max_examples=40)
@given(low=st.floats(-320, 307.9), span=st.floats(0.0, 628))
def test_a_logarithmic_axis_has_a_few_ticks_with_different_texts(low, span):
    high = min(low + span, 308.0)
    y = [10.0**low, 10.0**high]
    picture = figures.lines([1, 2], {"a": y}, log_y=True, x_label="x", y_label="y", **TEXTS)
    axis = axes_of(picture).yaxis
    bottom, top = sorted(axis.get_view_interval())
    shown = [tick for tick in axis.get_majorticklocs() if bottom <= tick <= top]
    texts = axis.get_major_formatter().format_ticks(shown)
    assert 2 <= len(texts) <= 12
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("points", "ticks"),
    [
        ([1, 2, 4, 8], [1, 2, 4, 8]),
        ([8, 16, 32, 64, 128], [8, 16, 32, 64, 128]),
        ([0.03, 0.1, 0.3], [0.03, 0.1, 0.3]),
        ([1, 1.05, 8], [1, 2, 5]),  # the first two would lie on one another
        ([1.234, 2.345, 12.34], [2, 5, 10]),  # no round numbers
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5]),
        ([1, 1000], [1, 10, 100, 1000]),
    ],
)
def test_a_short_logarithmic_axis_has_its_ticks_where_something_was_measured(points, ticks):
    picture = figures.lines(
        points, {"a": points}, log_x=True, log_y=True, x_label="x", y_label="y", **TEXTS
    )
    axis = axes_of(picture).xaxis
    low, high = axis.get_view_interval()
    shown = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
    assert shown == pytest.approx(ticks)


def test_values_near_both_ends_of_a_double_can_be_drawn():
    y = [5e-324, 1.7e308]
    picture = figures.lines([1, 2], {"a": y}, log_y=True, x_label="x", y_label="y", **TEXTS)
    assert "10²³⁷" in [text for text, _ in text_boxes(picture)]


# --- norms ----------------------------------------------------------------------------------


def test_norms_show_the_median_and_the_band_of_the_seeds():
    # 101 seeds whose norms are the integers: order statistics are known without computing.
    seeds = np.random.default_rng(0).permuted(np.arange(1, 102))[:, None] * np.array([1.0, 10.0])
    picture = figures.norms({"a": seeds}, coverage=0.9, **TEXTS)
    assert drawn_lines(picture)["a"].tolist() == [[1.0, 51.0], [2.0, 510.0]]
    band = axes_of(picture).collections[0].get_paths()[0].vertices
    assert {y for x, y in band if x == 1} == {6.0, 96.0}
    assert axes_of(picture).get_yscale() == "log"


def test_the_median_that_is_drawn_is_the_one_that_captions_tell():
    """Also of an even number of seeds, where a quantile without interpolation is another one."""
    seeds = 10.0 ** np.random.default_rng(0).standard_normal((12, 3))
    picture = figures.norms({"a": seeds}, **TEXTS)
    np.testing.assert_array_equal(picture.figure.axes[0].lines[0].get_ydata(), np.median(seeds, 0))


@pytest.mark.parametrize(("seeds", "out"), [(10, 0), (20, 1), (40, 2), (50, 2)])
def test_the_band_leaves_out_as_many_below_as_above(seeds, out):
    norms = np.random.default_rng(0).permuted(np.arange(1.0, seeds + 1))[:, None] * np.ones((1, 2))
    picture = figures.norms({"a": norms}, coverage=0.9, **TEXTS)
    band = axes_of(picture).collections[0].get_paths()[0].vertices
    assert {y for x, y in band if x == 1} == {1.0 + out, float(seeds - out)}


def test_a_network_that_is_no_number_leaves_a_gap_and_a_narrow_band_is_not_upside_down():
    norms = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, np.nan], [4.0, 4.0]])
    picture = figures.norms({"a": norms}, coverage=1e-12, **TEXTS)
    assert drawn_lines(picture)["a"][0, 1] == 2.5
    assert np.isnan(drawn_lines(picture)["a"][1, 1])
    band = axes_of(picture).collections[0].get_paths()[0].vertices
    assert {y for x, y in band if x == 1} == {2.0, 3.0}


def test_one_network_has_no_band():
    picture = figures.norms({"a": [0.1, 1.0], "b": [[0.2, 1.0]]}, **TEXTS)
    assert not axes_of(picture).collections
    assert drawn_lines(picture)["b"][:, 1].tolist() == [0.2, 1.0]


def test_a_seed_that_overflowed_does_not_hide_the_others():
    picture = figures.norms({"a": [[1.0, 1.0], [2.0, 2.0], [np.inf, 3.0]]}, coverage=0.3, **TEXTS)
    assert drawn_lines(picture)["a"][:, 1].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("values", "coverage", "message"),
    [
        ({"a": [0.0, 1.0]}, 0.9, "series['a'] must be positive on a logarithmic axis, got 0.0"),
        (
            {"a": np.ones((2, 2, 2))},
            0.9,
            "values['a'] must have shape (layers,) or (seeds, layers)",
        ),
        ({"a": [1.0, 2.0]}, 1.0, "coverage must lie between 0 and 1, got 1.0"),
        ({}, 0.5, "values must hold 1 to 8 series, got 0"),
        ({"a": [1.0, 2.0], "b": [1.0]}, 0.5, "series['b'] must have shape (2,), got (1,)"),
    ],
)
def test_norms_refuse_what_they_cannot_show(values, coverage, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        figures.norms(values, coverage=coverage, **TEXTS)


# --- descent --------------------------------------------------------------------------------


def test_the_quadratic_is_half_the_product_with_its_hessian():
    rng = np.random.default_rng(3)
    hessian = rng.normal(size=(2, 2))
    hessian += hessian.T
    w = rng.normal(size=(5, 7, 2))
    expected = np.einsum("...i,ij,...j->...", w, hessian, w) / 2
    # 1e-12: a few roundings of numbers of order one.
    assert np.allclose(drawings.quadratic(hessian)(w[..., 0], w[..., 1]), expected, atol=1e-12)


def test_paths_are_drawn_point_by_point_on_axes_of_one_scale():
    picture = gallery.valley()
    path = drawn_lines(picture)["η = 0.07"]
    step = np.arange(25)
    assert np.allclose(path, np.stack([0.93**step, 0.3 * (-0.75) ** step], axis=1))
    assert axes_of(picture).get_aspect() == 1.0


def test_contours_lie_where_the_function_has_their_value():
    picture = gallery.valley()
    contours = axes_of(picture).collections[0]
    assert len(contours.get_paths()) == len(contours.levels) >= 8
    for level, path in zip(contours.levels, contours.get_paths(), strict=True):
        u, v = path.vertices.T
        # Linear interpolation between 101 points leaves well under 1 % of the range.
        assert np.allclose((u * u + 25 * v * v) / 2, level, atol=0.01 * contours.levels[-1])


@pytest.mark.parametrize("extent", [(-1, 1, -0.1, 0.1), (-0.1, 0.1, -1, 1)])
def test_at_least_the_asked_part_of_the_plane_is_shown(extent):
    left, right, bottom, top = extent
    path = {"a": [[0.5, 0.5], [90.0, 90.0]]}
    bowl = drawings.quadratic(np.eye(2))
    axes = axes_of(drawings.descent_plane(bowl, path, extent=extent, **TEXTS))
    assert axes.get_xlim()[0] <= left < right <= axes.get_xlim()[1]
    assert axes.get_ylim()[0] <= bottom < top <= axes.get_ylim()[1]
    assert max(np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())) < 4


def test_a_path_that_rests_and_a_flat_function_can_be_drawn():
    path = {"at rest": [[1.0, 2.0]]}
    flat = drawings.descent_plane(lambda u, v: 0 * u, path, **TEXTS)
    assert not axes_of(flat).collections
    low, high = axes_of(flat).get_xlim()
    assert low < 1.0 < high


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paths": {}}, "paths must hold 1 to 8 series, got 0"),
        ({"paths": {"a": [1.0, 2.0]}}, "paths['a'] must have shape (steps + 1, 2), got (2,)"),
        ({"paths": {"a": [[1.0, np.inf]]}}, "paths['a'] must be finite, got inf"),
        ({"extent": (1, 0, 0, 1)}, "extent must be left < right, bottom < top, got (1, 0, 0, 1)"),
        ({"surface": lambda u, v: 1.0}, "surface must give one finite number per pair"),
        ({"surface": lambda u, v: u * np.nan}, "surface must give one finite number per pair"),
    ],
)
def test_descent_refuses_what_it_cannot_show(changes, message):
    arguments = {"surface": drawings.quadratic(np.eye(2)), "paths": {"a": [[1.0, 1.0], [0.0, 0.0]]}}
    with pytest.raises(ValueError, match=re.escape(message)):
        drawings.descent_plane(**{**arguments, **TEXTS, **changes})


@pytest.mark.parametrize("matrix", [[[1, 2], [3, 4]], [[1.0]], [1.0, 2.0]])
def test_a_hessian_is_a_symmetric_matrix(matrix):
    with pytest.raises(ValueError, match="hessian must be a symmetric 2 by 2 matrix"):
        drawings.quadratic(matrix)


# --- networks -------------------------------------------------------------------------------


def edge_lines(picture: Picture) -> list:
    return [line for line in axes_of(picture).lines if len(line.get_xdata()) == 2]


@given(widths=st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_every_pair_of_neighboring_nodes_is_joined_once(widths):
    count = sum(a * b for a, b in pairwise(widths))
    assert len(set(all_edges(widths))) == len(all_edges(widths)) == count
    assert set(drawings.weight_names(widths)) == set(all_edges(widths))
    assert len(set(drawings.weight_names(widths).values())) == count


def test_lit_edges_differ_by_color_width_and_dashes():
    edges = edge_lines(gallery.lecture_note())
    lit = [line for line in edges if to_hex(line.get_color()) == SERIES[1]]
    others = [line for line in edges if line not in lit]
    assert (len(lit), len(others)) == (3, 6)
    assert min(x.get_linewidth() for x in lit) > 2 * max(x.get_linewidth() for x in others)
    assert {line.get_linestyle() for line in lit} == {"-"}
    assert {line.get_linestyle() for line in others} == {"--"}


def test_the_nodes_and_weights_of_a_lit_route_are_bold():
    bold = {t.get_text() for t in axes_of(gallery.lecture_note()).texts if t.get_weight() == "bold"}
    assert bold == {"x₁", "a₁₁", "o₁", "L", "w′₁₁", "w″₁₁"}


def test_without_a_route_all_edges_are_solid():
    assert {line.get_linestyle() for line in edge_lines(gallery.chain())} == {"-"}


@pytest.mark.parametrize("draw", [gallery.lecture_note, gallery.chain])
def test_a_weight_stands_on_its_edge_and_on_no_other(draw):
    picture = draw()
    widths = gallery.NOTE if draw is gallery.lecture_note else [1] * 5
    names = drawings.weight_names(widths)
    by_text = dict(text_boxes(picture))
    edges = dict(zip(all_edges([*widths, 1]), edge_lines(picture), strict=False))
    for edge, text in names.items():
        for other, line in edges.items():
            crosses = Outline(np.asarray(line.get_xydata())).intersects_bbox(by_text[text], False)
            assert crosses == (other == edge), (text, other)


def test_the_lecture_note_s_network_carries_its_names():
    texts = {text for text, _ in text_boxes(gallery.lecture_note())}
    weights = {f"w′{i}{j}" for i in "₁₂₃" for j in "₁₂"} | {"w″₁₁", "w″₂₁"}
    assert texts == {"x₁", "x₂", "x₃", "a₁₁", "a₁₂", "o₁", "L"} | weights | {
        "inputs",
        "hidden",
        "output",
        "loss",
    }


def test_nodes_may_have_names_of_their_own():
    picture = drawings.network_diagram([1, 1], labels=[["w"], ["z"]], **TEXTS)
    assert [text for text, _ in text_boxes(picture)] == ["w", "z"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": [3]}, "widths must hold at least two layers, got [3]"),
        ({"widths": [3, 0]}, "widths[1] must be an integer of at least 1, got 0"),
        ({"widths": [3, 10]}, "widths must hold 1 to 9 nodes per layer to be drawn, got [3, 10]"),
        ({"labels": [["a"]]}, "labels must hold 3 entries, got 1"),
        ({"labels": [["a"], ["b"], ["c"]]}, "labels[0] must hold 3 entries, got 1"),
        ({"titles": ["a", "b"]}, "titles must hold 3 entries, got 2"),
        ({"titles": ["a", "b", "c"], "loss": "L"}, "titles must hold 4 entries, got 3"),
        ({"lit": [(0, 3, 0)]}, "lit must name edges of the network, got (0, 3, 0)"),
        ({"weights": {(2, 0, 0): "w"}}, "weights must name edges of the network, got (2, 0, 0)"),
    ],
)
def test_diagrams_refuse_what_is_not_in_the_network(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        drawings.network_diagram(**{"widths": [3, 2, 1], **TEXTS, **changes})


# Phase diagrams


def diagram(**changes):
    x, y = np.linspace(0, 4, 41), np.linspace(0, 0.5, 21)
    given = {
        "x": x, "y": y, "gain": x / (1 + 2 * y[:, None]), "levels": [0.5],
        "points": [[1.6, 0.3, 0.994]], "x_label": "x", "y_label": "y", **TEXTS,
    }  # fmt: skip
    return drawings.phase_diagram(**(given | changes))


def test_contours_of_a_gain_lie_where_it_has_their_level():
    (axes,) = diagram().figure.axes
    shade, *contours = axes.collections
    for level, contour in zip((0.5, 1.0), contours, strict=True):
        x, y = np.concatenate([path.vertices for path in contour.get_paths()]).T
        # Linear in x; between rows 0.025 apart the contour is off by the square of that.
        np.testing.assert_allclose(x / (1 + 2 * y), level, rtol=1e-3)
    assert [c.get_linewidths()[0] for c in contours] == [1.0, 2.4]
    x, y = np.concatenate([path.vertices for path in shade.get_paths()]).T
    assert (x / (1 + 2 * y)).min() > 0.999


def test_measured_points_stand_in_their_place_with_their_number():
    (axes,) = diagram(digits=3).figure.axes
    (dots,) = (line for line in axes.lines if line.get_label() == "measured")
    assert dots.get_xydata().tolist() == [[1.6, 0.3]]
    assert [text.get_text() for text in axes.texts] == ["0.5", "1", "0.994"]
    # The labels of contours stand on their contours.
    assert axes.texts[0].get_position()[0] == pytest.approx(0.5 * 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.linspace(4, 0, 41)}, "x must increase"),
        ({"y": [0.0]}, "y must increase"),
        ({"gain": np.ones((3, 3))}, r"gain must have shape \(21, 41\), got \(3, 3\)"),
        ({"points": [[1.0, 2.0]]}, r"points must have shape \(points, 3\)"),
        ({"levels": [7.0]}, "levels must be reached once along the upper edge, got 7"),
    ],
)
def test_phase_diagrams_refuse_what_they_cannot_show(changes, message):
    with pytest.raises(ValueError, match=message):
        diagram(**changes)
