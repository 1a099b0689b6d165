"""What the columns of a wide log are, as the tools that people have call them.

Wide logs come from Lightning's CSVLogger (`grad_2.0_norm/layer`), from Weights & Biases (`_step`,
`gradients/layer`), from TensorBoard (`Wall time,Step,Value`) and from the Trainer of HuggingFace
(`trainer_state.json`). To read one more tool's columns, add to the patterns.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from gradbook.diagnosis.bad_input import BadInput

STEPS = (
    *("step", "_step", "global_step", "trainer/global_step", "iteration", "iter"),
    *("num_updates", "train/global_step", "train/step", "update", "epoch"),
)
"""What a column of steps is called, the first that is there."""

NAMES = (
    *("name", "layer", "param", "parameter", "module", "tensor", "variable"),
    *("layer_name", "param_name", "parameter_name", "module_name"),
)
"""What the column of a long log is called that names the layer."""

TOTAL = re.compile(
    r"(?i)(?:.*[/.])?(?:global_|total_)?grad(?:ient)?s?_?(?:[\d.]+_|inf_)?norms?"
    r"(?:[_/](?:total|(?:before|pre)_?clip(?:ping)?))?(?:_fp\d+)?"
    r"|(?:total|global)_?norm|(?:.*[/.])?gnorm|norm"
)
"""What the norm of all gradients together is called."""

SIZE = re.compile(r"(?i)(?:(?:grad(?:ient)?s?|l2|rms|(?:mean_)?abs(?:_mean)?)_?)+")
"""What else than a norm of gradients the size of a layer's is called, where lines name layers."""

PREFIX = re.compile(
    r"(?i)(?:.* - )?(?:(?:train|training|model)[/.])?"
    r"(?:gradients?|grads?|grad(?:ient)?_(?:[\d.]+_|inf_)?norms?)[/.]"
)
"""What stands before a layer's name where a tool writes more than gradients."""

_NORMS = re.compile(r"(?i)norms?/")

PREFIX_OF_ALL = re.compile(r"(?i)(?:.*[/.])?(?:(?:grad(?:ient)?s?|l2)[ _-]?)?norms?[ _/.-]+(?=\w)")
"""What is no part of a layer's name where all columns begin with the same."""

_WHOSE = r"(?:local_|global_)?rank|seed|fold|phase|stage|split|mode|host|worker"

RANKS = re.compile(rf"(?i){_WHOSE}|net(?:work)?|model|kind")
"""What a column is called that may tell whose a line is, where several are of one step."""

BESIDE = re.compile(
    r"(?i)|(?:.*[/ _-])?(?:epoch|lr|lr-.*|learning_?rate|loss|acc|accuracy|perplexity|ppl)"
    r"(?:[/_].*)?|(?:eval|val|valid|validation|test|train|perf|system|parameters)[/_].*"
    r"|(?:.*[/_])?(?:param|params|parameter|weight|weights)_norm|(?:num|total|consumed)_.*"
    r"|.*norms?_(?:after|post)_?clip(?:ping)?|skipped.*|nan.*|elapsed.*"
    r"|dt|mfu|fps|wps|ups|wpb|bsz|clip|gb_free|wall"
    rf"|{_WHOSE}|run(?:_id|_name)?"
    r"|date|done|overflow|is_.*|(?:.*/)?(?:reward|return|psnr|ssim|fid|bleu|wer|entropy|kl)s?"
    r"|(?:gpu|cpu)(?:_.*)?|mem(?:ory)?"
    r"|_?(?:runtime|timestamp|wall[ _]time|relative[ _]time|time|tokens|samples|flos|total_flos"
    r"|batch_size|scale|loss_scale|beta\d?|momentum|weight_decay)(?:_.*)?"
)
"""What a column is called that holds something else."""

RUN = re.compile(r"(?i)run(?:_(?:id|name))?")
"""What a column is called that tells one run from another."""

LOSS = re.compile(r"(?i)(?:train(?:ing)?[/_])?(?:lm_)?(?:total_)?loss(?:[/_](?:train|step|total))?")
"""What the loss is called that the gradients are of."""

COUNTED = re.compile(
    r"(?i)(?:[a-z]+_)*(?:scale|scaler)"
    r"|(?:[a-z]+/)?(?:[a-z]+_)*(?:rewards?|rew|returns?|scores?|len|length|size"
    r"|temperature|temp|counts?|steps?|epochs?|batch(?:es)?)(?:_(?:mean|avg|std|min|max|sum|last))*"
)
"""What a column is called in plain words that holds a quantity, and no gradient."""

PARAMETER = re.compile(r"(?i).*(?:weight|bias|kernel)(?:_|:?\d*$)")
"""What most names of parameters are like, and those of modules are not."""

PLAIN_WORD = re.compile(r"(?i)(?!.*(?:weight|bias|kernel|norm|token|embed))[a-z_ -]+")
"""What no name of a parameter is where the others are such names."""

OF_WEIGHTS = re.compile(r"(?i).*(?:\d|weight|bias|grad)")
"""What is in most layers' names, and not in those of rewards or counts beside a total norm."""

