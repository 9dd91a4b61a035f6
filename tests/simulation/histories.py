"""A history: everything that is decided about what will happen, as plain data that a seed draws and a file keeps.

What is left to chance below that (which of the calls in a window of faults are hit, and how) follows from the history's
seed and the number of the call, so a history replays exactly, and one with parts taken out is another history.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

KINDS = ("job_run", "session", "eks_job_run")
MODES = ("blocking", "deferrable", "triggerer")

FAMILIES = (
    "throttled",  # the service has had too many calls
    "broken",  # a server error, before anything happened
    "lost_before",  # no connection
    "lost_after",  # the effect, and no answer
    "garbled",  # the effect, and an answer that cannot be read
    "odd",  # a state that nobody knows
    "denied",  # a policy that is being changed, a token that has expired
    "proxy",  # somebody else answers: HTML with 403, 404, 407; a redirect
    "stale",  # listings of a while ago
    "reordered",  # listings in no order
    "dropped",  # listings without some of what there is
    "silent",  # Airflow does not say the states of tasks
)
OPERATIONS = ("any", "starts", "describes", "lists", "ends")

EVENTS = (
    "mark_failed",
    "mark_success",
    "clear",
    "delete",
    "remake",  # delete the DAG run, and make it again with the same ids
    "lose_worker",  # SIGKILL
    "stop_worker",  # SIGTERM that no person asked for
    "cut_off",  # a worker that Airflow takes for lost goes on for a while
    "lose_triggerer",
    "stop_triggerer",
    "second_triggerer",  # takes over from one that goes on for a while
    "upgrade",  # what is written from now on has fields that nobody knows
)


@dataclass(frozen=True)
class Task:
    """A task instance, and the operator's parameters.

    :param place: what tells it from the first task: nothing but the ``iteration`` of a loop, or the ``deployment``
    """

    kind: str = "job_run"
    mode: str = "blocking"
    wait_for: str = "completion"
    retries: int = 1
    retry_delay: float = 20.0
    timeout: float | None = None
    end_on_kill: bool = True
    end_on_timeout: bool = True
    reattach: bool = True
    place: str = ""
    begins: float = 0.0


@dataclass(frozen=True)
class Run:
    """How something that was started goes, if nobody ends it.

    :param lasts: until a job run ends, or a session is ready
    :param ends: ``success``, ``failure``, or ``held``: not before everything else is over
    :param odd: from when on, for how long it is in a state that nobody knows
    :param races: it ends by itself while it is being ended
    """

    lasts: float = 20.0
    ends: str = "success"
    odd: tuple[float, float] | None = None
    races: bool = False


@dataclass(frozen=True)
class Window:
    """A time in which some calls go wrong.

    :param share: of the calls, from 0 to 1
    """

    family: str
    begins: float
    lasts: float
    on: str = "any"
    share: float = 1.0


@dataclass(frozen=True)
class Event:
    """What happens to a task, or to what runs it."""

    at: float
    what: str
    task: int = 0


@dataclass(frozen=True)
class History:
    """Everything that is decided.

    :param runs: of what is started, in this order; those after the last are as the default
    :param skews: of the clocks of database, service, triggerers and workers (each try has the next), in seconds
    :param shared_journal: whether all triggerers of a deployment have one folder
    :param whole_seconds: whether the service's times have no fractions
    :param grace: how long a process may go on after a signal; 5 s in Airflow 3, 60 s in Airflow 2
    :param forgets: after how many seconds the service forgets a client token
    """

    seed: int = 0
    tasks: tuple[Task, ...] = (Task(),)
    runs: tuple[Run, ...] = ()
    windows: tuple[Window, ...] = ()
    events: tuple[Event, ...] = ()
    skews: tuple[float, ...] = (0.0,)
    shared_journal: bool = True
    whole_seconds: bool = False
    grace: float = 5.0
    forgets: float = 7200.0

    @property
    def quiet(self) -> float:
        """From when on nothing more goes wrong."""
        ends = [one.begins + one.lasts for one in self.windows]
        moments = [*ends, *(one.at for one in self.events), *(one.begins for one in self.tasks)]
        return max(moments, default=0.0)

    def to_json(self) -> dict[str, Any]:
        """As a file keeps it: what is not as the default."""
        parts = {
            name: [_compact(one) for one in getattr(self, name)] for name in ("tasks", "runs", "windows", "events")
        }
        return {**_compact(self), **{name: ones for name, ones in parts.items() if ones}}

    @staticmethod
    def from_json(given: dict[str, Any]) -> History:
        """The history that :meth:`to_json` wrote."""
        runs = [{**one, "odd": tuple(one["odd"]) if one.get("odd") else None} for one in given.get("runs", ())]
        return History(
            **{
                **given,
                "tasks": tuple(Task(**one) for one in given.get("tasks", ({},))),
                "runs": tuple(Run(**one) for one in runs),
                "windows": tuple(Window(**one) for one in given.get("windows", ())),
                "events": tuple(Event(**one) for one in given.get("events", ())),
                "skews": tuple(given.get("skews", (0.0,))),
            }
        )


def _compact(one: Any) -> dict[str, Any]:
    return {
        each.name: getattr(one, each.name)
        for each in fields(one)
        if each.default is MISSING or getattr(one, each.name) != each.default
    }


def draw(seed: int) -> History:
    """The history of a seed."""
    chance = random.Random(seed)
    tasks = _tasks(chance)
    horizon = chance.choice((30.0, 60.0, 150.0, 150.0, 400.0))
    windows = [_window(chance, horizon) for _ in range(chance.choice((0, 0, 1, 1, 1, 2, 3)))]
    count = chance.choice((0, 0, 1, 1, 1, 2, 2, 3, 4))
    events = [
        Event(round(chance.uniform(0.0, horizon), 2), chance.choice(EVENTS), chance.randrange(len(tasks)))
        for _ in range(count)
    ]
    is_skewed = chance.random() < 0.3
    return History(
        seed=seed,
        tasks=tasks,
        runs=tuple(_run(chance) for _ in range(chance.choice((1, 2, 3, 4)))),
        windows=tuple(windows),
        events=tuple(sorted(events, key=lambda one: one.at)),
        skews=tuple(_skew(chance) for _ in range(5)) if is_skewed else (0.0,),
        shared_journal=chance.random() < 0.6,
        whole_seconds=chance.random() < 0.5,
        grace=chance.choice((5.0, 5.0, 60.0)),
        # What a worker hours behind the service looks for by its age it may not find.
        forgets=7200.0 if is_skewed else chance.choice((7200.0, 7200.0, 3700.0)),
    )


def _tasks(chance: random.Random) -> tuple[Task, ...]:
    kind = chance.choice(("job_run", "job_run", "session", "eks_job_run"))
    mode = chance.choice(("blocking", "deferrable") if kind == "session" else ("blocking", *MODES))
    wait_for = "completion" if kind == "session" else chance.choice(("completion",) * 4 + ("running", "submission"))
    first = Task(
        kind=kind,
        mode=mode,
        wait_for=wait_for,
        retries=chance.choice((0, 1, 2, 2)),
        retry_delay=chance.choice((1.0, 20.0, 20.0, 120.0, 120.0, 5000.0)),
        timeout=chance.choice((None, None, None, 40.0, 200.0)),
        end_on_kill=chance.random() < 0.85,
        end_on_timeout=chance.random() < 0.85,
        reattach=chance.random() < 0.9,
    )
    place = chance.choice(("",) * 8 + ("iteration", "deployment"))
    if not place:
        return (first,)
    begins = chance.choice((0.0, 5.0, 60.0))
    return (first, replace(first, place=place, begins=begins))


def _run(chance: random.Random) -> Run:
    lasts = round(chance.choice((1.0, 10.0, 40.0, 90.0)) * chance.uniform(0.5, 1.5), 2)
    odd = (round(chance.uniform(0.0, lasts), 2), chance.choice((2.0, 30.0, 300.0))) if chance.random() < 0.08 else None
    ends = chance.choice(("success", "success", "success", "failure", "held", "held"))
    return Run(lasts, ends, odd, races=chance.random() < 0.15)


def _window(chance: random.Random, horizon: float) -> Window:
    family = chance.choice(FAMILIES)
    on = "lists" if family in ("stale", "reordered", "dropped") else chance.choice(OPERATIONS)
    if family == "silent":
        on = "any"  # Airflow has one question
    lasts = chance.choice((2.0, 20.0, 60.0, 200.0, 600.0))
    return Window(family, round(chance.uniform(0.0, horizon), 2), lasts, on, chance.choice((1.0, 1.0, 0.5, 0.2)))


def _skew(chance: random.Random) -> float:
    return chance.choice((0.0, 0.0, -10.0, 10.0, -3.0, 3.0, -600.0, 600.0, -7200.0, 7200.0))


def shrunk(history: History, fails: Callable[[History], bool]) -> History:
    """The smallest history that still fails of those that lack parts of this one.

    :param fails: whether a history fails as this one does
    """
    progress = True
    while progress:
        progress = False
        for simpler in _simpler(history):
            if fails(simpler):
                history, progress = simpler, True
                break
    return history


def _simpler(history: History) -> Iterator[History]:
    """Histories with one part less, or a plainer one; the largest steps first."""
    for name in ("events", "windows", "tasks", "runs"):
        parts = getattr(history, name)
        for index in range(len(parts) - 1, -1, -1):
            if name == "tasks" and index == 0:
                continue
            rest = parts[:index] + parts[index + 1 :]
            if name == "tasks" and any(one.task >= len(rest) for one in history.events):
                continue
            yield replace(history, **{name: rest})
    plain = History()
    for name in ("skews", "shared_journal", "whole_seconds", "grace", "forgets"):
        if getattr(history, name) != getattr(plain, name):
            yield replace(history, **{name: getattr(plain, name)})
    if len(history.skews) > 1:
        for index, skew in enumerate(history.skews):
            if skew:
                yield replace(history, skews=(*history.skews[:index], 0.0, *history.skews[index + 1 :]))
    yield from _plainer(history, "tasks", Task(), keep=("kind", "mode", "place"))
    yield from _plainer(history, "runs", Run(), keep=())
    for index, one in enumerate(history.windows):
        for changed in (replace(one, share=1.0), replace(one, on="any"), replace(one, lasts=one.lasts / 10)):
            if changed != one and changed.lasts >= 0.5:
                yield replace(history, windows=(*history.windows[:index], changed, *history.windows[index + 1 :]))
    if any(one.mode != "blocking" for one in history.tasks):
        yield replace(history, tasks=tuple(replace(one, mode="blocking") for one in history.tasks))
    if any(one.kind != "job_run" for one in history.tasks):
        yield replace(history, tasks=tuple(replace(one, kind="job_run") for one in history.tasks))


def _plainer(history: History, name: str, plain: Any, keep: tuple[str, ...]) -> Iterator[History]:
    for index, one in enumerate(getattr(history, name)):
        for part in asdict(plain):
            if part not in keep and getattr(one, part) != getattr(plain, part):
                changed = replace(one, **{part: getattr(plain, part)})
                parts = getattr(history, name)
                yield replace(history, **{name: (*parts[:index], changed, *parts[index + 1 :])})


@dataclass
class Kept:
    """A history of the corpus.

    :param found: what it has found, once, in words
    :param fault: key of :data:`~tests.simulation.mutants.MUTANTS`: it finds this one, and nothing without it
    :param outcomes: how each task ended in the release that it was recorded with
    """

    name: str
    history: History
    found: str = ""
    fault: str = ""
    outcomes: list[dict[str, Any]] = field(default_factory=list)


def corpus(folder: Path = Path(__file__).parent / "corpus") -> list[Kept]:
    """The histories that are kept."""
    kept = []
    for path in sorted(folder.glob("*.json")):
        for number, one in enumerate(json.loads(path.read_text())):
            history = History.from_json(one.pop("history"))
            kept.append(Kept(f"{path.stem}-{number}", history, **one))
    return kept
