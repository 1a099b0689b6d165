"""The explorers in the browser: what they compute, what they say, and who can use them.

They stand on a page of their own, `explorers.md`, made as the book is made, so that each is looked
at whether or not a chapter uses it yet.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from accessibility import accessibility
from keyboard import tab_stops
from playwright.async_api import Browser, Locator, Page, expect
from servers import served
from visits import HERE, PHONE, ROOT, WIDE, Scheme, visit

from gradbook import activations
from gradbook.activations import sigmoid
from gradbook.backpropagation import Trace, backprop
from gradbook.book.backpropagation.counting import forward_cost
from gradbook.book.exploding import adding
from gradbook.book.explorers.surveys import lasts
from gradbook.book.residual import theory
from gradbook.book.routing import route_count, routes
from gradbook.book.time_and_gates import lifetime
from gradbook.book.transformers import attending
from gradbook.book.update_rule import bowls
from gradbook.book.update_rule.regimes import quadratic_regime
from gradbook.checks import Array
from gradbook.clipping import clip_global_norm
from gradbook.jacobians import largest_singular_value, spectral_radius
from gradbook.layers import Dense
from gradbook.layers.attention import softmax
from gradbook.losses import half_squared_error
from gradbook.press.__main__ import build
from gradbook.theory.meanfield import mean_square_slope, propagate
from gradbook.update import gradient_step, minimize

SCRIPTS = ROOT / "docs" / "assets" / "explorers"
DRAWS = 20
Inputs = dict[str, Any]
Values = Mapping[str, Any]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a book of one page, which opens from a folder, too."""
    source = tmp_path_factory.mktemp("explorers")
    (source / "docs").mkdir()
    shutil.copy(HERE / "explorers.md", source / "docs" / "index.md")
    shutil.copytree(ROOT / "docs" / "assets", source / "docs" / "assets")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = re.sub(r"(?ms)^nav:\n.*?\n\n", "nav:\n  - Home: index.md\n\n", settings, count=1)
    (source / "mkdocs.yml").write_text(settings, encoding="utf-8")
    assert build(source / "mkdocs.yml", source / "site", "mkdocs", offline=True) == 0
    return source / "site"


@pytest.fixture(scope="session")
def page(site: Path) -> Iterator[str]:
    """Serve it."""
    with served(site) as address:
        yield address


@dataclass(frozen=True)
class Case:
    """Say how an explorer is held against the package.

    Args:
        draw: Draws what a reader could set.
        oracle: What the package gives for the explorer's data and these inputs.
        rtol: How far a value may be off, as a share of the largest of its array.
    """

    draw: Callable[[np.random.Generator, Values], Inputs]
    oracle: Callable[[Values, Inputs], Values]
    rtol: float = 1e-9


def _parabola(data: Values, given: Inputs) -> Values:
    kappa, minimum, lr = data["curvature"], data["minimum"], given["lr"]
    path = minimize(lambda w: kappa * (w - minimum), data["start"], lr, given["steps"])
    regime = quadratic_regime(kappa, lr)
    return {"path": path, "distance": abs(path - minimum), "multiplier": regime.multiplier}


def _bowl(_: Values, given: Inputs) -> Values:
    hessian = np.diag([1.0, given["ratio"]])
    lr = 2 * given["share"] / given["ratio"]
    path = minimize(lambda w: hessian @ w, [given["w1"], given["w2"]], lr, given["steps"])
    rate = bowls.contraction(hessian, lr)
    return {"path": path, "distance": np.linalg.norm(path, axis=1), "lr": lr, "rate": rate}


def _net(v: Inputs) -> tuple[list[Dense], Array, Array]:
    W1, b1, W2 = np.reshape(v[3:9], (3, 2)), np.array(v[9:11]), np.reshape(v[11:13], (2, 1))
    layers = [Dense(W1, b1, sigmoid), Dense(W2, np.array(v[13:14]), sigmoid)]
    return layers, np.array([v[:3]]), np.array([v[14:]])


def _chosen(rng: np.random.Generator, data: Values) -> Inputs:
    numbers = [*rng.uniform(-3, 3, 14), rng.uniform()]
    return {"numbers": numbers, "chosen": str(rng.choice(data["names"]))}


