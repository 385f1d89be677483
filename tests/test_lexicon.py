"""The embedded analyst: precision first, ambiguous names by their context."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks import lexicon
from blocks.records import Analysis, Post

ORDINARY = Path(__file__).parent / "data" / "ordinary-posts.txt"


def analyze(text: str) -> Analysis:
    return lexicon.analyze(Post("20", "ada", text, (), datetime(2024, 1, 15, tzinfo=UTC), ""))


def projects(text: str) -> list[str]:
    return [project.name for project in analyze(text).projects]


def test_of_1000_ordinary_posts_at_most_5_are_called_crypto() -> None:
    posts = ORDINARY.read_text(encoding="utf-8").splitlines()
    wrong = [text for text in posts if analyze(text).is_crypto]
    assert len(posts) >= 4000
    assert len(wrong) * 1000 <= 5 * len(posts), wrong


@pytest.mark.parametrize(
    "text",
    [
        "We live near the station, just one link away. Dot your i's.",
        "Just One Link: Apple Near Me",
        "An apple a day. Apple ships the new phone, $AAPL at a record.",
        "$TSLA and $NVDA fell; $COIN too.",
        "Compound interest is the base of every savings plan.",
        "The avalanche in the Alps buried a base camp.",
        "Optimism is a choice. Render the video overnight on the farm.",
        "Flow state all morning, then curve balls and a helium balloon.",
        "Solid advice: connect the dots, one by one.",
        "My token of thanks: a mint plant and a new wallet.",
        "He left $100 on the table and $50k in the vault.",
        "The Model Context Protocol is the bridge; Render raised $80M.",
        "Render tokens in React: the token stream is slow.",
        "The Hard Fork podcast discusses Gemini and OpenAI.",
        "Quant funds use liquidity and lending data.",
        "Compound interest in your savings wallet and lending.",
        "Avalanche exchange picks with the Oilers, swap goalies.",
        "Sonic collects coins; Mario coins too.",
        "Cosmos DB adds vault and ledger features.",
        "Solana Beach is lovely this weekend.",
        "Gerolamo Cardano was an Italian polymath.",
        "$SNX TD Synnex earnings beat.",
        "",
    ],
)
def test_ordinary_words_are_no_projects(text: str) -> None:
    assert not analyze(text).is_crypto
    assert analyze(text).analyst == "lexicon"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$NEAR is up", ["NEAR Protocol"]),
        ("NEAR Protocol sets a date", ["NEAR Protocol"]),
        ("chainlink oracles went live", ["Chainlink"]),
        ("Chainlink's CCIP", ["Chainlink"]),
        ("$LINK and $SOL", ["Chainlink", "Solana"]),
        ("Base, the rollup, has a new TVL record", ["Base"]),
        ("Optimism pays 30M OP to 501 builders", ["Optimism"]),
        ("ASTRのステーキング率。Astar is here", ["Astar"]),
        ("A new memecoin $ZLUMA launched on Solana mainnet", ["Solana", "ZLUMA"]),
        ("Bitcoin and bitcoin and BTC", ["Bitcoin"]),
        ("AAVE and its aUSDC on the Aave market", ["Aave"]),
        ("Contracts from Binance Smart-Chain", ["BNB Chain"]),
        ("Sushi is a DeFi protocol of 2020, and MATIC is staked there", ["SushiSwap", "Polygon"]),
        ("A stablecoin for AavegotchiDAO", ["Aavegotchi"]),
        ("They added liquidity on Sushi last week", ["SushiSwap"]),
        ("Dharma and Uniswap announced it", ["Dharma", "Uniswap"]),
        ("A call with the Sushi community", ["SushiSwap"]),
        ("The vaults of Zubrixa went live: on-chain, audited, deployed on Quorvex", ["Quorvex"]),
    ],
)
def test_projects_are_named(text: str, names: list[str]) -> None:
    assert projects(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "Sushi for lunch, and a push for peace.",
        "The Maker movement grows. Snapshot of the day.",
        "OUR TEMPUS IS LATE, THE OWL FLIES",
        "Liquidity first: Sushi for the traders later.",
        "They Added Liquidity On Sushi Last Week",
    ],
)
def test_nicknames_need_crypto_around_them(text: str) -> None:
    assert projects(text) == []


def test_a_word_of_a_longer_name_is_no_project() -> None:
    assert projects("Instructions for Bitcoin Core by Anthony Towns, on testnet.") == ["Bitcoin"]
    assert projects("The Core Team of Uniswap met.") == ["Uniswap"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ETFs that hold ether, the second token of the crypto market", ["Ethereum"]),
        ("Grayscale and Paradigm, investment firms, bought BTC on Coinbase", ["Bitcoin", "Coinbase"]),
        ("Rotor (library): a Merkle tree for onchain notes on Arbitrum", ["Arbitrum"]),
        ("The vaults of Uniswap: LedgerJS and ASICs onchain, in FrameTx toolkit", ["Uniswap"]),
        ("An interview with Yahoo Finance on Bitcoin and digital asset custody", ["Bitcoin"]),
        ("The Glamsterdam upgrade of Ethereum, tested with Foundry", ["Ethereum"]),
        ("The hacker sold MNGO on Mango Markets, a DeFi protocol", ["Mango Markets"]),
        ("Art sold as Bitcoin Ordinals", ["Bitcoin", "Ordinals"]),
    ],
)
def test_kinds_of_words_that_are_projects_or_none(text: str, names: list[str]) -> None:
    assert projects(text) == names


def test_ether_in_small_letters_needs_crypto_around_it() -> None:
    assert projects("Into the ether, a deposit of ether in the lab.") == []


def test_what_is_only_guessed_by_its_place_is_no_name_for_the_check_of_sentences() -> None:
    text = "The vaults went live on-chain, deployed on Quorvex"
    assert projects(text) == ["Quorvex"]
    assert lexicon.names(text) == set()


@pytest.mark.parametrize(
    "unit", ["A-", "Smart-Chain ", "a-B-", "Aave-", "X is a platform ", "Xy", "Xy, ", "live on Xy ", "Xy ("]
)
def test_a_text_of_one_word_over_and_over_is_read_in_no_time(unit: str) -> None:
    begun = monotonic()
    analyze(unit * (30_000 // len(unit)))
    assert monotonic() - begun < 5


def test_an_analysis_is_whole() -> None:
    text = "gm frens. Chainlink CCIP is now live on Arbitrum mainnet with $40M secured! More soon: https://t.co/x"
    said = analyze(text)
    assert said.is_crypto
    assert [(p.name, p.ticker) for p in said.projects] == [("Chainlink", "LINK"), ("Arbitrum", "ARB")]
    assert said.category == "Infrastructure"
    assert said.summary == "Chainlink CCIP is now live on Arbitrum mainnet with $40M secured!"
    assert said.keywords[:2] == ("chainlink", "arbitrum")
    assert 5 <= said.score <= 10


def test_who_sells_scores_low() -> None:
    news = analyze("Arbitrum DAO passed the vote on 40M ARB.")
    scam = analyze("Arbitrum airdrop! Connect your wallet to claim 40M ARB, guaranteed 100x.")
    assert scam.score == 0 < news.score


@given(st.text())
def test_any_text_is_analysed(text: str) -> None:
    said = analyze(text)
    assert 0 <= said.score <= 10
    assert len(said.summary) <= lexicon.MAX_SUMMARY
    assert said.is_crypto == bool(said.projects)
