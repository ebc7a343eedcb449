"""Rules of this code base that linters do not check."""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.config import VERSION

ROOT = Path(__file__).parents[2]
CODE = sorted(path for top in ("app", "charts", "operator", "loadtest") for path in (ROOT / top).rglob("*.py"))
SQL = re.compile(
    r"\b(SELECT\s|INSERT INTO\s|UPDATE\s+\w+\s+SET\s|DELETE FROM\s|TRUNCATE\s"
    r"|(CREATE|ALTER|DROP) (TABLE|INDEX|ROLE|DATABASE|EXTENSION)\b)"
)
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
LINES_MAX = 320
MODULES_MAX = 16


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _strings(tree: ast.Module) -> Iterator[ast.Constant]:
    """String literals, docstrings left out."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _reads_environment(tree: ast.Module) -> bool:
    attributes = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    names = {each.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for each in node.names}
    return bool(attributes & {("os", "environ"), ("os", "getenv")} or names & {"environ", "getenv"})


def may_hold_sql(name: str) -> bool:
    return name.endswith("/store.py") or name.startswith(("app/infra/", "app/migrations/"))


def may_read_environment(name: str) -> bool:
    """True for config.py, and for code that passes its environment on to the programs it starts."""
    handed_on = ("app/local/", "app/server/meinheld/build.py", "loadtest/", "operator/")
    return name == "app/config.py" or name.startswith(handed_on)


def may_import_falcon(name: str) -> bool:
    return name in ("app/main.py", "app/routes.py") or name.startswith("app/web/") or name.endswith("/resources.py")


def test_sql_is_only_in_stores_infra_and_migrations() -> None:
    found = [
        f"{_name(path)}:{text.lineno}"
        for path in CODE
        if not may_hold_sql(_name(path))
        for text in _strings(_tree(path))
        if SQL.search(str(text.value))
    ]
    assert found == []


def test_the_environment_is_read_only_in_config() -> None:
    assert [_name(p) for p in CODE if not may_read_environment(_name(p)) and _reads_environment(_tree(p))] == []


def test_falcon_is_imported_only_at_the_http_edge() -> None:
    found = {
        _name(path)
        for path in CODE
        if not may_import_falcon(_name(path))
        for module in _imports(_tree(path))
        if module.split(".")[0] == "falcon"
    }
    assert found == set()


def test_app_and_operator_do_not_import_each_other() -> None:
    other = {"app": "jobfinder_operator", "operator": "app"}
    found = [
        _name(path)
        for path in CODE
        for module in _imports(_tree(path))
        if module.split(".")[0] == other.get(_name(path).split("/")[0])
    ]
    assert found == []


def test_the_operator_folder_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_test_folders_are_not_packages() -> None:
    assert [_name(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_no_module_or_folder_has_a_meaningless_name() -> None:
    assert [_name(path) for path in CODE if path.stem in EMPTY_NAMES or path.parent.name in EMPTY_NAMES] == []


def test_no_file_is_too_long() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in CODE}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_no_folder_has_too_many_modules() -> None:
    modules = Counter(_name(path.parent) for path in CODE if path.parent.name != "versions")
    assert {folder: number for folder, number in modules.items() if number > MODULES_MAX} == {}


def test_every_domain_has_a_layers_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    held = {each for contract in contracts for each in contract.get("containers", ())}
    domains = {f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/resources.py")}
    assert domains <= held


def test_tests_do_not_sleep() -> None:
    found = [
        _name(path) for path in (ROOT / "tests").rglob("test_*.py") if re.search(r"\btime\.sleep\(", path.read_text())
    ]
    assert [name for name in found if name != _name(Path(__file__))] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-operator.lock"])
def test_locks_have_versions_and_hashes_but_no_urls(lock: str) -> None:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        assert re.match(r"[a-z0-9.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
        assert not re.search(r"://|--index|--find-links", line), line


def test_locks_satisfy_the_project() -> None:
    project, operator = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"] for folder in (".", "operator")
    )
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    controller = operator["optional-dependencies"]["operator"]
    for lock, wanted in (
        ("requirements.lock", project["dependencies"]),
        ("requirements-operator.lock", controller),
        ("requirements-dev.lock", [*project["dependencies"], *extras, *controller]),
    ):
        locked = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for each in map(Requirement, wanted):
            assert each.specifier.contains(locked[each.name.lower()]), (lock, each)


def test_one_package_has_one_version_in_all_locks() -> None:
    runtime, operator, everything = (
        dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-operator.lock", "requirements-dev.lock")
    )
    assert runtime.items() | operator.items() <= everything.items()


def test_all_files_state_the_same_version() -> None:
    told = {tomllib.loads((ROOT / at / "pyproject.toml").read_text())["project"]["version"] for at in (".", "operator")}
    told |= set(re.findall(r"^ARG VERSION=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    chart = (ROOT / "charts" / "jobfinder" / "Chart.yaml").read_text()
    told |= set(re.findall(r"^(?:appVersion|version): \"?([^\"\n]+)", chart, re.MULTILINE))
    assert told == {VERSION}


def test_every_make_target_has_a_description() -> None:
    targets = re.findall(r"^([a-z0-9-]+):(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert [name for name, rest in targets if " ## " not in rest] == []
