"""What to try next, in order, by what a network has, and which page of the book explains it.

The order for each verdict is the one that *What do I try?* measures; a test holds the two together.
"""

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata

from gradbook.diagnosis.verdicts import Finding, Verdict

MOST = 4
"""How many things are advised at most."""


@dataclass(frozen=True)
class Traits:
    """What a network has, as far as it is known."""

    recurrent: bool = False
    """Whether the finding is about steps of time."""
    normalized: bool = False
    paths: bool = False
    """Whether paths lead around layers."""
    sums: bool = False
    """Whether what comes together is added, and not laid beside one another as in a U-Net."""
    small: bool = False
    """Whether numbers are kept in a format smaller than float32."""
    differentiated: bool = False
    """Whether the loss holds derivatives of the network."""
    made: bool = False
    """Whether weights are made of others, as in weight or spectral norm."""
    single: bool = False
    """Whether one layer does most of it."""
    sigmoids: bool = False
    """Whether its hidden layers are known to have sigmoids."""
    raw: bool = False
    """Whether it starts at a layer that reads data far larger than 1."""
    light: bool = False
    """Whether its weights have a smaller variance than 1/n for n inputs."""


@dataclass(frozen=True)
class Advice:
    """One thing to try, the page below `docs/` that explains it, and the traits it is for."""

    text: str
    page: str
    needs: tuple[str, ...] = ()

    def fits(self, traits: Traits) -> bool:
        """Tell whether a network has what this needs, and nothing that it is not for."""
        has = {f"{'' if true else 'not '}{trait}" for trait, true in vars(traits).items()}
        return has.issuperset(self.needs)

    @property
    def link(self) -> str:
        """The page's address: on the site of the package, or below `GRADBOOK_BOOK`."""
        home = (os.environ.get("GRADBOOK_BOOK") or _home()).removesuffix("/")
        return f"{home}{'/' if home else ''}{self.page.removesuffix('.md')}/"


@cache
def _home() -> str:
    try:
        urls = metadata("gradbook").get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    pairs = (url.partition(", ") for url in urls)
    found = {label.lower(): address for label, _, address in pairs}
    return found.get("documentation") or found.get("homepage") or ""


def _read(table: str) -> dict[str, Advice]:
    """Read `name, name (chapter, has this, not that): text`; what is indented goes on."""
    found = dict[str, Advice]()
    for names, told, text in re.findall(r"(?m)^(\S[^(]*) \(([^)]+)\): (.+(?:\n .+)*)", table):
        page, *needs = told.split(", ")
        folder = "" if page == "what-do-i-try" else "chapters/"
        advice = Advice(" ".join(text.split()), f"{folder}{page}.md", tuple(needs))
        found |= dict.fromkeys(names.split(", "), advice)
    return found


