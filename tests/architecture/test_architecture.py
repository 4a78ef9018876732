"""The house keeps its shape: arrows point down, services name who acts, functions stay small."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from django.apps import apps
from django.urls import get_resolver

ROOT = Path(__file__).resolve().parent.parent.parent
ORDER = ("kit", "identity", "agents", "activity", "oversight", "compliance", "lifecycle")
SERVICES = sorted(
    str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")
    for path in [*ROOT.glob("apps/*/services/[a-z]*.py"), *ROOT.glob("apps/*/services.py")]
)
# Without an actor, and why: nobody acts but the clock, the pipeline or the act that calls them.
NOBODY_ACTS = {
    "resolve_agents", "standings_of", "record_tool_uses", "record_model_uses", "take_back_tool_uses", "observe_tools", "observe_models",  # telemetry
    "index_words", "index_missing", "told_of", "refresh_vectors", "count_terms", "progress",  # the worker
    "mark_seen", "record_verdicts", "refuse_calls", "stand_gravest", "trip_those_over", "trip_for_fall", "end_trials",  # rules, in the pipeline's transaction
    "expire_approvals", "expire_certifications", "detect_drift", "raise_finding", "baseline_of", "follow_tiers", "follow_departures", "raise_findings",  # the clock
    "close_findings", "raise_fall", "close_recovered",  # likewise, when outcomes change
    "raise_changed",  # likewise, when a gateway saw another definition
    "check_request", "refresh_status", "clean_tools",  # steps and consequences of a certification
    "standing_policy", "hold_policy", "under_standing_policy", "read_facts",  # steps of what writes a tier
    "read_fleet", "recalculate", "advance_recalculation", "stalled_recalculation", "enqueue_recalculation",  # the worker
    "write_breaker", "write_certified_until",  # columns, for the service that acted
    "entry_of", "seal_decisions", "leaves_between", "find_seal", "lock_agent", "lock_agents", "require_on_record", "save_agent", "tier_change", "new_agent", "record_acts",  # steps of a service
    "lock_blueprint", "lock_instances", "results_of", "record_problems", "grant_problems", "told_of_grant",  # likewise
    "write_edits", "settle_item", "import_rows",  # steps of a job, which acts for whoever began it
    "advance_job", "run_job", "stalled_jobs", "enqueue", "remind_owners", "keep_snapshot", "plan_mails", "wake_mailer", "send_waiting_mails",  # the worker and the clock
    "may_undo", "may_undo_merge", "problems_of", "words_before_and_after", "progress_of", "revision_at", "value_in",  # no act
    "push_changes", "fan_out", "send_due", "forget_deliveries", "payload", "deliveries_of",  # the worker; no act
    "bootstrap_administrator",  # the console, before anybody exists
    "values_in", "tool_of", "grant_in", "target_of",  # no act
    "issue_order", "issue_orders", "tell_points", "number_orders", "note_acknowledgements", "forget_points", "require_action",  # steps and the worker
    "end_trials_of", "keys_of", "trip_of", "suspend_principals", "restore_principals", "needs_two", "trials_over_by_time",  # likewise
    "calls_on_trial", "reset_detail", "finish_drills", "finish_drill", "check_drills", "close_drilled",  # likewise
    "authenticate_key", "hash_of", "system_principal", "canonical", "jsonable", "makeup_of", "nodes_of",  # no act
}  # fmt: skip
LONGEST_FUNCTION = 45
LONGEST_FILE = 400
MEDIAN_AT_MOST, NINETIETH_AT_MOST = 9, 24


def test_imports_point_downward() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "sdk" / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_foreign_keys_point_downward() -> None:
    wrong = [
        f"{model.__name__}.{field.name} -> {field.related_model.__name__}"
        for label in ORDER[1:]
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model._meta.app_label in ORDER
        and ORDER.index(field.related_model._meta.app_label) > ORDER.index(label)
    ]  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_names_who_acts(name: str) -> None:
    wrong = []
    for function in _functions(import_module(name)):
        parameter = inspect.signature(function).parameters.get("actor")
        keyword_only = parameter is not None and parameter.kind is inspect.Parameter.KEYWORD_ONLY
        if function.__name__ not in NOBODY_ACTS and not keyword_only:
            wrong.append(function.__name__)
    assert not wrong, f"{name}: {wrong} take no keyword-only actor"


def _functions(module: ModuleType) -> Iterator[object]:
    for name, member in inspect.getmembers(module, inspect.isfunction):
        if inspect.unwrap(member).__module__ == module.__name__ and not name.startswith("_"):
            yield member


def test_every_rest_endpoint_names_its_permission() -> None:
    from apps.identity.api.permissions import RequiresPermission

    open_by_design = {"MeView", "SchemaView"}
    wrong = []
    for view in _rest_views(get_resolver()):
        gates = [gate for gate in view.permission_classes if issubclass(gate, RequiresPermission)]
        if view.__name__ not in open_by_design and (not gates or not getattr(view, "permissions", None)):
            wrong.append(view.__name__)
    assert not wrong


def _rest_views(resolver: object, prefix: str = "") -> Iterator[type]:
    for part in resolver.url_patterns:  # type: ignore[attr-defined]
        path = prefix + str(part.pattern)
        if hasattr(part, "url_patterns"):
            yield from _rest_views(part, path)
        elif path.startswith("api/v1/"):
            yield getattr(part.callback, "cls", None) or part.callback.view_class


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("apps/*/api/*.py")), ids=lambda path: f"{path.parent.parent.name}.{path.stem}"
)
def test_rest_reads_owned_rows_through_the_door(path: Path) -> None:
    """A view may not begin from `.objects` of rows that belong to somebody."""
    owned = {
        "Agent", "ToolCall", "Decision", "Certification", "Finding", "ApiKey", "LedgerEntry", "Claim", "ToolGrant",
        "AgentVersion", "Dependency", "Candidate",
    }  # fmt: skip
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "objects"
        ):
            model = getattr(node.value.value, "id", "")
            assert model not in owned or node.attr in ("visible_to", "none"), f"{model}.objects.{node.attr}"


def test_one_door_leads_out() -> None:
    """HTTP that the server sends to addresses people entered goes through apps.kit.outgoing, which guards them."""
    own_doors = {"proxy", "gateway"}  # they carry what others send
    senders = ("httpx", "requests", "urllib.request", "http.client", "aiohttp", "urllib3")
    for path in ROOT.glob("apps/**/*.py"):
        if path != ROOT / "apps" / "kit" / "outgoing.py" and not own_doors & set(path.parts):
            imported = _imported(ast.parse(path.read_text()))
            assert not imported & set(senders), path


def _imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_functions_and_files_stay_small() -> None:
    lengths: list[tuple[int, str]] = []
    for path in [
        *ROOT.glob("apps/**/*.py"),
        *ROOT.glob("config/**/*.py"),
        *ROOT.glob("demo/*.py"),
        *ROOT.glob("sdk/src/**/*.py"),
    ]:
        if "migrations" in path.parts:
            continue
        source = path.read_text()
        assert source.count("\n") <= LONGEST_FILE, f"{path} is longer than {LONGEST_FILE} lines"
        lengths += [(length, f"{path}:{name}") for name, length in _lengths(ast.parse(source))]
    lengths.sort()
    assert lengths[-1][0] <= LONGEST_FUNCTION, lengths[-3:]
    assert lengths[len(lengths) // 2][0] <= MEDIAN_AT_MOST
    assert lengths[int(len(lengths) * 0.9)][0] <= NINETIETH_AT_MOST


def _lengths(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield node.name, (node.end_lineno or 0) - body[0].lineno + 1


def test_nothing_names_the_machine_or_the_workplace() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    words = ("/wo" + "rk/", "/ro" + "ot/", "index-" + "url")
    for name in tracked:
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".html", ".js", ".css", ".txt", "") and path.is_file():
            text = path.read_text(errors="replace")
            assert not [word for word in words if word in text and name != "constraints.txt"], name
