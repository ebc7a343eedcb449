"""`python -m tests.prose [--count 30] [--seed N]`: docstrings, comments, test names and paragraphs drawn at random.

For a review of how the project reads: each should be understood at first reading.
"""

import argparse
import ast
import io
import random
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("app", "operator", "charts", "k8s", "tests", "loadtest", "docs")
HASH_COMMENTS = {".yaml", ".yml", ".sh", ".tpl", ".toml", ".conf"}
C_COMMENTS = {".c", ".h", ".go"}
LEAST_WORDS = 3  # shorter comments are markers for tools, such as `# fmt: skip`


@dataclass(frozen=True)
class Text:
    """A piece of prose; `kind` is docstring, comment, test or paragraph."""

    kind: str
    file: str
    line: int
    words: str


def files(root: Path = ROOT) -> list[Path]:
    """Every file of the folders, and the documents beside them."""
    found = [path for top in FOLDERS for path in (root / top).rglob("*") if path.is_file()]
    return sorted([*root.glob("*.md"), *(path for path in found if "build" not in path.parts)])


def collected(paths: Iterable[Path]) -> Iterator[Text]:
    """Every text of these files."""
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py":
            source = path.read_text()
            yield from _docstrings(source, name)
            yield from _comments(source, name)
        elif path.suffix == ".md":
            yield from _paragraphs(path.read_text(), name)
        elif path.suffix in HASH_COMMENTS:
            yield from _hash_comments(path.read_text(), name)
        elif path.suffix in C_COMMENTS:
            yield from _c_comments(path.read_text(), name)


def _docstrings(source: str, name: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            line = getattr(node, "lineno", 1)
            if words := ast.get_docstring(node):
                yield Text("docstring", name, line, words)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield Text("test", name, line, node.name)


def _comments(source: str, name: str) -> Iterator[Text]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            words = token.string.lstrip("#! ")
            if len(words.split()) >= LEAST_WORDS and not words.startswith(("noqa", "type:")):
                yield Text("comment", name, token.start[0], words)


def _hash_comments(source: str, name: str) -> Iterator[Text]:
    for number, line in enumerate(source.splitlines(), 1):
        found = re.match(r"\s*#+ (.*)", line)
        if found and len(found[1].split()) >= LEAST_WORDS:
            yield Text("comment", name, number, found[1])


def _c_comments(source: str, name: str) -> Iterator[Text]:
    for found in re.finditer(r"/\*.*?\*/|(?:^[ \t]*//[^\n]*\n)+", source, re.DOTALL | re.MULTILINE):
        yield Text("comment", name, source.count("\n", 0, found.start()) + 1, found[0].strip("/* \n"))


def _paragraphs(source: str, name: str) -> Iterator[Text]:
    """Paragraphs and rows of tables; code and headings are left out."""
    text = re.sub(r"^```.*?^```", lambda found: "\n" * found[0].count("\n"), source, flags=re.DOTALL | re.MULTILINE)
    line = 1
    for block in re.split(r"(\n\s*\n|\n(?=\|))", text):
        if block.strip() and not block.startswith(("#", "    ", "<!--", "|--", "\n")):
            yield Text("paragraph", name, line, block.strip())
        line += block.count("\n")


def main() -> None:
    """Draw and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.prose", description=__doc__)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, help="the same number draws the same texts")
    given = parser.parse_args()
    seed = random.randrange(10_000) if given.seed is None else given.seed
    texts = list(collected(files()))
    sys.stdout.write(f"{given.count} of {len(texts)} texts, seed {seed}\n")
    for text in random.Random(seed).sample(texts, min(given.count, len(texts))):
        sys.stdout.write(f"\n{text.file}:{text.line} ({text.kind})\n{textwrap.indent(text.words, '    ')}\n")


if __name__ == "__main__":
    main()
