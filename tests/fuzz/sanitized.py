"""Builds the patched meinheld with AddressSanitizer and UndefinedBehaviorSanitizer, beside the virtual environment."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from app.server.meinheld import build, series

MEINHELD = Path(build.__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jobfinder" / "sanitized"

FLAGS = (
    "-O1",
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-wrapv",  # the interpreter's -fwrapv would hide signed overflows
    "--param=asan-stack=0",  # greenlets copy stacks without ASan's marks between variables
    "-fstack-protector-strong",
)

POOLS = (
    ("buffer.c", "MAXFREELIST 1024 * 16 * 2"),
    ("client.c", "CLIENT_MAXFREELIST 1024"),
    ("http_request_parser.c", "MAXFREELIST 1024"),
    ("input.c", "IO_MAXFREELIST 1024"),
    ("request.c", "REQUEST_MAXFREELIST 1024"),
    ("server.c", "CLIENT_MAXFREELIST 1024"),
)

PARSE_A_COPY = """  char *copy = malloc(r);
  memcpy(copy, buf, r);
  size_t nread = execute_parse(client, copy, r);
  free(copy);
"""

NO_FLAGS = 'extra_compile_args=["-Werror=implicit-function-declaration"],'
COMPILED = f"extra_compile_args={list(FLAGS)},\n            extra_link_args=['-fsanitize=address,undefined'],"

SCAN_A_COPY = """  if (scan) {
    char *copy = malloc(length + SCAN_PADDING);
    memcpy(copy, buf, length + SCAN_PADDING);
    used = give_answers(client, copy, length, &found);
    free(copy);
  }
"""

SEND_A_PART = """  static size_t part;
  part = part % 7000 + 1;
  if (part <= length) message.msg_iovlen = 1, parts[0].iov_len = part;
  else if (part - length < tail.length) parts[1].iov_len = part - length;
  do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
"""

EDITS = (
    ("setup.py", NO_FLAGS, COMPILED),
    # Pooled objects are not freed, so ASan would not notice a use after free.
    *((f"meinheld/server/{file}", f"#define {name}\n", f"#define {name.split()[0]} 0\n") for file, name in POOLS),
    # The parser reads from a buffer on the stack that is longer than what was received.
    ("meinheld/server/reading.h", "  size_t nread = execute_parse(client, buf, r);\n", PARSE_A_COPY),
    (
        "meinheld/server/reading.h",
        "  if (scan) used = give_answers(client, buf, length, &found);\n",
        SCAN_A_COPY,
    ),
    # Entries collide, and clients take kept answers in parts of every length.
    ("meinheld/server/answers.h", "#define HASH_MASK (~0ull)", "#define HASH_MASK 7ull"),
    (
        "meinheld/server/answers_give.h",
        "  do sent = tail.length > 0 ? sendmsg(fd, &message, MSG_NOSIGNAL) : send(fd, out, length, MSG_NOSIGNAL);\n",
        SEND_A_PART,
    ),
)


def site(without: str = "") -> Path:
    """A folder for PYTHONPATH with the sanitized `meinheld`; built unless it exists for the same sources.

    `without` is the subject of a patch that is left out.
    """
    folder = CACHE / _digest(without)
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            wheel = build.build(Path(work) / "wheel", change=lambda root: _instrument(root, without))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(work) / "site")
            shutil.rmtree(folder, ignore_errors=True)
            (Path(work) / "site").rename(folder)
    return folder


def environment(without: str = "") -> dict[str, str]:
    """The variables of a process that runs with `site(without)`."""
    return {
        "PYTHONPATH": f"{site(without)}{os.pathsep}{Path(__file__).parents[2]}",
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": f"{_library('libasan.so')} {_library('libstdc++.so.6')}",
        # The interpreter keeps memory until it exits, which LeakSanitizer would report.
        "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:abort_on_error=1:quarantine_size_mb=64:handle_abort=0",
        "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    }


def _instrument(root: Path, without: str) -> None:
    series.repair(root, without)
    for file, old, new in EDITS:
        text = (root / file).read_text()
        if text.count(old) != 1:
            raise build.BuildError(f"{file} does not hold {old!r} once")
        (root / file).write_text(text.replace(old, new))


def _library(name: str) -> Path:
    found = subprocess.run(["gcc", f"-print-file-name={name}"], text=True, capture_output=True, check=True)
    path = Path(found.stdout.strip()).resolve()
    if not path.exists():
        raise build.BuildError(f"gcc has no {name}")
    return path


def _digest(without: str) -> str:
    digest = hashlib.sha256(f"{sys.version} {without}".encode())
    sources = (path for path in MEINHELD.rglob("*") if path.is_file() and path.suffix != ".pyc")
    for path in sorted((*sources, build.greenlet_header(), Path(__file__))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
