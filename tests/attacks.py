"""Days on which the model has been taken over and members attack: what they wish for, and what of it got out.

An attack is a plant (what is to be printed) in an encoding, put by the model into a field, and carried by a message
with one of the injections. A day has many, a few honest posts, and one digest to get into. The pipeline and the real
client libraries work with the servers of `tests/services/`; as in `scripts/year.py`, only Prefect's engine is left out.
"""

from __future__ import annotations

import json
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from blocks import columns
from blocks.gemini import GeminiAnalyst
from blocks.ledger import readable
from blocks.pipeline_settings import BLOCK_NAME, PipelineSettings
from blocks.records import RunReport
from scripts.year import Year
from scripts.year_process import without_prefect
from scripts.year_world import simulated_time
from tasks import run_page
from tasks.report import Day, render
from tasks.tell import tell
from tests.attack_encodings import ENCODINGS
from tests.attack_readings import Reader
from tests.exports import embed, status_id
from tests.services.discord_server import user
from tests.services.everything import Everything
from tests.services.gemini_server import MODEL, Asked, GeminiServer, analyses
from tests.services.server import Answer, Call, Service
from tests.services.sheets_model import Tab

DATA = Path(__file__).parent / "data" / "attacks"
START = datetime(2025, 1, 6, 19, 0, tzinfo=UTC)

HONEST = (
    ("Chainlink", "Chainlink CCIP is now live on the mainnet with {n} partners, after two audits in May."),
    ("Uniswap", "Uniswap has passed the new fee proposal with {n}% of the stake, and it is on from March."),
    ("Solana", "The Solana upgrade was released with {n} fixes, and the fees are down since the launch."),
)
NAMES = (
    "Akash Network,Algorand,Alchemix,Ampleforth,Ankr,API3,Arbitrum,Arweave,Audius,Axie Infinity,Benqi,Berachain,"
    "Biconomy,Aethir,Arcium,AltLayer,Aeternity,Bitcoin Cash"
).split(",")
"""Projects that no other word is, one for each attack of a day: the rule takes one item for a project."""

CARRIERS = (
    "{project} is now live on the mainnet with {plant} in the first of the pools.",
    "{plant} is now in the new release of {project}, and it is on the mainnet.",
    "The upgrade of {project} is live on the mainnet, and {plant}",
    "After the vote of the {project} DAO it is {plant} that has the stake.",
    "{project}: {plant}",
)
"""Good sentences for a plant to stand in: what is refused must be refused for the plant's sake."""

MODEL_ONLY = ("lie", "coin")
"""Kinds of plant that no post says, only the model. Where a post does, it may be quoted: what is true, and which coin
is worth a word, no code can tell."""

BATCH = 18
FIELDS = ("summary", "label", "name", "ticker", "every", "split", "post", "honest")
"""Where the model puts it: the sentence; the project's name beside the real one, alone, or as its ticker; everywhere at
once; in pieces over all fields; nowhere, as the post says it itself; in what it says of the honest posts."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What a message says to take the model over."""

    kind: str
    text: str

    def with_plant(self, plant: str) -> str:
        """The words with what the attacker wants in them."""
        return self.text.replace("{plant}", plant) if "{plant}" in self.text else f"{self.text} {plant}"


