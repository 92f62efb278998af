"""JobDefinition: what it takes, and that each refusal names the field, the value and what is allowed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer_runner.definition import MAX_RETRIES, JobDefinition
from explorer_runner.errors import InvalidDefinition

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:token-AbCdEf"
VARIABLES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,20}\Z").filter(
    lambda name: not name.startswith(("AWS_BATCH", "EXPLORER_"))
)


def test_the_defaults_are_those_of_the_description():
    definition = JobDefinition()
    assert (definition.cpu, definition.memory_mb, definition.gpu, definition.retries) == (2, 4000, 0, 0)
    assert definition.timeout_seconds is definition.image is None
    assert dict(definition.environment) == dict(definition.secrets) == {}


@given(
    st.builds(
        JobDefinition,
        cpu=st.integers(1, 100_000),
        memory_mb=st.integers(4, 100_000_000),
        gpu=st.integers(0, 1000),
        timeout_seconds=st.none() | st.integers(1, 10_000_000),
        retries=st.integers(0, MAX_RETRIES),
        image=st.none() | st.just("registry/runner:1"),
        environment=st.dictionaries(
            VARIABLES, st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=3
        ),
    )
)
def test_it_survives_json(definition: JobDefinition):
    assert JobDefinition.from_json(json.loads(json.dumps(definition.to_json()))) == definition


def test_what_a_newer_version_added_is_left_out():
    assert JobDefinition.from_json({"cpu": 3, "hyperthreads": True}) == JobDefinition(cpu=3)


def test_what_an_older_version_did_not_have_is_the_default():
    assert JobDefinition.from_json({"cpu": 3}).memory_mb == 4000


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("cpu", 0, "use a number from 1 to 100,000"),
        ("cpu", 1.5, "use a whole number, not float"),
        ("cpu", "2", "use a whole number, not str"),
        ("cpu", True, "use a whole number, not bool"),
        ("cpu", None, "use a whole number, not NoneType"),
        ("memory_mb", 3, "use a number from 4 to 100,000,000"),
        ("memory_mb", "4G", "use a whole number, not str"),
        ("gpu", -1, "use a number from 0 to 1,000"),
        ("timeout_seconds", 0, "use a number from 1 to 10,000,000"),
        ("timeout_seconds", 2.5, "use a whole number, not float"),
        ("retries", MAX_RETRIES + 1, "use a number from 0 to 9"),
        ("retries", -1, "use a number from 0 to 9"),
        ("image", "", "use the name of an image"),
        ("image", "  ", "use the name of an image"),
        ("image", 7, "use the name of an image"),
    ],
)
def test_a_value_that_no_executor_can_honour_is_refused(field: str, value: object, said: str):
    with pytest.raises(InvalidDefinition) as refused:
        JobDefinition(**{field: value})
    assert f"{field}={value!r}" in str(refused.value)
    assert said in str(refused.value)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("field", ["environment", "secrets"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "use a dictionary of strings"),
        ([("A", "b")], "use a dictionary of strings"),
        ({"1A": "x"}, "'1A' is not the name of an environment variable"),
        ({"": "x"}, "'' is not the name"),
        ({"A=B": "x"}, "'A=B' is not the name"),
        ({"A\n": "x"}, "is not the name"),
        ({3: "x"}, "3 is not the name"),
        ({"AWS_BATCH_JOB_ID": "x"}, "AWS_BATCH_JOB_ID is reserved"),
        ({"EXPLORER_STORE": "x"}, "EXPLORER_STORE is reserved"),
        ({"A": 3}, "the value of A is not a string but int"),
        ({"A": None}, "the value of A is not a string but NoneType"),
    ],
)
def test_a_variable_that_cannot_be_set_is_refused(field: str, given: object, said: str):
    with pytest.raises(InvalidDefinition) as refused:
        JobDefinition(**{field: given})
    assert f"{field}=" in str(refused.value)
    assert said in str(refused.value)


def test_a_variable_cannot_hold_a_null_byte():
    with pytest.raises(InvalidDefinition, match="the value of A"):
        JobDefinition(environment={"A": "x\0"})


@pytest.mark.parametrize("value", ["hunter2", "", "arn:aws:s3:::bucket", f"{ARN} x", "AQoDYXdzEJr"])
def test_a_secret_is_an_arn_and_a_value_given_by_mistake_is_not_repeated(value: str):
    with pytest.raises(InvalidDefinition) as refused:
        JobDefinition(secrets={"TOKEN": value})
    assert "'TOKEN'" in str(refused.value)
    assert "a secret's value never goes here" in str(refused.value)
    assert not value or value not in str(refused.value)


@pytest.mark.parametrize(
    "arn", [ARN, "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/token", f"{ARN}:key::"]
)
def test_arns_of_secrets_are_accepted(arn: str):
    assert JobDefinition(secrets={"TOKEN": arn}).secrets["TOKEN"] == arn


def test_a_variable_is_not_a_secret_too():
    with pytest.raises(InvalidDefinition, match="'TOKEN' is both in environment and in secrets"):
        JobDefinition(environment={"TOKEN": "x"}, secrets={"TOKEN": ARN})


def test_it_does_not_change():
    with pytest.raises(AttributeError):
        JobDefinition().cpu = 4  # type: ignore[misc]


def test_positions_are_not_arguments():
    with pytest.raises(TypeError):
        JobDefinition(4)  # type: ignore[misc]


@pytest.mark.parametrize("field", ["environment", "secrets"])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PYTHONHOME", "Python could not find its own library"),
        ("PYTHONINSPECT", "would wait for input at its end"),
        ("LD_TRACE_LOADED_OBJECTS", "print their libraries instead of running"),
        ("TMPDIR", "each job has its own"),
        ("VIRTUAL_ENV", "each job has its own"),
    ],
)
def test_a_variable_that_would_break_a_job_or_do_nothing_is_refused_with_the_reason(
    field: str, name: str, said: str
):
    with pytest.raises(InvalidDefinition) as refused:
        JobDefinition(**{field: {name: ARN, "A": ARN}})
    assert f"JobDefinition({field}=...): {name} cannot be set: " in str(refused.value)
    assert said in str(refused.value)
    assert str(refused.value).endswith("Leave it out")
    JobDefinition(**{field: {"A": ARN}})


def test_what_an_older_version_stored_with_such_a_variable_stays_readable():
    stored = {"cpu": 1, "environment": {"TMPDIR": "/fast", "A": "b"}, "secrets": {}}
    read = JobDefinition.from_json(stored)
    assert read.environment == {"TMPDIR": "/fast", "A": "b"}
    assert JobDefinition.from_json(read.to_json()) == read
    with pytest.raises(InvalidDefinition, match="'1A' is not the name"):
        JobDefinition.from_json({"environment": {"TMPDIR": "/fast", "1A": "b"}})
