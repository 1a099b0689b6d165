"""Explorers: each has a picture that stands alone, and data that a script can read."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from gradbook.activations import tanh
from gradbook.backpropagation import backprop
from gradbook.book import bell, explorers, lecture_note, survey
from gradbook.book.exploding import adding
from gradbook.book.explorers import Explorer, walls
from gradbook.book.explorers.passing import passes
from gradbook.book.explorers.surveys import lasts
from gradbook.book.residual import theory
from gradbook.layers import Dense
from gradbook.layers.attention import softmax
from gradbook.losses import half_squared_error
from gradbook.press.places import DOCS, ROOT

SCRIPTS = DOCS / "assets" / "explorers"
NET = lecture_note.example()
DEEPER = lecture_note.deeper_example()
BANDS = bell.measured_bands(np.random.default_rng(0), depth=4, width=40, draws=8)
SURVEY = survey.measured_survey(np.random.default_rng(0), depths=(1, 2, 5), width=24, draws=8)
SHOWN = {"activation": "ReLU", "weights": "PyTorch Linear", "layers": 5}
ALL: dict[str, Callable[[], Explorer]] = {
    "parabola": explorers.parabola,
    "bowl": explorers.bowl,
    "bell": lambda: explorers.bell(BANDS),
    "arrow": lambda: explorers.arrow(np.random.default_rng(1)),
    "attention": lambda: explorers.attention(np.random.default_rng(1)),
    "wall": explorers.wall,
    "gate": explorers.gate,
    "survey": lambda: explorers.survey(SURVEY, **SHOWN),
    "stream": explorers.stream,
    "backward": lambda: explorers.backward(DEEPER.layers, DEEPER.x, DEEPER.target),
    "routes": lambda: explorers.routes(NET.layers, NET.x, NET.target),
}
every_explorer = pytest.mark.parametrize("name", ALL)


def test_every_explorer_is_tested_here_and_stands_on_the_page_of_the_browser_checks():
    assert {*ALL, "Bands", "Explorer", "Survey"} == {*explorers.__all__}
    page = (ROOT / ".ci" / "explorers.md").read_text(encoding="utf-8")
    assert all(f"explorers.{name}(" in page for name in ALL)


@every_explorer
def test_an_explorer_has_its_script_and_data_that_json_can_hold(name):
    explorer = ALL[name]()
    assert explorer.element == f"gb-{name}"
    script = (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")
    assert f'customElements.define("gb-{name}"' in script
    assert json.loads(json.dumps(explorer.data, allow_nan=False)) == explorer.data


@every_explorer
def test_an_explorer_is_the_same_every_time_and_its_texts_hold_numbers(name):
    one, other = ALL[name](), ALL[name]()
    assert one.data == other.data
    assert one.picture.svg() == other.picture.svg()
    for text in (one.picture.alt, one.picture.caption):
        assert any(letter.isdigit() for letter in text)


@every_explorer
def test_a_notebook_shows_the_picture(name):
    assert "<figcaption>" in ALL[name]()._repr_html_()


def test_the_parabola_s_figure_shows_the_multipliers():
    axes = explorers.parabola(curvature=4.0, minimum=1.0, start=3.0, steps=10).picture.figure.axes[
        0
    ]
    by_name = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines[:4]}
    np.testing.assert_allclose(by_name["η = 0.05, × 0.8"], 2 * 0.8 ** np.arange(11))


def test_a_ball_at_the_minimum_has_nothing_to_show():
    with pytest.raises(ValueError, match=r"^start must differ from minimum"):
        explorers.parabola(minimum=1.0, start=1.0)


def test_the_passes_of_a_picture_are_those_of_the_package():
    found = passes(DEEPER.layers, DEEPER.x, DEEPER.target)
    trace = backprop(DEEPER.layers, DEEPER.x, DEEPER.target, half_squared_error)
    for ours, theirs in zip(found.values, trace.h, strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-12)
    for ours, theirs in zip(found.deltas, trace.delta, strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-12)


def test_the_routes_caption_has_the_note_s_factors_and_the_data_all_fifteen_numbers():
    explorer = explorers.routes(NET.layers, NET.x, NET.target)
    assert r"$0.2 \cdot 0.5 \cdot 0.02$" in explorer.picture.caption
    names, values = explorer.data["names"], explorer.data["values"]
    assert len(names) == len(values) == 15
    assert values[names.index("w′₁₁")] == lecture_note.NOTE.weight
    assert [names[k] for k in (2, 3, 8, 9, 11, 13, 14)] == [
        "x₃", "w′₁₁", "w′₃₂", "b′₁", "w″₁₁", "b″₁", "y",
    ]  # fmt: skip


def test_only_sigmoid_networks_with_biases_of_the_right_shape_are_explored():
    wrong = [Dense(np.ones((3, 2)), np.zeros(2), tanh), NET.layers[1]]
    with pytest.raises(ValueError, match=r"^layers must be sigmoid layers with biases"):
        explorers.routes(wrong, NET.x, NET.target)
    with pytest.raises(ValueError, match=r"^layers must be a 3-2-1 network, got 3-2-2-1"):
        explorers.routes(DEEPER.layers, DEEPER.x, DEEPER.target)


def test_the_backward_pass_is_drawn_with_its_deltas_in_thousandths():
    picture = explorers.backward(DEEPER.layers, DEEPER.x, DEEPER.target).picture
    trace = backprop(DEEPER.layers, DEEPER.x, DEEPER.target, half_squared_error)
    shown = {text.get_text() for text in picture.figure.axes[0].texts}
    for delta in trace.delta:
        assert {f"{1000 * d:.0f}".replace("-", "−") for d in np.ravel(delta)} <= shown


def test_the_bell_s_data_are_its_bands_to_two_decimals_of_the_logarithm():
    data = explorers.bell(BANDS, activation="tanh", sigma_w2=2.0, small=True).data
    assert (data["activation"], data["sigma_w2"][data["at"]], data["small"]) == ("tanh", 2.0, True)
    for row, name in enumerate(BANDS.names):
        low, high = (10 ** np.array(edge) for edge in data["bands"][name])
        np.testing.assert_allclose(low, BANDS.low[row], rtol=0.02)
        np.testing.assert_allclose(high, BANDS.high[row], rtol=0.02)


def test_the_bell_says_in_how_many_layers_theory_lies_in_the_band():
    shifted = dataclasses.replace(BANDS, theory=1e6 * BANDS.theory)
    assert shifted.inside == 0.0
    assert "lies in the band in 0 % of" in explorers.bell(shifted).picture.caption
    held = dataclasses.replace(BANDS, theory=BANDS.low)
    assert held.inside == 1.0
    assert "lies in the band in all layers and settings" in explorers.bell(held).picture.caption


def test_the_survey_tells_what_five_relu_layers_of_a_sixth_leave():
    explorer = explorers.survey(SURVEY, **SHOWN)
    left = 2.5 * np.log10(1 / 6)  # He et al. 2015: each layer leaves n Var(w)/2 of the energy
    assert f"{left:.2f}".replace("-", "−") in explorer.picture.alt
    for name, of in SURVEY.bands.items():
        for weights, edges in of.items():
            np.testing.assert_allclose(explorer.data["bands"][name][weights], edges, atol=0.005)


def test_a_gradient_that_comes_back_within_a_factor_of_ten_had_left_it():
    assert lasts(np.array([-0.5, -1.0, -1.1, -0.9])) == 2


def test_the_arrow_s_figure_has_its_peak_where_the_matrix_powers_have_it():
    picture = explorers.arrow(np.random.default_rng(1), gain=0.9, shear=1.0, factors=30).picture
    powers = [np.linalg.matrix_power([[0.9, 1.0], [0.0, 0.9]], n)[:, 1] for n in range(31)]
    lengths = np.linalg.norm(powers, axis=1)
    assert f"to {lengths.max():.2f} after {lengths.argmax()} factors" in picture.alt


def test_the_wall_is_that_of_the_unit_which_adds():
    w = np.array([0.7, 1.2])
    for weight in w:
        layers, h, target = adding.adding_unit(weight, 6)
        trace = backprop(layers, h, target, half_squared_error)
        assert walls._loss(np.array(weight), 6) == pytest.approx(float(trace.loss), rel=1e-12)
        assert walls._slope(weight, 6) == pytest.approx(adding.adding_slope(weight, 6), rel=1e-12)


def test_a_ball_that_is_lost_leaves_no_number():
    lines = explorers.wall().picture.figure.axes[0].lines
    losses = next(np.asarray(line.get_ydata()) for line in lines if line.get_label() == "without")
    assert np.isfinite(losses[:2]).all()
    assert np.isnan(losses[-1])


def test_the_arrow_of_the_figure_dies():
    with pytest.raises(ValueError, match=r"^gain must be below 1"):
        explorers.arrow(np.random.default_rng(1), gain=1.0)


def test_the_stream_s_figure_has_the_energies_of_the_chapter_s_theory():
    axes = explorers.stream(blocks=10).picture.figure.axes[0]
    drawn = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axes.lines[:3]}
    np.testing.assert_allclose(drawn["α = 1"], theory.scaled_energy(10))
    np.testing.assert_allclose(drawn["α = 1/√L"], theory.scaled_energy(10, 10**-0.5))
    np.testing.assert_allclose(drawn["pre-norm, α = 1"], theory.pre_norm_energy(10)[1][::-1])


def test_the_stream_s_caption_says_how_many_blocks_the_routes_cross():
    caption = explorers.stream(blocks=10).picture.caption
    mean = theory.route_shares(10) @ np.arange(11)
    assert f"with α = 1, on routes of {mean:.1f} blocks" in caption


def test_a_stream_is_of_a_known_kind():
    with pytest.raises(ValueError, match=r"^kind must be one of"):
        explorers.stream(kind="post-norm")


def test_attention_s_figure_begins_at_equal_weights_and_shows_what_the_softmax_lets_through():
    axes = explorers.attention(np.random.default_rng(1), rows=50).picture.figure.axes[0]
    drawn = np.random.default_rng(1).standard_normal((50, 16))
    p = softmax(8 * drawn)
    jacobians = p[:, :, None] * (np.eye(16) - p[:, None, :])
    norms = np.linalg.norm(jacobians, axis=(1, 2)) / np.sqrt(15 / 256)
    middle = next(np.asarray(line.get_ydata()) for line in axes.lines)
    assert middle[0] == pytest.approx(1)
    # What is left of one weight near 1 is a difference of numbers near 1.
    assert middle[16] == pytest.approx(np.median(norms), rel=1e-6)