HINTS = _read("""
data (diagnose): Look at the batch: count what is not finite in it, and drop it.
bent (activations): Look at what the last layer returns: below 0 a ReLU is flat, far from 0 a
  sigmoid, tanh or clamp. Bring the inputs to mean 0 and variance 1, lower the learning rate, and
  leave that activation out where the loss allows it; raise a factor that is small.
at an end (activations): If the loss still has to fall: bring the targets to where the activation
  is not flat, draw the last layer's weights smaller, lower the learning rate, or leave it out and
  take the loss of logits, as BCEWithLogitsLoss.
large (initialization): Bring the inputs to mean 0 and variance 1, lower the learning rate, and draw
  the last layer's weights smaller.
between (activations): Look at what is done there: take a larger temperature or factor, make what
  enters a softmax or clamp smaller, or pass a slope.
one number (normalization): Normalize over more numbers, as over all features, or leave it out.
loss (diagnose): Look at the loss: what is not finite in its targets, a division by 0, log(0), a
  root or norm of 0, a logarithm or power of what is negative, or all labels masked.
step (clipping): Go back to the last weights that are finite; clip, lower the rate.
back (diagnose): Look at what is done with it: log, root or division at 0, or a softmax of which
  all is masked, though what comes of it is masked, too, or left out by where.
wide (clipping): Keep the weights in float32, as under autocast: in float16 the 1e-8 that Adam adds
  to what it divides by is 0, and so are squares of small gradients.
narrow (clipping): Run it in bfloat16 or float32, or make what enters it, or its weights, smaller:
  float16 ends at 65504.
scale (clipping): Lower the loss scale, as a GradScaler does where it skips a step, and clear
  gradients at every step.
underflow, half (clipping): Multiply the loss by a large number, as GradScaler does, and unscale
  before the step.
earlier (diagnose): Look for .detach() on what they returned, as where a generator's step reads what
  was made for its critic's; if they take turns, watch a run.
idle (diagnose): Watch a run if they take turns; else find why: a router, a condition, a list, or
  weights that they make and that are written to .data.
outside (diagnose): Call backward() behind this forward pass. If you did, look between what the
  network returns and the loss for .detach(), .item(), NumPy, argmax, or a new tensor.
off (diagnose): Look around forward for no_grad, inference_mode or set_grad_enabled(False).
aside (diagnose): Take no_grad, inference_mode or set_grad_enabled(False) away around it, or give a
  checkpoint use_reentrant=False; if it makes targets or features alone, requires_grad_(False).
untrained (diagnose): Call requires_grad_(True) on what is to be trained, such as the last layer,
  and make the optimizer behind that. If an input alone is trained, look at the learning rate.
optimizer (diagnose): Make the optimizer behind the network and all that replaces its layers, and
  hand it all parameters, unless another one has them. If they are to stay: requires_grad_(False).
two optimizers (diagnose): If the other optimizer takes steps, too, go on. If it is an older one,
  make this one behind the network and all that replaces its layers, and hand it all parameters.
stack (residual): Lay a path around each recurrent layer, or stack fewer.
lag (time-and-gates): Ask once with the last step's loss alone.
list (diagnose): Keep layers in nn.ModuleList or nn.ModuleDict, not in a plain list, and make them
  in __init__, not in forward. If you replaced a layer, watch again.
flat (activations): Look there for round, sign, a comparison, one-hot, clamp, an activation or a
  softmax at its ends, dropout of 1, or a hook: let a straight-through estimate or a slope pass.
enters (diagnose): Look at the batch: it may be padding alone, images that were divided as integers,
  or features that no example has. Else look in front for a dropout of 1, a normalization of one
  number, a hook, or round, sign, one-hot and clamp, which need a straight-through estimate.
alike (diagnose): See if a batch holds one example many times, or a normalization one number.
begun (diagnose): If the loss falls, go on, and ask again after a hundred steps.
few left (activations): If the loss still has to fall, give the off side a slope: leaky ReLU, ELU.
second (activations): The loss takes derivatives of the network, and a second one of ReLU is 0:
  take tanh, SiLU or a sine.
unused (diagnose): If it is to be trained, look behind it for .detach(), .item(), NumPy, argmax or
  a comparison, and see whether the loss takes what it returns; if it makes weights, hand them over
  by torch.func.functional_call and not through .data; a teacher, what makes targets, or what such
  weights replace: requires_grad_(False); else leave it out.
compiled (diagnose): Call torch.compiler.reset() behind gradbook.watch, or watch before the network
  first runs, and without fullgraph=True.
still (diagnose): See whether their term of the loss is 0, as with a weight or advantages of 0 or
  all labels masked; else look behind them for sample(), a softmax over one number, rounding, clamp
  or a comparison.
ceased (diagnose): Go back to weights from before, and ask gradbook.watch(net) at one step; if units
  went off, lower the learning rate.
idle 0 (diagnose): See whether they are frozen, cut off, or behind units that are off:
  gradbook.watch(net) at one step tells.
steps (time-and-gates): Hand the state on from call to call, and detach it where a new sequence
  begins, not at each step.
anew state (time-and-gates): Make the state once, in front of the loop, and give each call what the
  one before returned.
exactly (diagnose): Look there for stop_gradient, detach, round, argmax or a comparison; give the
  weights, which may begin with 0, and the activations to see whether units are off.
diverged (update-rule): Lower the learning rate: steps were as large as the weights before.
grew (update-rule): Lower the learning rate, and begin again: the gradients grew before.
again (update-rule): Lower the learning rate, and begin again with weights from before those steps.
made (update-rule): If the loss is not below what guessing costs, training made it so: lower the
  learning rate, or warm it up; clip; bring targets that are numbers to mean 0 and variance 1; then
  look at the weight decay, and for a batch far from all others.
changed (update-rule): See whether the data, the task or the loss changed at that step: then what
  was learned for the old one is lost.
terms (what-do-i-try): Bring the terms of the loss to one size: divide targets by their standard
  deviation, or weight the terms; unless one of them is to be small.
branch (diagnose): If what the branch makes is needed, as at the bottom of a U: draw its weights for
  its activation, or normalize what comes out of each of its layers.
digits (diagnose): Log norms with all their digits.
untold (diagnose): Tell the loss: run.step(loss).
derivative (diagnose): Tell a run its loss; or ask with a loss on what the network returns.
axis (diagnose): Look at the shapes: with batch_first=True a layer reads and returns batch, step,
  feature; without it step, batch, feature.
order (diagnose): Look first at the shapes: with batch_first=True a layer reads and returns batch,
  step, feature; without it step, batch, feature.
held (update-rule): If you do not accumulate over several passes, and no penalty is on the weights,
  call optimizer.zero_grad() before each backward pass; else make the checks before gradients.
anew (diagnose): Call gradbook.watching again, behind what has made network or optimizer anew.
summed (update-rule): Call optimizer.zero_grad() before each backward pass, or behind each step.
saturated (initialization): Draw smaller weights for sigmoid and tanh, and bring the inputs to mean
  0 and variance 1, unless they have these.
cleared (update-rule): Call optimizer.zero_grad() before backward() or behind step(), not between.
no step (update-rule): Call optimizer.step() behind backward(), of the optimizer that you handed
  over.
decay (update-rule): Lower the weight decay, or a penalty on the weights, or the learning rate.
risen (update-rule): Lower the learning rate; if it rises at any, look for a wrong sign of the loss
  or maximize=True; unless its targets move, as in reinforcement learning, or it is a loss that is
  to rise, as in a game of two networks.
flat loss (what-do-i-try): If it still has to fall: compare the shapes of outputs and targets, for
  (N, 1) against (N,) makes N times N errors; leave out a softmax in front of a loss that takes one;
  see whether outputs can reach the targets, for a tanh ends at 1, and whether one batch is learned
  by heart.
hardly (update-rule): If it still has to fall: raise the learning rate tenfold, and again; bring
  targets to mean 0 and variance 1, if they are numbers.
held small (clipping): Clip at a larger norm; with a GradScaler call scaler.unscale_(optimizer)
  before the clip.
unready (normalization): Call net.train() before training: eval() is for what has been trained.
alone (update-rule): If the loss falls, go on: a single layer may have to change by more than it is.
  Else lower the learning rate tenfold, and bring the inputs to mean 0 and variance 1.
rate (update-rule): If a warm-up begins with 0, ask again at a later step; else look at the
  scheduler and at the optimizer's groups.
bits (clipping): Keep the weights in float32, as under autocast: a smaller format loses steps of
  less than half the distance to its next number. Where the loss falls, it may be borne.
twice (diagnose): Leave softmax or sigmoid out of the network: CrossEntropyLoss and
  BCEWithLogitsLoss take what the last layer returns.
picks (diagnose): If it is nll_loss, use cross_entropy, which takes what the last layer returns.
slow (update-rule): If the loss still has to fall, raise the learning rate tenfold, and again.
zeros (initialization): Draw these weights at random; those of the last layer alone may be 0: in
  front of a ReLU, or of other weights of 0, they never move. If they get nothing then, either, look
  behind them for rounding, a comparison, a dropout of 1 or a hook.
nothing came (diagnose): Print the loss, and see that gradients are read before they are cleared;
  unless you gave them, give the activations, too, which show units that are off.
names (diagnose): Hand gradients and δ over as lists, or under the same names in the order of the
  network: that order is what is missing.
one alone (what-do-i-try): Give δ of two hidden layers or more, of all steps or blocks; if there is
  one, nothing can fall or grow between: make the checks that come before gradients.
unknown (diagnose): Use gradbook.watch(net): it sees where the graph is cut.
""")
"""What comes first for a finding that knows more than its verdict, by its hint."""

