"""What the book cites: one record per source, used by chapters, claims and the references page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Something that can be cited: who, when, what, where.

    Attributes:
        authors: As the citation names them, "He et al.".
        year: Of publication; none for an undated handout.
        title: The work.
        where: Journal, conference, publisher or site.
        used_for: What the book takes from it.

    Examples:
        >>> print(Source("Nielsen", 2015, "A Book", "Press", "its table").label)
        Nielsen (2015)
    """

    authors: str
    year: int | None
    title: str
    where: str
    used_for: str

    @property
    def label(self) -> str:
        """The citation in running text."""
        return f"{self.authors} ({self.year})" if self.year else self.authors

    @property
    def anchor(self) -> str:
        """The source's anchor on the references page."""
        letters = "".join(c if c.isalnum() else "-" for c in self.label.lower())
        return "-".join(part for part in letters.split("-") if part)


IEEE_754 = Source(
    "IEEE",
    2019,
    "Standard for Floating-Point Arithmetic, IEEE Std 754-2019",
    "IEEE",
    "rounding to nearest, ties to even; gradual underflow",
)
RUMELHART = Source(
    "Rumelhart et al.",
    1986,
    "Learning representations by back-propagating errors",
    "Nature, volume 323",
    "the chain rule, layer by layer, as the way to train hidden units",
)
CAUCHY = Source(
    "Cauchy",
    1847,
    "Méthode générale pour la résolution des systèmes d'équations simultanées",
    "Comptes rendus de l'Académie des sciences, volume 25",
    "the update rule: a step against the gradient",
)
ROBBINS_MONRO = Source(
    "Robbins and Monro",
    1951,
    "A Stochastic Approximation Method",
    "The Annals of Mathematical Statistics, volume 22",
    "steps along an unbiased estimate of the gradient",
)
NESTEROV = Source(
    "Nesterov",
    2004,
    "Introductory Lectures on Convex Optimization",
    "Kluwer Academic Publishers",
    "gradient descent on a quadratic converges only for a learning rate below two over curvature",
)
GRIEWANK_WALTHER = Source(
    "Griewank and Walther",
    2008,
    "Evaluating Derivatives",
    "Society for Industrial and Applied Mathematics",
    "a derivative as a sum over paths of products along each path",
)
NUMERICAL_RECIPES = Source(
    "Press et al.",
    2007,
    "Numerical Recipes: The Art of Scientific Computing",
    "Cambridge University Press",
    "the step of a central difference, and its error",
)
COCHRAN = Source(
    "Cochran",
    1977,
    "Sampling Techniques, third edition",
    "John Wiley & Sons",
    "the standard error of a mean sampled without replacement",
)
MICIKEVICIUS = Source(
    "Micikevicius et al.",
    2018,
    "Mixed Precision Training",
    "International Conference on Learning Representations",
    "a float32 copy of the weights, so that small updates are not lost in float16",
)
LINNAINMAA = Source(
    "Linnainmaa",
    1976,
    "Taylor expansion of the accumulated rounding error",
    "BIT Numerical Mathematics, volume 16",
    "one backward sweep for all derivatives of a program, long before networks used it",
)
BISHOP = Source(
    "Bishop",
    1995,
    "Neural Networks for Pattern Recognition",
    "Oxford University Press",
    "outputs and losses that match, so that the gradient is output minus target",
)
DU = Source(
    "Du et al.",
    2018,
    "Algorithmic Regularization in Learning Deep Homogeneous Models: Layers are Automatically "
    "Balanced",
    "Advances in Neural Information Processing Systems, volume 31",
    "the product of weights and their gradient, which is the same in every layer",
)
NUMPY_TUTORIALS = Source(
    "NumPy tutorials",
    None,
    "Deep learning on MNIST",
    "The NumPy project, numpy.org/numpy-tutorials",
    "a real example of a slope taken at the wrong place",
)
LECTURE_NOTE = Source(
    "Lecture note",
    None,
    "Vanishing and exploding gradient problem",
    "unpublished course handout",
    "the network, the numbers and the claims that this book examines",
)

ALL: tuple[Source, ...] = tuple(
    sorted(
        (value for value in list(globals().values()) if isinstance(value, Source)),
        key=lambda source: source.anchor,
    )
)


@dataclass(frozen=True)
class ReferenceList:
    """Show sources as a list in which each can be linked to.

    Attributes:
        sources: What to list, in order.

    Examples:
        >>> ReferenceList(ALL)._repr_html_().count("<li id=") == len(ALL)
        True
    """

    sources: tuple[Source, ...]

    def _repr_html_(self) -> str:
        items = [
            f'<li id="{source.anchor}"><b>{source.label}.</b> <cite>{source.title}</cite>. '
            f"{source.where}. Used for: {source.used_for}.</li>"
            for source in self.sources
        ]
        return "<ul>\n" + "\n".join(items) + "\n</ul>"
