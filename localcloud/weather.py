"""Bad weather: trouble that comes by itself, the same for the same seed, and that no job is to blame for.

Each job meets it a few times at most, so that all succeed within the attempts that AWS Batch makes.
"""

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BUSY = 0.12
"""How often S3 answers 503 to a job; S3 asks for fewer requests (SlowDown), and so it comes in rows."""
_ROW = 4
_BUSY_TO_PEOPLE = 0.04
_THROTTLED = 0.4
"""How often the credentials endpoint answers 429: ECS allows 40 requests a second to a host."""
_NOT_STARTED, _RECLAIMED, _LOST, _NOT_SEEN = 0.12, 0.12, 0.04, 0.03
_MOST = 3
"""Attempts at a job that come to nothing: AWS Batch makes ten, our rules for retries are for those."""


@dataclass
class Weather:
    """What happens to requests and to attempts. Made by the server; it and the workers ask."""

    seed: int
    not_started: list[str]
    """Reasons of containers that could not be started."""
    reclaimed: list[str]
    """What is said of jobs whose machine was taken away."""
    happened: Counter[str] = field(default_factory=Counter)
    """How often what has happened: a run in which nothing did shows nothing."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._lock = threading.Lock()
        self._row = 0
        self._troubles: Counter[str] = Counter()

    @classmethod
    def of_cases(cls, seed: int, file: Path) -> "Weather":
        """With the texts of a file of what AWS is known to answer (tests/cloud/recorded/jobs.json)."""
        jobs = [case["job"] for case in json.loads(file.read_text()) if case.get("retried")]
        not_started = [
            job["container"]["reason"]
            for job in jobs
            if job["statusReason"] == "Task failed to start" and job.get("container", {}).get("reason")
        ]
        reclaimed = [job["statusReason"] for job in jobs if job["statusReason"].startswith("Host EC2")]
        return cls(seed, sorted(set(not_started)), sorted(set(reclaimed)))

    def fault(self, asked: dict[str, Any]) -> str | None:
        """The kind of fault that a request meets; None: it is answered."""
        if asked["service"] != "s3":
            return None
        with self._lock:
            if self._row:
                self._row -= 1
            elif self._random.random() < (_BUSY if asked["key"] == "job" else _BUSY_TO_PEOPLE):
                self._row = self._random.randrange(_ROW)
            else:
                return None
            self.happened["503"] += 1
            return "throttle"

    def throttles_credentials(self) -> bool:
        """Whether the credentials endpoint answers 429."""
        with self._lock:
            throttled = self._random.random() < _THROTTLED
            self.happened["429"] += throttled
            return throttled

    def why_not_started(self, job: str) -> str | None:
        """The reason why the container of an attempt cannot be started; None: it can."""
        with self._lock:
            if not self._strikes(job, _NOT_STARTED, "not started"):
                return None
            return self._random.choice(self.not_started)

    def end_of_host(self, job: str) -> tuple[float, str, bool] | None:
        """``(seconds, text, lost)`` of an attempt that loses its machine, without SIGTERM if ``lost``."""
        with self._lock:
            lost = self._strikes(job, _LOST, "lost")
            if not lost and not self._strikes(job, _RECLAIMED, "reclaimed"):
                return None
            return self._random.uniform(0, 1.0), self._random.choice(self.reclaimed), lost

    def is_not_seen(self, job: str) -> bool:
        """Whether the container of an attempt that failed cannot be looked at."""
        with self._lock:
            return self._strikes(job, _NOT_SEEN, "not seen")

    def _strikes(self, job: str, often: float, what: str) -> bool:
        struck = self._random.random() < often and self._troubles[job] < _MOST
        self._troubles[job] += struck
        self.happened[what] += struck
        return struck