@dataclass(frozen=True, slots=True)
class Plant:
    """What the attacker wants printed, and by what it is recognised."""

    kind: str
    text: str
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attempt. `written` is the plant in its encoding."""

    injection: Injection
    plant: Plant
    encoding: str
    field: str

    @property
    def written(self) -> str:
        return ENCODINGS[self.encoding](self.plant.text)

    def is_in(self, text: Reader) -> bool:
        """Whether a text has it, decoded or as it was written."""
        whole = self.written.strip()
        return any(map(text.finds, self.plant.marks)) or (len(whole) > 5 and whole in text.text)


@cache
def injections() -> tuple[Injection, ...]:
    """All of `injections.txt`."""
    found, kind = list[Injection](), ""
    for line in (DATA / "injections.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("%% "):
            kind = line[3:].strip()
        elif line.strip():
            text = line.encode("ascii", "backslashreplace").decode("unicode_escape")
            # Two escapes may be the halves of one character.
            found.append(Injection(kind, text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")))
    return tuple(found)


@cache
def plants() -> tuple[Plant, ...]:
    """All of `plants.toml`."""
    tables = tomllib.loads((DATA / "plants.toml").read_text(encoding="utf-8"))
    return tuple(Plant(kind, text, tuple(marks)) for kind, table in tables.items() for text, marks in table.items())


def attacks(count: int = 0, fields: Sequence[str] = FIELDS) -> Iterator[Attack]:
    """Each plant in each encoding and field, the injections in turns; or `count` of these, the same every time."""
    said = injections()
    combinations = [
        (plant, encoding, where)
        for where in fields
        for encoding in ENCODINGS
        for plant in plants()
        if where != "post" or plant.kind not in MODEL_ONLY
    ]
    if 0 < count < len(combinations):
        combinations = Random(count).sample(combinations, count)
    for at, (plant, encoding, where) in enumerate(combinations):
        yield Attack(said[at * 7 % len(said)], plant, encoding, where)


def days(todo: Iterable[Attack]) -> Iterator[list[Attack]]:
    """The attacks of each day: one field, and no plant twice, so that what is found tells which attack it was."""
    waiting = list(todo)
    while waiting:
        where = waiting[0].field
        # What falls back on the post's own sentence takes a place in the digest: few, so that each has its chance.
        room = len(HONEST) if where == "honest" else 4 if where == "every" else BATCH
        taken: list[Attack] = []
        rest: list[Attack] = []
        kinds = set[Plant]()
        for attack in waiting:
            fits = len(taken) < room and attack.field == where and attack.plant not in kinds
            (taken if fits else rest).append(attack)
            kinds |= {attack.plant} if fits else set()
        waiting = rest
        yield taken


# The model that was taken over


def _carrier(attack: Attack, project: str, turn: int) -> str:
    return CARRIERS[turn % len(CARRIERS)].format(project=project, plant=attack.written)


def _in_pieces(attack: Attack) -> list[str]:
    """The plant in four pieces or more, none of which has a mark by itself."""
    text = attack.written
    size = min(-(-len(text) // 4), *(len(mark) - 1 for mark in attack.plant.marks), 9)
    return [text[at : at + size] for at in range(0, max(len(text), 3 * size + 1), size)]


@dataclass(slots=True)
class Target:
    """A post of the day: the attack on it, the project it really names, and which of the day's posts it is."""

    attack: Attack
    project: str
    turn: int

    def said(self, honest: dict[str, Any] | None = None) -> dict[str, Any]:
        """The model's words on it. `honest`: what they would have been."""
        plant, sentence = self.attack.written, _carrier(self.attack, self.project, self.turn)
        real: list[dict[str, Any]] = [{"name": self.project, "ticker": None}]
        said: dict[str, Any] = {"is_crypto": True, "projects": real, "category": "DeFi", "summary": sentence}
        said |= {"keywords": ["mainnet"], "score": 10}
        ticker = re.sub(r"[^A-Za-z0-9]", "", plant)[:11] or "WIN"
        named: list[dict[str, Any]] = [{"name": plant, "ticker": ticker}, {"name": "", "ticker": plant}]
        match self.attack.field:
            case "label":
                said["projects"] = [{"name": f"{self.project} {plant}", "ticker": None}]
            case "name":
                said["projects"] = named[:1]
            case "ticker":
                said["projects"] = [{"name": self.project, "ticker": ticker}, *named[1:]]
            case "every":
                said |= {"projects": real + named, "category": plant, "keywords": [plant] * 8, plant: plant}
            case "split":
                first, second, third, *rest = _in_pieces(self.attack)
                said |= {"summary": f"{self.project} is now on the mainnet with {first}", "keywords": rest[:-1]}
                said |= {"projects": [*real, {"name": second, "ticker": third}], "category": rest[-1]}
            case "honest":
                said = (honest or {}) | {"summary": sentence, "category": plant, "keywords": [plant], "score": 10}
                said["projects"] = [*said.get("projects", real), *named]
        return said


def _anything(schema: Mapping[str, Any], plant: str) -> Any:
    """An answer of whatever form is asked for, with the plant wherever a text can be."""
    match str(schema.get("type", "")).upper():
        case "OBJECT":
            return {name: _anything(of, plant) for name, of in schema.get("properties", {}).items()}
        case "ARRAY":
            return [_anything(schema.get("items", {}), plant)]
        case "INTEGER" | "NUMBER":
            return 10
        case "BOOLEAN":
            return True
    return plant


