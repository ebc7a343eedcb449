"""The lock of the Rust peer."""

import re

from loadtest.peers.building import FOLDER, LOCK, with_source, without_source

MADE = """version = 4

[[package]]
name = "axum"
version = "0.8.9"
source = "registry+somewhere"
checksum = "31b698c5f9a010f6573133b09e0de5408834d0c82f8d7475a89fc1867a71cd90"
dependencies = [
 "bytes",
]

[[package]]
name = "jobfinder-peer"
version = "1.0.0"
"""


def test_lock_is_the_same_after_its_source_is_left_out_and_filled_in() -> None:
    kept = without_source(MADE)
    assert "somewhere" not in kept
    assert with_source(kept, "registry+somewhere") == MADE


def test_no_file_of_the_peer_names_an_address() -> None:
    assert [path.name for path in FOLDER.rglob("*") if path.is_file() and "://" in path.read_text()] == []


def test_every_package_but_the_peer_has_a_checksum() -> None:
    packages = LOCK.read_text().split("[[package]]")[1:]
    assert len(packages) > 100
    without = [each for each in packages if not re.search(r'^checksum = "[0-9a-f]{64}"$', each, re.MULTILINE)]
    assert len(without) == 1 and 'name = "jobfinder-peer"' in without[0]


def test_lock_has_the_versions_of_the_manifest() -> None:
    wanted = re.findall(r'^([a-z0-9_]+) = .*?"=([0-9.]+)"', (FOLDER / "Cargo.toml").read_text(), re.MULTILINE)
    locked = re.findall(r'^name = "(.+)"\nversion = "(.+)"$', LOCK.read_text(), re.MULTILINE)
    assert wanted and set(wanted) <= set(locked)
