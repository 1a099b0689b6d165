"""The plan of the house, held against the imports: who may use what, and in which direction."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pages import ROOT

PACKAGE = ROOT / "gradbook"

COMMON = frozenset({"checks"})
"""What every module may import."""

PLAN: dict[str, set[str]] = {
    # What knows nothing of the rest.
    "__init__": {"diagnosis"},
    "__main__": {"cli"},
    "checks": set(),
    "formats": set(),
    "theme": set(),
    "sources": set(),
    "reach": set(),
    "search": set(),
    "activations": set(),
    "gaussian": set(),
    "special": set(),
    "losses": set(),
    "batches": set(),
    "precision": set(),
    "datasets": set(),
    "differences": set(),
    # Showing.
    "tables": {"formats"},
    "figures": {"formats", "theme"},
    # Making networks.
    "initializers": {"activations", "meanfield"},
    "layers": {"activations"},
    "parameters": {"layers"},
    "networks": {"activations", "initializers", "layers"},
    "gated_networks": {"initializers", "layers", "networks"},
    "note": {"activations", "layers", "networks", "sources"},
    # Their gradients, and what is done with them.
    "tape": {"activations"},
    "backprop": {"differences", "layers", "losses", "parameters"},
    "counting": {"layers"},
    "modes": {"backprop", "counting", "differences", "layers", "losses", "parameters"},
    "routes": {"backprop", "layers", "losses"},
    "update": {"backprop", "layers", "parameters"},
    "bowls": {"update"},
    "clipping": set(),
    "mixed_precision": {"precision"},
    "optimizers": {"clipping", "update"},
    "training": {"backprop", "layers", "losses", "optimizers", "parameters"},
    "sequences": {"backprop", "clipping", "gated_networks", "layers", "losses", "optimizers"}
    | {"parameters"},
    "adding_race": {"activations", "clipping", "gated_networks", "initializers", "layers"}
    | {"losses", "networks", "optimizers", "parameters", "sequences"},
    "jacobian": {"backprop", "layers"},
    "adding": {"activations", "backprop", "layers", "losses"},
    "recurrence": {"activations", "backprop", "layers", "search"},
    "faults": {"activations", "layers", "losses"},
    "museum": {"activations", "backprop", "faults", "layers", "losses"},
    # Theory and measurement.
    "meanfield": {"activations", "gaussian", "search"},
    "phases": {"activations", "meanfield", "search"},
    "correlations": {"activations", "search"},
    "predictions": {"activations", "initializers", "meanfield"},
    "products": {"special"},
    "finite_width": {"special"},
    "sweeps": {"activations"},
    "dying": {"activations", "backprop", "initializers", "networks"},
    "rescue": {"activations", "backprop", "datasets", "initializers", "layers", "losses"}
    | {"networks", "optimizers", "training"},
    "thresholds": {"activations", "backprop", "clipping", "initializers", "layers", "losses"}
    | {"networks", "optimizers", "parameters"},
    "health": {"activations", "backprop", "gaussian", "initializers", "layers", "meanfield"}
    | {"networks"},
    "spectra": {"activations", "initializers"},
    "measure": {"activations", "backprop", "initializers", "layers", "networks"},
    "survey": {"meanfield", "measure", "networks"},
    "vgg": {"activations", "layers", "sources"},
    "deep_linear": {"activations", "initializers", "layers", "losses", "networks", "training"},
    "nielsen": {"activations", "backprop", "datasets", "gaussian", "initializers", "losses"}
    | {"meanfield", "measure", "networks", "sources"},
    "normalized": {"activations", "backprop", "initializers", "layers"},
    "norm_gains": {"activations", "gaussian", "layers", "meanfield"},
    "bad_scales": {"activations", "backprop", "datasets", "initializers", "layers", "losses"}
    | {"networks", "normalized", "training"},
    "latch": {"activations", "backprop", "layers", "search"},
    "lifetimes": {"activations", "backprop", "initializers", "layers"},
    "memory": {"activations", "backprop", "jacobian", "layers", "products"},
    "truncation": {"activations", "backprop", "initializers", "layers", "networks"}
    | {"parameters"},
    "residual_networks": {"activations", "initializers", "layers"},
    "residual_theory": {"activations", "meanfield"},
    "routes_by_length": {"backprop", "layers"},
    "shattering": {"backprop", "jacobian", "layers"},
    "residual_measure": {"backprop", "layers"},
    "one_input": {"activations", "initializers", "layers", "networks", "residual_networks"}
    | {"shattering"},
    "input_kernel": {"one_input"},
    "deep_training": {"activations", "datasets", "initializers", "layers", "losses"}
    | {"residual_networks", "training"},
    # What others say.
    "common_proofs": {"activations", "backprop", "clipping", "health", "initializers"}
    | {"input_kernel", "jacobian", "layers", "lifetimes", "losses", "measure", "museum"}
    | {"networks", "norm_gains", "one_input", "optimizers", "precision", "products"}
    | {"recurrence", "shattering"},
    "common_claims": {"common_proofs", "sources"},
    # What is tried on networks that do not train.
    "stored_weights": {"mixed_precision", "optimizers", "precision"},
    "plans": {"activations", "datasets", "gated_networks", "initializers", "layers", "memory"}
    | {"networks", "normalized", "optimizers"},
    "patients": {"activations", "initializers", "mixed_precision", "optimizers", "plans"}
    | {"precision", "stored_weights"},
    "remedies": {"activations", "clipping", "initializers", "mixed_precision", "normalized"}
    | {"optimizers", "phases", "plans", "precision", "stored_weights"},
    "treatment": {"backprop", "layers", "losses", "optimizers", "parameters", "patients"}
    | {"plans", "remedies", "stored_weights"},
    "remedy_tables": {"formats", "patients", "remedies", "tables", "treatment"},
    # Tools for the reader's own network.
    "diagnosis": {"activations", "backprop", "datasets", "figures", "formats"}
    | {"gated_networks", "initializers", "layers", "losses", "networks", "normalized"}
    | {"parameters", "precision"}
    | {"residual_networks", "search", "tables"},
    "cli": {"diagnosis"},
}
"""What each module may import from the package; a module may be planned before it exists.

