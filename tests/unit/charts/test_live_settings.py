"""A live setting is a field of `Tuning` and the code that uses it; everything else about it is generated."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
import yaml

from charts.live_settings import DEFINITION, VALUES_SCHEMA, files, live_settings, resource_name, schema_of

ROOT = Path(__file__).parents[3]
FIELD = '    exports_per_user: Annotated[int, Meta(ge=0, le=900, description="exports of one user")] = 6\n'
ASK = """
import json
from app.config import Tuning
from app.infra.tuning.live_tuning import read_tuning
from jobfinder_operator.tuning.contents import tuning_file
from jobfinder_operator.spec import read_spec
from tests.e2e.operator.conftest import LIMITLESS
from tests.e2e.operator.test_edits import TUNED

spec = read_spec({"spec": {"database": {"connectionBudget": 80}, "limits": {"exportsPerUser": 3}}})
tuning = read_tuning(json.dumps(tuning_file(spec, 1)).encode(), Tuning())
print(json.dumps([tuning.limits.exports_per_user, LIMITLESS["exportsPerUser"], TUNED["limits.exportsPerUser"]]))
"""


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    assert path.read_text() == files()[path], "run `make docs`"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("lease_ms", "leaseMilliseconds"), ("logins_per_address", "loginsPerAddress"), ("ipv6_prefix", "ipv6Prefix")],
)
def test_resource_names_spell_units_out(name: str, shown: str) -> None:
    assert resource_name(name) == shown


@pytest.mark.parametrize(
    "kind", [int, Annotated[int, msgspec.Meta(ge=1, description="x")], Annotated[str, msgspec.Meta(description="x")]]
)
def test_field_without_range_or_description_is_refused(kind: object) -> None:
    section = msgspec.defstruct("Section", [("field", kind)])
    with pytest.raises(TypeError, match="needs a"):
        schema_of(section, str)


def test_defaults_are_within_their_ranges() -> None:
    for each in live_settings():
        if not isinstance(each.default, bool):
            assert each.least is not None, each.path
            assert each.most is not None, each.path
            assert each.least <= each.default <= each.most, each.path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source tree, without installed or generated files."""
    for name in ("app", "charts", "docs", "k8s", "loadtest", "operator", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in ROOT.glob("*.md"):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_recipe_for_a_live_setting(copy: Path) -> None:
    """One line in config.py, then `make docs k8s`; helm is replaced by a program that renders nothing."""
    config = copy / "app" / "config.py"
    before, mark, after = config.read_text().partition("    logins_per_address:")
    config.write_text(before + FIELD + mark + after)
    for target in ("docs", "k8s"):
        for command in commands(target):
            run(copy, *command, *(("--helm", "true") if target == "k8s" else ()))
    shown = {"type": "integer", "minimum": 0, "maximum": 900, "description": "Exports of one user."}
    for path in (DEFINITION.relative_to(ROOT), "charts/jobfinder/crds/jobfinderconfigs.jobfinder.dev.yaml"):
        (version,) = yaml.safe_load((copy / path).read_text())["spec"]["versions"]
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        assert spec["limits"]["properties"]["exportsPerUser"] == shown
    schema = json.loads((copy / VALUES_SCHEMA.relative_to(ROOT)).read_text())["$defs"]["tuning"]["properties"]["limits"]
    assert schema["properties"]["exports_per_user"] == {"type": "integer", "minimum": 0, "maximum": 900}
    table = (copy / "docs" / "settings.md").read_text()
    assert "| `limits.exports_per_user` | `6` | at least 0, at most 900 | exports of one user |" in table
    edited = ["limits.exports_per_user", 900, 0]
    assert json.loads(run(copy, "-c", ASK)) == [3, 0, edited]


def commands(target: str) -> list[list[str]]:
    """Arguments of Python in the recipe of a make target."""
    recipe = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    found = re.findall(r"^(?:@|@?exec )+\$\(PY\) (-m [\w. ]+)", recipe[1].replace("\t", ""), re.MULTILINE)
    return [each.split() for each in found]


def run(copy: Path, *arguments: str) -> str:
    environ = {**os.environ, "PYTHONPATH": f"{copy}{os.pathsep}{copy / 'operator'}"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environ, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