def _routes(data: Values, given: Inputs) -> Values:
    layers, x, target = _net(given["numbers"])
    trace = backprop(layers, x, target, half_squared_error)
    gradients = np.concatenate([p.grad.ravel() for p in trace.parameters])
    every = [*trace.dh[0].ravel(), *gradients, *(target - trace.h[-1]).ravel()]
    place = data["names"].index(given["chosen"])
    found = {"gradients": gradients, "loss": trace.loss, "sum": every[place]}
    if 3 <= place < 9:
        ways = routes(layers, x, target, half_squared_error, 1, *divmod(place - 3, 2))
        found["routes"] = [[factor.value for factor in way.factors] for way in ways]
    return found


def _backward(data: Values, given: Inputs) -> Values:
    parameters = zip(data["weights"], data["biases"], strict=True)
    layers = [Dense(np.array(W, float), np.array(b, float), sigmoid) for W, b in parameters]
    trace = backprop(layers, [data["x"]], [data["target"]], half_squared_error)
    deltas = [np.ravel(delta) for delta in trace.delta if delta is not None]
    gradient = trace.parameters[0].grad[0, 0]
    kept = deltas if given["sum"] else _overwritten(layers, trace)
    width, later = given["width"], [given["width"]] * (given["depth"] - 1)
    deep = [Dense(np.ones(shape), None, sigmoid) for shape in pairwise([width, *later, 1])]
    return {
        **{f"delta {k}": delta for k, delta in enumerate(kept)},
        "gradient": gradient,
        "kept": gradient * kept[0][0] / deltas[0][0],
        "routes": route_count([*later, 1]),
        "products": forward_cost(deep, batch=1),
    }


def _overwritten(layers: list[Dense], trace: Trace) -> list[Array]:
    """Return each delta as it is if only the last unit of the next layer sends anything back."""
    deltas = [np.ravel(trace.delta[-1])]
    for layer, h in zip(layers[:0:-1], trace.h[-2:0:-1], strict=True):
        returned = np.where(np.arange(layer.W.shape[1]) == layer.W.shape[1] - 1, deltas[0], 0)
        deltas.insert(0, layer.W @ returned * np.ravel(h * (1 - h)))
    return deltas


def _bell(data: Values, given: Inputs) -> Values:
    activation = next(f for f in activations.ALL if f.name == given["activation"])
    w2, depth = data["sigma_w2"][given["at"]], data["depth"]
    net = propagate(activation, depth, w2)
    slopes = mean_square_slope(activation, net.q)
    lengths = np.sqrt(net.delta_energy)
    layer = depth - 1 - given["back"]
    chosen = {"q": net.q, "chi": net.chi, "slopes": slopes}
    return {"w2": w2, "log norms": np.log(lengths), "layer": layer, **chosen}


def _survey(data: Values, given: Inputs) -> Values:
    activation = next(f for f in activations.ALL if f.name == given["activation"])
    w2 = data["sigma_w2"][given["activation"]][given["weights"]]
    net = propagate(activation, max(data["depths"]), w2)
    decades = np.cumsum(np.log10(net.chi)) / 2
    chosen = {"w2": w2, "layers": data["depths"][given["at"]], "lasts": lasts(decades)}
    # From one on, for logarithms that are zero agree in none of their digits.
    logs = {"log q": 1 + np.log(net.q), "log norms": 1 + decades}
    return {**chosen, **logs, "chi": net.chi}


def _arrow(data: Values, given: Inputs) -> Values:
    gain, turn, along = given["gain"], data["turn"], np.radians(given["angle"])
    c, s, draws = gain * np.cos(turn), gain * np.sin(turn), np.array(data["draws"])
    same = {"turn": [[c, -s], [s, c]], "shear": [[gain, given["shear"]], [0.0, gain]]}
    kind = given["kind"]
    matrices = gain * draws if kind == "random" else np.array([same[kind]] * len(draws))
    points, products = [np.array([np.cos(along), np.sin(along)])], [np.eye(2)]
    for J in matrices:
        points.append(J @ points[-1])
        products.append(J @ products[-1])
    return {
        "points": points,
        "lengths": np.linalg.norm(points, axis=1),
        "stretch": np.cumprod([1, *largest_singular_value(matrices)]),
        "radii": np.cumprod([1, *spectral_radius(matrices)]),
        "most": largest_singular_value(np.array(products)),
    }


