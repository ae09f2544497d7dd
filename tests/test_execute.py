"""Executors: the same results in the same order, wherever the tasks ran."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.errors import AccessRefused, BadInput, SceneRejected
from pipeline.runs.execute import Failure, open_executor


@dataclass(frozen=True)
class Task:
    number: int
    folder: str = ""


def square(task: Task) -> int:
    if task.number == 3:
        raise SceneRejected("three is broken")
    if task.number == 4:
        raise ZeroDivisionError("four")
    return task.number**2


def refuse(task: Task) -> int:
    if task.number == 2:
        raise AccessRefused("the account is empty")
    (Path(task.folder) / str(task.number)).touch()
    return task.number


@pytest.fixture(scope="module", params=["serial", "threads", "processes"])
def executor(request):
    with open_executor(request.param, 2) as opened:
        yield opened


def test_results_keep_the_order_of_tasks_and_a_broken_task_does_not_stop_the_others(executor):
    done = []
    results = executor.map(square, [Task(n) for n in (5, 3, 1, 4, 2)], lambda: done.append(1))
    assert results == [25, Failure("three is broken"), 1, Failure("ZeroDivisionError: four"), 4]
    assert len(done) == 5


def test_a_refused_account_stops_the_run_and_nothing_more_is_started(executor, tmp_path):
    tasks = [Task(n, str(tmp_path)) for n in range(200)]
    with pytest.raises(AccessRefused, match="the account is empty"):
        executor.map(refuse, tasks, lambda: None)
    assert len(list(tmp_path.iterdir())) < 199


def test_a_task_starts_as_it_is_when_it_is_ready(executor):
    asked, done = [], []

    def ready(number: int) -> Task:
        asked.append(number)
        if number == 1:
            raise SceneRejected("never")
        return Task(10 * number)

    results = executor.map(square, [Task(9)] * 3, lambda: done.append(1), ready)
    assert results == [0, Failure("never"), 400]
    assert sorted(asked) == [0, 1, 2]
    assert len(done) == 3


def test_a_refusal_while_tasks_are_made_ready_stops_the_run(executor):
    def ready(number: int) -> Task:
        raise AccessRefused("no")

    with pytest.raises(AccessRefused):
        executor.map(square, [Task(9)] * 3, lambda: None, ready)


def test_threads_begin_tasks_in_their_order():
    begun = []
    with open_executor("threads", 1) as executor:
        executor.map(lambda task: begun.append(task.number), [Task(n) for n in range(50)], lambda: None)
    assert begun == list(range(50))


def test_a_scheduler_that_does_not_answer_is_bad_input():
    with (
        pytest.raises(BadInput, match="no answer"),
        open_executor("threads", 1, "tcp://127.0.0.1:9", timeout_s=1),
    ):
        pass