BESIDE = ("step", "scale", "half", "second", "order", "large")
"""After these hints the rest is advised, too; the others say all there is to do."""

_SAID = _read("""
one layer (initialization): One layer does most of it: look at the weights next to where it starts.
raw (initialization, raw): Bring the inputs to mean 0 and variance 1: they are far larger.
sigmoids (activations, sigmoids, not differentiated): Replace the sigmoids by ReLU, its weights
  drawn with variance 2/n for n inputs, or put BatchNorm before them: no usual variance saves them.
weights (initialization, not normalized, not made, not differentiated, not sigmoids): Draw the
  weights of n inputs with the variance for the activation, 2/n for ReLU, 1/n for tanh; replace
  sigmoids that are no gates.
light (initialization, light, not normalized, not made): The weights of n inputs have a variance
  below 1/n already: look for what multiplies beside them, as the 30 in sin(30 z), and divide them
  by it.
drawn (initialization, not light, not normalized, not made, not differentiated, not sigmoids): Draw
  the weights of n inputs with the variance for the activation, 2/n for ReLU, 1/n for tanh.
smooth (initialization, differentiated): Draw the weights for tanh with variance 1/n; ReLU has no
  second derivative.
norm (normalization, not normalized, not differentiated, not sigmoids): Normalize each layer before
  its activation.
path (residual, not paths): Lay a path around every block, and normalize what enters it.
scale (residual, sums): Divide what each block adds by the root of their number.
activation (activations, not differentiated, not normalized, not sigmoids): Replace sigmoid and tanh
  in hidden layers by ReLU or a relative.
deep norm (normalization, normalized, not paths): Gradients explode in deep networks with batch
  normalization: lay a path around.
warm (clipping, normalized, paths): Its size is no fault behind a normalization: warm the learning
  rate up, and clip.
clip (clipping): Clip the global norm against single large steps, which leaves the ratios of layers
  as they are; log it before the clip.
orthogonal (time-and-gates): If its steps are plain, as in nn.RNN, draw the recurrent weights
  orthogonal, or as the identity with ReLU; where inputs drive tanh to its ends, take gates.
smaller (initialization): If they have gates, draw the weights with variance 1/n for n units.
gates (time-and-gates): If they have gates, open them: an LSTM with a large forget bias and its
  negative on the input gate; a GRU with a large bias on the gate that keeps the state.
short (time-and-gates): Show that so long a memory is needed; truncate if it is not.
wide (clipping, small): Keep the weights in float32: in float16 the 1e-8 that Adam adds to what it
  divides by is 0.
skip (clipping, small): Skip the step, and lower the loss scale if there is one.
first NaN (exploding): Where the first NaN appears look for log, division and root at 0, exp of
  what is large, or a softmax of which all is masked.
slower (clipping): Lower the learning rate, and clip the global norm.
print (diagnose): Print the loss, what enters it and its targets: perhaps every label is masked.
behind (diagnose): Look for a ReLU or a saturated sigmoid behind the last layer, softmax over one
  unit, rounding, argmax, or advantages of 0.
cut (diagnose): Look there for .detach(), .data, .item(), NumPy, no_grad, argmax, or a checkpoint
  whose inputs ask for no gradient.
stuck (initialization): Draw one of the two weights at random, and not small; one zero is enough.
random (initialization): Draw the weights at random.
biases (activations): Start over with biases of 0 and a smaller learning rate.
off side (activations): Where single units die in training, give the off side a slope: leaky ReLU,
  GELU, ELU.
balance (residual): If a router chooses among them, it has collapsed: balance what it sends. Else
  look at the weights that read them.
thousandth (update-rule): Lower the learning rate tenfold, and by factors of three until the loss
  falls: a step is a hundredth of the weights or a few at first, and later a thousandth.
inputs (initialization): Bring the inputs to mean 0 and variance 1, and the targets.
risen (update-rule): Look at the loss. If it has risen, lower the learning rate, or warm it up. If
  not, learning begins, as behind a plateau: go on.
copy (clipping, small): Keep a float32 copy of the weights, and update that.
raise (update-rule): Raise the limit if gradients are clipped, else the learning rate: the step is
  below the gaps of the format.
loss scale (clipping, small): Scale the loss if the gradients underflow, and unscale them.
second step (diagnose): Take one step, and ask again: that shows the rest, or one more step does.
arrive (what-do-i-try): Gradients arrive: make the checks that come before gradients, on data,
  targets and the loss, and sweep the learning rate.
delta (diagnose): Record δ, the gradient at each layer's output.
by step (time-and-gates): Record the norm of ∂L/∂x_t for each step.
""")