def _gate(data: Values, given: Inputs) -> Values:
    told = lifetime.lifetimes(given["bias"])
    opened, variance = float(sigmoid.f(given["entering"])), [0.0]
    for _ in range(data["most"]):
        variance.append(told.keep**2 * variance[-1] + opened**2)
    return {
        "keep": told.keep,
        "half": told.half_life,
        "life": told.mean,
        "left": np.cumprod([1.0, *[told.keep] * data["most"]]),
        "size": np.sqrt(variance),
    }


def _wall(data: Values, given: Inputs) -> Values:
    lr, norm, time = 10 ** given["power"], 10 ** given["limit"], given["time"]

    def follow(limit: float) -> list[float]:
        path = [given["start"]]
        for _ in range(given["steps"]):
            if not abs(path[-1]) < data["lost"]:
                path.append(np.nan)
                continue
            grads = [np.array([adding.adding_slope(path[-1], time)])]
            grads = clip_global_norm(grads, limit).grads
            [moved] = gradient_step([np.array(path[-1:])], grads, lr)
            path.append(float(moved[0]) if abs(moved[0]) < data["lost"] else np.nan)
        return path

    plain, clipped = follow(1e300), follow(norm)
    return {"plain": plain, "clipped": clipped, "slope": adding.adding_slope(given["start"], time)}


def _stream(_: Values, given: Inputs) -> Values:
    square, blocks = 10 ** (2 * given["power"]), given["blocks"]
    if given["kind"] == "pre-norm":
        q, energy = theory.pre_norm_energy(blocks, q=1 / square)  # in units of a block's output
        branches, energy = 1 / q[:-1], energy[::-1]
    else:
        branches = np.full(blocks, square)
        energy = theory.scaled_energy(blocks, square**0.5)
    shares = theory.crossing_shares(branches)
    crossed = shares @ np.arange(blocks + 1)
    found = {"branches": branches, "shares": shares, "crossed": crossed}
    return {**found, "log energy": np.log(energy)}


def _attention(data: Values, given: Inputs) -> Values:
    seen = np.array(data["draws"][: given["keys"]])
    p, rows = softmax(given["size"] * seen), softmax(np.outer(np.linspace(0, 16, 65), seen))
    entropy = attending.entropy(p)
    return {
        "p": p,
        "entropy": entropy,
        "even": np.exp(entropy),
        "passed": attending.passed(p),
        "curve": attending.passed(rows),
        "evens": np.exp(attending.entropy(rows)),
    }


CASES = {
    "parabola": Case(
        lambda rng, data: {
            "lr": rng.uniform(0.01, 2.3) / data["curvature"],
            "steps": int(rng.integers(data["steps"] + 1)),
        },
        _parabola,
    ),
    "bowl": Case(
        lambda rng, data: {
            "ratio": int(rng.integers(1, 51)),
            "share": rng.uniform(0.01, 1.1),
            "w1": rng.uniform(-2.5, 2.5),
            "w2": rng.uniform(-1.5, 1.5),
            "steps": int(rng.integers(data["steps"] + 1)),
        },
        _bowl,
    ),
    "routes": Case(_chosen, _routes),
    "arrow": Case(
        lambda rng, _: {
            "kind": str(rng.choice(["turn", "shear", "random"])),
            "gain": rng.uniform(0.5, 1.5),
            "shear": rng.uniform(0, 3),
            "angle": int(rng.integers(181)),
        },
        _arrow,
    ),
    "gate": Case(
        lambda rng, data: {"bias": rng.uniform(-2, 8), "entering": rng.uniform(-8, 2), "lag": 5},
        _gate,
    ),
    "wall": Case(
        lambda rng, data: {
            "start": rng.uniform(0.5, 1.6),
            "power": rng.uniform(-5, -1),
            "limit": rng.uniform(-1, 3),
            "time": int(rng.integers(2, 21)),
            "steps": int(rng.integers(1, 6)),
        },
        _wall,
    ),
    "stream": Case(
        lambda rng, data: {
            "kind": str(rng.choice(["scaled", "pre-norm"])),
            "power": rng.uniform(-2, 0.3),
            "blocks": int(rng.integers(1, data["most"] + 1)),
        },
        _stream,
    ),
    "attention": Case(
        lambda rng, data: {
            "size": rng.uniform(0, 16),
            "keys": int(rng.integers(2, len(data["draws"]) + 1)),
        },
        _attention,
    ),
    "bell": Case(
        lambda rng, data: {
            "activation": str(rng.choice([*data["bands"]])),
            "at": int(rng.integers(len(data["sigma_w2"]))),
            "back": int(rng.integers(1, data["depth"])),
        },
        _bell,
    ),
    "survey": Case(
        lambda rng, data: {
            "activation": str(rng.choice([*data["sigma_w2"]])),
            "weights": str(rng.choice([*data["sigma_w2"]["ReLU"]])),
            "at": int(rng.integers(len(data["depths"]))),
        },
        _survey,
        rtol=1e-5,  # where z is so large that a slope of the ELU ends within a few cells
    ),
    "backward": Case(
        lambda rng, _: {
            "sum": bool(rng.integers(2)),
            "width": int(rng.integers(1, 11)),
            "depth": int(rng.integers(1, 11)),
        },
        _backward,
    ),
}
DERIVED: dict[str, dict[str, Callable[[Values], Any]]] = {
    "bowl": {"rate": lambda found: max(map(abs, found["multipliers"]))},
    # As floats: where energies are whole numbers, they arrive as such, of any length.
    "stream": {"log energy": lambda found: np.log(np.array(found["energy"], float))},
    "bell": {"log norms": lambda found: np.log(found["norms"])},
    "survey": {
        "log q": lambda found: 1 + np.log(found["q"]),
        "log norms": lambda found: 1 + np.array(found["decades"]),
    },
    "backward": {
        f"delta {k}": lambda found, k=k: found["deltas"][k]  # type: ignore[misc]
        for k in range(3)
    },
}
"""What a case compares beside what the script returns."""
SHARED = ("draw", "normal")
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.js") if path.stem not in SHARED)
every_explorer = pytest.mark.parametrize("name", NAMES)
RUN = "([kind, data, all]) => all.map((given) => customElements.get(kind).run(data, given))"


