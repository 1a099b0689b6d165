"""A run is judged by all of its steps: what it was at first, what the loss did, what was taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gradbook
from gradbook.diagnosis import Run
from gradbook.diagnosis import Verdict as V
from gradbook.diagnosis.reporting.report import Report

WORDS = 12


class Reader(nn.Module):
    """A language model, each of whose steps has a loss of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, 24)
        self.cell = nn.LSTM(24, 40, batch_first=True)
        self.out = nn.Linear(40, WORDS)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(self.words(x))[0])


def reader() -> nn.Module:
    torch.manual_seed(3)
    return Reader()


def perceptron(
    activation: type[nn.Module] = nn.ReLU, widths: Sequence[int] = (10, 64, 64, 64)
) -> nn.Module:
    torch.manual_seed(0)
    hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), activation())]
    return nn.Sequential(*hidden, nn.Linear(widths[-1], 2))


def counted() -> Tensor:
    """Count up by a number that the first two words tell; the first cannot be foreseen."""
    torch.manual_seed(5)
    by, start = torch.randint(1, 5, (32, 1)), torch.randint(WORDS, (32, 1))
    return (torch.arange(16)[None] * by + start) % WORDS


def losses(net: nn.Module) -> Iterator[Tensor]:
    x = counted() if isinstance(net, Reader) else torch.randn(256, 10)
    target = x[:, 1:] if isinstance(net, Reader) else (x[:, 0] * x[:, 1] > 0).long()
    while True:
        out = net(x)[:, :-1].transpose(1, 2) if isinstance(net, Reader) else net(x)
        yield F.cross_entropy(out, target)


def trained(
    net: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, steps: int
) -> Any:
    """Watch a training whose run is told the loss in front of each step."""
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(steps):
            optimizer.zero_grad()
            (loss := F.cross_entropy(net(x), y)).backward()
            run.step(loss)
            optimizer.step()
    return run


def after(
    net: nn.Module,
    optimizer: Any,
    steps: int,
    *,
    clip: float | None = None,
    clear: bool = True,
    scheduler: Any = None,
    below: float = 0.0,
) -> tuple[Report, list[float]]:
    """Train as people do, and return what is said at the end and the losses."""
    told: list[float] = []
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, above in zip(range(steps), losses(net), strict=False):
            if clear:
                optimizer.zero_grad()
            loss = above - below
            loss.backward()
            run.step(loss)
            told.append(loss.item())
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
    return run.report(), told


def fitted_line(*, tells: bool) -> Run:
    torch.manual_seed(0)
    line, x = nn.Linear(10, 1), torch.randn(64, 10)
    optimizer = torch.optim.SGD(line.parameters(), 0.3)
    with gradbook.watching(line, optimizer=optimizer, every=5) as run:
        for _ in range(200):
            optimizer.zero_grad()
            loss = F.mse_loss(line(x), 2 * x[:, :1] + 1)
            loss.backward()
            if tells:
                run.step(loss)
            optimizer.step()
    return run


def test_what_has_been_learned_is_not_ill() -> None:
    net = reader()
    report, told = after(net, torch.optim.Adam(net.parameters(), 2e-2), 80)
    assert told[-1] < told[0] / 4
    assert report.verdict is V.HEALTHY
    run = fitted_line(tells=True)
    assert run.moments[-1].report.verdict is V.LOSS  # at its minimum
    assert run.report().verdict is V.HEALTHY


def test_what_the_loss_sends_at_its_minimum_where_nobody_told_it() -> None:
    report = fitted_line(tells=False).report()
    assert (report.verdict, report.steps[0].text) == (
        V.CANNOT_TELL,
        "Tell the loss: run.step(loss).",
    )


def test_a_loss_that_the_network_returns_need_not_be_told() -> None:
    net, x = WithLoss(), torch.randn(64, 10)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(30):
            optimizer.zero_grad()
            net(x, (x[:, 0] > 0).long())["loss"].backward()
            optimizer.step()
    told = [moment.loss for moment in run.moments]
    assert all(loss is not None for loss in told)
    assert told[-1] < told[0] / 2


@pytest.mark.parametrize(
    ("net", "rate"), [(perceptron, 1.0), (lambda: perceptron(nn.Tanh), 0.3), (reader, 3.0)]
)
def test_a_rate_after_which_the_loss_rises_is_too_large(
    net: Callable[[], nn.Module], rate: float
) -> None:
    made = net()
    report, told = after(made, torch.optim.Adam(made.parameters(), rate), 40)
    assert max(told) > 2 * told[0]
    assert report.verdict is V.LARGE_STEP
    assert "At step 1:" in report.reason
    assert report.steps[0].text.startswith("Lower the learning rate")


@pytest.mark.parametrize("rate", [100.0, 1000.0])
def test_a_rate_after_which_all_is_flat_is_too_large(rate: float) -> None:
    made = perceptron(nn.Tanh, (10, 24, 24, 24, 24))
    report, told = after(made, torch.optim.SGD(made.parameters(), rate), 40)
    assert max(told) > 2 * told[0]
    assert [found.verdict for found in report.findings][:2] == [V.LARGE_STEP, V.CUT]
    assert report.steps[0].text.startswith("Lower the learning rate")