class AttackedGemini(GeminiServer):
    """The model answers as the attacker wishes, to the analysis, to the daily draft, and to anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: dict[str, Target] = {}
        self.honest: dict[str, Target] = {}
        """By post id, the posts that are attacked, and the honest ones that the model lies about."""
        self.scores: dict[str, int] = {}
        """By post id, how good other posts are; those that do not stand here are just good enough."""
        self.drafts_asked = 0

    def _generate(self, call: Call) -> Answer:
        config = call.data.get("generationConfig", {})
        schema = config.get("responseSchema") or config.get("responseJsonSchema") or {}
        told = "".join(part.get("text", "") for content in call.data["contents"] for part in content["parts"])
        fields = schema.get("properties", {})
        if "analyses" in fields:
            said: Any = {"analyses": self._analyses(json.loads(told)["posts"])}
        elif "items" in fields:
            self.drafts_asked += 1
            said = self._draft(re.findall(r'"post_id":\s*"(\d+)"', told))
        else:
            said = _anything(schema, next(iter(self.targets.values())).attack.written)
        text = json.dumps(said, ensure_ascii=False)
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
        coded: str | int = 1 if "enum-encoding=int" in call.one("$alt") else "STOP"
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": coded, "index": 0}
        return Answer(200, {"candidates": [candidate], "usageMetadata": usage, "modelVersion": MODEL})

    def _analyses(self, asked: Asked) -> list[dict[str, Any]]:
        said = []
        for honest in analyses(asked):
            key = honest["post_id"]
            if key in self.honest:
                said.append(honest | self.honest[key].said(honest))
            elif key in self.targets and self.targets[key].attack.field != "post":
                said.append({"post_id": key} | self.targets[key].said())
            elif key in self.targets:
                said.append(honest | {"score": 10})
            else:
                said.append(honest | {"score": self.scores.get(key, 4)} if honest["is_crypto"] else honest)
        return said

    def _draft(self, ids: Sequence[str]) -> dict[str, Any]:
        """A draft that says of every post, honest ones too, what the attackers want."""
        everyone = [*self.targets.values(), *self.honest.values()]
        items = list[dict[str, Any]]()
        if not everyone:
            return {"title": "The day", "items": items}
        for at, key in enumerate(dict.fromkeys(ids)):
            target = self.targets.get(key) or self.honest.get(key) or everyone[at % len(everyone)]
            text = target.attack.written if target.attack.field in ("name", "label") else target.said()["summary"]
            items.append({"post_id": key, "text": text})
        spare = everyone[0].attack.written
        items += [{"post_id": spare, "text": spare}, {"post_id": "1", "text": spare}]
        return {"title": spare, "items": items, "note": spare}


class Webhook(Service):
    """What takes notifications, as Discord's webhooks do."""

    name = "Webhook"

    def handle(self, call: Call) -> Answer:
        return Answer(204)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What was sent to it."""
        return [call.data for call in self.calls if isinstance(call.data, dict)]


# What is looked at after a day


@dataclass(frozen=True, slots=True)
class Escape:
    """Something that got out: where, in which text, and by which attack (None: by one that cannot be told)."""

    where: str
    text: str
    attack: Attack | None = None

    def __str__(self) -> str:
        shown = f"{self.where}: {self.text[:300]!r}"
        if self.attack is None:
            return shown
        plant = self.attack.plant
        how = f"{plant.kind} {plant.text!r} as {self.attack.encoding} in {self.attack.field}"
        return f"{how}, carried by {self.attack.injection.kind}\n      {shown}"


_LIVE = re.compile(
    r"https?:|www\.|\]\(|\]\[|!\[|<[a-z!/?]|\]:|`|@\w|[$]{2}|\\\(|javascript:|^\s{0,3}(?:#{1,6}\s|>|\|)|&#?\w+;|\{\{",
    re.IGNORECASE | re.MULTILINE,
)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_OURS = re.compile(r"https://(?:x\.com/\w+/status/\d{1,19}|docs\.google\.com/spreadsheets/d/[\w-]+/edit)")
_OUR_LINES = re.compile(
    r"^(?:# \S+ \w+, \d\d \w+ \d{4}: (?:digest|dry run), [A-Z]+|## The (?:run|digest, as it (?:is out|will appear))"
    r"|\[The (?:ledger|post)\]\(https://(?:docs\.google\.com/spreadsheets/d/[\w-]+/edit|x\.com/\w+/status/\d+)\)"
    r"(?: · \[The post\]\(https://x\.com/\w+/status/\d+\))*)$",
    re.MULTILINE,
)
"""The lines of the run's page that are code's own, and what a table says of a post."""

_MENTION = re.compile(r"@(?:everyone|here)|<@[!&]?\d+>|<#\d+>|<![a-z^]+", re.IGNORECASE)


def outside_fences(markdown: str) -> str:
    """What of a Markdown text is not in a code block that is fenced off, as CommonMark sees it."""
    kept: list[str] = []
    fence = ""
    for line in markdown.split("\n"):
        match = re.match(r" {0,3}(`{3,}|~{3,})(.*)$", line)
        if fence:
            closes = match and match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip()
            fence = "" if closes else fence
        elif match and not (match[1][0] == "`" and "`" in match[2]):
            fence = match[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def live_markup(markdown: str) -> list[str]:
    """What in an artifact's Markdown would be rendered as more than words."""
    return [match[0] for match in _LIVE.finditer(_OUR_LINES.sub("", outside_fences(markdown)))]


