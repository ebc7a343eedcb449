"""Documents: links resolve, and paths and functions that they name exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.prose import FOLDERS, collected, files

ROOT = Path(__file__).parents[2]
PAGES = [path.relative_to(ROOT).as_posix() for path in files() if path.suffix == ".md"]


def prose_of(page: Path) -> str:
    """The text without blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Relative links whose file or anchor does not exist."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_names(text: str) -> list[str]:
    """Names that do not exist: `path` or `path: Class.method` in backticks, and path::test anywhere."""
    missing = []
    tops = "|".join(re.escape(top) for top in FOLDERS)
    for path, name in re.findall(rf"`((?:{tops})/[\w/.-]*)(?:: ([\w.]+))?`", text):
        file = ROOT / path
        if not file.exists() or (name and name not in defined_in(file)):
            missing.append(f"{path}: {name}" if name else path)
    for path, name in re.findall(r"(tests/[\w/.-]+\.py)::(\w+)", text):
        if not (ROOT / path).exists() or name not in defined_in(ROOT / path):
            missing.append(f"{path}::{name}")
    return missing


def defined_in(file: Path) -> set[str]:
    """Names at the top level of a module, and `Class.name` of what its classes define."""
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names |= {node.name} | {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(name: str) -> None:
    assert broken_links(ROOT / name) == []


@pytest.mark.parametrize("name", PAGES)
def test_named_paths_exist(name: str) -> None:
    assert missing_names((ROOT / name).read_text()) == []


def test_contributing_has_a_recipe_for_each_kind_of_change() -> None:
    kinds = ("setting", "live setting", "limit", "field", "domain", "migration", "alert", "repair", "option")
    headings = re.findall(r"^### Add an? (.+)$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [kind for kind in kinds if not any(heading.startswith(kind) for heading in headings)] == []


def test_checks_find_broken_links_and_missing_names(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `title`, here\n[a](#a-title-here) [b](#elsewhere) [c](none.md) [d](https://example.com/x)\n")
    assert broken_links(page) == ["#elsewhere", "none.md"]
    text = "`app/main.py` `app/none.py` `app/main.py: create_app` `app/main.py: Parts.close` `app/main.py: Parts.open`"
    text += " tests/prose.py::main tests/prose.py::test_nothing"
    assert missing_names(text) == ["app/none.py", "app/main.py: Parts.open", "tests/prose.py::test_nothing"]


def test_every_kind_of_prose_is_collected() -> None:
    names = ("tests/unit/test_documents.py", "CHANGELOG.md")
    texts = list(collected([*(ROOT / name for name in names), ROOT / "charts/jobfinder/values.yaml"]))
    assert {text.kind for text in texts} == {"docstring", "comment", "test", "paragraph"}
    assert "test_every_kind_of_prose_is_collected" in {text.words for text in texts if text.kind == "test"}
