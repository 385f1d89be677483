"""The settings: the process wins over the file, and all that is wrong is said at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blocks.discord_channels import DiscordChannels
from blocks.errors import PermanentError
from blocks.export_source import SAMPLE, ExportSource
from blocks.gemini import GeminiAnalyst
from blocks.google_sheet import GoogleSheet
from blocks.lexicon_analyst import LexiconAnalyst
from blocks.outbox_publisher import OutboxPublisher
from blocks.pipeline_settings import PipelineSettings, PublishMode
from blocks.sqlite_ledger import SqliteLedger
from blocks.typefully import TypefullyPublisher
from flows import environment

ROOT = Path(__file__).parents[1]


def test_with_nothing_set_the_embedded_members_work_on_the_sample(tmp_path: Path) -> None:
    source, ledger, _, outbox, settings = environment.blocks_of(environment.read(tmp_path / ".env", {}))
    assert isinstance(source, ExportSource)
    assert source.path == SAMPLE
    assert isinstance(ledger, SqliteLedger)
    assert ledger.path.is_absolute()
    assert isinstance(outbox, OutboxPublisher)
    assert settings == PipelineSettings(log_folder=str(Path("data/logs").absolute()))


def test_the_process_wins_over_the_file_and_an_empty_value_is_not_set(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DISCORD_FETCH_LIMIT=5\nPUBLISH_MODE=approve\nSCHEDULE_TIME=07:30 # morning\nLEDGER_PATH=\n")
    found = environment.read(file, {"DISCORD_FETCH_LIMIT": "0", "PUBLISH_MODE": "", "HOME": "/nowhere"})
    assert found.DISCORD_FETCH_LIMIT == 0
    assert found.PUBLISH_MODE is PublishMode.APPROVE
    assert found.SCHEDULE_TIME == "07:30"
    assert Path("data/ledger.sqlite3") == found.LEDGER_PATH


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    bad = {
        "DISCORD_FETCH_LIMIT": "many",
        "DISCORD_LOOKBACK_DAYS": "-1",
        "SCHEDULE_TIME": "25:00",
        "SCHEDULE_TIMEZONE": "Mars/Olympus",
        "PUBLISHER_TYPE": "pigeon",
        "PUBLISH_MODE": "maybe",
        "LOG_LEVEL": "LOUD",
    }
    with pytest.raises(PermanentError) as caught:
        environment.read(tmp_path / ".env", bad)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == sorted(bad, key=list(environment.Environment.model_fields).index)
    assert not any(value in str(caught.value) for value in ("pigeon", "LOUD"))


def test_paths_that_cannot_be_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad = {
        "DISCORD_EXPORT_PATH": str(tmp_path / "none.json"),
        "LEDGER_PATH": str(tmp_path),
        "OUTBOX_PATH": str(tmp_path / "file"),
    }
    with pytest.raises(PermanentError) as caught:
        environment.read(tmp_path / ".env", bad)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == list(bad)


@pytest.mark.parametrize("headline", ["gm https://evil.example", "gm @all", "gm $BTC", "gm\nhello", "x" * 81])
def test_a_headline_holds_no_link_handle_or_cashtag(tmp_path: Path, headline: str) -> None:
    with pytest.raises(PermanentError, match=r"^DIGEST_HEADLINE must be one line .* as: gm"):
        environment.read(tmp_path / ".env", {"DIGEST_HEADLINE": headline})


@pytest.mark.parametrize(
    "names",
    [
        {"GOOGLE_SHEET_NAME": "Links", "ARCHIVE_SHEET_NAME": "links "},
        {"GOOGLE_SHEET_NAME": "Drafts"},
        {"ARCHIVE_SHEET_NAME": "Posts"},
        {"ARCHIVE_SHEET_NAME": "daily-pipeline journal"},
    ],
    ids=lambda names: "=".join(names.values()),
)
def test_each_tab_has_a_name_of_its_own(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match=r"^Two tabs would have one name"):
        environment.read(tmp_path / ".env", names)
    environment.read(tmp_path / ".env", {"GOOGLE_SHEET_NAME": "Archive", "ARCHIVE_SHEET_NAME": "Posts"})


def test_the_social_set_may_come_later(tmp_path: Path) -> None:
    """`--test` lists those that the key may use."""
    given = {"PUBLISHER_TYPE": "typefully", "TYPEFULLY_API_KEY": SECRET}
    typefully = environment.blocks_of(environment.read(tmp_path / ".env", given))[-2]
    assert isinstance(typefully, TypefullyPublisher)
    assert not typefully.social_set_id


def test_no_publisher(tmp_path: Path) -> None:
    settings = environment.blocks_of(environment.read(tmp_path / ".env", {"PUBLISHER_TYPE": "none"}))[-1]
    assert isinstance(settings, PipelineSettings)
    assert settings.publisher == ""


def test_the_cron_line_is_the_time_of_day() -> None:
    assert PipelineSettings(schedule_time="07:05").crons == ["5 7 * * *", "5 8 * * *"]
    assert PipelineSettings(schedule_time="07:05", schedule_again_after=0).crons == ["5 7 * * *"]
    assert PipelineSettings(schedule_time="23:30").crons == ["30 23 * * *", "59 23 * * *"], "the same day's digest"
    assert PipelineSettings(schedule_time="23:59").crons == ["59 23 * * *"]
    with pytest.raises(ValueError, match="time zone"):
        PipelineSettings(schedule_timezone="Mars/Olympus")


def test_the_example_explains_every_setting_and_is_valid() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^#?\s*([A-Z_]{4,})=", text, re.MULTILINE)
    assert sorted(named) == sorted(environment.Environment.model_fields)
    uncommented = dict(re.findall(r"^#?\s*([A-Z_]{4,})=(\S*)", text, re.MULTILINE))
    uncommented.pop("DISCORD_EXPORT_PATH")
    assert environment.Environment.model_validate({k: v for k, v in uncommented.items() if v})


SECRET = "SECRETvalue0123456789"


def account(folder: Path) -> str:
    file = folder / "key.json"
    file.write_text('{"type": "service_account", "private_key": "x", "client_email": "a@b"}')
    return str(file)


def test_each_service_is_used_once_its_settings_are_there(tmp_path: Path) -> None:
    given = {
        "DISCORD_TOKEN": f"Bot {SECRET}",
        "DISCORD_CHANNEL_ID": "222, 333,222",
        "GOOGLE_SHEETS_ID": "1AbC-d_e",
        "GOOGLE_SERVICE_ACCOUNT_FILE": account(tmp_path),
        "GOOGLE_SHEET_NAME": "Links",
        "GEMINI_API_KEY": SECRET,
        "GEMINI_MODEL": "gemini-x",
        "PUBLISHER_TYPE": "typefully",
        "TYPEFULLY_API_KEY": SECRET,
        "TYPEFULLY_SOCIAL_SET_ID": "12",
    }
    source, ledger, lexicon, gemini, typefully, settings = environment.blocks_of(
        environment.read(tmp_path / ".env", given)
    )
    assert isinstance(source, DiscordChannels)
    assert source.channel_ids == ["222", "333"]
    assert source.token.get_secret_value() == SECRET
    assert isinstance(ledger, GoogleSheet)
    assert (ledger.spreadsheet_id, ledger.posts_tab, ledger.archive_tab) == ("1AbC-d_e", "Links", "Archive")
    assert ledger.service_account_key.get_secret_value()["client_email"] == "a@b"
    assert isinstance(lexicon, LexiconAnalyst)
    assert isinstance(gemini, GeminiAnalyst)
    assert gemini.model == "gemini-x"
    assert isinstance(typefully, TypefullyPublisher)
    assert isinstance(settings, PipelineSettings)
    assert (settings.source, settings.ledger, settings.analyst, settings.publisher) == (
        "discord-channels/daily-pipeline",
        "google-sheet/daily-pipeline",
        "gemini/daily-pipeline",
        "typefully/daily-pipeline",
    )
    mixed = environment.blocks_of(environment.read(tmp_path / ".env", {"GEMINI_API_KEY": SECRET}))
    assert [type(block) for block in mixed[:2]] == [ExportSource, SqliteLedger]


def test_all_that_is_missing_or_malformed_is_said_at_once_and_no_secret_is(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(f'{{"type": "user", "token": "{SECRET}"}}')
    bad = {
        "DISCORD_TOKEN": SECRET,
        "GOOGLE_SERVICE_ACCOUNT_FILE": str(broken),
        "GEMINI_API_KEY": f"{SECRET} and more",
        "GEMINI_API_URL": f"http://{SECRET}.example",
        "PUBLISHER_TYPE": "twitter",
        "X_API_KEY": SECRET,
        "X_ACCESS_TOKEN": "short",
    }
    with pytest.raises(PermanentError) as caught:
        environment.read(tmp_path / ".env", bad)
    lines = str(caught.value).splitlines()
    assert [line.split()[0] for line in lines] == [
        "GEMINI_API_KEY",
        "GEMINI_API_URL",
        "X_ACCESS_TOKEN",
        "DISCORD_CHANNEL_ID",
        "GOOGLE_SHEETS_ID",
        "X_API_SECRET",
        "X_ACCESS_TOKEN_SECRET",
        "GOOGLE_SERVICE_ACCOUNT_FILE",
    ]
    assert SECRET not in str(caught.value).replace(str(broken), "")


@pytest.mark.parametrize("text", ["none there", "{", "[]"])
def test_a_key_file_that_cannot_be_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.json"
    if text != "none there":
        file.write_text(text)
    with pytest.raises(PermanentError, match="GOOGLE_SERVICE_ACCOUNT_FILE"):
        environment.read(tmp_path / ".env", {"GOOGLE_SHEETS_ID": "abcd", "GOOGLE_SERVICE_ACCOUNT_FILE": str(file)})


def test_the_error_about_a_broken_key_file_does_not_hold_it(tmp_path: Path) -> None:
    """A JSON decoder's error carries the whole document along."""
    (tmp_path / "key.json").write_text('{"private_key": "marked-secret",')
    with pytest.raises(ValueError, match="is not JSON") as caught:
        environment._account(tmp_path / "key.json")
    assert caught.value.__context__ is None