@pytest.mark.parametrize("net", [perceptron, reader])
@pytest.mark.parametrize("below", [0.0, 4.0])
def test_weights_that_decay_takes_away(net: Callable[[], nn.Module], below: float) -> None:
    made = net()
    decay = torch.optim.Adam(made.parameters(), 1e-2, weight_decay=1.0)
    report, told = after(made, decay, 80, below=below)
    assert told[-1] + below > 0.9 * (told[0] + below)
    assert report.verdict is V.VANISHING
    assert "The weights have become smaller" in report.reason
    assert [step.text for step in report.steps] == [
        "Lower the weight decay, or a penalty on the weights, or the learning rate."
    ]


def test_a_clip_that_leaves_next_to_nothing() -> None:
    net = reader()
    report, told = after(net, torch.optim.SGD(net.parameters(), 0.5), 20, clip=1e-7)
    assert told[0] == pytest.approx(told[-1], abs=1e-3)
    assert report.verdict is V.FROZEN
    assert any("Gradients are clipped" in note for note in report.notes)
    net = reader()
    assert (
        after(net, torch.optim.SGD(net.parameters(), 0.5), 20, clip=1.0)[0].verdict is not V.FROZEN
    )


@pytest.mark.parametrize("net", [perceptron, reader])
def test_gradients_that_nobody_clears(net: Callable[[], nn.Module]) -> None:
    made = net()
    report, _ = after(made, torch.optim.Adam(made.parameters(), 1e-3), 12, clear=False)
    assert report.findings[0].hint == "summed"
    assert "zero_grad" in report.steps[0].text


def weights_of(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    return (p for group in optimizer.param_groups for p in group["params"])


def with_zeros(optimizer: torch.optim.Optimizer) -> None:
    for p in weights_of(optimizer):
        p.grad = torch.zeros_like(p)


def through_data(optimizer: torch.optim.Optimizer) -> None:
    for p in weights_of(optimizer):
        if p.grad is not None:
            p.grad.data.zero_()


CLEARS: dict[str, Callable[[torch.optim.Optimizer], object]] = {
    "never": lambda optimizer: None,
    "to none": lambda optimizer: optimizer.zero_grad(),
    "to zeros": lambda optimizer: optimizer.zero_grad(set_to_none=False),
    "other zeros": with_zeros,
    "by its data": through_data,
}


@pytest.mark.parametrize("none", [True, False])
def test_what_is_cleared_in_front_of_the_step_is_not_added_up(none: bool) -> None:
    net = perceptron()
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, loss in zip(range(8), losses(net), strict=False):
            loss.backward()
            optimizer.zero_grad(set_to_none=none)
            optimizer.step()
    assert run.report().findings[0].hint != "summed"


def test_a_norm_that_stays_because_nothing_moves_is_no_clip() -> None:
    net = perceptron()
    optimizer, x, y = torch.optim.SGD(net.parameters(), 3e-6), torch.randn(32, 10), torch.ones(32)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(20):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y.long()).backward()
            optimizer.step()
    report = run.report()
    assert "a step changes no weights" in report.reason
    assert "as behind a clip" not in report.reason


