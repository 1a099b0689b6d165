"""Pages run side by side, and the desk has those built first that somebody waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path

import pytest

from gradbook.press import ahead as ahead_module
from gradbook.press.ahead import Ahead, Process
from gradbook.press.desk import Desk
from gradbook.press.results import CACHE_VARIABLE, Results
from gradbook.press.sources import Source
from gradbook.press.work import Done, Work, compute, work_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep results apart from the book's."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def test_what_a_page_has_to_compute_is_its_blocks_and_its_expressions() -> None:
    text = """
```python exec="on"
x = 1
```

`{python} x` and `{python} x + 1`, $\\py{f"{x}"} < \\py{x}$, again `{python} x`.

```text
`{python} not this`
```

    ```python exec="on"
    y = 2
    ```
"""
    assert work_of("a.md", text) == Work("a.md", ("x = 1", "y = 2"), ("x", "x + 1", 'f"{x}"'))


def test_a_page_that_has_run_is_kept_and_one_that_failed_is_not(folder: Path) -> None:
    good = Work("a.md", ("x = 1", "x"), ("x",))
    assert compute(good, Results(folder)).ran == 2
    assert compute(good, Results(folder)).ran == 0
    bad = Work("b.md", ("x = 1", "x / 0", "x"), ("x",))
    for _ in range(2):
        (said,) = compute(bad, Results(folder)).failed.values()
        assert said.startswith("ZeroDivisionError")


def test_a_process_runs_pages_and_says_what_raised(folder: Path) -> None:
    process = Process()
    good, bad = Work("a.md", ("x = 1",), ("x",)), Work("b.md", ("x = 1", "x / 0"), ())
    assert process.compute(good).ran == 1
    assert compute(good, Results(folder)).ran == 0
    assert [*process.compute(bad).failed.values()] == [
        "ZeroDivisionError: division by zero\n  line 1: x / 0"
    ]


def test_a_process_that_is_killed_loses_nothing_but_its_page(folder: Path) -> None:
    process = Process()
    killer = Work("a.md", ("import os", "os.kill(os.getpid(), 9)"), ())
    assert process.compute(killer) == Done(0, 0.0, {})
    assert process.compute(Work("b.md", ("x = 1",), ())).ran == 1


def test_a_process_of_other_sources_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process()
    work = Work("a.md", ("import os", "print(os.getpid())"), ())
    assert process.compute(work).ran == 2
    first = process._process
    # What it is asked for is never what it runs: it is tried twice, then left to the builder.
    monkeypatch.setattr(ahead_module, "stamp", lambda _: "another")
    assert process.compute(work) == Done(0, 0.0, {})
    monkeypatch.undo()
    assert first is not None
    assert first.poll() is not None


def test_a_page_in_need_comes_before_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def compute(_: Process, work: Work) -> Done:
        order.append(work.page)
        begun.set()
        go_on.wait(5)
        return Done(0, 0.0, {"key": work.page})

    monkeypatch.setattr(Process, "compute", compute)
    works = [Work(name, ("x = 1",), ()) for name in "abcd"]
    running = Ahead(works[:3]).begin(1)
    assert begun.wait(5)
    last = running.start(works[2])
    running.start(works[3], first=True)
    go_on.set()
    assert running.need(works[3]) == {"key": "d"}
    last.result(5)
    assert order == ["a", "d", "b", "c"]


def test_a_process_goes_on_with_the_subject_that_it_has_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order: dict[int, list[str]] = {}
    both = threading.Barrier(2)

    def compute(process: Process, work: Work) -> Done:
        order.setdefault(id(process), []).append(work.page)
        both.wait(5)
        return Done(0, 0.0, {})

    monkeypatch.setattr(Process, "compute", compute)
    names = ("a.md", "b-deeper.md", "a-deeper.md", "b.md")
    works = [Work(name, ("x = 1",), ()) for name in names]
    running = Ahead(works).begin(2)
    for work in works:
        running.start(work).result(5)
    assert sorted(order.values()) == [["a.md", "a-deeper.md"], ["b-deeper.md", "b.md"]]


def test_a_spare_process_is_free_for_pages_that_somebody_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = threading.Event()
    order: list[str] = []

    def compute(_: Process, work: Work) -> Done:
        order.append(work.page)
        if work.page != "c":
            go_on.wait(5)
        return Done(0, 0.0, {"key": work.page})

    monkeypatch.setattr(Process, "compute", compute)
    monkeypatch.setattr(Process, "begin", lambda _: None)
    works = [Work(name, ("x = 1",), ()) for name in "abc"]
    running = Ahead(works).begin(2, spare=True)
    assert soon(lambda: order == ["a"])
    assert running.need(works[2]) == {"key": "c"}
    time.sleep(0.05)
    assert order == ["a", "c"]  # "b" waits for the other
    go_on.set()
    running.start(works[1]).result(5)


class Book:
    """A book whose pages are made at once and whose blocks are done when the test says so."""

    def __init__(self, *pages: str, reference: str = "") -> None:
        """Make the sources and start the desk."""
        self.texts = dict.fromkeys([*pages, *reference.split()], "as it was")
        self.reference = reference.split()
        self.made: list[list[str]] = []
        self.runs: dict[Work, Future[Done]] = {}
        self.asked: list[str] = []
        self.desk = Desk(self.read, self.make, self)  # type: ignore[arg-type]
        self.desk.start()

    def read(self) -> dict[str, Source]:
        """Return the sources."""
        return {
            url: Source(Path(url), Work(url, ("x",) * (url not in self.reference), ()), text,
                        url in self.reference)
            for url, text in self.texts.items()
        }  # fmt: skip

    def make(self, pages: Mapping[str, Source]) -> None:
        """Note which pages were made together."""
        self.made.append([*pages])

    def start(self, work: Work, *, first: bool = False) -> Future[Done]:
        """Stand for what runs ahead."""
        if first:
            self.asked.append(work.page)
        return self.runs.setdefault(work, Future())

    def refresh(self) -> None:
        """Stand for what runs ahead."""

    def run(self, page: str) -> None:
        """Finish the blocks of a page."""
        next(f for work, f in self.runs.items() if work.page == page).set_result(Done(1, 0.0, {}))

    def visit(self, url: str) -> threading.Thread:
        """Ask for a page as a browser does."""
        visitor = threading.Thread(target=self.desk.wait_for, args=(f"/{url}",), daemon=True)
        visitor.start()
        return visitor


def soon(holds: Callable[[], object]) -> bool:
    """Whether something comes true within seconds."""
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return bool(holds())


def test_the_page_that_is_asked_for_is_built_first_and_the_rest_behind_it() -> None:
    book = Book("", "a/", "b/", reference="r/ s/")
    assert soon(lambda: book.made == [[]])  # what all pages share
    visitor = book.visit("b/")
    assert soon(lambda: book.asked == ["b/"])
    book.run("a/")
    time.sleep(0.05)
    assert book.made == [[]]  # nothing else is begun while somebody waits
    book.run("b/")
    visitor.join(5)
    assert book.made[1] == ["b/"]
    book.run("")
    assert soon(lambda: book.made[2:] == [["a/"], [""], ["r/", "s/"]])


def test_the_reference_is_made_as_a_whole_when_one_of_its_pages_is_asked_for() -> None:
    book = Book("", reference="r/ s/")
    assert soon(lambda: book.made == [[]])
    book.visit("s/").join(5)
    assert book.made == [[], ["r/", "s/"]]


def test_a_page_is_due_again_when_its_sources_change_and_the_others_are_not() -> None:
    book = Book("", "a/")
    for page in ("", "a/"):
        book.run(page) if soon(lambda: len(book.runs) == 2) else None
    assert soon(lambda: book.made[1:] == [[""], ["a/"]])
    book.texts["a/"] = "edited"
    book.desk.refresh()
    book.visit("a/").join(5)
    assert soon(lambda: book.made[3:] in ([["a/"]], [[], ["a/"]]))
    book.visit("").join(5)
    assert [""] not in book.made[3:]


def test_files_of_all_pages_are_waited_for_and_unknown_ones_are_not() -> None:
    book = Book("", "a/")
    book.visit("assets/book.css").join(5)
    assert book.made == [[]]
    visitor = book.visit("nowhere/")
    visitor.join(5)
    assert not visitor.is_alive()