TABLE = Advice("Look up what each remedy did to networks like this.", "what-do-i-try.md")


def _try(names: str) -> tuple[Advice, ...]:
    return tuple(_SAID[name] for name in names.split(", "))


DEEP = {
    Verdict.NON_FINITE: _try("skip, wide, first NaN, slower"),
    Verdict.LOSS: _try("print, behind"),
    Verdict.CUT: _try("cut"),
    Verdict.STUCK: _try("stuck"),
    Verdict.SYMMETRIC: _try("random"),
    Verdict.DEAD: _try("biases, norm, off side"),
    Verdict.VANISHING: _try("raw, sigmoids, weights, smooth, path, norm, activation, scale"),
    Verdict.EXPLODING: _try(
        "raw, light, sigmoids, drawn, smooth, deep norm, path, scale, warm, norm, clip"
    ),
    Verdict.STARVED: _try("balance"),
    Verdict.LARGE_STEP: _try("thousandth, inputs, clip"),
    Verdict.GROWING: _try("risen, clip"),
    Verdict.FROZEN: _try("copy, raise, loss scale"),
    Verdict.ZERO_START: _try("second step"),
    Verdict.HEALTHY: _try("arrive"),
    Verdict.CANNOT_TELL: _try("delta"),
}
"""For networks of layers. What does not fit the network is left out."""

