"""Service accounts and OAuth apps from CSV exports: who holds a credential that a person does not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Final

from chancery_sdk.scan.finding import LIKELY, POSSIBLE, Finding, Role, text_of
from chancery_sdk.scan.source import Source

MOST_ROWS: Final = 10_000
NAMES: Final = (
    "display name",
    "displayname",
    "app name",
    "application name",
    "client name",
    "name",
    "account",
    "email",
)
IDS: Final = (
    "client id",
    "clientid",
    "app id",
    "appid",
    "application id",
    "object id",
    "unique id",
    "id",
    "email",
)
SCOPES: Final = ("scopes", "scope", "permissions", "oauth scopes", "roles", "api permissions")
OWNERS: Final = ("owner", "owners", "owner email", "created by", "contact")
DESCRIPTIONS: Final = ("description", "notes", "purpose")
ACCOUNT_COLUMNS: Final = frozenset(
    {*IDS[:7], "app name", "application name", "client name", "service account", "scopes", "oauth scopes"}
) - {"id"}
AGENT_WORDS: Final = re.compile(
    r"\b(agents?|ai|copilot|assistant|llm|gpt|claude|gemini|chatbot|bot|mcp|openai|anthropic|bedrock|langchain|crewai)\b"
)
OTHER_WORDS: Final = re.compile(
    r"monitoring|jenkins|build|backup|datadog|elastic|zabbix|splunk|user.?agent|ssh.?agent"
)


def read_accounts(source: Source) -> list[Finding]:
    """Rows whose name, scopes or description speak of an agent, in a file whose columns are those of accounts."""
    if source.suffix not in (".csv", ".tsv"):
        return []
    reader = csv.DictReader(
        io.StringIO(source.text.removeprefix("\ufeff")), delimiter="\t" if source.suffix == ".tsv" else ","
    )
    try:
        columns = {_column(name): name for name in reader.fieldnames or () if name}
        if not ACCOUNT_COLUMNS & columns.keys():
            return []
        rows = [row for _, row in zip(range(MOST_ROWS), reader, strict=False)]
    except csv.Error:
        return []
    return [found for at, row in enumerate(rows, 2) if (found := _account(source, columns, row, at))]


def _account(source: Source, columns: Mapping[str, str], row: Mapping[str, str], line: int) -> Finding | None:
    def cell(wanted: tuple[str, ...]) -> str:
        return next(
            (text for key in wanted if key in columns and (text := text_of(row.get(columns[key])))), ""
        )

    name = cell(NAMES)
    words = re.sub(r"[_\-./@]+", " ", f"{name} {cell(SCOPES)} {cell(DESCRIPTIONS)}".lower())
    if not name or OTHER_WORDS.search(words) or not AGENT_WORDS.search(words):
        return None
    in_name = AGENT_WORDS.search(re.sub(r"[_\-./@]+", " ", name.lower()))
    return Finding(
        "account-list", "account", name=name, description=cell(DESCRIPTIONS), role=Role.ACCOUNT,
        confidence=LIKELY if in_name else POSSIBLE, place=source.at(line),
        extra={"client_id": cell(IDS), "scopes": cell(SCOPES)[:500], "owner": cell(OWNERS)},
    )  # fmt: skip


def _column(name: str) -> str:
    return re.sub(r"[\s_\-]+", " ", name.strip().lower())