@pytest.mark.parametrize("clear", CLEARS)
@pytest.mark.parametrize("passes", [1, 4])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_gradients_are_cleared_or_not_whatever_is_added_up(
    clear: str, passes: int, clip: float | None
) -> None:
    """Also where another pass comes first that is cleared away, as of a critic's loss."""
    net = perceptron()
    optimizer = torch.optim.SGD(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for number, loss in zip(range(5 * passes), losses(net), strict=False):
            if number % passes == 0:
                CLEARS[clear](optimizer)
            loss.backward()
            run.step(loss)
            if number % passes == passes - 1:
                if clip is not None:
                    nn.utils.clip_grad_norm_(net.parameters(), clip)
                optimizer.step()
    assert (run.report().findings[0].hint == "summed") is (clear == "never")


def test_what_comes_before_gradients_are_cleared_is_none_of_the_step() -> None:
    """A generator gets something of its critic's loss, too, where the picture is not detached."""
    torch.manual_seed(0)
    maker, critic = perceptron(), nn.Linear(2, 1)
    steps = [torch.optim.SGD(net.parameters(), 1e-3) for net in (critic, maker)]
    with gradbook.watching(maker, optimizer=steps[1]) as run:
        for _ in range(6):
            for optimizer, sign in zip(steps, (1, -1), strict=True):
                optimizer.zero_grad()
                (sign * critic(maker(torch.randn(32, 10))).mean()).backward()
                optimizer.step()
    assert "summed" not in [found.hint for found in run.report().findings]


def scaled(
    steps: int,
    before: Callable[[Run, Tensor, torch.amp.GradScaler], object] = lambda *_: None,
    behind: Callable[[Run, Tensor], object] = lambda *_: None,
) -> Report:
    """Train with a loss scale, and do something in front of each step, or behind it."""
    net = perceptron()
    optimizer, scaler = torch.optim.SGD(net.parameters(), 0.1), torch.amp.GradScaler("cpu")
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, loss in zip(range(steps), losses(net), strict=False):
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            before(run, loss, scaler)
            scaler.step(optimizer)
            scaler.update()
            behind(run, loss)
    return run.report()


@pytest.mark.parametrize("first", [True, False])
def test_a_loss_scale_that_is_taken_off_behind_the_look(first: bool) -> None:
    """The step is that of the optimizer, whose gradients are unscaled, wherever one looks."""
    looks: dict[str, Any] = {"before" if first else "behind": lambda run, loss, *_: run.step(loss)}
    assert scaled(10, **looks).verdict is V.HEALTHY


@pytest.mark.parametrize("unscaled", [True, False])
def test_a_clip_of_gradients_that_are_still_scaled_is_told(unscaled: bool) -> None:
    def clip(run: Run, _: Tensor, scaler: torch.amp.GradScaler) -> None:
        if unscaled:
            scaler.unscale_(run._optimizer)
        nn.utils.clip_grad_norm_(run._net.parameters(), 1.0)

    report = scaled(12, clip)
    assert ("as behind a clip" in report.reason) is not unscaled
    assert ("unscale_" in report.steps[0].text) is not unscaled


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("from_start", [False, True])
def test_a_penalty_that_is_zero_at_first_is_no_gradient_of_earlier_steps(
    from_start: bool, seed: int
) -> None:
    """That of what the weights have moved, or of biases that begin with 0: all are cleared."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4))
    for layer in (net[0], net[2], net[4]):
        nn.init.zeros_(layer.bias)
    first = [p.detach().clone() if from_start else 0 * p.detach() for p in net.parameters()]
    optimizer, told = torch.optim.Adam(net.parameters(), 1e-2), []
    x, y = torch.randn(64, 8), torch.randint(4, (64,))
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(12):
            optimizer.zero_grad()
            pairs = zip(net.parameters(), first, strict=True)
            penalty = 0.05 * sum(((p - q) ** 2).sum() for p, q in pairs)
            (loss := F.cross_entropy(net(x), y) + penalty).backward()
            run.step(loss)
            optimizer.step()
            told.append(loss.item())
    assert told[-1] < told[0]
    assert run.report().verdict is V.HEALTHY


@pytest.mark.parametrize("clip", [None, 1.0])
def test_gradients_that_are_clipped_and_never_cleared(clip: float | None) -> None:
    made = perceptron()
    report, _ = after(made, torch.optim.SGD(made.parameters(), 0.1), 6, clear=False, clip=clip)
    assert report.findings[0].hint == "summed"


@pytest.mark.parametrize("tells", [False, True])
def test_an_optimizer_of_another_network(tells: bool) -> None:
    """What it clears are gradients of others, and none of its steps moves this network."""
    net, other = perceptron(), perceptron()
    optimizer = torch.optim.SGD(other.parameters(), 1e-2)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, loss in zip(range(5), losses(net), strict=False):
            optimizer.zero_grad()
            loss.backward()
            if tells:
                run.step(loss)
            optimizer.step()
    report = run.report()
    assert [(f.verdict, f.hint) for f in report.findings] == [(V.CUT, "optimizer")]


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_a_step_that_is_never_taken(tells: bool, scale: float, tmp_path: Path) -> None:
    """Nor is its size spoken of, which a loss scale makes large."""
    net = perceptron()
    optimizer = torch.optim.SGD(net.parameters(), 0.05)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, loss in zip(range(20), losses(net), strict=False):
            optimizer.zero_grad()
            (scale * loss).backward()
            if tells:
                run.step(loss)
    report = run.report()
    assert [(f.verdict, f.hint) for f in report.findings] == [(V.CUT, "no step")]
    assert report.reason.startswith("Of 20 steps the optimizer")
    assert "each layer multiplies" not in str(report)  # which tells of the finding before it
    run.html(tmp_path / "run.html")
    assert report.reason in (tmp_path / "run.html").read_text(encoding="utf-8")


def test_gradients_that_are_added_up_on_purpose() -> None:
    net = perceptron()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step, loss in zip(range(16), losses(net), strict=False):
            loss.backward()
            run.step(loss)
            if step % 4 == 3:
                optimizer.step()
                optimizer.zero_grad()
    assert run.report().verdict is V.HEALTHY


def test_a_step_before_the_gradient_comes() -> None:
    net = perceptron()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _, loss in zip(range(6), losses(net), strict=False):
            optimizer.zero_grad()
            optimizer.step()
            loss.backward()
            run.step(loss)
    assert run.report().findings[0].hint == "cleared"


def test_a_rate_that_is_zero_or_falls_to_nothing() -> None:
    net = reader()
    report, _ = after(net, torch.optim.SGD(net.parameters(), 0.0), 6)
    assert (report.verdict, report.findings[0].hint) == (V.FROZEN, "rate")
    net = reader()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    falls = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    report, _ = after(net, optimizer, 40, scheduler=falls)
    assert report.verdict is V.FROZEN
    assert "The learning rate has fallen" in report.reason
    net = reader()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert not after(net, optimizer, 12, scheduler=warm)[0].verdict.is_problem


def test_a_scaler_that_skips_all_steps_from_one_on() -> None:
    net = perceptron()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step, loss in zip(range(12), losses(net), strict=False):
            optimizer.zero_grad()
            scaler.scale(loss * (1 if step < 5 else torch.inf)).backward()
            scaler.step(optimizer)
            scaler.update()
    report = run.report()
    assert len(run.moments) == 5
    assert report.verdict is V.NON_FINITE
    assert report.notes[0] == "After step 5 no backward pass led to a step that was taken."


class WithLoss(nn.Module):
    """Returns its loss beside what it says, as the models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = perceptron()

    def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
        out = self.net(x)
        return {"loss": F.cross_entropy(out, labels, ignore_index=-100), "logits": out}


def test_labels_that_are_all_masked_where_the_network_returns_its_loss() -> None:
    net, x = WithLoss(), torch.randn(8, 10)
    deltas = gradbook.watch(net)
    net(x, torch.full((8,), -100))["loss"].backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert (report.verdict, report.since) == (V.NON_FINITE, "the loss")
    assert "all labels masked" in report.steps[0].text


def test_what_float16_makes_zero_is_told_beside_what_the_loss_sends() -> None:
    net, x = perceptron(nn.Tanh), torch.randn(8, 10)
    deltas = gradbook.watch(net)
    with torch.autocast("cpu", torch.float16):
        out = net(x)
    (1e-9 * out.float().square().mean()).backward()
    report = gradbook.diagnose(net, deltas=deltas)
    assert report.verdict is V.LOSS
    assert "float16" in report.reason
    assert "GradScaler" in report.steps[0].text


def test_weights_of_float16_that_adam_breaks_are_to_be_kept_wide() -> None:
    net, x = perceptron().half(), torch.randn(64, 10).half()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x).float(), (x[:, 0] > 0).long())
            loss.backward()
            run.step(loss)
            optimizer.step()
    report = run.report()
    assert (report.verdict, report.findings[0].hint) == (V.NON_FINITE, "wide")
    assert "next step" in report.reason
    assert report.notes[0].startswith("Step 1 of 3.")
    assert "float32" in report.steps[0].text


