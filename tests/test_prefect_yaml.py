"""`prefect.yaml`: every key is one that Prefect knows, and what is deployed is what the settings say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel
from prefect.client.orchestration import get_client
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import build_error_obj, validate
from pydantic import BaseModel

from blocks.loading import save
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings, PublishMode

ROOT = Path(__file__).parents[1]
FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
SCHEDULE = {"slug", "cron", "timezone", "active", "parameters"}


def models(kind: Any) -> list[type[BaseModel]]:
    """The models in a field's type, however it is wrapped."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [found for part in get_args(kind) for found in models(part)]


def unknown(value: Any, kinds: list[type[BaseModel]], at: str = "") -> list[str]:
    """The keys of a file that Prefect would read past without a word."""
    if isinstance(value, list):
        return [key for n, item in enumerate(value) for key in unknown(item, kinds, f"{at}[{n}]")]
    if not isinstance(value, dict) or not kinds:
        return []
    known = {name: field for kind in kinds for name, field in kind.model_fields.items()}
    found = [f"{at}.{key}" for key in value if key not in known]
    for key in value.keys() & known.keys():
        found += unknown(value[key], models(known[key].annotation), f"{at}.{key}")
    return found


def test_every_key_is_known_to_prefect() -> None:
    assert unknown(FILE, [PrefectYamlModel]) == []


@pytest.mark.parametrize(
    ("where", "key"), [((), "deployment"), (("deployments", 0), "schedule_s"), (("deployments", 0, "work_pool"), "nam")]
)
def test_a_misspelt_key_is_found(where: tuple[Any, ...], key: str) -> None:
    file = yaml.safe_load(yaml.safe_dump(FILE))
    place = file
    for step in where:
        place = place[step]
    place[key] = "x"
    assert {name.rpartition(".")[2] for name in unknown(file, [PrefectYamlModel])} == {key}


def test_each_schedule_has_its_name_and_no_other_keys() -> None:
    for deployment in FILE["deployments"]:
        schedules = deployment.get("schedules", [])
        assert all(set(one) <= SCHEDULE and one["slug"] for one in schedules)
        assert len({one["slug"] for one in schedules}) == len(schedules)
    assert "schedules" in DeploymentConfig.model_fields


@pytest.mark.parametrize("deployment", FILE["deployments"], ids=lambda one: one["name"])
def test_parameters_are_those_of_the_flow(deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.name == deployment["name"]
    for given in [deployment["parameters"], *(one.get("parameters", {}) for one in deployment.get("schedules", []))]:
        assert flow.validate_parameters(given)


def deploy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        env=environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def environment() -> dict[str, str]:
    import os

    from prefect.settings import PREFECT_API_URL

    return os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())}


def test_all_is_deployed_without_a_question_as_the_settings_say(prefect_server: None) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    save(
        PipelineSettings(
            schedule_time="07:30",
            schedule_again_after=90,
            schedule_timezone="Europe/Berlin",
            publish_mode=PublishMode.APPROVE,
            approval_minutes=10,
            log_level="DEBUG",
        ),
        BLOCK_NAME,
    )
    try:
        with get_client(sync_client=True) as client:
            client.create_work_pool(WorkPoolCreate(name="daily-pipeline", type="process"), overwrite=True)
            deploy()
            deploy()
            day = client.read_deployment_by_name("daily-pipeline/daily-pipeline")
            looks = client.read_deployment_by_name("publish-approved/publish-approved")
    finally:
        PipelineSettings.delete(BLOCK_NAME)
    shown = {one.slug: (one.schedule.cron, one.schedule.timezone, one.active) for one in day.schedules}  # type: ignore[union-attr]
    assert shown["daily"] == ("30 7 * * *", "Europe/Berlin", True)
    assert shown["daily-again"] == ("0 9 * * *", "Europe/Berlin", True)
    assert [slug for slug, (_, _, is_active) in shown.items() if is_active] != [*shown], "examples wait"
    assert len(day.schedules) == len(FILE["deployments"][0]["schedules"]), "a second time nothing is doubled"
    assert day.job_variables["env"] == {"PREFECT_LOGGING_LEVEL": "DEBUG"}
    assert day.parameters == {"settings": "pipeline-settings/daily-pipeline"}
    assert day.enforce_parameter_schema
    assert day.global_concurrency_limit
    assert day.global_concurrency_limit.limit == 1
    (look,) = looks.schedules
    assert (look.schedule.cron, look.active) == ("*/10 * * * *", True)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"channels": ["222", "#general"]}, "the id of a channel, all digits"),
        ({"fetch_limit": -1}, "how many messages"),
        ({"fetch_limit": "many"}, "how many messages"),
        ({"lookback_days": 99}, "days, from 0 to 30"),
        ({"daily_budget": -0.5}, "dollars, or 0 for no limit"),
        ({"day": "yesterday"}, "a day, as 2024-01-15"),
        ({"holiday_calendar": "Bundesrepublik Deutschland"}, "a country, as US or DE-BY"),
        ({"layout": "poem"}, "is not one of"),
    ],
    ids=str,
)
def test_the_run_form_says_what_it_asks_for(wrong: dict[str, Any], words: str) -> None:
    """As Prefect's server checks the parameters of a run before it makes one."""
    from flows.daily_pipeline import daily_pipeline

    schema = parameter_schema(daily_pipeline.fn).model_dump()
    right = {"day": "2024-01-15", "channels": ["222"], "fetch_limit": 0, "lookback_days": None, "daily_budget": 0.5}
    assert validate(right, schema, preprocess=True) == []
    assert words in str(build_error_obj(validate(wrong, schema, preprocess=True)))


def test_the_backfills_run_form_refuses_what_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.exceptions import ParameterTypeError
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint("flows/backfill.py:backfill")
    taken = flow.validate_parameters({"channels": ["222"], "first_day": "2024-01-15", "runner": "dask"})
    assert (taken["channels"], taken["runner"]) == (("222",), "dask")
    for name, parameter in flow.parameters.properties.items():
        assert parameter.get("description"), name
        assert parameter["title"] != name, "a title is for people"
    for wrong in ({"chunk": 0}, {"runner": "ray"}, {"parallel": -1}, {"last_day": "someday"}):
        with pytest.raises(ParameterTypeError, match=next(iter(wrong))):
            flow.validate_parameters(wrong)