Whoever adds a module adds its line here: below the modules that it imports.
"""

PLAN["claims"] = set(PLAN) - {"figures", "cli"}
PLAN["press"] = set(PLAN)

LAZY = {"__init__": {"diagnosis"}, "diagnosis": {"figures"}}
"""What a module may import only where it is used, so that the rest works without it."""

OUTSIDE = {"figures": {"numpy", "matplotlib"}, "press": None}
"""The other packages that a module may import, None for any; elsewhere NumPy is the only one."""

OPTIONAL = {"claims": {"distributed", "joblib", "threadpoolctl", "tqdm"}, "cli": {"rich"}}
"""Other packages that a module may import where they are used, and does without elsewhere."""


@dataclass(frozen=True)
class Import:
    """One import: of a module of the package, or of another distribution."""

    line: int
    name: str
    own: bool
    lazy: bool


def imports(source: str, package: tuple[str, ...] = ()) -> Iterator[Import]:
    """Yield the imports of a module that lies in a package below gradbook."""
    tree = ast.parse(source)
    lazy = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        for name in _imported(node, package):
            first, _, rest = name.partition(".")
            own = first == "gradbook"
            if own or first not in sys.stdlib_module_names:
                part = (rest.partition(".")[0] or "__init__") if own else first
                yield Import(node.lineno, part, own, node in lazy)


def _imported(node: ast.AST, package: tuple[str, ...]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    module = node.module or ""
    if node.level:
        base = ("gradbook", *package)
        module = ".".join([*base[: len(base) - node.level + 1], *module.split(".")]).rstrip(".")
    if module == "gradbook":
        return [f"gradbook.{alias.name}" for alias in node.names]
    return [module]


def offences(part: str, source: str, package: tuple[str, ...] = ()) -> list[str]:
    """List what a module of a part of the house imports and may not."""
    allowed = PLAN[part] | COMMON | {part}
    outside = OUTSIDE.get(part, {"numpy"})
    found = []
    for item in imports(source, package):
        if item.own and item.name not in allowed:
            found.append(f"{item.line}: {part} may not import gradbook.{item.name}")
        elif item.own and item.name in LAZY.get(part, ()) and not item.lazy:
            found.append(f"{item.line}: {part} may import {item.name} only where it is used")
        elif item.lazy and item.name in OPTIONAL.get(part, ()):
            continue
        elif not item.own and outside is not None and item.name not in outside:
            found.append(f"{item.line}: {part} may not import {item.name}")
    return found


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_its_place_in_the_plan() -> None:
    assert {part_of(path) for path in MODULES} <= set(PLAN)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_imports_only_what_the_plan_allows(path: Path) -> None:
    package = path.relative_to(PACKAGE).parts[:-1]
    found = offences(part_of(path), path.read_text(encoding="utf-8"), package)
    assert not found, "\n".join(f"{path.relative_to(ROOT)}:{offence}" for offence in found)


def test_the_plan_has_no_circle_and_names_nothing_unknown() -> None:
    order = list(graphlib.TopologicalSorter(PLAN).static_order())
    assert set(order) == set(PLAN)
    assert order[-1] == "press"


def test_nothing_imports_the_press() -> None:
    assert not any("press" in allowed for allowed in PLAN.values())


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("activations", "import gradbook.layers"),
        ("activations", "from gradbook import losses"),
        ("activations", "from gradbook.layers import Dense"),
        ("activations", "from . import layers"),
        ("activations", "from .layers import Dense"),
        ("activations", "def f():\n    import gradbook.layers as x"),
        ("activations", "if TYPE_CHECKING:\n    from gradbook.layers import Dense"),
        ("activations", "import matplotlib.pyplot"),
        ("activations", "from scipy import special"),
        ("layers", "from gradbook import activations, backprop"),
        ("claims", "from gradbook.press import blocks"),
        ("claims", "from gradbook import figures"),
        ("figures", "from gradbook.measure import gradient_norms"),
        ("figures", "import pandas"),
        ("diagnosis", "from gradbook import figures"),
        ("claims", "import joblib"),
        ("measure", "def draw():\n    import joblib"),
    ],
)
def test_an_import_against_the_plan_is_found(part: str, source: str) -> None:
    assert len(offences(part, source)) == 1


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("activations", "import math, numpy as np\nfrom numpy.typing import NDArray"),
        ("activations", "from gradbook.checks import Array\nfrom __future__ import annotations"),
        ("layers", "from gradbook.activations import relu\nfrom .activations import tanh"),
        ("figures", "from matplotlib.figure import Figure\nfrom gradbook.figures.style import INK"),
        ("diagnosis", "def draw():\n    from gradbook import figures"),
        ("claims", "def run():\n    from joblib import Parallel"),
        ("press", "import markdown\nfrom gradbook import claims, figures"),
    ],
)
def test_an_import_within_the_plan_is_let_pass(part: str, source: str) -> None:
    assert offences(part, source) == []


def test_relative_imports_are_read_from_where_they_stand() -> None:
    (found,) = imports("from ..layers import Dense", ("claims",))
    assert (found.name, found.own) == ("layers", True)
    (found,) = imports("from .record import Claim", ("claims",))
    assert (found.name, found.own) == ("claims", True)


def test_the_core_imports_nothing_but_numpy() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if part_of(path) not in OUTSIDE and path.stem != "__main__"
    ]
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    bare = subprocess.run(
        [sys.executable, "-c", "import sys, numpy.random; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    known = {name.partition(".")[0] for name in bare.stdout.split()}
    assert loaded - known - sys.stdlib_module_names == {"gradbook"}
