"""What the book cites: one record per source, used by chapters, claims and the references page."""

from __future__ import annotations

from dataclasses import dataclass

_HOSTS = {"doi": "https://doi.org/", "arXiv": "https://arxiv.org/abs/"}


@dataclass(frozen=True)
class Source:
    """Something that can be cited: who, when, what, where.

    Attributes:
        authors: As the citation names them, "He et al.".
        year: Of publication; none for an undated handout.
        title: The work.
        where: Journal, conference, publisher or site.
        used_for: What the book takes from it.
        link: "doi:...", else "arXiv:...", else an address; empty where none was found that leads
            to this very work.
    """

    authors: str
    year: int | None
    title: str
    where: str
    used_for: str
    link: str = ""

    @property
    def label(self) -> str:
        """The citation in running text."""
        return f"{self.authors} ({self.year})" if self.year else self.authors

    @property
    def anchor(self) -> str:
        """The source's anchor on the references page."""
        letters = "".join(c if c.isalnum() else "-" for c in self.label.lower())
        return "-".join(part for part in letters.split("-") if part)

    @property
    def address(self) -> str:
        """The link as a browser takes it."""
        kind, _, name = self.link.partition(":")
        return _HOSTS[kind] + name if kind in _HOSTS else self.link

    @property
    def linked_title(self) -> str:
        """The title in HTML, which leads to the work where the book knows a way."""
        if not self.link:
            return self.title
        return f'<a href="{self.address}" rel="noreferrer">{self.title}</a>'


