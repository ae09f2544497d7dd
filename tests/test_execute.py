"""Executors: the same results in the same order, wherever the tasks ran."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pipeline.errors import BadInput, SceneRejected
from pipeline.runs.execute import Failure, open_executor


@dataclass(frozen=True)
class Task:
    number: int


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


def test_a_scheduler_that_does_not_answer_is_bad_input():
    with (
        pytest.raises(BadInput, match="no answer"),
        open_executor("threads", 1, "tcp://127.0.0.1:9", timeout_s=1),
    ):
        pass