COURSES: dict[str, tuple[Callable[[int], float], str]] = {
    "hardly": (lambda step: 4.0 - 1e-3 * step, "hardly fallen: it is 3.96, 0.008 of itself less"),
    "not": (lambda step: 1.4 + 0.01 * (-1) ** step, "has not fallen: it is 1.4"),
    "again": (lambda step: abs(step - 25) / 25 + 1e-3, "has been 0.101, and has risen to"),
    "once": (lambda step: 0.3 if step == 30 else 1.0, "has not fallen: it is 1"),
}


@pytest.mark.parametrize("course", COURSES)
def test_how_a_loss_stays_is_said_as_it_is(course: str) -> None:
    """Of a sound network whose rate is small: what is told of its loss is made up."""
    told, said = COURSES[course]
    net = perceptron()
    with gradbook.watching(net) as run:
        for number, loss in zip(range(50), losses(net), strict=False):
            net.zero_grad()
            loss.backward()
            run.step(told(number))
    assert said in run.report().reason


class Sine(torch.autograd.Function):
    """A sine; what it sends back is multiplied by a number, or goes to other examples."""

    wrong: Callable[[Tensor], Tensor] = staticmethod(lambda slope: slope)

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx: Any, *came: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return Sine.wrong(came[0] * x.cos())


class Sines(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Sine.apply(x)


def with_sines() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 16), Sines()),
        *(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)),
    )


