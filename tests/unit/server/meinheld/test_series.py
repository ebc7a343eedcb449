"""Patches of meinheld apply exactly or are refused, and have complete headers."""

import ast
import json
import re
import tarfile
from pathlib import Path

import msgspec
import pytest

from app import errors
from app.server.meinheld import build, series
from app.server.meinheld.problems import PROBLEMS, SERVER_NAME, error_pages, problem, response
from app.server.meinheld.series import C_SOURCE, PATCHES, PatchError
from app.web.errors import Refusal

ROOT = Path(__file__).parents[4]
CODE = "int a;\nint f(void) {\n  return 1;\n}\nint g(void) {\n  return 2;\n}\n"
HEADER = "Subject: of x\nDefect: f returns\n 1.\nSource: by reading\nTest: tests/x.py::test_f\nTest: tests/y.py\n\n"
DIFF = """--- a/meinheld/server/x.c
+++ b/meinheld/server/x.c
@@ -1,5 +1,5 @@
 int a;
 int f(void) {
-  return 1;
+  return 3;
 }
 int g(void) {
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source with one file."""
    folder = tmp_path / "meinheld" / "server"
    folder.mkdir(parents=True)
    (folder / "x.c").write_text(CODE)
    return tmp_path


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """A series of one patch."""
    folder = tmp_path / "patches"
    folder.mkdir()
    (folder / "0001-x.patch").write_text(HEADER + DIFF)
    (folder / "series").write_text("0001-x.patch\n")
    return folder


def test_patch_changes_the_source(root: Path, patches: Path) -> None:
    series.apply(series.load(patches), root)
    assert (root / "meinheld/server/x.c").read_text() == CODE.replace("1", "3")


def test_header_is_read(patches: Path) -> None:
    (patch,) = series.load(patches)
    assert (patch.subject, patch.defect, patch.source) == ("of x", "f returns 1.", "by reading")
    assert patch.tests == ("tests/x.py::test_f", "tests/y.py")


@pytest.mark.parametrize(
    "code",
    [
        CODE.replace("return 1", "return 4"),
        CODE.replace("int a;", "int b;"),  # context alone: patch's default fuzz would let it pass
        CODE.replace("return 1", "return 3"),
    ],
    ids=["changed line", "changed context", "already patched"],
)
def test_patch_that_does_not_fit_is_refused_and_named(root: Path, patches: Path, code: str) -> None:
    (root / "meinheld/server/x.c").write_text(code)
    with pytest.raises(PatchError, match=r"0001-x\.patch does not fit"):
        series.apply(series.load(patches), root)


def test_missing_program_is_named(root: Path, patches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(PatchError, match="apt-get install patch"):
        series.apply(series.load(patches), root)


@pytest.mark.parametrize("listed", ["", "0001-x.patch\n0002-y.patch\n", "0001-x.patch\n0001-x.patch\n"])
def test_series_names_every_patch_once(patches: Path, listed: str) -> None:
    (patches / "series").write_text(listed)
    with pytest.raises(PatchError, match="every patch once"):
        series.load(patches)


@pytest.mark.parametrize("field", ["Subject", "Defect", "Source", "Test"])
def test_incomplete_header_is_refused(patches: Path, field: str) -> None:
    (patches / "0001-x.patch").write_text(re.sub(rf"^{field}:", "Other:", HEADER, flags=re.MULTILINE) + DIFF)
    with pytest.raises(PatchError, match=r"0001-x\.patch must begin with"):
        series.load(patches)


def test_subjects_are_unique_and_numbers_follow_the_series() -> None:
    loaded = series.load()
    assert len({patch.subject for patch in loaded}) == len(loaded)
    assert [patch.path.name[:5] for patch in loaded] == [f"{number:04}-" for number in range(1, len(loaded) + 1)]


@pytest.mark.parametrize("patch", series.load(), ids=lambda patch: patch.path.stem)
def test_tests_of_a_patch_exist(patch: series.Patch) -> None:
    for each in patch.tests:
        file, _, name = each.partition(" (")[0].partition("::")
        assert (ROOT / file).is_file(), each
        names = {node.name for node in ast.walk(ast.parse((ROOT / file).read_text())) if hasattr(node, "name")}
        assert not name or name in names, each


def test_every_c_header_of_ours_is_included() -> None:
    texts = [path.read_text() for path in (*PATCHES.glob("*.patch"), *C_SOURCE.iterdir())]
    for header in (*(path.name for path in C_SOURCE.glob("*.h")), "error_pages.h"):
        assert any(f'#include "{header}"' in text for text in texts), header


def test_wheel_has_our_version() -> None:
    added = {line[1:] for path in PATCHES.glob("*.patch") for line in path.read_text().splitlines() if line[:1] == "+"}
    assert '    version="1.0.2+jobfinder.1",' in added
    assert '__version__ = "1.0.2+jobfinder.1"' in added
    assert f'#define SERVER "{SERVER_NAME}"' in added


def test_another_source_distribution_is_refused(tmp_path: Path) -> None:
    sdist = tmp_path / "meinheld-1.0.2.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        archive.add(Path(__file__), "meinheld-1.0.2/setup.py")
    with pytest.raises(build.BuildError, match=build.SHA256):
        build.build(tmp_path / "out", sdist)
    assert list((tmp_path / "out").iterdir()) == []


def test_problems_agree_with_those_of_the_application() -> None:
    for kind in (errors.BadRequest, errors.ProductError, errors.Unavailable):
        assert PROBLEMS[kind.status][1:] == (kind.code, kind.title)


def test_problems_have_the_documented_shape() -> None:
    for status in PROBLEMS:
        assert msgspec.to_builtins(msgspec.json.decode(problem(status), type=Refusal)) == json.loads(problem(status))


def test_a_problem_is_a_whole_response() -> None:
    for status in PROBLEMS:
        head, _, body = response(status).partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert f"Content-Length: {len(body)}".encode() in head


def test_c_and_python_answer_with_the_same_problems() -> None:
    pages = error_pages().replace('\\"', '"')
    for status in PROBLEMS:
        assert problem(status).decode() in pages
