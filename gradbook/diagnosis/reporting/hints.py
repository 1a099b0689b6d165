"""What comes first for a finding that knows more than its verdict."""

from gradbook.diagnosis.reporting.forms import Advice, chapter

_SCALED = chapter(
    "Multiply the loss by a large number, as GradScaler does, and unscale before the step.",
    "clipping",
)

HINTS: dict[str, Advice] = {
    "data": chapter("Look at the batch: count what is not finite in it, and drop it.", "diagnose"),
    "loss": chapter("Look at the loss: a division by 0, log(0), or all labels masked.", "diagnose"),
    "step": chapter(
        "Go back to the last weights that are finite; clip, lower the rate.", "clipping"
    ),
    "scale": chapter("Lower the loss scale, and clear gradients at every step.", "clipping"),
    "idle": chapter("See why they are not called: a router, a condition, a list.", "diagnose"),
    "outside": chapter(
        "Call backward() behind this forward pass. If you did, look between what the network "
        "returns and the loss for .detach(), .item(), NumPy, argmax, or a new tensor.",
        "diagnose",
    ),
    "off": chapter(
        "Look around forward for no_grad, inference_mode or set_grad_enabled(False).", "diagnose"
    ),
    "aside": chapter(
        "Take no_grad, inference_mode or set_grad_enabled(False) away around it; if it is to make "
        "targets or features alone, requires_grad_(False) says so.",
        "diagnose",
    ),
    "optimizer": chapter(
        "Hand all parameters to the optimizer, unless another one has them.", "diagnose"
    ),
    "stack": chapter("Lay a path around each recurrent layer, or stack fewer.", "residual"),
    "lag": chapter("Ask once with the last step's loss alone.", "time-and-gates"),
    "list": chapter(
        "Keep layers in nn.ModuleList or nn.ModuleDict, not in a plain list, and make them in "
        "__init__, not in forward. If you replaced a layer, watch again.",
        "diagnose",
    ),
    "flat": chapter(
        "Look there for round, sign, a comparison, one-hot, clamp, an activation or a softmax at "
        "its ends, dropout of 1, or a hook: let a straight-through estimate or a slope pass.",
        "activations",
    ),
    "few left": chapter(
        "If the loss still has to fall, start over with biases of 0 and a smaller rate.",
        "activations",
    ),
    "underflow": _SCALED,
    "half": _SCALED,
    "second": chapter(
        "The loss takes derivatives of the network, and a second one of ReLU is 0: take tanh, "
        "SiLU or a sine.",
        "activations",
    ),
    "unused": chapter(
        "If it is to be trained, look behind it for .detach(), .item(), NumPy, argmax or a "
        "comparison, and see whether the loss takes what it returns; else leave it out.",
        "diagnose",
    ),
    "compiled": chapter(
        "Call torch.compiler.reset() behind gradbook.watch, or watch before the network first "
        "runs, and without fullgraph=True.",
        "diagnose",
    ),
    "still": chapter(
        "See whether their term of the loss is 0, as with advantages of 0 or all labels masked; "
        "else look behind them for a softmax over one number, rounding, clamp or a comparison.",
        "diagnose",
    ),
    "ceased": chapter(
        "Go back to weights from before, and ask gradbook.watch(net) at one step.", "diagnose"
    ),
    "idle 0": chapter(
        "See whether they are frozen, cut off, or behind units that are off: gradbook.watch(net) "
        "at one step tells.",
        "diagnose",
    ),
    "steps": chapter(
        "Detach the state where a new sequence begins, and not at each step.", "time-and-gates"
    ),
    "exactly": chapter(
        "Look there for stop_gradient, detach, round, argmax or a comparison; give the activations "
        "to see whether units are off.",
        "diagnose",
    ),
    "diverged": chapter(
        "Lower the learning rate: steps were as large as the weights before.", "update-rule"
    ),
    "made": chapter(
        "If the loss has not fallen, training made it so: lower the learning rate, or warm it up; "
        "clip; then look at the weight decay.",
        "update-rule",
    ),
    "untold": chapter("Tell the loss: run.step(loss).", "diagnose"),
    "summed": chapter(
        "Call optimizer.zero_grad() before each backward pass, or behind each step.", "update-rule"
    ),
    "saturated": chapter(
        "Bring the inputs to mean 0 and variance 1, and draw smaller weights for sigmoid and tanh.",
        "initialization",
    ),
    "cleared": chapter(
        "Call optimizer.zero_grad() before backward() or behind step(), not between.", "update-rule"
    ),
    "no step": chapter(
        "Call optimizer.step() behind backward(), of the optimizer that you handed over.",
        "update-rule",
    ),
    "decay": chapter("Lower the weight decay, or the learning rate.", "update-rule"),
    "rate": chapter(
        "If a warm-up begins with 0, ask again at a later step; else look at the scheduler and at "
        "the optimizer's groups.",
        "update-rule",
    ),
    "twice": chapter(
        "Leave softmax or sigmoid out of the network: CrossEntropyLoss and BCEWithLogitsLoss take "
        "what the last layer returns.",
        "diagnose",
    ),
    "slow": chapter(
        "If the loss still has to fall, raise the learning rate tenfold, and again.", "update-rule"
    ),
    "unknown": chapter("Use gradbook.watch(net): it sees where the graph is cut.", "diagnose"),
}
"""What comes first for a finding that knows more than its verdict."""

BESIDE = ("step", "scale", "half", "second")
"""After these hints the rest is advised, too; the others say all there is to do."""

ONE_LAYER = chapter(
    "One layer does most of it: look at the weights next to where it starts.", "initialization"
)
"""What comes first if a single step makes most of the change."""
