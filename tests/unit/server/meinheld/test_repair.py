"""Repairs fit exactly, or not at all."""

import tarfile
from pathlib import Path

import pytest

from app import errors
from app.server.meinheld import build
from app.server.meinheld.problems import PROBLEMS, response
from app.server.meinheld.repair import C_SOURCE, Add, Change, Cut, Delete, Repair, RepairError, Replace, apply

CODE = "int a;\nint f(void) {\n  return 1;\n}\nint g(void) {\n  return 1;\n}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "meinheld" / "server"
    folder.mkdir(parents=True)
    (folder / "x.c").write_text(CODE)
    return tmp_path


def after(root: Path, change: Change) -> str:
    change.apply(root)
    return (root / "meinheld" / "server" / "x.c").read_text()


def test_replace_changes_every_expected_place(root: Path) -> None:
    assert after(root, Replace("x.c", "return 1", "return 2", 2)) == CODE.replace("1", "2")


def test_cut_takes_what_lies_between(root: Path) -> None:
    assert after(root, Cut("x.c", "int f(void) {", "int g(void)", "/* f */\n")) == (
        "int a;\n/* f */\nint g(void) {\n  return 1;\n}\n"
    )


@pytest.mark.parametrize(
    "change",
    [
        Replace("x.c", "return 1", "return 2"),
        Replace("x.c", "return 3", "return 2"),
        Cut("x.c", "int h", "int g"),
        Cut("x.c", "int g", "int f"),
        Cut("x.c", "return", "}"),
        Delete("meinheld/none.py"),
        Replace("none.c", "a", "b"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_and_named(root: Path, change: Change) -> None:
    with pytest.raises(RepairError, match="'of x'"):
        apply((Repair("of x", "", "", (change,)),), root)


def test_every_repair_says_what_was_wrong_and_where_that_is_written() -> None:
    assert len({repair.name for repair in build.REPAIRS}) == len(build.REPAIRS)
    for repair in build.REPAIRS:
        assert repair.changes
        assert repair.defect.endswith("."), repair.name
        assert repair.source, repair.name


def test_all_our_c_is_part_of_a_repair() -> None:
    added = [change.file for repair in build.REPAIRS for change in repair.changes if isinstance(change, Add)]
    assert sorted(added) == sorted(path.name for path in C_SOURCE.iterdir())


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


def test_a_problem_is_a_whole_response() -> None:
    for status in PROBLEMS:
        head, _, body = response(status).partition(b"\r\n\r\n")
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert f"Content-Length: {len(body)}".encode() in head
