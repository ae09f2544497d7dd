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


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_results_keep_the_order_of_tasks_and_a_broken_task_does_not_stop_the_others(kind):
    done = []
    with open_executor(kind, 2) as executor:
        results = executor.map(square, [Task(n) for n in (5, 3, 1, 4, 2)], lambda: done.append(1))
    assert results == [25, Failure("three is broken"), 1, Failure("ZeroDivisionError: four"), 4]
    assert len(done) == 5


def refuse(task: Task) -> int:
    if task.number == 2:
        raise AccessRefused("the account is empty")
    (Path(task.folder) / str(task.number)).touch()
    return task.number


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_a_refused_account_stops_the_run_and_nothing_more_is_started(kind, tmp_path):
    tasks = [Task(n, str(tmp_path)) for n in range(200)]
    with open_executor(kind, 2) as executor, pytest.raises(AccessRefused, match="the account is empty"):
        executor.map(refuse, tasks, lambda: None)
    assert len(list(tmp_path.iterdir())) < 200


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_a_task_starts_as_it_is_when_it_is_ready(kind):
    asked = []

    def ready(number: int) -> Task:
        asked.append(number)
        if number == 1:
            raise SceneRejected("never")
        return Task(10 * number)

    with open_executor(kind, 1) as executor:
        results = executor.map(square, [Task(9)] * 3, lambda: None, ready)
    assert results == [0, Failure("never"), 400]
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("kind", ["serial", "threads", "processes"])
def test_a_refusal_while_tasks_are_made_ready_stops_the_run(kind):
    def ready(number: int) -> Task:
        raise AccessRefused("no")

    with open_executor(kind, 1) as executor, pytest.raises(AccessRefused):
        executor.map(square, [Task(9)] * 3, lambda: None, ready)


def test_a_scheduler_that_does_not_answer_is_bad_input():
    with (
        pytest.raises(BadInput, match="no answer"),
        open_executor("threads", 1, "tcp://127.0.0.1:9", timeout_s=1),
    ):
        pass
