"""Builds the Rust peer with cargo. Its lock is kept without the address of a registry, which cargo itself adds.

`python -m loadtest.peers.building` writes a new lock after Cargo.toml has changed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from app.local.process import LocalError

FOLDER = Path(__file__).with_name("rust")
LOCK = FOLDER / "crates.lock"
_PROGRAM = "jobfinder-peer"
_SOURCE = re.compile(r'^source = "[^"]+"\n', re.MULTILINE)


def built() -> Path | None:
    """The program, kept in the cache folder; None where there is no cargo. Raises LocalError."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder" / "peers"
    kept = cache / f"rust-{_digest()}"
    if kept.exists():
        return kept
    cargo = shutil.which("cargo")
    if cargo is None:
        return None
    print("[bench] building the Rust peer (some minutes, once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="jobfinder-peer-") as name:
        crate = _copied(Path(name))
        source = _resolved(cargo, crate)
        (crate / "Cargo.lock").write_text(with_source(LOCK.read_text(), source))
        target = cache / "target"
        _run(cargo, crate, "build", "--release", "--locked", "--quiet", "--target-dir", str(target))
        new = kept.with_suffix(".new")
        shutil.copy2(target / "release" / _PROGRAM, new)
        new.rename(kept)
    return kept


def without_source(lock: str) -> str:
    """The lock without the addresses of registries; versions and checksums stay."""
    return _SOURCE.sub("", lock)


def with_source(lock: str, source: str) -> str:
    """The lock in which every package with a checksum comes from `source`."""
    return re.sub(r"^(?=checksum = )", f'source = "{source}"\n', lock, flags=re.MULTILINE)


def _digest() -> str:
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".rs", ".toml", ".lock"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def _copied(folder: Path) -> Path:
    return Path(shutil.copytree(FOLDER, folder / "crate"))


def _resolved(cargo: str, crate: Path) -> str:
    """The registry of this machine's cargo, as a lock that it has just made names it."""
    _run(cargo, crate, "generate-lockfile", "--quiet")
    found = re.search(r'^source = "([^"]+)"', (crate / "Cargo.lock").read_text(), re.MULTILINE)
    if found is None:
        raise LocalError("cargo made a lock without a source")
    return found[1]


def _run(cargo: str, crate: Path, *arguments: str) -> None:
    done = subprocess.run([cargo, *arguments], cwd=crate, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalError(f"cargo {arguments[0]} of the Rust peer failed: {done.stderr.strip()[-1000:]}")


def main() -> None:
    """Write a new lock."""
    with tempfile.TemporaryDirectory(prefix="jobfinder-peer-") as name:
        crate = _copied(Path(name))
        _resolved(shutil.which("cargo") or "cargo", crate)
        LOCK.write_text(without_source((crate / "Cargo.lock").read_text()))


if __name__ == "__main__":
    main()
