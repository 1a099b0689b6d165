"""The common claims: cases against closed forms, and a page that follows their verdicts."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable

import numpy as np
import pytest

from gradbook.activations import relu, tanh
from gradbook.backpropagation import forward
from gradbook.book import sources
from gradbook.book.backpropagation import museum
from gradbook.book.common_claims import proofs as common_proofs
from gradbook.book.common_claims import records
from gradbook.book.common_claims.proofs import SHEAR, Instance
from gradbook.book.common_claims.records import (
    ALL,
    ClaimVerdict,
    Code,
    CommonClaim,
    Overview,
    verdict_from,
)
from gradbook.book.residual.one_input import notebook_network
from gradbook.initializers import lecun
from gradbook.networks import plain
from gradbook.press.places import DOCS

PAGE = (DOCS / "common-claims.md").read_text(encoding="utf-8")


def numbers(claim: CommonClaim) -> list[float]:
    return [case.number for case in claim.cases()]


def sections() -> dict[str, str]:
    """Return the sections of the page that are about a claim, by heading, in order."""
    parts = re.split(r"(?m)^### ", re.split(r"(?m)^## Remember", PAGE)[0])[1:]
    return {heading: body for heading, _, body in (part.partition("\n") for part in parts)}


class TestVerdicts:
    def case(self, *, holds: bool, expected: bool = True) -> Instance:
        return Instance("a setting", 1.0, holds, expected)

    def test_a_claim_that_holds_in_every_case_is_true(self) -> None:
        assert verdict_from([self.case(holds=True), self.case(holds=True)]) is ClaimVerdict.TRUE

    def test_a_claim_that_fails_outside_its_condition_alone_is_true_with_it(self) -> None:
        cases = [self.case(holds=True), self.case(holds=False, expected=False)]
        assert verdict_from(cases) is ClaimVerdict.CONDITIONAL
        assert (
            verdict_from([*cases, self.case(holds=True, expected=False)])
            is ClaimVerdict.CONDITIONAL
        )

    def test_a_claim_that_fails_where_it_should_hold_is_false(self) -> None:
        cases = [self.case(holds=True), self.case(holds=False, expected=False)]
        assert verdict_from([*cases, self.case(holds=False)]) is ClaimVerdict.FALSE
        assert verdict_from([self.case(holds=True), self.case(holds=False)]) is ClaimVerdict.FALSE

    def test_a_condition_that_no_case_meets_rescues_nothing(self) -> None:
        outside = self.case(holds=False, expected=False)
        assert verdict_from([outside, outside]) is ClaimVerdict.FALSE

    def test_a_single_case_decides_nothing(self) -> None:
        with pytest.raises(ValueError, match="at least two"):
            verdict_from([self.case(holds=True)])

    @pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.anchor)
    def test_a_condition_is_named_exactly_where_the_verdict_has_one(
        self, claim: CommonClaim
    ) -> None:
        assert bool(claim.condition) == (claim.verdict is ClaimVerdict.CONDITIONAL)

    def test_every_verdict_occurs(self) -> None:
        assert {claim.verdict for claim in ALL} == set(ClaimVerdict)


class TestThePage:
    def test_has_a_section_for_each_claim_and_no_other(self) -> None:
        assert list(sections()) == [claim.statement for claim in ALL]

    @pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.anchor)
    def test_says_the_verdict_that_was_computed(self, claim: CommonClaim) -> None:
        said = re.match(r"\s*\*\*(.+?)\.\*\*", sections()[claim.statement])
        assert said is not None
        assert said[1].lower() == claim.verdict.value

    @pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.anchor)
    def test_shows_the_proof_and_cites_every_source(self, claim: CommonClaim) -> None:
        body = sections()[claim.statement]
        name = next(key for key, value in vars(records).items() if value is claim)
        assert f">>> print(records.{name})" in body
        assert f"records.Code(records.{name})" in body
        for place in claim.places:
            assert f"references.md#{place.source.anchor})" in body

    def test_asks_first_answers_in_one_sentence_and_ends_like_a_chapter(self) -> None:
        head = PAGE.split("\n## ")[0]
        assert "?" in head
        assert '!!! abstract "In one sentence"' in head
        assert re.findall(r"(?m)^## (.+)$", PAGE)[-2:] == ["Remember", "Sources"]


class TestRecords:
    @pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.anchor)
    def test_every_claim_was_read_somewhere(self, claim: CommonClaim) -> None:
        assert claim.places
        for place in claim.places:
            assert place.source in sources.ALL
            assert place.url.startswith("https://")

    def test_every_proof_decides_one_claim(self) -> None:
        assert len({claim.proof for claim in ALL}) == len(ALL)
        assert len({claim.anchor for claim in ALL}) == len(ALL)

    def test_the_overview_links_each_claim_to_its_section_and_says_its_verdict(self) -> None:
        shown = Overview(ALL)._repr_html_()
        for claim in ALL:
            assert f'href="#{claim.anchor}"' in shown
            assert f"{claim.statement}: {claim.verdict.value}" in str(Overview(ALL))
        assert shown.count("<tr>") == len(ALL) + 1

    @pytest.mark.parametrize("claim", ALL, ids=lambda claim: claim.anchor)
    def test_the_code_of_a_proof_is_shown_with_all_its_helpers(self, claim: CommonClaim) -> None:
        code = str(Code(claim))
        assert code.startswith(f"def {claim.proof.__name__}(")
        for helper in re.findall(r"(?<!def )\b(_[a-z_]+)\b(?=[(,)])", code):
            assert f"def {helper}(" in code
        assert html.escape(code) in Code(claim)._repr_html_()

    def test_a_claim_prints_what_happened_in_each_case(self) -> None:
        number, *cases = str(records.NAN).splitlines()
        assert number == records.NAN.number
        for line, case in zip(cases, records.NAN.cases(), strict=True):
            assert line.startswith(f"{case.setting} ")
            assert f"{case.number:.3g}" in line
            assert line.endswith("  holds") == case.holds


class TestCasesAgainstClosedForms:
    def test_the_slope_at_the_output_is_one_everywhere(self) -> None:
        z = np.linspace(-3, 3, 50)
        assert (relu.f(z) >= 0).all()
        wrong, blind = numbers(records.SLOPE_AT_OUTPUT)
        assert wrong > 0.1
        assert blind < 1e-6
        assert not museum.inspect(museum.RELU_AT_OUTPUT.right).caught

    def test_entries_of_a_gradient_are_in_the_ratio_of_the_inputs(self) -> None:
        *equal, parted = numbers(records.EQUAL_WEIGHTS)
        assert equal == pytest.approx([(4 - 1) / 4, 0], abs=1e-12)
        # With one input for all, the entries differ as the deltas do: by the weights behind.
        behind = [layer.W for layer in plain(np.random.default_rng(0), (4, 4, 1), tanh, lecun)]
        a = np.tanh(np.full(4, 0.75))
        second = np.tanh(a @ behind[0])
        error = second @ behind[1] - 1
        delta = error * behind[1][:, 0] * (1 - second**2) @ behind[0].T * (1 - a**2)
        assert parted == pytest.approx(np.ptp(delta) / np.abs(delta).max())

    def test_a_relu_multiplies_by_the_root_of_half_the_scaled_variance(self) -> None:
        *ratios, narrow, twice = numbers(records.RELU)
        expected = [math.sqrt(c / 2) for c in (1 / 3, 1, 2, 4)]
        # A typical network of width 64 loses 5/(4 n) of the logarithm per layer, 2 %.
        assert [*ratios, twice] == pytest.approx(expected, rel=0.04)
        rng, n, depth = np.random.default_rng(0), 8, 30
        on = rng.binomial(n, 0.5, (4000, depth))
        energies = (2 / n * rng.chisquare(np.maximum(on, 1e-9)) * (on > 0)).prod(axis=1)
        assert narrow == pytest.approx(float(np.median(energies)) ** (1 / (2 * depth)), rel=0.06)

    def test_a_saturated_sigmoid_explodes_and_the_bound_is_the_edge_of_a_random_matrix(
        self,
    ) -> None:
        cases = records.BOUNDED_SLOPES.cases()
        bounds = [float(re.search(r"at most ([\d.]+)", case.setting)[1]) for case in cases]  # type: ignore[index]
        edges = [f * 2 * math.sqrt(c) for f, c in ((0.25, 1), (0.25, 400), (1, 0.16), (1, 4))]
        # The edge of a matrix of width 64 fluctuates by some 64^(-2/3) = 6 %.
        assert bounds == pytest.approx(edges, rel=0.08)
        assert all(case.number < bound for case, bound in zip(cases, bounds, strict=True))

    def test_deltas_fall_by_the_same_root_while_weight_gradients_stay(self) -> None:
        expected = [29 / 2 * math.log10(c / 2) for c in (2, 1, 1 / 3)]
        # A typical network lies below the mean energy by some 5 L/(8 n) nats, 0.13 decades.
        found = np.log10(numbers(records.WEIGHT_GRADIENTS))
        assert found == pytest.approx(expected, abs=0.4)

    def test_default_weights_have_a_third(self) -> None:
        # 10 000 and 160 000 draws of a uniform variable: standard errors below 1 %.
        assert numbers(records.DEFAULT_WEIGHTS) == pytest.approx([1 / 3, 1 / 3], rel=0.03)

    def test_the_variance_of_a_tanh_network_follows_the_recursion_of_a_wide_one(self) -> None:
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        q, expected = 1.0, {}
        for layer in range(1, 101):
            expected[layer] = q
            q = float(weights @ np.tanh(math.sqrt(q) * nodes) ** 2 / weights.sum())
        assert expected[100] == pytest.approx(1 / 200, rel=0.1)
        wanted = [expected[layer] for layer in (3, 10, 30, 100)]
        # One network of width 256: fluctuations add up over 100 layers.
        assert numbers(records.TANH) == pytest.approx(wanted, rel=0.25)

    def test_orthogonal_weights_keep_a_linear_gradient_and_lose_half_the_energy_in_a_relu(
        self,
    ) -> None:
        linear, curved, rectified = numbers(records.ORTHOGONAL)
        assert linear == pytest.approx(1, abs=1e-9)
        assert rectified == pytest.approx(2**-15, rel=0.3)
        assert rectified < curved < linear

    def test_norms_of_powers_have_their_closed_forms(self) -> None:
        def shear(a: float, b: float) -> float:
            diagonal, beside = a**40, 40 * b * a**39
            return (beside + math.hypot(beside, 2 * diagonal)) / 2

        scale = 0.9 / float(np.linalg.norm(SHEAR, 2))
        small = numbers(records.SMALL_NORM)
        assert small == pytest.approx([0.9**40, shear(0.5 * scale, 10 * scale)], rel=1e-9)
        large = numbers(records.LARGE_NORM)
        assert large == pytest.approx([1.1**40, shear(0.5, 10)], rel=1e-9)

    def test_a_unit_that_feeds_itself_saturates(self) -> None:
        x, product = 0.5, 1.0
        for _ in range(40):
            product *= 1.4 * (1 - math.tanh(x) ** 2)
            x = 1.4 * math.tanh(x)
        linear, saturated, _ = numbers(records.EIGENVALUE)
        assert [linear, saturated] == pytest.approx([1.4**40, product], rel=1e-9)

    def test_many_random_units_are_chaotic_whatever_the_draw(self) -> None:
        growth = numbers(records.EIGENVALUE)[2]
        rng, found = np.random.default_rng(5), []
        for _ in range(5):
            W, h = rng.standard_normal((100, 100)) * 0.3, rng.standard_normal(100)
            product = np.eye(100)
            for step in range(200):
                h = np.tanh(h @ W)
                if step >= 160:
                    product = product @ W * (1 - h**2)
            found.append(float(np.linalg.norm(product)) / 10)  # of a random direction
        assert min(found) > 100
        # One direction gets less than the mean of all, and in chaos each rounding is another draw.
        assert min(found) / 10 < growth < 10 * max(found)
        assert growth < 3.0**40

    def test_float32_overflows_where_the_product_exceeds_its_largest_number(self) -> None:
        # Fifty roundings of float32.
        assert numbers(records.NAN) == pytest.approx([1.4**50, 2.0**100, math.inf], rel=1e-5)

    def test_clips_have_the_cosines_that_their_definitions_give(self) -> None:
        g = np.array([3.0, 4.0, 0.5, 1.0, 12.0])
        norms = np.array([5.0, 5.0, 1.0, math.sqrt(145), math.sqrt(145)])
        ways = [g, g / norms, np.minimum(g, 1)]
        expected = [w @ g / math.sqrt((w @ w) * (g @ g)) for w in ways]
        assert numbers(records.CLIPPING) == pytest.approx(expected, abs=1e-12)

    def test_batch_norm_gives_every_scale_the_same_ratio(self) -> None:
        without = [math.sqrt(c / 2) for c in (1, 2, 4, 8)]
        expected = [math.sqrt(math.pi / (math.pi - 1)) / ratio for ratio in without]
        # Theory is that of infinite width and batch; one network of width 128 is good to a percent.
        assert numbers(records.BATCH_NORM) == pytest.approx(expected, rel=0.03)

    def test_blocks_double_the_energy(self) -> None:
        # Exact in expectation; 20 networks of width 100 are good to some 3 % per block.
        energy, over_five, still, over_twenty = numbers(records.RESIDUAL)
        assert [energy, still] == pytest.approx([2, 2], rel=0.05)
        # Behind a ReLU two independent inputs agree by 1/pi of the energy, and that is no variance.
        first = 2 - 1 / math.pi
        assert first < over_five < over_twenty < 2

    def test_autocorrelations_are_those_of_the_differences_of_the_output(self) -> None:
        grid, ahead = np.linspace(-2, 2, 64, endpoint=False)[:, np.newaxis], 1e-4
        layers = notebook_network(np.random.default_rng(0), 50, 64, 1.0, ensemble=(24,))
        ends = [forward(layers, x)[-1].a[..., 0] for x in (grid, grid + ahead)]
        slopes = (ends[1] - ends[0]) / ahead
        # As the notebook has it: "same" puts the lag 0 in the middle.
        sums = np.mean([np.correlate(row, row, "same") for row in slopes], axis=0)
        # Differences across a kink, and their rounding.
        glorot, he, centered = numbers(records.SHATTERED)
        assert glorot == pytest.approx(sums[32 + 1] / sums[32], abs=5e-3)
        assert glorot > he > 0.3 > abs(centered)

    def test_a_cell_keeps_what_its_forget_gate_leaves(self) -> None:
        expected = [(1 / (1 + math.exp(-b))) ** 100 for b in (0, 1, 6)]
        assert numbers(records.LSTM) == pytest.approx(expected, rel=1e-9)

    def test_the_first_step_of_adam_is_short_where_epsilon_is_large(self) -> None:
        expected = [g / (g + 1e-8) for g in (1, 1e-4, 1e-8, 1e-12, 1)]
        # Its averages after two steps, by hand: 0.9 and 0.999 of the first, the rest of the second.
        for last in (1e-3, -1):
            mean, square = (0.09 + 0.1 * last) / 0.19, 1e-3 * (0.999 + last**2) / (1 - 0.999**2)
            expected.append(mean / (square**0.5 + 1e-8))
        assert numbers(records.ADAM) == pytest.approx(expected, rel=1e-9)


PROOFS: list[Callable[[], tuple[Instance, ...]]] = [claim.proof for claim in ALL]


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.__name__)
def test_a_proof_gives_the_same_cases_again(proof: Callable[[], tuple[Instance, ...]]) -> None:
    if proof is not common_proofs.shattered_gradients:  # a second, and seeded like the others
        assert proof() == proof()
