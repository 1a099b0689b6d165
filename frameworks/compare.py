"""Show what gradbook and three other tools say of networks whose truth is known: `make compare`.

The truth of each network is measured first, in float64 and without any of them, and must be what
was planted. A tool is right if it names the illness, or none where there is none. The sums go into
the table of the book.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version

import stand_ins  # noqa: F401 - before torchvision, which others import where it is there
import torch
from planted_networks import CASES
from planted_truth import Case, truth_of
from rival_tools import TOOLS, Tool

from gradbook.book.diagnose.compared import ANSWERS, COMPARED
from gradbook.book.written import write_rows


def answer(tool: Tool, case: Case, seed: int = 0) -> tuple[str, str]:
    """Return how good an answer is, and what was said."""
    try:
        kinds = tool.kinds(case, seed)
    except Exception as error:  # whatever breaks in a tool is the tool's answer
        return "failed", type(error).__name__
    return judged(kinds, case.illness), " or ".join(sorted(kinds)) or "nothing"


def judged(kinds: set[str], illness: str) -> str:
    """Compare what was named with the truth."""
    if illness == "healthy":
        return "false alarm" if kinds else "right"
    if not kinds:
        return "missed"
    return "right" if illness in kinds else "wrong illness"


def table(
    cases: Sequence[Case], tools: Sequence[Tool], sums: Sequence[Counter[str]]
) -> Iterator[str]:
    """Yield the lines as they are found: each network, then the sums, which are counted on."""
    yield f"{'network':32}{'truth':12}" + "".join(f"{tool.package:33}" for tool in tools)
    for case in cases:
        truth = truth_of(case).illness
        assert truth == case.illness, f"{case} is {truth}"
        line = f"{case!s:32}{truth:12}"
        for tool, counted in zip(tools, sums, strict=True):
            verdict, said = answer(tool, case)
            counted[verdict] += 1
            line += f"{verdict + ': ' + said:33}"
        yield line
    yield ""
    yield f"{'of ' + str(len(cases)) + ' networks':28}" + "".join(f"{a:>14}" for a in ANSWERS)
    for tool, counted in zip(tools, sums, strict=True):
        yield f"{tool!s:28}" + "".join(f"{counted[a]:14}" for a in ANSWERS)


def records(tools: Sequence[Tool], sums: Sequence[Counter[str]]) -> list[list[str]]:
    """Return what the book shows: one row for each tool."""
    return [
        [*str(tool).split(), *(str(counted[a]) for a in ANSWERS)]
        for tool, counted in zip(tools, sums, strict=True)
    ]


def main() -> int:
    """Print the table, and write its sums where the book reads them."""
    torch.set_num_threads(1)
    print(f"Python {platform.python_version()}, PyTorch {version('torch')}")
    sums: list[Counter[str]] = [Counter() for _ in TOOLS]
    for line in table(CASES, TOOLS, sums):
        print(line.rstrip(), flush=True)
    write_rows(COMPARED, records(TOOLS, sums))
    return 0


if __name__ == "__main__":
    sys.exit(main())
