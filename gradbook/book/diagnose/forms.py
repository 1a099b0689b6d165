"""Judge what is said of networks in the many forms in which people hand them over.

A form is a product of small choices: the container, names, what stands around them, their order,
what is given and how it is measured. What a network is does not depend on them: its truth is that
of `form_networks`, and what is said is right or harmful by it, as of the generated networks. To try
one more choice, add it to `FACTORS`.

Left out is what nobody can know: the order of the layers where gradients, or they and δ, come in
none and the numbers in their names do not tell it; of norms, whether units are off; and without
weights and rate, whether a step is lost.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gradbook.book.diagnose.form_files import DIGITS, FILES, LOGS, MEASURES
from gradbook.book.diagnose.form_names import NAMES, ORDERS
from gradbook.book.diagnose.form_networks import NETWORKS
from gradbook.diagnosis.verdicts import Verdict

LISTS = ("list", "list of dicts")
IN_MEMORY = ("dict", "pairs", "nested dict", *LISTS)
WITH_A_LOG = ".npz, δ in a log"
IN_LOGS = tuple(name for name in LOGS if not name.endswith("squares"))
GRADIENTS, DELTAS, WEIGHTS = "gradients", "and δ", "and weights"
ARRAYS = "arrays"
IN_NO_ORDER = ("most numbers first", "largest first", "shuffled")
OF_LOGS = ("gradients/", "grad_norm/", "train/grad_norm/")

FACTORS: Mapping[str, tuple[Any, ...]] = {
    "network": tuple(NETWORKS),
    "container": (*IN_MEMORY, *FILES, WITH_A_LOG, *IN_LOGS),
    "names": tuple(NAMES),
    "prefix": ("", "module.", "_orig_mod.", "model.", "grad/", *OF_LOGS),
    "around_both": (True, False),
    "order": ("registration", "backward", "alphabet", "shuffled"),
    "order_of_deltas": tuple(ORDERS),
    "given": (GRADIENTS, DELTAS, WEIGHTS),
    "measure": (ARRAYS, *MEASURES),
    "by_layer": (False, True),
    "images": (False, True),
    "biases": (True, False),
    "output": (True, False),
    "beside": ("nothing", "loss and rate", "the norm of all"),
    "steps": (1, 5, 40),
    "digits": tuple(DIGITS),
}
"""Every choice; the first stands where it makes no difference."""


@dataclass(frozen=True)
class Form:
    """One way to hand over one network.

    Attributes:
        prefix: What stands around all names.
        around_both: Whether it stands around those of δ, too.
        measure: What is told of δ, and in a log of all.
        by_layer: Whether a log has a norm for each layer of weights, under its name.
        images: Whether hidden layers have the shapes of convolutions.
        biases: Whether gradients of biases are handed over.
        output: Whether δ of the output layer is.
        beside: What else is in a log.
        digits: How the norms of a log are written.
    """

    network: str
    container: str
    names: str
    prefix: str
    around_both: bool
    order: str
    order_of_deltas: str
    given: str
    measure: str
    by_layer: bool
    images: bool
    biases: bool
    output: bool
    beside: str
    steps: int
    digits: str

    @property
    def of_logs(self) -> bool:
        """Whether norms are all there is."""
        return self.container in IN_LOGS

    @property
    def kind(self) -> str:
        """What it is counted with."""
        arrays = "arrays" if self.container in IN_MEMORY else "files of arrays"
        given = "gradients alone" if self.given == GRADIENTS else "with δ"
        return f"{'logs' if self.of_logs else arrays}, {given}"

    def __str__(self) -> str:
        """List the network, the container, and choices that are not the first ones."""
        told = {name: x for name, x in asdict(self).items() if x != FACTORS[name][0]}
        rest = (f"{name}={x}" for name, x in told.items() if name not in ("network", "container"))
        return ", ".join([f"{self.network}: {self.container}", *rest])


def settled(form: Form) -> Form:
    """Return a form without choices that make no difference to it.

    Examples:
        >>> drawn = Form(**{name: choices[-1] for name, choices in FACTORS.items()})
        >>> drawn.given, settled(drawn).given, settled(drawn).images
        ('and weights', 'and δ', False)
    """
    norms, idle = form.of_logs or form.container == WITH_A_LOG, set[str]()
    if form.container in FILES or (form.container in IN_MEMORY and form.measure == "squares"):
        form = replace(form, measure=ARRAYS)
    elif norms and form.measure == ARRAYS:
        form = replace(form, measure="norms")
    if form.of_logs and form.given == WEIGHTS:
        form = replace(form, given=DELTAS)
    idle |= {"images"} if form.of_logs else {"by_layer", "beside"}
    idle |= set() if norms else {"steps"}
    if not form.of_logs or form.measure == "squares" or form.container.endswith("squares"):
        idle.add("digits")
    if form.given == GRADIENTS:
        idle |= {"around_both", "order_of_deltas", "output", *([] if norms else ["measure"])}
    if form.container in LISTS:
        idle |= {"names", "prefix", "order", "order_of_deltas", "images"}
    if form.container == ".safetensors":
        form = replace(form, order="alphabet", order_of_deltas="alphabet")
    if not form.prefix or "prefix" in idle:
        idle.add("around_both")
    if form.by_layer and "by_layer" not in idle:
        idle.add("biases")
    return replace(form, **{name: FACTORS[name][0] for name in idle})


def lawful(form: Form) -> bool:
    """Tell whether people hand a network over so, and it holds what the truth can be known by."""
    naming, truth, given = NAMES[form.names], NETWORKS[form.network].fault, form.given != GRADIENTS
    by_hand = form.names == "dW1, dZ1"
    counts = naming.counts and not (form.images and not naming.turned)  # "conv2d" and "dense"
    orders = {form.order, form.order_of_deltas}
    told = counts or form.order == "registration" or orders.isdisjoint(IN_NO_ORDER)
    forward = counts or form.order != "backward"
    known = (truth is not Verdict.FROZEN or form.given == WEIGHTS) and not (
        truth is Verdict.DEAD and form.of_logs
    )
    plain = form.prefix in ("", "grad/") and not form.images and not form.by_layer
    # Of norms in a list nothing tells the output's; the page says to leave it out.
    apart = form.container not in LISTS or not form.output or form.measure == ARRAYS
    return (
        (told and forward and known and apart)
        and (plain or not by_hand)
        and (given or form.container != WITH_A_LOG)
        and (form.of_logs or form.prefix not in OF_LOGS)
        and (form.container != "long CSV" or form.beside != "the norm of all")
    )


def sample(count: int, seed: int = 0) -> Iterator[Form]:
    """Draw forms, each choice like any other."""
    rng, found = np.random.default_rng(seed), dict[Form, None]()
    while len(found) < count:
        drawn = {name: choices[rng.integers(len(choices))] for name, choices in FACTORS.items()}
        form = settled(Form(**drawn))
        if lawful(form):
            found[form] = None
    yield from found