OF_ONE_LAYER = re.compile(PREFIX.pattern + r"|.*[./](?:weight|bias|kernel)")
"""What a column is called that holds the norms of one layer, whatever else is logged."""

OF_LAYER = re.compile(r"(?i)(.*[/._-])(norm|rms|mean|avg|std|var|min|max|median)")
"""One of several columns of a layer: what is of `SIZES` is read, the rest of that layer is not."""

_SQ = r"(?:sq|sqr|squared?)s?"

SQUARED = re.compile(
    r"(?i)(?<![a-z0-9])(?:grad(?:ient)?s?[_./ -]?)?"
    rf"(?:(?:sum_?(?:of_)?)?{_SQ}_?(?:grad_?)?norms?|norms?_?{_SQ}|sum_?(?:of_)?{_SQ}"
    rf"|(?<=grad_){_SQ})(?![a-z0-9])"
)
"""What the name of a column of squares of norms has in it; `norm2` is a layer, or the 2-norm."""

SIZES = ("norm", "rms")
"""Of these the first that is there."""

ENDING = re.compile(
    r"(?i)[/._ -](?:grad(?:ient)?s?[/._ -]?)?(?:(?:l2[/._ -]?|[\d.]+[/._-])?norm|rms)$"
    r"|[/._ -]grad(?:ient)?s?(?:[/._ -]l2)?$"
)
"""What stands behind all layers' names where a tool says so what of them it logs."""


MANY = 3
"""From so many columns on one beginning of all is no part of layers' names."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a wide log are: those of norms, with the layers', and what is beside."""

    step: str
    norms: dict[str, str]
    """Column → layer, or nothing for the norm of all gradients together."""
    beside: tuple[str, ...] = ()
    squares: frozenset[str] = frozenset()
    """The columns that hold squares of norms."""


@lru_cache(maxsize=4096)
def unsquared(name: str) -> str:
    """Return what a column were called if it held norms and not their squares.

    Examples:
        >>> [unsquared(f"{of}/fc1.weight") for of in ("grad_norm_sq", "sum_sq", "grad_norm")]
        ['grad_norm/fc1.weight', 'grad_norm/fc1.weight', 'grad_norm/fc1.weight']
        >>> unsquared("blocks.0.norm2.weight"), unsquared("fc1.exp_avg_sq")
        ('blocks.0.norm2.weight', 'fc1.exp_avg_sq')
    """
    of_weights = re.match(r"(?i)(?:.*[/_])?(?:param|weight)s?_(?:norm|sq|sum)", name)
    return name if of_weights else SQUARED.sub("grad_norm", name)


@lru_cache(maxsize=64)
def columns_of(names: tuple[str, ...]) -> Columns:
    """Tell layers from what else is logged; asked for each line, it works once for all alike.

    Examples:
        >>> found = columns_of(("epoch", "step", "grad_norm/fc1", "grad_norm_total", "loss"))
        >>> found.norms, found.beside
        ({'grad_norm/fc1': 'fc1', 'grad_norm_total': ''}, ('epoch', 'loss'))
    """
    given = set(names)
    called = {plain: n for n in names if (plain := unsquared(n)) == n or plain not in given}
    if squares := {plain for plain, n in called.items() if plain != n}:
        found = _columns_of(tuple(called))
        norms = {called[n]: layer for n, layer in found.norms.items()}
        beside = tuple(n for n in names if n and n not in norms and n != found.step)
        return Columns(found.step, norms, beside, frozenset(called[n] for n in squares))
    return _columns_of(names)


def _columns_of(names: tuple[str, ...]) -> Columns:
    lower = {name.lower(): name for name in reversed(names)}
    step = next((lower[s] for s in STEPS if s in lower), None)
    if step is None:
        got = ", ".join(map(repr, names[:5]))
        raise BadInput(f"must have a column 'step', got {got}: name the column of steps so")
    if set(lower) == {"wall time", "step", "value"}:
        return Columns(step, {lower["value"]: ""}, ("Wall time",))
    rest = [n for n in names if n != step and not n.endswith(("__MIN", "__MAX"))]
    runs = sorted({run for n in rest for run, dash, _ in [n.rpartition(" - ")] if dash})
    if len(runs) > 1:
        text = f"must be the log of one run, got {len(runs)}: {', '.join(map(repr, runs[:5]))}; "
        raise BadInput(f"{text}export one of them, or leave the columns of the others out")
    whole = [n for n in rest if TOTAL.fullmatch(_plain(n.rpartition(" - ")[2]))]
    total = _total_of(whole)
    layers = {n: n[m.end() :] for n in rest if n != total and (m := PREFIX.match(n))}
    layers = _without_norms(layers)
    if not layers and total is None:
        layers = {n: n for n in whole}
    if not layers:
        kept = [n for n in rest if n != total and not _beside(_plain(n))]
        if total is None or 2 * sum(map(bool, map(OF_WEIGHTS.match, kept))) >= len(kept):
            if 2 * sum(map(bool, map(PARAMETER.match, kept))) > len(kept):
                kept = [n for n in kept if not PLAIN_WORD.fullmatch(n)]
            told = [PREFIX_OF_ALL.match(n) for n in kept]
            same = len(kept) >= MANY and all(told) and len({m and m[0] for m in told}) == 1
            layers = {n: n[m.end() if same and m else 0 :] for n, m in zip(kept, told, strict=True)}
    norms = _norms_of(layers) | ({} if total is None else {total: ""})
    return Columns(step, norms, tuple(n for n in rest if n and n not in norms))