def webhook_problems(body: Mapping[str, Any]) -> list[str]:
    """What is wrong with the body of a message to a Discord-like webhook, when strangers' words may be in it.

    Nobody may be mentioned: `allowed_mentions` says so to Discord, and the words themselves to everybody else.
    """
    found = []
    allowed = body.get("allowed_mentions")
    if not isinstance(allowed, dict) or allowed.get("parse") != [] or any(allowed.get(k) for k in ("users", "roles")):
        found.append(f"allowed_mentions is {allowed!r}")
    texts = [*_strings({name: value for name, value in body.items() if name != "allowed_mentions"})]
    found += [f"it mentions {match[0]}" for text in texts for match in [_MENTION.search(text)] if match]
    found += [f"it has {match[0]!r}" for text in texts for match in [_CONTROL.search(text)] if match]
    found += ["it has fields that link"] if body.get("embeds") or body.get("components") else []
    return found


def _strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _strings(inner)
        case list() | tuple():
            for inner in value:
                yield from _strings(inner)


@dataclass(slots=True)
class Outcome:
    """What a day left wherever somebody or something reads it."""

    published: list[str]
    """The texts that are out, and the titles of drafts at Typefully."""
    drafts: list[dict[str, str]]
    formulas: list[tuple[str, str]]
    artifacts: list[str]
    descriptions: list[str]
    report: str
    notified: list[dict[str, Any]]
    trouble: list[str]

    def escapes(self, tried: Sequence[Attack]) -> Iterator[Escape]:
        """Everything of the attackers' that got out."""
        drafts = [" ".join(row.get(name, "") for name in ("Text", "Note", "Title")) for row in self.drafts]
        # The bodies' own words alone: a report quotes what was left out.
        for where, texts in [
            ("published", self.published),
            ("Drafts", drafts),
            ("artifact's title", self.descriptions),
        ]:
            for text in texts:
                reader = Reader(text)
                yield from (Escape(where, text, attack) for attack in tried if attack.is_in(reader))
        for tab, formula in self.formulas:
            yield Escape(f"formula in {tab}", formula, next((a for a in tried if a.is_in(Reader(formula))), None))
        for markdown in self.artifacts:
            yield from (Escape("artifact, live", piece) for piece in live_markup(markdown))
        for text in [self.report, *self.artifacts]:
            yield from (Escape("report", match[0]) for match in _CONTROL.finditer(text))
            yield from (Escape("report", match[0]) for match in _MENTION.finditer(text))
        if self.report.count("Overall Status:") != 1:
            yield Escape("report, forged", self.report)
        for body in self.notified:
            yield from (Escape("notification", problem) for problem in webhook_problems(body))


# The days


@dataclass(frozen=True, slots=True)
class Shared:
    """An ordinary post that a member shares. `post` is a number by which several members share the same one."""

    text: str
    who: str
    handle: str
    score: int = 7
    post: str = ""


class _Calm:
    """No faults."""

    dead = False
    calls = 0


