"""What hangs on a page's seed is told, and what does not is not."""

from __future__ import annotations

from gradbook.press.pages import Page
from gradbook.press.redraws import redrawn

PAGE = """# Draws

```python exec="on"
import numpy as np
rng = np.random.default_rng(0)
mean, first = rng.standard_normal(100_000).mean() + 3, rng.random()
listed = np.random.default_rng([0, 1]).random()
```

```pycon
>>> f"{mean:.2f}"
'3.00'
>>> first == np.random.default_rng(7).random()
False
>>> bool(first > 0.1)
True
>>> float(first)
0.2
>>> float(listed)
0.5
```

The mean is `{python} f"{mean:.3f}"`, the last one `{python} f"{first:.3f}"`.
"""


def test_other_draws_are_told_where_a_number_moves_with_them() -> None:
    page = Page(PAGE)
    found = list(redrawn(page))
    assert [entry.source.strip() for entry in found] == [
        "float(first)",
        "float(listed)",
        'f"{first:.3f}"',
    ]
    assert all(len(set(entry.said)) == 3 for entry in found)
    assert page.text.split("\n")[found[-1].line - 1].startswith("The mean")


def test_the_same_draw_says_the_same() -> None:
    assert not list(redrawn(Page(PAGE), shifts=(0, 0)))


def test_an_error_in_another_draw_is_told() -> None:
    text = (
        "```pycon\n>>> import numpy as np\n"
        ">>> {0: 1}[int(1e9 * (np.random.default_rng(0).random() > 0.7))]\n1\n```\n"
    )
    (found,) = redrawn(Page(text), shifts=(3, 4, 5, 6, 7, 8))
    assert "1\n" in found.said
    assert "KeyError(1000000000)" in found.said