def _total_of(whole: list[str]) -> str | None:
    """Return the norm of all gradients, unless those that are called so are of parts.

    As many as these are layers', each under a name of its own; of a generator and a discriminator
    two are enough. Beside the training's, or one without a path, they are something else.
    """
    plain = [name for name in whole if not _path_of(name)]
    of_all = plain or [name for name in whole if not _is_part(name)]
    if len(of_all) == 1 or plain or len(whole) == 1:
        return (of_all or whole)[0]
    apart = len(whole) > 2 or not of_all
    return None if apart and all(map(ENDING.search, whole)) else next(iter(of_all or whole), None)


def _path_of(name: str) -> list[str]:
    return re.split(r"/|\.(?!\d)", name.rpartition(" - ")[2].lower())[:-1]  # grad_2.0_norm


def _is_part(name: str) -> bool:
    """Tell whether a norm is under a name other than the training's or all of the model's."""
    path = _path_of(name)
    return bool(path) and path[-1] not in ("train", "training", "model", "global", "total", "optim")


def _without_norms(layers: dict[str, str]) -> dict[str, str]:
    """Leave out norm/ behind a prefix where several have it; of one alone it is a module."""
    several = [n for n, layer in layers.items() if _NORMS.match(layer)]
    if len(several) < 2 or {_NORMS.sub("", layers[n]) for n in several} & {*layers.values()}:
        return layers
    return layers | {n: _NORMS.sub("", layers[n]) for n in several}


@lru_cache(maxsize=64)
def long_columns(names: tuple[str, ...]) -> tuple[str, str, str] | None:
    """Return the columns of step, name and norm of a log with a line for each; None if it is wide.

    Examples:
        >>> long_columns(("epoch", "layer", "grad_norm")), long_columns(("step", "layer1"))
        (('epoch', 'layer', 'grad_norm'), None)
        >>> long_columns(("step", "layer", "weight_norm", "grad_norm", "lr"))
        ('step', 'layer', 'grad_norm')
    """
    lower = {_plain(name).lower(): name for name in reversed(names)}
    named = next((lower[n] for n in NAMES if n in lower), None)
    step = next((lower[s] for s in STEPS if s in lower), None)
    rest = [name for name in names if name not in (named, step)]
    total = [name for name in rest if TOTAL.fullmatch(_plain(unsquared(name)))]
    total = [name for name in total if "grad" in name.lower()] or total
    sizes = [name for name in rest if SIZE.fullmatch(_plain(name))]
    sizes = [name for name in sizes if "grad" in name.lower()] or sizes
    total = total or (sizes if len(sizes) == 1 else [])
    # Called just `name` it may be the run, unless the norm is all there is.
    alone = len(rest) == 1 or (named != "name" and not any(map(OF_ONE_LAYER.match, rest)))
    if named and step and total and alone:
        return step, named, total[0]
    if named == "name" and not any(map(PREFIX.match, rest)):  # else it is what the run is called
        raise BadInput(f"must have the columns step, name, norm alone, got {', '.join(names)}")
    return None


def _norms_of(layers: dict[str, str]) -> dict[str, str]:
    """Leave out what stands beside a layer's norm, and behind all layers' names."""
    parts = {n: m for n in layers if (m := OF_LAYER.fullmatch(n))}
    said = {(m[1], m[2].lower()) for m in parts.values()}
    read = {layer: next(s for s in SIZES if (layer, s) in said) for layer, s in said if s in SIZES}
    beside = {n for n, m in parts.items() if read.get(m[1], m[2].lower()) != m[2].lower()}
    kept = {n: called for n, called in layers.items() if n not in beside}
    if len(kept) > 1 and all(map(ENDING.search, kept.values())):
        return {n: ENDING.sub("", called) for n, called in kept.items()}
    return kept


@lru_cache(maxsize=64)
def run_and_loss(names: tuple[str, ...]) -> tuple[str, str]:
    """Return the columns that name the run and hold the loss that is trained, nothing for none.

    Examples:
        >>> run_and_loss(("step", "run_id", "loss", "val_loss")), run_and_loss(("step", "fc1"))
        (('run_id', 'loss'), ('', ''))
    """
    losses = [name for name in names if LOSS.fullmatch(_plain(name))]
    run = next((name for name in names if RUN.fullmatch(_plain(name))), "")
    return run, losses[0] if len(losses) == 1 else ""


def _beside(name: str) -> bool:
    """Tell a quantity from a layer."""
    return bool(BESIDE.fullmatch(name) or COUNTED.fullmatch(name))


def _plain(name: str) -> str:
    """Write a name as most tools do: Megatron has spaces in its own."""
    return name.strip().replace(" ", "_")