IN_TIME = DEEP | {
    Verdict.VANISHING: _try("orthogonal, gates, short"),
    Verdict.EXPLODING: _try("orthogonal, smaller, clip"),
    Verdict.CANNOT_TELL: _try("by step"),
}
"""For the steps of recurrent networks."""


def next_steps(finding: Finding, traits: Traits | None = None) -> tuple[Advice, ...]:
    """Return what to try, the first thing first.

    Examples:
        >>> found = Finding(Verdict.VANISHING, "It falls.")
        >>> traits = Traits(paths=True, sums=True, normalized=True)
        >>> [step.page for step in next_steps(found, traits)]
        ['chapters/residual.md', 'what-do-i-try.md']
    """
    traits, verdict = traits or Traits(), finding.verdict
    sized = (Verdict.VANISHING, Verdict.EXPLODING)
    steps = [a for a in (IN_TIME if traits.recurrent else DEEP)[verdict] if a.fits(traits)]
    if finding.hint == "divides":  # which a clip does not change
        steps = [step for step in steps if step is not _SAID["clip"]]
    if finding.hint in HINTS:
        steps = [HINTS[finding.hint], *(steps if finding.hint in BESIDE else [])]
    if finding.hint == "flat" and traits.raw:  # what reads them is at its ends
        steps = [_SAID["raw"], *steps]
    if traits.single and not traits.recurrent and verdict in sized:
        steps = [_SAID["one layer"], *steps]
    if verdict in (*sized, Verdict.DEAD, Verdict.FROZEN):
        return (*steps[: MOST - 1], TABLE)
    return tuple(steps[:MOST])
