"""The local cloud's bad weather: the same for the same seed, bounded, and of what AWS is known to say."""

from pathlib import Path

import pytest

from gencove_explorer.analysis import Analysis
from localcloud.run import RunningCloud
from localcloud.weather import Weather

CASES = Path(__file__).parent / "recorded" / "jobs.json"
JOB = {"service": "s3", "key": "job"}


def day(seed: int, jobs: int = 200) -> list[object]:
    """What happens to attempts and requests on one day."""
    weather = Weather.of_cases(seed, CASES)
    return [
        (weather.fault(JOB), weather.throttles_credentials(), weather.why_not_started(f"{number}"))
        for number in range(jobs)
    ] + [weather.end_of_host(f"{number}") for number in range(jobs)]


def test_a_seed_gives_the_same_weather_again():
    assert day(7) == day(7)
    assert day(7) != day(8)


def test_what_it_says_is_what_aws_is_known_to_say():
    weather = Weather.of_cases(1, CASES)
    assert any(text.startswith("CannotPullContainerError") for text in weather.not_started)
    assert any(text.startswith("DockerTimeoutError") for text in weather.not_started)
    assert {text.partition(" (")[0] for text in weather.reclaimed} >= {"Host EC2", "Host EC2 Terminated"}


def test_a_job_meets_it_a_few_times_at_most():
    weather = Weather.of_cases(1, CASES)
    met = [weather.why_not_started("one") or weather.end_of_host("one") for _ in range(1000)]
    assert sum(trouble is not None for trouble in met) == 3


@pytest.mark.parametrize("asked", [{"service": "batch", "key": "job"}, {"service": "s3", "key": "submitter"}])
def test_others_are_spared_or_met_less(asked: dict[str, str]):
    weather = Weather.of_cases(1, CASES)
    count = sum(weather.fault(asked) is not None for _ in range(1000))
    assert count == 0 if asked["service"] == "batch" else 0 < count < 300


def test_an_array_succeeds_in_it(weather_home: Path, stormy_cloud: RunningCloud):
    an = Analysis(function=lambda ac: ac.output.value("x", ac.input), input=list(range(20)))
    an.run()
    an.wait_done(timeout=250)
    assert an.values("x") == list(range(20))
    happened = stormy_cloud.tell("weather")
    assert happened["503"] > 0
    assert happened["429"] > 0
    assert happened["not started"] + happened["reclaimed"] + happened["lost"] > 0