def test_every_explorer_is_held_against_the_package_and_stands_on_the_page() -> None:
    """A script that nobody checks is not shipped."""
    assert sorted(CASES) == NAMES
    shown = re.findall(r"(?m)^explorers\.(\w+)\(", (HERE / "explorers.md").read_text("utf-8"))
    assert sorted(set(shown)) == NAMES


@pytest.mark.parametrize("path", sorted(SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_a_script_is_small(path: Path) -> None:
    """Ten kilobytes are read in a moment, by a browser and by whoever mends them."""
    assert path.stat().st_size <= 10_240


async def test_a_script_computes_what_the_package_computes(browser: Browser, page: str) -> None:
    """Twenty random settings, within what the controls allow."""
    async with visit(browser, page, "index.html") as seen:
        for name in NAMES:
            try:
                await _compute_alike(seen.page, name)
            except Exception as error:  # each has its turn, and is named
                seen.faults.append(f"{name}: {error}")


async def _compute_alike(page: Page, name: str) -> None:
    case, rng = CASES[name], np.random.default_rng(sum(name.encode()))
    element = page.locator(f"gb-{name}.gb-live").first
    data = await element.evaluate("(element) => element.data")
    drawn = [case.draw(rng, data) for _ in range(DRAWS)]
    results = await page.evaluate(RUN, [f"gb-{name}", data, drawn])
    for given, found in zip(drawn, results, strict=True):
        derived = {key: get(found) for key, get in DERIVED.get(name, {}).items()}
        for key, expected in case.oracle(data, given).items():
            _compare({**found, **derived}[key], np.asarray(expected), case.rtol, f"{key}: {given}")


def _compare(found: Any, expected: Array, rtol: float, what: str) -> None:
    scale = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol * scale, err_msg=what)


SAY = """([kind, data, all]) => {
  const its = customElements.get(kind);
  return all.map((given) => its.say(data, given, its.run(data, given)));
}"""


async def _said(page: Page, name: str, drawn: list[Inputs]) -> list[str]:
    data = await page.locator(f"gb-{name}.gb-live").first.evaluate("(element) => element.data")
    said: list[str] = await page.evaluate(SAY, [f"gb-{name}", data, drawn])
    return said


async def test_the_bowl_says_which_direction_is_slow(browser: Browser, page: str) -> None:
    """Equally fast is said at the best rate that the slider has, and not where both creep."""
    ratios, least, step = range(2, 51), 0.01, 0.002
    best = [least + step * round((k / (1 + k) - least) / step) for k in ratios]
    start = {"w1": 2, "w2": 1, "steps": 40}
    async with visit(browser, page, "index.html") as seen:
        slider = seen.page.locator("gb-bowl.gb-live input[name=share]").first
        assert [await slider.get_attribute(key) for key in ("min", "step")] == ["0.01", "0.002"]
        for shares, words in (
            (best, "both shrink about equally"),
            ([least] * 49, "the flat direction"),
        ):
            drawn = [{"ratio": k, "share": s, **start} for k, s in zip(ratios, shares, strict=True)]
            for sentence in await _said(seen.page, "bowl", drawn):
                assert words in sentence


async def test_without_the_sum_a_delta_is_not_said_to_be_one(browser: Browser, page: str) -> None:
    """What is left of a sum is not printed behind the formula that has the sum."""
    drawn = [{"step": 3, "sum": add, "width": 4, "depth": 5} for add in (True, False)]
    async with visit(browser, page, "index.html") as seen:
        whole, left = await _said(seen.page, "backward", drawn)
        assert "δ₁ = (δ₂ Wᵀ) σ′" in whole
        assert "δ₁ = " not in left
        assert "is left" in left


async def _settled(element: Locator) -> str:
    """Return what an explorer says once it has said it."""
    sentence = element.locator(".gb-says")
    await expect(sentence).not_to_be_empty()
    await element.page.wait_for_timeout(400)
    return await sentence.inner_text()


@every_explorer
async def test_the_keyboard_moves_a_control_and_the_sentence_follows(
    browser: Browser, page: str, name: str
) -> None:
    """Tab leads to every control, the arrows change what is said, Reset brings it back."""
    async with visit(browser, page, "index.html") as seen:
        element = seen.page.locator(f"gb-{name}.gb-live").first
        sentence = element.locator(".gb-says")
        at_first = await _settled(element)
        fields = element.locator("input[type=range]")
        await fields.first.focus()
        for key in ("ArrowLeft", "ArrowRight", "ArrowRight"):
            await seen.page.keyboard.press(key)
        await expect(sentence).not_to_have_text(at_first)
        assert re.search(r"\d", await sentence.inner_text()), "a finding has its number"
        await element.get_by_role("button", name="Reset").press("Enter")
        await expect(sentence).to_have_text(at_first)


@pytest.mark.parametrize(
    ("width", "schemes"), [(WIDE, ("light", "dark")), (PHONE, ("dark", "light"))]
)
async def test_everyone_can_use_the_explorers(
    browser: Browser, page: str, width: int, schemes: tuple[Scheme, Scheme]
) -> None:
    """Nothing overflows, axe-core is content, each stop of Tab has a ring; no error on the way."""
    async with visit(browser, page, "index.html", scheme=schemes[0], width=width) as seen:
        await expect(seen.page.locator(".gb-live")).to_have_count(await _count(seen.page))
        for scheme in schemes:
            await seen.turn(scheme)
            await seen.look(scheme)
            seen.faults.extend(await accessibility(seen.page, scheme))
        stops = {stop["name"] for stop in await tab_stops(seen)}
        assert "Reset" in stops


async def _count(page: Any) -> int:
    return int(await page.locator("[data-explorer]").count())


async def test_an_explorer_opens_from_a_folder(browser: Browser, site: Path) -> None:
    """A classic script is loaded from file://, too."""
    async with visit(browser, site.as_uri() + "/", "index.html") as seen:
        await expect(seen.page.locator(".gb-live")).to_have_count(await _count(seen.page))


@pytest.mark.parametrize("scripts", [True, False], ids=["on paper", "without scripts"])
async def test_the_figure_stays_on_paper_and_without_scripts(
    browser: Browser, page: str, scripts: bool
) -> None:
    """There the picture stands alone."""
    async with visit(browser, page, "index.html", scripts=scripts) as seen:
        figures = seen.page.locator("[data-explorer] > figure > svg")
        still = seen.page.locator(".gb-still")
        if scripts:
            await expect(figures.first).to_be_hidden()
            await expect(still.first).to_be_hidden()
            await seen.page.emulate_media(media="print")
        for shown in [*await figures.all(), *await still.all()]:
            await expect(shown).to_be_visible()
        assert await still.count() == await figures.count()
        await expect(seen.page.locator(".gb-explorer:visible")).to_have_count(0)