@pytest.mark.parametrize("wrong", [torch.neg, lambda slope: slope.flip(0), None])
def test_a_backward_pass_of_ones_own_is_named_where_the_loss_does_not_fall(
    wrong: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the wrong sign, or of other examples, a gradient is as large as the right one."""
    monkeypatch.setattr(Sine, "wrong", wrong or (lambda slope: slope))
    net = with_sines()
    x = torch.randn(128, 10)
    y = (x @ torch.randn(10, 4)).argmax(1)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    run = trained(net, optimizer, x, y, steps=60)
    report = run.report()
    assert report.verdict is V.HEALTHY
    assert ("has not fallen" in report.reason) is (wrong is not None)
    assert ("Function of your own, Sine: " in str(report)) is (wrong is not None)
    assert ("gradcheck" in report.notes[0]) is (wrong is not None)


@pytest.mark.parametrize("course", [*COURSES, "up", "down"])
def test_however_a_loss_stays_a_backward_pass_of_ones_own_is_named(course: str) -> None:
    ends = {"up": lambda step: 1.0 + step, "down": lambda step: 1 / (1.0 + step)}
    told = ends[course] if course in ends else COURSES[course][0]
    net = with_sines()
    with gradbook.watching(net) as run:
        for step in range(50):
            net.zero_grad()
            net(torch.randn(64, 10)).square().mean().backward()
            run.step(told(step))
    assert ("gradcheck" in run.report().notes[0]) is (course != "down")


@pytest.mark.parametrize("decay", [0.0, 2.0])
def test_a_loss_that_weight_decay_holds_is_told_with_it(decay: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
    )
    optimizer = torch.optim.SGD(net.parameters(), 0.1, weight_decay=decay)
    x = torch.randn(256, 10)
    y = (x @ torch.randn(10, 4)).argmax(1)
    run = trained(net, optimizer, x, y, steps=100)
    assert ("weights have become smaller" in run.report().reason) is (decay > 0)


def test_what_was_unscaled_is_not_said_to_be_summed_or_stale() -> None:
    notes = " ".join(scaled(5).notes)
    assert "over 65536, as behind unscale_" in notes
    assert "stale" not in notes


def test_a_large_table_of_which_few_rows_are_read_is_not_still() -> None:
    """Its zeros are counted by a sample, which may see none of the rows that learn."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(50_000, 8), nn.Flatten(), nn.Linear(16, 4))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    x, y = torch.tensor([[5, 7], [5, 9]]), torch.tensor([0, 1])
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    report = run.report()
    assert report.rows[0].norm > 0
    assert "exactly 0 at each of" not in str(report)


def of_one_batch(
    net: nn.Module, loss: Callable[[int], Tensor], optimizer: Any, steps: int, *, knows: bool = True
) -> Run:
    """Train by a loss that is told to a run that knows the optimizer, or does not."""
    with gradbook.watching(net, optimizer=optimizer if knows else None) as run:
        for step in range(steps):
            optimizer.zero_grad()
            told = loss(step)
            told.backward()
            run.step(told)
            optimizer.step()
    return run


def signs() -> tuple[Tensor, Tensor]:
    x = torch.randn(256, 10)
    return x, (x[:, 0] * x[:, 1] > 0).long()


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_who_guesses_the_mean_of_targets_has_learned_nothing(seed: int, mean: float) -> None:
    """What the loss falls by is the square of that mean; of targets around 0 all is learned."""
    net = perceptron(nn.Tanh, (10, 64, 64, 64))
    net[-1] = nn.Linear(64, 1)
    torch.manual_seed(seed)
    x = torch.randn(256, 10)
    y = mean + 3 * x[:, :1]
    optimizer = torch.optim.Adam(net.parameters(), 0.03 if mean else 0.003)
    run = of_one_batch(net, lambda _: F.mse_loss(net(x), y), optimizer, 100)
    report, told = run.report(), [moment.loss or 0.0 for moment in run.moments]
    assert told[-1] < told[0] / 2
    assert (told[-1] > y.var(correction=0).item()) is (mean > 0)
    assert (report.verdict is V.VANISHING) is (mean > 0), report
    assert ("all examples get one answer by now, so that" in report.reason) is (mean > 0)
    assert ("bring targets that are numbers to mean 0" in report.steps[0].text) is (mean > 0)


@pytest.mark.parametrize("size", [1.0, 0.001])
@pytest.mark.parametrize("power", [1, 2])
def test_a_loss_that_falls_by_a_penalty_alone_has_taught_nothing(power: int, size: float) -> None:
    net, (x, y) = perceptron(), signs()

    def loss(_: int) -> Tensor:
        penalty = sum((p.abs() ** power).sum() for p in net.parameters())
        return F.cross_entropy(net(x), y) + size * penalty

    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    run = of_one_batch(net, loss, optimizer, 100)
    report = run.report()
    right = (net(x).argmax(1) == y).float().mean() > 0.9
    assert right is not (size == 1)
    assert (report.verdict is V.HEALTHY) is (size < 1), report
    assert ("The weights have become smaller" in report.reason) is (size == 1)
    assert ("a penalty on the weights" in report.steps[0].text) is (size == 1)


def test_what_came_late_and_stayed_is_said_where_the_loss_has_come_to_rest() -> None:
    """With what the loss has done: whether it is below guessing nobody knows."""
    net = perceptron(nn.Tanh, (10, 32, 32, 32, 32))
    with gradbook.watching(net) as run:
        for step, loss in zip(range(40), losses(net), strict=False):
            net.zero_grad()
            loss.backward()
            run.step(100 * 0.5**step + 1)
            if step == 9:
                net[2].weight.data *= 1e-2
    report = run.report()
    assert report.verdict is V.VANISHING
    assert "The loss falls from 101 to 1: where that is less than guessing" in report.reason
    assert "At first it was not so, and since step 11 it is." in report.reason


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_loss_that_is_blown_up_at_once_is_told_where_no_step_is_known(
    seed: int, activation: type[nn.Module]
) -> None:
    """Adam with a rate of 1: units go off, or come to their ends, and nothing in the code is so."""
    net = perceptron(activation, (10, 64, 64, 64, 64))
    torch.manual_seed(seed)
    x, y = signs()
    optimizer = torch.optim.Adam(net.parameters(), 1.0)
    run = of_one_batch(net, lambda _: F.cross_entropy(net(x), y), optimizer, 40, knows=False)
    told = [moment.loss or 0.0 for moment in run.moments]
    report = run.report()
    assert max(told) > 10 * told[0]
    assert told[-1] > told[0]
    assert f"{told[0]:.3g}" in report.reason
    assert f"{max(told):.3g} at step " in report.reason
    assert "lower the learning rate" in report.steps[0].text.lower()
    assert "hook" not in report.steps[0].text


def test_what_training_has_cut_was_not_so_at_first() -> None:
    net, (x, y) = perceptron(), signs()
    optimizer = torch.optim.SGD(net.parameters(), 0.01)

    def loss(step: int) -> Tensor:
        if step >= 8:  # as a batch does that is far from all others
            net[2].bias.data[3:] = -1e3
            net[4].bias.data[:40] = -1e3
            net[4].weight.data[:, :3] = 0
        return F.cross_entropy(net(x), y)

    report = of_one_batch(net, loss, optimizer, 16).report()
    assert report.verdict is V.CUT
    assert "At first it was not so, and since step 9 it is." in report.reason
    assert "learning rate" in report.steps[0].text
    assert "hook" not in report.steps[0].text


@pytest.mark.parametrize("by", [1.0, 20.0])
def test_inputs_are_not_to_be_scaled_where_training_drives_tanh_to_its_ends(by: float) -> None:
    """Where it was so at first, they may be."""
    net, (x, y) = perceptron(nn.Tanh), signs()
    optimizer = torch.optim.RAdam(net.parameters(), 1.0 if by == 1 else 1e-3)
    run = of_one_batch(net, lambda _: F.cross_entropy(net(by * x), y), optimizer, 40)
    report = run.report()
    assert "at an end of its activation" in report.reason
    assert ("At first it was not so" in report.reason) is (by == 1)
    assert ("inputs" in report.steps[0].text) is (by > 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_constant_in_the_loss_hides_how_far_it_has_fallen(seed: int) -> None:
    net = perceptron()
    torch.manual_seed(seed)
    x, y = signs()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    run = of_one_batch(net, lambda _: F.cross_entropy(net(x), y) + 100, optimizer, 80)
    assert "not fallen but for 0.00" in run.report().reason
    assert "comes to rest at 100, which a constant in it leaves" in run.report().reason


@pytest.mark.parametrize("rate", [1e-9, 1e-3])
def test_layers_that_no_step_moves_are_named_though_most_weights_move(rate: float) -> None:
    net, (x, y) = perceptron(), signs()
    groups = [{"params": net[:4].parameters(), "lr": rate}, {"params": net[4:].parameters()}]
    optimizer = torch.optim.AdamW(groups, 1e-3, weight_decay=0.0)
    run = of_one_batch(net, lambda _: F.cross_entropy(net(x), y), optimizer, 20)
    report = run.report()
    assert report.verdict is V.HEALTHY
    assert ("50% or more of the weights of 0, 2 are the same" in report.reason) is (rate < 1e-3)
    assert ("groups" in report.steps[0].text) is (rate < 1e-3)


@pytest.mark.parametrize("high", [2.0, 9.0])
@pytest.mark.parametrize("switches", [True, False])
def test_at_which_step_a_loss_rose_at_once(*, switches: bool, high: float) -> None:
    """There the data may be other ones; where it rises little by little the rate is too large."""
    net = perceptron()
    with gradbook.watching(net) as run:
        for step, loss in zip(range(60), losses(net), strict=False):
            net.zero_grad()
            loss.backward()
            away = step - 30
            falls = 0.8 ** min(step, 20)
            later = max(high * 0.8**away, 0.6) if switches else 0.03 * max(away, 0)
            run.step(falls + later * (away >= 0))
    report = run.report()
    assert "has risen" in report.reason
    assert ("It rose at one step, 31: there the data or the task" in report.reason) is switches
    assert report.steps[0].text.startswith("See whether the data" if switches else "Lower")
    assert report.steps[-1].text.startswith("Lower the learning rate")


def test_where_gradients_grew_until_nothing_was_finite_the_rate_comes_first() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(10, 1)), torch.randn(64, 10)
    optimizer = torch.optim.SGD(net.parameters(), 5.0)
    run = of_one_batch(net, lambda _: (net(x) - 1).square().mean(), optimizer, 60, knows=False)
    report = run.report()
    assert report.verdict is V.NON_FINITE
    assert V.GROWING in {found.verdict for found in report.findings}
    assert report.steps[0].text.startswith("Lower the learning rate")


def test_a_rounding_that_sets_in_late_is_looked_for_in_the_code_as_well() -> None:
    """As quantization that begins behind a warm-up: a smaller rate does not mend it."""
    net, (x, y) = perceptron(), signs()
    front, behind = net[:3], net[3:]

    def loss(step: int) -> Tensor:
        h = front(x)
        return F.cross_entropy(behind(torch.round(h * 16) / 16 if step >= 8 else h), y)

    report = of_one_batch(net, loss, torch.optim.Adam(net.parameters(), 1e-3), 16).report()
    assert report.verdict is V.CUT
    assert "At first it was not so" in report.reason
    assert any("straight-through estimate" in step.text for step in report.steps)


def test_units_that_are_driven_to_their_ends_are_not_said_to_shrink_weights() -> None:
    """Decay takes the weights that get nothing any more: it is what follows."""
    net, (x, y) = perceptron(nn.Tanh), signs()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=3.0)

    def loss(step: int) -> Tensor:
        if step == 20:
            net[2].bias.data[:] = 3e5
        return F.cross_entropy(net(x), y)

    run = of_one_batch(net, loss, optimizer, 150)
    first, last = run.moments[0].weights, run.moments[-1].weights
    assert last < first / 3
    report = run.report()
    assert report.verdict is V.CUT
    assert "have become smaller" not in report.reason