IEEE_754 = Source(
    "IEEE",
    2019,
    "Standard for Floating-Point Arithmetic, IEEE Std 754-2019",
    "IEEE",
    "rounding to nearest, ties to even; gradual underflow",
    link="doi:10.1109/IEEESTD.2019.8766229",
)
RUMELHART = Source(
    "Rumelhart et al.",
    1986,
    "Learning representations by back-propagating errors",
    "Nature, volume 323",
    "the chain rule, layer by layer, as the way to train hidden units",
    link="doi:10.1038/323533a0",
)
CAUCHY = Source(
    "Cauchy",
    1847,
    "Méthode générale pour la résolution des systèmes d'équations simultanées",
    "Comptes rendus de l'Académie des sciences, volume 25",
    "the update rule: a step against the gradient",
    link="https://www.academie-sciences.fr/pdf/dossiers/Cauchy/Cauchy_pdf/CR1847_t25_p536_538.pdf",
)
ROBBINS_MONRO = Source(
    "Robbins and Monro",
    1951,
    "A Stochastic Approximation Method",
    "The Annals of Mathematical Statistics, volume 22",
    "steps by an unbiased estimate of a function whose zero is sought, such as a slope",
    link="doi:10.1214/aoms/1177729586",
)
NESTEROV = Source(
    "Nesterov",
    2004,
    "Introductory Lectures on Convex Optimization: A Basic Course",
    "Kluwer Academic Publishers",
    "gradient descent on a quadratic converges only for a learning rate below two over curvature",
    link="doi:10.1007/978-1-4419-8853-9",
)
GRIEWANK_WALTHER = Source(
    "Griewank and Walther",
    2008,
    "Evaluating Derivatives: Principles and Techniques of Algorithmic Differentiation, second "
    "edition",
    "Society for Industrial and Applied Mathematics",
    "a derivative as a sum over paths of products along each path",
    link="doi:10.1137/1.9780898717761",
)
NUMERICAL_RECIPES = Source(
    "Press et al.",
    2007,
    "Numerical Recipes: The Art of Scientific Computing, third edition",
    "Cambridge University Press",
    "the step of a central difference, and its error",
    link="https://numerical.recipes/",
)
COCHRAN = Source(
    "Cochran",
    1977,
    "Sampling Techniques, third edition",
    "John Wiley & Sons",
    "the standard error of a mean sampled without replacement",
    link="https://www.wiley.com/en-us/Sampling+Techniques%2C+3rd+Edition-p-9780471162407",
)
MICIKEVICIUS = Source(
    "Micikevicius et al.",
    2018,
    "Mixed Precision Training",
    "International Conference on Learning Representations",
    "a float32 copy of the weights, so that small updates are not lost in float16",
    link="arXiv:1710.03740",
)
LINNAINMAA = Source(
    "Linnainmaa",
    1976,
    "Taylor expansion of the accumulated rounding error",
    "BIT Numerical Mathematics, volume 16",
    "one backward sweep for all derivatives of a program, long before networks used it",
    link="doi:10.1007/BF01931367",
)
BISHOP = Source(
    "Bishop",
    1995,
    "Neural Networks for Pattern Recognition",
    "Oxford University Press",
    "outputs and losses that match, so that the gradient is output minus target",
    link="https://global.oup.com/academic/product/"
    "neural-networks-for-pattern-recognition-9780198538646",
)
DU = Source(
    "Du et al.",
    2018,
    "Algorithmic Regularization in Learning Deep Homogeneous Models: Layers are Automatically "
    "Balanced",
    "Advances in Neural Information Processing Systems, volume 31",
    "the product of weights and their gradient, which is the same in every layer",
    link="arXiv:1806.00900",
)
NUMPY_TUTORIALS = Source(
    "NumPy tutorials",
    None,
    "Deep learning on MNIST",
    "The NumPy project, numpy.org/numpy-tutorials",
    "a real example of a slope taken at the wrong place",
    link="https://numpy.org/numpy-tutorials/content/tutorial-deep-learning-on-mnist.html",
)
NIELSEN = Source(
    "Nielsen",
    2015,
    "Neural Networks and Deep Learning",
    "Determination Press, chapter 5 and the code that comes with it",
    "norms of initial gradients in the hidden layers of three networks",
    link="https://neuralnetworksanddeeplearning.com/chap5.html",
)
HOCHREITER = Source(
    "Hochreiter",
    1991,
    "Untersuchungen zu dynamischen neuronalen Netzen",
    "Diploma thesis, Technische Universität München",
    "the first analysis of gradients that vanish or explode",
    link="https://people.idsia.ch/~juergen/SeppHochreiter1991ThesisAdvisorSchmidhuber.pdf",
)
BENGIO = Source(
    "Bengio et al.",
    1994,
    "Learning long-term dependencies with gradient descent is difficult",
    "IEEE Transactions on Neural Networks, volume 5",
    "why a recurrent network that stores information safely has gradients that vanish",
    link="doi:10.1109/72.279181",
)
GLOROT_BENGIO = Source(
    "Glorot and Bengio",
    2010,
    "Understanding the difficulty of training deep feedforward neural networks",
    "International Conference on Artificial Intelligence and Statistics",
    "variances of signals and gradients layer by layer; flat weight gradients",
    link="https://proceedings.mlr.press/v9/glorot10a.html",
)
HE = Source(
    "He et al.",
    2015,
    "Delving Deep into Rectifiers: Surpassing Human-Level Performance on ImageNet Classification",
    "IEEE International Conference on Computer Vision",
    "weights of variance two over fan-in, which a ReLU needs",
    link="arXiv:1502.01852",
)
POOLE = Source(
    "Poole et al.",
    2016,
    "Exponential expressivity in deep neural networks through transient chaos",
    "Advances in Neural Information Processing Systems, volume 29",
    "the length of a signal as a map from layer to layer",
    link="arXiv:1606.05340",
)
SCHOENHOLZ = Source(
    "Schoenholz et al.",
    2017,
    "Deep Information Propagation",
    "International Conference on Learning Representations",
    "the gain of a gradient's energy per layer",
    link="arXiv:1611.01232",
)
PASCANU = Source(
    "Pascanu et al.",
    2013,
    "On the difficulty of training recurrent neural networks",
    "International Conference on Machine Learning",
    "conditions on singular values, the cliff in the loss, and clipping",
    link="arXiv:1211.5063",
)
WILSON = Source(
    "Wilson",
    1927,
    "Probable Inference, the Law of Succession, and Statistical Inference",
    "Journal of the American Statistical Association, volume 22",
    "an interval for a share that has a width where all or none are right",
    link="doi:10.1080/01621459.1927.10502953",
)
WERBOS = Source(
    "Werbos",
    1990,
    "Backpropagation through time: what it does and how to do it",
    "Proceedings of the IEEE, volume 78",
    "gradients of weights that many time steps share",
    link="doi:10.1109/5.58337",
)
DOYA = Source(
    "Doya",
    1993,
    "Bifurcations of recurrent neural networks in gradient descent learning",
    "Cited by Pascanu et al. (2013)",
    "bifurcations, where the output of a recurrent network can jump as its weights change",
)
NEWMAN = Source(
    "Newman",
    1986,
    "The distribution of Lyapunov exponents: exact results for random matrices",
    "Communications in Mathematical Physics, volume 103",
    "all exponents of products of random matrices",
)
GEMAN = Source(
    "Geman",
    1980,
    "A limit theorem for the norm of random matrices",
    "The Annals of Probability, volume 8",
    "the largest singular value of a wide random matrix",
)
DIVE = Source(
    "Zhang et al.",
    2023,
    "Dive into Deep Learning",
    "Cambridge University Press",
    "a product of random matrices that explodes, and why constant weights never come apart",
    link="arXiv:2106.11342",
)
CHERNOFF = Source(
    "Chernoff",
    1981,
    "A Note on an Inequality Involving the Normal Distribution",
    "The Annals of Probability, volume 9",
    "the variance of a function of a normal variable is at most its mean square slope",
)
NAIR_HINTON = Source(
    "Nair and Hinton",
    2010,
    "Rectified Linear Units Improve Restricted Boltzmann Machines",
    "International Conference on Machine Learning",
    "the rectified linear unit, ReLU",
    link="https://icml.cc/Conferences/2010/papers/432.pdf",
)
MAAS = Source(
    "Maas et al.",
    2013,
    "Rectifier Nonlinearities Improve Neural Network Acoustic Models",
    "International Conference on Machine Learning, Workshop on Deep Learning for Audio, Speech "
    "and Language Processing",
    "the leaky ReLU",
    link="https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf",
)
CLEVERT = Source(
    "Clevert et al.",
    2016,
    "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)",
    "International Conference on Learning Representations",
    "the exponential linear unit, ELU",
    link="arXiv:1511.07289",
)
HENDRYCKS_GIMPEL = Source(
    "Hendrycks and Gimpel",
    2016,
    "Gaussian Error Linear Units (GELUs)",
    "arXiv:1606.08415",
    "the GELU and the name of the SiLU",
    link="arXiv:1606.08415",
)
KLAMBAUER = Source(
    "Klambauer et al.",
    2017,
    "Self-Normalizing Neural Networks",
    "Advances in Neural Information Processing Systems, volume 30",
    "the SELU and its two constants",
    link="arXiv:1706.02515",
)
BALDUZZI = Source(
    "Balduzzi et al.",
    2017,
    "The Shattered Gradients Problem: If resnets are the answer, then what is the question?",
    "International Conference on Machine Learning",
    "looks-linear initialization, and gradients that shatter",
    link="arXiv:1702.08591",
)
ELFWING = Source(
    "Elfwing et al.",
    2018,
    "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement "
    "Learning",
    "Neural Networks, volume 107",
    "the SiLU",
    link="doi:10.1016/j.neunet.2017.12.012",
)
LU = Source(
    "Lu et al.",
    2019,
    "Dying ReLU and Initialization: Theory and Numerical Examples",
    "arXiv:1903.06733",
    "how often a ReLU network is dead before training",
    link="arXiv:1903.06733",
)
LECUN = Source(
    "LeCun et al.",
    1998,
    "Efficient BackProp",
    "Neural Networks: Tricks of the Trade, Springer",
    "weights of variance one over fan-in",
    link="doi:10.1007/3-540-49430-8_2",
)
SAXE = Source(
    "Saxe et al.",
    2014,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    "International Conference on Learning Representations",
    "orthogonal weights, from which deep linear networks can learn in a time that hardly depends "
    "on depth",
    link="arXiv:1312.6120",
)
HANIN = Source(
    "Hanin",
    2018,
    "Which Neural Net Architectures Give Rise to Exploding and Vanishing Gradients?",
    "Advances in Neural Information Processing Systems, volume 31",
    "gradients of a ReLU network fluctuate with the sum of its reciprocal widths",
    link="arXiv:1801.03744",
)
HANIN_NICA = Source(
    "Hanin and Nica",
    2020,
    "Products of Many Large Random Matrices and Gradients in Deep Neural Networks",
    "Communications in Mathematical Physics, volume 376",
    "the energy of a ReLU network of finite width is nearly log-normal",
    link="arXiv:1812.05994",
)
PYTORCH = Source(
    "Paszke et al.",
    2019,
    "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
    "Advances in Neural Information Processing Systems, volume 32",
    "the library whose default weights, as its source code has them, are examined",
    link="arXiv:1912.01703",
)
PENNINGTON = Source(
    "Pennington et al.",
    2017,
    "Resurrecting the sigmoid in deep learning through dynamical isometry: theory and practice",
    "Advances in Neural Information Processing Systems, volume 30",
    "the singular values of a random network's Jacobian: with Gaussian weights, or ReLU, their "
    "spread grows with depth; with orthogonal weights and a tanh it need not",
    link="arXiv:1711.04735",
)
CS231N = Source(
    "Stanford course notes",
    None,
    "CS231n: Deep Learning for Computer Vision",
    "Stanford University, cs231n.github.io",
    "claims about recurrent networks that this book tests",
    link="https://cs231n.github.io/",
)
LIPPE = Source(
    "Lippe",
    2024,
    "UvA Deep Learning Tutorials",
    "University of Amsterdam, uvadlc-notebooks.readthedocs.io",
    "claims about activations and initialization that this book tests",
    link="https://uvadlc-notebooks.readthedocs.io/en/latest/",
)
CRASH_COURSE = Source(
    "Machine Learning Crash Course",
    None,
    "Neural networks: training using backpropagation",
    "Google, developers.google.com/machine-learning",
    "claims about remedies that this book tests",
    link="https://developers.google.com/machine-learning/crash-course/neural-networks/"
    "backpropagation",
)
MUKHERJEE = Source(
    "Mukherjee",
    None,
    "AI knowledge base: Orthogonal Initialization",
    "subhadityamukherjee.github.io",
    "a claim about orthogonal weights that this book tests",
    link="https://subhadityamukherjee.github.io/AI-knowledge-base/KB/Orthogonal-Initialization",
)
MERITY = Source(
    "Merity",
    2016,
    "Explaining and illustrating orthogonal initialization for recurrent neural networks",
    "smerity.com",
    "a claim about orthogonal weights that this book tests",
    link="https://smerity.com/articles/2016/orthogonal_init.html",
)
PRINCE = Source(
    "Prince",
    2023,
    "Understanding Deep Learning",
    "MIT Press, with notebooks at udlbook.github.io",
    "claims about residual networks, and an open question of its notebook 11.1",
    link="https://udlbook.github.io/udlbook/",
)
KINGMA_BA = Source(
    "Kingma and Ba",
    2015,
    "Adam: A Method for Stochastic Optimization",
    "International Conference on Learning Representations",
    "steps that do not depend on the scale of the gradient",
    link="arXiv:1412.6980",
)
HOCHREITER_SCHMIDHUBER = Source(
    "Hochreiter and Schmidhuber",
    1997,
    "Long Short-Term Memory",
    "Neural Computation, volume 9",
    "a cell that is added to, so that its gradient has a path without weights; the adding problem",
    link="doi:10.1162/neco.1997.9.8.1735",
)
GERS = Source(
    "Gers et al.",
    2000,
    "Learning to Forget: Continual Prediction with LSTM",
    "Neural Computation, volume 12",
    "the forget gate, which the first LSTM did not have",
    link="doi:10.1162/089976600300015015",
)
CHO = Source(
    "Cho et al.",
    2014,
    "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation",
    "Conference on Empirical Methods in Natural Language Processing",
    "the gated recurrent unit",
    link="arXiv:1406.1078",
)
JOZEFOWICZ = Source(
    "Jozefowicz et al.",
    2015,
    "An Empirical Exploration of Recurrent Network Architectures",
    "International Conference on Machine Learning",
    "a bias of one for the forget gate",
    link="https://proceedings.mlr.press/v37/jozefowicz15.html",
)
CHEN = Source(
    "Chen et al.",
    2018,
    "Dynamical Isometry and a Mean Field Theory of RNNs: Gating Enables Signal Propagation in "
    "Recurrent Neural Networks",
    "International Conference on Machine Learning",
    "the gain of a gradient's energy per step in recurrent networks with inputs",
    link="arXiv:1806.05394",
)
TALLEC_OLLIVIER = Source(
    "Tallec and Ollivier",
    2018,
    "Can recurrent neural networks warp time?",
    "International Conference on Learning Representations",
    "biases of gates from the length of the memory that is wanted",
    link="arXiv:1804.11188",
)
ORVIETO = Source(
    "Orvieto et al.",
    2023,
    "Resurrecting Recurrent Neural Networks for Long Sequences",
    "International Conference on Machine Learning",
    "linear diagonal recurrences, beside deep state-space models",
    link="arXiv:2303.06349",
)
GINIBRE = Source(
    "Ginibre",
    1965,
    "Statistical ensembles of complex, quaternion, and real matrices",
    "Journal of Mathematical Physics, volume 6",
    "where the eigenvalues of a random matrix lie, shown for complex entries",
    link="doi:10.1063/1.1704292",
)
HE_RESIDUAL = Source(
    "He et al.",
    2016,
    "Deep Residual Learning for Image Recognition",
    "IEEE Conference on Computer Vision and Pattern Recognition",
    "the residual path",
    link="arXiv:1512.03385",
)
IDENTITY_MAPPINGS = Source(
    "He, Zhang et al.",
    2016,
    "Identity Mappings in Deep Residual Networks",
    "European Conference on Computer Vision",
    "a path with nothing on it, not even an activation behind the sum",
    link="arXiv:1603.05027",
)
VEIT = Source(
    "Veit et al.",
    2016,
    "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
    "Advances in Neural Information Processing Systems, volume 29",
    "the routes through a residual network, counted by length, and that in a trained network of "
    "110 layers most of the gradient comes on those of 10 to 34",
    link="arXiv:1605.06431",
)
YANG_SCHOENHOLZ = Source(
    "Yang and Schoenholz",
    2017,
    "Mean Field Residual Networks: On the Edge of Chaos",
    "Advances in Neural Information Processing Systems, volume 30",
    "gradients of residual networks with tanh, whose logarithm grows with the root of the depth",
    link="arXiv:1712.08969",
)
HANIN_ROLNICK = Source(
    "Hanin and Rolnick",
    2018,
    "How to Start Training: The Effect of Initialization and Architecture",
    "Advances in Neural Information Processing Systems, volume 31",
    "residual blocks whose scales must sum to something finite",
    link="arXiv:1803.01719",
)
FIXUP = Source(
    "Zhang et al.",
    2019,
    "Fixup Initialization: Residual Learning Without Normalization",
    "International Conference on Learning Representations",
    "energies of residual networks that double per block, and a scale against it",
    link="arXiv:1901.09321",
)
BACHLECHNER = Source(
    "Bachlechner et al.",
    2020,
    "ReZero is All You Need: Fast Convergence at Large Depth",
    "arXiv:2003.04887",
    "a learned factor of zero on each block",
    link="arXiv:2003.04887",
)
TOUVRON = Source(
    "Touvron et al.",
    2021,
    "Going Deeper with Image Transformers",
    "IEEE/CVF International Conference on Computer Vision",
    "LayerScale: a learned factor for each channel of a block, small at the start",
    link="arXiv:2103.17239",
)
GOYAL = Source(
    "Goyal et al.",
    2017,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    "arXiv:1706.02677",
    "a last normalization of each block whose factor is zero at the start",
    link="arXiv:1706.02677",
)
WANG_DEEPNET = Source(
    "Wang et al.",
    2022,
    "DeepNet: Scaling Transformers to 1,000 Layers",
    "arXiv:2203.00555",
    "a larger path with smaller blocks, behind which the sum is normalized",
    link="arXiv:2203.00555",
)
DE_SMITH = Source(
    "De and Smith",
    2020,
    "Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep Networks",
    "Advances in Neural Information Processing Systems, volume 33",
    "that normalized blocks are added with a share that falls with depth; a small learned factor",
    link="arXiv:2002.10444",
)
RADFORD = Source(
    "Radford et al.",
    2019,
    "Language Models are Unsupervised Multitask Learners",
    "OpenAI",
    "a scale of one over the root of the number of residual layers for their weights, read as one "
    "for the last weights of each branch",
    link="https://cdn.openai.com/better-language-models/"
    "language_models_are_unsupervised_multitask_learners.pdf",
)
CHO_SAUL = Source(
    "Cho and Saul",
    2009,
    "Kernel Methods for Deep Learning",
    "Advances in Neural Information Processing Systems, volume 22",
    "the angle between two inputs behind a ReLU layer",
    link="https://papers.nips.cc/paper/3628-kernel-methods-for-deep-learning",
)
SRIVASTAVA = Source(
    "Srivastava et al.",
    2014,
    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
    "Journal of Machine Learning Research, volume 15",
    "leaving out units at random",
    link="https://jmlr.org/papers/v15/srivastava14a.html",
)
IOFFE_SZEGEDY = Source(
    "Ioffe and Szegedy",
    2015,
    "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift",
    "International Conference on Machine Learning",
    "batch normalization, and that the scale of the weights drops out",
    link="arXiv:1502.03167",
)
BA = Source(
    "Ba et al.",
    2016,
    "Layer Normalization",
    "arXiv:1607.06450",
    "normalization over the units of one example",
    link="arXiv:1607.06450",
)
ZHANG_SENNRICH = Source(
    "Zhang and Sennrich",
    2019,
    "Root Mean Square Layer Normalization",
    "Advances in Neural Information Processing Systems, volume 32",
    "normalization without the mean",
    link="arXiv:1910.07467",
)
SALIMANS_KINGMA = Source(
    "Salimans and Kingma",
    2016,
    "Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural "
    "Networks",
    "Advances in Neural Information Processing Systems, volume 29",
    "that gradient descent makes normalized weights longer",
    link="arXiv:1602.07868",
)
KOSSON = Source(
    "Kosson et al.",
    2024,
    "Rotational Equilibrium: How Weight Decay Balances Learning Across Neural Networks",
    "International Conference on Machine Learning",
    "by which angle a step turns weights once weight decay and growth balance",
    link="arXiv:2305.17212",
)
VAN_LAARHOVEN = Source(
    "van Laarhoven",
    2017,
    "L2 Regularization versus Batch and Weight Normalization",
    "arXiv:1706.05350",
    "the effective learning rate of normalized weights, and what weight decay does to it",
    link="arXiv:1706.05350",
)
WU_HE = Source(
    "Wu and He",
    2018,
    "Group Normalization",
    "European Conference on Computer Vision",
    "normalization over groups of an example's channels, independent of the batch",
    link="arXiv:1803.08494",
)
YANG = Source(
    "Yang et al.",
    2019,
    "A Mean Field Theory of Batch Normalization",
    "International Conference on Learning Representations",
    "that batch normalization makes gradients grow with depth whatever the activation",
    link="arXiv:1902.08129",
)
XIONG = Source(
    "Xiong et al.",
    2020,
    "On Layer Normalization in the Transformer Architecture",
    "International Conference on Machine Learning",
    "pre-norm and post-norm; at the last layer a bound on the gradient that falls with the root of "
    "the depth for pre-norm alone",
    link="arXiv:2002.04745",
)
VASWANI = Source(
    "Vaswani et al.",
    2017,
    "Attention Is All You Need",
    "Advances in Neural Information Processing Systems, volume 30",
    "attention, its scores of variance d and the division by the root of d; heads; positions",
    link="arXiv:1706.03762",
)
DONG = Source(
    "Dong et al.",
    2021,
    "Attention is Not All You Need: Pure Attention Loses Rank Doubly Exponentially with Depth",
    "International Conference on Machine Learning",
    "that attention alone makes tokens equal, doubly exponentially, and that paths stop it",
    link="arXiv:2103.03404",
)
NOCI = Source(
    "Noci et al.",
    2022,
    "Signal Propagation in Transformers: Theoretical Perspectives and the Role of Rank Collapse",
    "Advances in Neural Information Processing Systems, volume 35",
    "that tokens align with depth at initialization unless branches are scaled down",
    link="arXiv:2206.03126",
)
DERRIDA = Source(
    "Derrida",
    1981,
    "Random-energy model: An exactly solvable model of disordered systems",
    "Physical Review B, volume 24",
    "the entropy of a softmax of many normal scores, and where it freezes",
    link="doi:10.1103/PhysRevB.24.2613",
)
GIORLANDINO = Source(
    "Giorlandino and Goldt",
    2025,
    "Two failure modes of deep transformers and how to avoid them: a unified theory of signal "
    "propagation at initialisation",
    "arXiv:2505.24333",
    "a row of attention as a random energy model: tokens that collapse, or an entropy that does",
    link="arXiv:2505.24333",
)
HENRY = Source(
    "Henry et al.",
    2020,
    "Query-Key Normalization for Transformers",
    "Findings of the Association for Computational Linguistics: EMNLP 2020",
    "queries and keys that are normalized, against a softmax that saturates",
    link="arXiv:2010.04245",
)
WORTSMAN = Source(
    "Wortsman et al.",
    2023,
    "Small-scale proxies for large-scale Transformer training instabilities",
    "arXiv:2309.14322",
    "QK-norm, with which small language models bear larger rates",
    link="arXiv:2309.14322",
)
YANG_HU = Source(
    "Yang, Hu et al.",
    2022,
    "Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer",
    "arXiv:2203.03466",
    "a parametrization in which the best learning rate is the same for narrow and wide networks",
    link="arXiv:2203.03466",
)
POLYAK = Source(
    "Polyak",
    1964,
    "Some methods of speeding up the convergence of iteration methods",
    "USSR Computational Mathematics and Mathematical Physics, volume 4",
    "the heavy ball: a step that keeps part of the step before",
    link="doi:10.1016/0041-5553(64)90137-5",
)
KAHAN = Source(
    "Kahan",
    1965,
    "Further remarks on reducing truncation errors",
    "Communications of the ACM, volume 8",
    "a sum that carries along what rounding lost",
    link="doi:10.1145/363707.363723",
)
GUPTA = Source(
    "Gupta et al.",
    2015,
    "Deep Learning with Limited Numerical Precision",
    "International Conference on Machine Learning",
    "rounding at random, so that small steps are taken on average",
    link="arXiv:1502.02551",
)
LECTURE_NOTE = Source(
    "Lecture note",
    None,
    "Vanishing and exploding gradient problem",
    "unpublished course handout",
    "the network, the numbers and the claims that this book examines",
)
LOSHCHILOV_HUTTER = Source(
    "Loshchilov and Hutter",
    2019,
    "Decoupled Weight Decay Regularization",
    "International Conference on Learning Representations",
    "weight decay beside Adam's step and not within its gradient",
    link="arXiv:1711.05101",
)
SEETHARAMAN = Source(
    "Seetharaman et al.",
    2020,
    "AutoClip: Adaptive Gradient Clipping for Source Separation Networks",
    "IEEE International Workshop on Machine Learning for Signal Processing",
    "a limit that is a quantile of the norms so far",
    link="arXiv:2007.14469",
)
GELFAND = Source(
    "Gelfand",
    1941,
    "Normierte Ringe",
    "Matematicheskii Sbornik 9(51), 3–24",
    "the rate at which the powers of a matrix grow",
    link="https://www.mathnet.ru/eng/sm6046",
)
MARCHENKO_PASTUR = Source(
    "Marchenko and Pastur",
    1967,
    "Distribution of Eigenvalues for Some Sets of Random Matrices",
    "Mathematics of the USSR-Sbornik 1(4), 457–483",
    "how the singular values of a random matrix are distributed",
    link="doi:10.1070/SM1967v001n04ABEH001994",
)
THIS_BOOK = Source(
    "This book",
    None,
    "gradbook",
    "its own chapters",
    "its definitions, and what follows from them in a few lines",
)

ALL: tuple[Source, ...] = tuple(
    sorted(
        (value for value in list(globals().values()) if isinstance(value, Source)),
        key=lambda source: source.anchor,
    )
)


@dataclass(frozen=True)
class ReferenceList:
    """Show sources as a list in which each can be linked to."""

    sources: tuple[Source, ...]

    def _repr_html_(self) -> str:
        items = [
            f'<li id="{source.anchor}"><b>{source.label}.</b> <cite>{source.linked_title}</cite>. '
            f"{source.where}. Used for: {source.used_for}.</li>"
            for source in self.sources
        ]
        first = {source.label[0].upper(): source.anchor for source in reversed(self.sources)}
        links = (f'<a href="#{first[letter]}">{letter}</a>' for letter in sorted(first))
        return f"<p>{' · '.join(links)}</p>\n<ul>\n" + "\n".join(items) + "\n</ul>"