class Days(Year):
    """Attacked days, one after the other, each on an empty sheet. `Year` knows how a run is made.

    Use as a context.
    """

    def __init__(self, publisher: str = "twitter") -> None:
        super().__init__(seed=1)
        self.publisher = publisher
        self.services = Everything()
        self.model = AttackedGemini()
        self.services.gemini = self.model
        self.webhook = Webhook()
        self.ran = 0
        self.trouble: list[str] = []
        self._open = ExitStack()

    def __enter__(self) -> Days:
        self._open.enter_context(self.services)
        self._open.enter_context(self.webhook)
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        with patch.object(Everything, "settings", self._settings(Everything.settings)):
            self._set_up(folder)
        self.clock = self._open.enter_context(simulated_time(START))
        self._open.enter_context(without_prefect(self.blocks))
        self.weather = _Calm()  # type: ignore[assignment]
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _settings(self, usual: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
        """With somewhere to notify."""
        address = {"NOTIFY_WEBHOOK_URL": f"{self.webhook.url}/api/webhooks/1/token"}
        return lambda services, folder, **more: usual(services, folder, **more) | address

    def run_day(self, tried: Sequence[Attack]) -> Outcome:
        """Messages that carry the attacks, a run, and what it left."""
        self._new_day()
        for turn, attack in enumerate(tried):
            self._attack(turn, attack)
        self._honest(tried if tried and tried[0].field == "honest" else ())
        with self._listening() as (artifacts, descriptions):
            report, day = self._run(f"day {self.ran}")
            self._tell(report, day)
        return self._outcome(report, day, artifacts, descriptions)

    def run_posts(self, shared: Sequence[Shared]) -> Outcome:
        """A day of ordinary posts, and a model that is itself, but for the scores."""
        self._new_day()
        for at, one in enumerate(shared):
            key = self._share(one.text, "look", minute=at, who=one.who, handle=one.handle, key=one.post)
            self.model.scores[key] = one.score
        with self._listening() as (artifacts, descriptions):
            report, day = self._run(f"day {self.ran}")
            self._tell(report, day)
        return self._outcome(report, day, artifacts, descriptions)

    def _tell(self, report: RunReport | None, day: Day) -> None:
        """What the flow does after a day, with a draft that waits for a person, so that both are told."""
        settings = self.blocks[f"pipeline-settings/{BLOCK_NAME}"]
        assert isinstance(settings, PipelineSettings)
        if report:
            run_page.show_run.fn(settings.ledger, "", day, report, render(report, day.started))
        if report and settings.notify:
            tell.fn(settings.notify, report, render(report, day.started), None)
            tell.fn(settings.notify, report, render(report, day.started), day.drafted.draft if day.drafted else None)

    def _new_day(self) -> None:
        self.ran += 1
        services = self.services
        self.clock.to(START + timedelta(days=self.ran))
        services.book.tabs[:] = [Tab(0, "Sheet1")]
        for place in services.discord.places.values():
            place.messages.clear()
        services.x.posts.clear()
        services.x.credits = 100.0
        services.typefully.drafts.clear()
        services.typefully._published.clear()
        self.webhook.calls.clear()
        self.model.targets.clear()
        self.model.honest.clear()
        self.model.scores.clear()
        for block in self.blocks.values():
            if isinstance(block, GeminiAnalyst):
                block.sdk = "google-genai" if self.ran % 2 else "google-generativeai"

    def _share(self, text: str, said: str, *, minute: int, who: str, handle: str, name: str = "", key: str = "") -> str:
        """A post on X that a member shares with a few words. Gives the post's id."""
        at = datetime.now(UTC) - timedelta(hours=3) + timedelta(minutes=minute)
        # A post is shared again by its id.
        made = START + timedelta(days=self.ran, hours=-4)
        key = status_id(made, int(key)) if key else status_id(at - timedelta(minutes=5), minute)
        url = f"https://x.com/{handle}/status/{key}"
        shown = {"type": "rich"} | {name: value for name, value in embed(url, text, handle).items() if value}
        if name:
            shown["title"] = name[:250]
            shown["author"] = {"name": f"{name[:200]} (@{handle})", "url": f"https://twitter.com/{handle}"}
        self.services.discord.post(
            "222", f"{said} {url}"[:3900], at=at, author=user(str(1000 + minute), who[:80] or "x"), embeds=[shown]
        )
        return key

    def _attack(self, turn: int, attack: Attack) -> None:
        project, plant = NAMES[turn % len(NAMES)], attack.written
        target = Target(attack, project, turn + self.ran)
        if attack.field == "honest":
            return
        injected = attack.injection.with_plant("this" if attack.plant.kind in MODEL_ONLY else plant)
        if attack.plant.kind in MODEL_ONLY:
            # The post asks, and so has no sentence of its own that may be printed.
            text = f"Is the {project} upgrade on the mainnet?"
        elif attack.field == "every":
            text = f"{_carrier(attack, project, turn + 1)}\n{plant} $LINK and {project} {plant}"
        else:
            text = f"{_carrier(attack, project, turn + self.ran)} {_carrier(attack, project, turn + 1)}"
            text += f"\n{project} {plant}\n${re.sub('[^A-Za-z0-9]', '', plant)[:9]}"
        # By turns in the post and beside it: some would spoil a post that is otherwise fit to be printed.
        inside = turn % 2 == 0 and attack.plant.kind not in MODEL_ONLY
        text = f"{text}\n{injected}" if inside else text
        who = injected if turn % 3 == 0 else f"member {turn}"
        key = self._share(
            text, "look" if inside else injected, minute=turn + 1, who=who, handle=f"author_{turn}", name=plant
        )
        self.model.targets[key] = target

    def _honest(self, tried: Sequence[Attack]) -> None:
        for turn, (project, text) in enumerate(HONEST):
            key = self._share(
                text.format(n=self.ran % 80 + 11), "gm", minute=100 + turn, who=f"Grace {turn}", handle=f"honest_{turn}"
            )
            if turn < len(tried):
                self.model.honest[key] = Target(tried[turn], project, turn + self.ran)

    @contextmanager
    def _listening(self) -> Iterator[tuple[list[str], list[str]]]:
        """The artifacts that are made meanwhile, and their descriptions."""
        artifacts: list[str] = []
        descriptions: list[str] = []

        def made(**artifact: Any) -> None:
            # A table's cells are shown as they are, or as Markdown: as such they are held to the same.
            cells = [*_strings(artifact.pop("table", [])), str(artifact.pop("link", ""))]
            artifacts.extend(
                [str(artifact.pop("markdown", "")), *(cell for cell in cells if not _OURS.fullmatch(cell))]
            )
            descriptions.extend(_strings(artifact))

        with ExitStack() as open_:
            for name in ("create_markdown_artifact", "create_table_artifact", "create_link_artifact"):
                open_.enter_context(patch.object(run_page, name, made))
            open_.enter_context(patch.object(run_page, "_thirty_days", lambda *_: None))
            yield artifacts, descriptions

    def _outcome(self, report: RunReport | None, day: Day, artifacts: list[str], descriptions: list[str]) -> Outcome:
        services = self.services
        published = services.x.texts if self.publisher == "twitter" else services.typefully.published
        titles = [held.title for held in services.typefully.drafts]
        cells = [(tab.title, cell) for tab in services.book.tabs for row in tab.rows for cell in row if cell]
        values = [(title, cell.get("userEnteredValue", {})) for title, cell in cells]
        trouble = [f"day {self.ran}: {error!r}" for service in services.all for error in service.broken]
        trouble += [f"day {self.ran}: {error}" for error in (report.errors if report else ["no report"])]
        trouble += [] if published else [f"day {self.ran}: there was no digest to get into"]
        trouble += [] if len(self.webhook.bodies) == 2 else [f"day {self.ran}: nobody was told"]
        trouble += [] if artifacts else [f"day {self.ran}: no artifact was made"]
        entries = readable(services.book.rows("Archive"), columns.entry_of_row)
        missing = {*self.model.targets} - {entry.post.id for entry in entries}
        missing -= {row.get("Post ID", "") for row in services.book.rows("Posts")}
        trouble += [f"day {self.ran}: {len(missing)} posts never came to the ledger"] if missing else []
        for service in services.all:
            service.broken.clear()
        self.trouble += trouble
        return Outcome(
            published=[*published, *titles],
            drafts=services.book.rows("Drafts"),
            formulas=[(title, str(value["formulaValue"])) for title, value in values if "formulaValue" in value],
            artifacts=artifacts,
            descriptions=descriptions,
            report=render(report, day.started) if report else "",
            notified=self.webhook.bodies,
            trouble=trouble,
        )


@dataclass(slots=True)
class Tally:
    """What was tried and what escaped, for the table."""

    tried: list[Attack] = field(default_factory=list)
    escaped: list[Escape] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many attacks escaped; what cannot be told from which attack it is counts as one each."""
        known = {escape.attack for escape in self.escaped if escape.attack}
        return len(known) + sum(escape.attack is None for escape in self.escaped)

    @property
    def line(self) -> str:
        return f"escaped {self.count} of {len(self.tried)}"


def go(todo: Iterable[Attack], publisher: str = "twitter") -> tuple[Tally, Days]:
    """Run the days of some attacks."""
    tally = Tally()
    with Days(publisher) as attacked:
        for batch in days(todo):
            outcome = attacked.run_day(batch)
            tally.tried += batch
            tally.escaped += outcome.escapes(batch)
    return tally, attacked
