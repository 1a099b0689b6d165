"""One browser and one server for all checks of a process, and the loop that they run on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from servers import served
from visits import PATIENCE, ROOT, SITE, chromium

# A busy machine is slow, not wrong.
expect.set_options(timeout=PATIENCE)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a check that waits for the browser, on the loop that the browser was started on."""
    check = pyfuncitem.obj
    if not inspect.iscoroutinefunction(check):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in inspect.signature(check).parameters}
    pyfuncitem.funcargs["runner"].run(check(**given))
    return True


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    """Start the loop."""
    with asyncio.Runner() as started:
        yield started


@pytest.fixture(scope="session")
def browser(runner: asyncio.Runner) -> Iterator[Browser]:
    """Start Chromium once."""
    stack = AsyncExitStack()
    yield runner.run(stack.enter_async_context(chromium()))
    runner.run(stack.aclose())


@pytest.fixture(scope="session")
def home() -> Iterator[str]:
    """Serve the built site once."""
    with served(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Find the wheel that `make wheel` built."""
    found = sorted((ROOT / "dist").glob("*.whl"))
    if len(found) != 1:
        pytest.fail(f"dist holds {len(found)} wheels, not one: run `rm -f dist/*.whl; make wheel`")
    return found[0]
