"""Reach a cluster of Dask, and say in one line what is wrong with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from gradbook.book.claims.checking import one_thread
from gradbook.book.claims.provenance import machine

ANSWER = 5.0
"""How many seconds a scheduler has to answer, and to name a worker."""

T = TypeVar("T")


class NoCluster(RuntimeError):
    """A cluster cannot be reached, was lost, or cannot run claims."""


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """Yield a `distributed.Client` of the cluster whose scheduler has this address.

    Raises:
        NoCluster: No scheduler answers there, it has no worker, or the cluster was lost.
    """
    from distributed import Client, KilledWorker  # noqa: PLC0415
    from distributed.client import FutureCancelledError  # noqa: PLC0415
    from distributed.comm import CommClosedError  # noqa: PLC0415

    _ask(scheduler)
    # What goes wrong is told below, once; the client would log each of its attempts.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with Client(scheduler, timeout=ANSWER) as client:
            _await_worker(client, scheduler)
            yield client
    except (CommClosedError, FutureCancelledError, KilledWorker) as error:
        told = " ".join(str(error).split())
        raise NoCluster(
            f"the cluster at {scheduler!r} was lost, run again to go on with what is kept: {told}"
        ) from None


def machines_of(client: Any) -> tuple[str, ...]:
    """Return what the workers of a cluster run on, as `provenance.machine` tells it.

    Raises:
        NoCluster: A worker cannot tell: it has no gradbook, or an old one.
    """
    try:
        return tuple(sorted(set(client.run(machine).values())))
    except Exception as error:  # whatever a worker raises comes as text
        raise NoCluster(
            f"a worker cannot run claims: {error}; install the same gradbook on every worker"
        ) from None


def results(client: Any, tasks: Sequence[Callable[[], T]]) -> Generator[T]:
    """Yield what tasks return on a cluster, each as soon as it is there.

    What a lost worker was at, another does; workers that come later get their share.
    """
    from distributed import as_completed  # noqa: PLC0415

    left = {client.submit(_steadily, task, pure=False) for task in tasks}
    try:
        for future in as_completed(left):
            done = future.result()
            # What is known here need not be done again when its worker is lost.
            left.remove(future)
            future.release()
            yield done
    finally:
        client.cancel(list(left))


def _steadily(task: Callable[[], T]) -> T:
    # For good: a worker may run several tasks at a time, and the first to end must not undo it.
    one_thread()
    return task()


def _ask(scheduler: str) -> None:
    # The client itself waits for ever where a port is open and nobody speaks.
    try:
        kind = asyncio.run(_kind(scheduler))
    except OSError:
        raise NoCluster(
            f"nobody answers at {scheduler!r} within {ANSWER:g} s; expected the address that "
            "`dask scheduler` prints, and that it is reached from here"
        ) from None
    except (ValueError, TypeError) as error:
        raise NoCluster(
            f"--scheduler must be an address such as tcp://HOST:8786, got {scheduler!r}: {error}"
        ) from None
    if kind != "Scheduler":
        raise NoCluster(f"at {scheduler!r} answers a {kind.lower()}; expected a scheduler")


async def _kind(scheduler: str) -> str:
    from distributed import Security  # noqa: PLC0415
    from distributed.core import rpc  # noqa: PLC0415

    secret = Security().get_connection_args("client")
    async with asyncio.timeout(ANSWER), rpc(scheduler, connection_args=secret) as there:
        return str((await there.identity())["type"])


def _await_worker(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=ANSWER)
    except OSError:
        raise NoCluster(
            f"the scheduler at {scheduler!r} has no worker: start `dask worker {scheduler}`"
        ) from None