def test_weights_that_a_small_format_keeps_are_told_with_it() -> None:
    torch.manual_seed(0)
    blocks = ((nn.Linear(n, 64), nn.LayerNorm(64), nn.GELU()) for n in (10, 64))
    net, (x, y) = nn.Sequential(*chain(*blocks), nn.Linear(64, 2)).bfloat16(), signs()
    optimizer, few = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.0), x.bfloat16()
    report = of_one_batch(net, lambda _: F.cross_entropy(net(few), y), optimizer, 30).report()
    assert report.verdict is V.HEALTHY
    assert "of the weights of 1, 4, in bfloat16, are the same after the step" in report.reason
    assert "Keep the weights in float32" in report.steps[0].text


def told(losses: Sequence[float], every: int = 1, **more: Any) -> Report:
    """Tell losses of a small network that gets the same gradient at each step."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2))
    x, y = signs()
    with gradbook.watching(net, every=every, **more) as run:
        for loss in losses:
            net.zero_grad()
            F.cross_entropy(net(x), y).backward()
            run.step(loss)
    return run.report()


def test_one_batch_that_costs_much_is_no_loss_that_was_blown_up() -> None:
    losses = [12.0 if s == 17 else 1.0 - 1e-4 * s for s in range(60)]
    report = told(losses)
    assert "has hardly fallen" in report.reason
    assert "raise the learning rate" in report.steps[0].text
    assert "12 at step" in told([*losses[:19], 12.0, *losses[20:]]).reason


def test_a_loss_that_rises_between_two_looks_is_told_with_both() -> None:
    course = [1.0] * 141 + [1 + k / 9 for k in range(9)] + [2.0] * 150
    assert "It rose between steps 141 and 151:" in told(course, every=10).reason
    assert "It rose at one step, 42:" in told([1.0] * 41 + [2.0] * 59).reason
    # At first it is the rate most often.
    early = told([1.0] * 3 + [2.3] * 27)
    assert "It rose" not in early.reason
    assert "Lower the learning rate" in early.steps[0].text


def test_layers_that_stand_still_do_not_hide_that_the_loss_does() -> None:
    net, (x, _) = perceptron(), signs()
    layers = [module for module in net if isinstance(module, nn.Linear)]
    rest = [p for layer in layers[1:] for p in layer.parameters()]
    groups = [{"params": layers[0].parameters(), "lr": 1e-9}, {"params": rest}]
    optimizer = torch.optim.AdamW(groups, 1e-5, weight_decay=0.0)
    labels = torch.Generator().manual_seed(0)

    def loss(_: int) -> Tensor:
        return F.cross_entropy(net(x), torch.randint(0, 2, (256,), generator=labels))

    assert "has not fallen" in of_one_batch(net, loss, optimizer, 60).report().reason


def test_what_has_learned_is_not_judged_by_its_last_batch() -> None:
    """Its first step was too large, and its rate has come to nothing at the end."""
    net, (x, y) = perceptron(nn.Tanh), signs()
    optimizer = torch.optim.SGD(net.parameters(), 50.0)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for step in range(60):
            optimizer.param_groups[0]["lr"] = 50.0 if step < 1 else 0.05 if step < 45 else 1e-12
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            course = max(0.9 * 0.85**step, 0.05) if step < 59 else 0.6
            run.step([1.0, 3.0, 2.0][step] if step < 3 else course)
            optimizer.step()
    assert V.LARGE_STEP in {moment.report.verdict for moment in run.moments}
    assert run.report().verdict is V.HEALTHY


def test_an_average_of_weights_is_not_said_to_be_trained_in_other_steps() -> None:
    net, (x, y) = nn.ModuleDict({"net": perceptron(), "target": perceptron()}), signs()
    net["target"].requires_grad_(False)
    optimizer = torch.optim.SGD(net["net"].parameters(), 0.1)
    with gradbook.watching(net, optimizer=optimizer) as run:
        for _ in range(8):
            optimizer.zero_grad()
            F.cross_entropy(net["net"](x) + net["target"](x), y).backward()
            optimizer.step()
            with torch.no_grad():
                for mine, own in zip(*(part.parameters() for part in net.values()), strict=True):
                    own.lerp_(mine, 0.1)
    [note] = [note for note in run.report().notes if "requires_grad" in note]
    assert "something else writes to them, as an average of weights does: target" in note


class Last(nn.Module):
    """Returns an answer for the last state of a recurrent layer."""

    def __init__(self, reads: int = 5, answers: int = 4) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTM(reads, 32, batch_first=True), nn.Linear(32, answers)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x)[0][:, -1])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("breaks", ["no", "rate", "rates", "labels"])
def test_a_large_step_behind_which_the_loss_fell_is_not_what_broke_it(
    breaks: str, seed: int
) -> None:
    """Of RMSprop and Adam the first is large, and fine; a change of the labels is no step."""
    torch.manual_seed(seed)
    net, x = Last(), torch.randn(64, 10, 5)
    y, optimizer = x[:, -1, :4].argmax(1), torch.optim.RMSprop(net.parameters(), 3e-2)
    high = {"rate": [40], "rates": [40, 41, 42]}.get(breaks, [])

    def loss(step: int) -> Tensor:
        optimizer.param_groups[0]["lr"] = 30.0 if step in high else 3e-2
        late = breaks == "labels" and step >= 40
        return F.cross_entropy(net(x), y[torch.randperm(64)] if late else y)

    run = of_one_batch(net, loss, optimizer, 60)
    large = [m.step for m in run.moments if V.LARGE_STEP in {f.verdict for f in m.report.findings}]
    assert (large[0], 41 in large) == (1, bool(high))
    report, end = run.report(), sum(m.loss or 0.0 for m in run.moments[-12:]) / 12
    assert (end < 0.1) is (breaks == "no")
    assert "At step 1:" not in report.reason
    # Where the loss has come to less than half of the first again, the gradient is healthy.
    told = ("At step 41:", "It rose at one step, 42: the step before it was too large.")
    assert any(text in report.reason for text in told) is bool(high), report
    assert ("It rose at one step, 41: there the data" in report.reason) is (breaks == "labels")
    assert ("Lower the learning rate" in report.steps[0].text) is bool(high)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("learns", [True, False])
def test_that_a_loss_falls_is_said_though_the_gradient_vanishes(learns: bool, seed: int) -> None:
    """Not where what is to be foreseen is noise."""
    torch.manual_seed(seed)
    wave = (torch.arange(64)[:, None] + torch.arange(65)[None]).mul(0.3).sin()[..., None]
    net, (x, y) = Last(1, 1), (wave[:, :-1], wave[:, -1])
    optimizer, noise = torch.optim.Adam(net.parameters(), 3e-3), torch.Generator().manual_seed(seed)

    def loss(_: int) -> Tensor:
        return F.mse_loss(net(x), y if learns else torch.randn(y.shape, generator=noise))

    report = of_one_batch(net, loss, optimizer, 30).report()
    assert report.verdict is V.VANISHING
    assert ("But the loss falls from" in report.reason) is learns
    assert ("if perhaps not from what came long ago" in report.reason) is learns


@pytest.mark.parametrize("course", ["falls", "rests", "hardly", "not", "again", "once"])
def test_of_a_gradient_that_vanishes_over_layers_a_loss_that_falls_is_told(course: str) -> None:
    """Not one that has come to rest, which may be at what guessing costs."""
    falls = {"falls": lambda step: 1 - 0.01 * step, "rests": lambda step: 0.6 + 0.4 * 0.5**step}
    told, net = falls[course] if course in falls else COURSES[course][0], perceptron(nn.Tanh)
    for layer in (net[0], net[2], net[4]):
        layer.weight.data *= 0.1
    with gradbook.watching(net) as run:
        for step, loss in zip(range(50), losses(net), strict=False):
            net.zero_grad()
            loss.backward()
            run.step(told(step))
    report = run.report()
    assert report.verdict is V.VANISHING
    text = "But the loss falls from 0.955 to 0.555: where that is less than guessing costs, it "
    text += "learns, if perhaps not in what lies in front."
    assert (text in report.reason) is (course == "falls")
    assert ("loss falls" in report.reason) is (course == "falls")


def test_of_many_changes_of_a_verdict_the_first_and_the_last_are_told() -> None:
    net, (x, y) = perceptron(nn.Tanh), signs()
    with gradbook.watching(net) as run:
        for step in range(9):
            net.zero_grad()
            (step % 2 * F.cross_entropy(net(x), y)).backward()
            run.step()
    [note] = [note for note in run.report().notes if "From step" in note]
    assert "From step 1 on: nothing from the loss. From step 2 on: healthy. ... From" in note
    assert "healthy. ... From step 7 on: nothing from the loss." in note
    assert note.endswith("From step 9 on: nothing from the loss.")
    assert note.partition(" From step 2")[0] in str(run.report())
