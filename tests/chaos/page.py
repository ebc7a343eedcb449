"""Puts docs/faults.json, results that `make chaos` has written, as tables into docs/faults.md."""

from collections.abc import Sequence

from loadtest.pages import DOCS, markdown, replaced
from tests.chaos.faults import FAULTS, LEFT_OUT, Fault
from tests.chaos.results import Results, Row, load

PAGE, KEPT = DOCS / "faults.md", DOCS / "faults.json"
HEAD = ["fault", "failed during it", "recovered after", "bound", "why this bound", "mail", "kept"]


TEXTS = {(fault.part, fault.what): fault for fault in FAULTS}


def generated(text: str, results: Results) -> str:
    """The page with the tables of the results."""
    return replaced(replaced(text, "left-out", left_out()), "faults", body(results))


def left_out() -> str:
    """The pairs of a part and a fault that make no sense."""
    return markdown(["fault", "why not"], [list(each) for each in LEFT_OUT])


def body(results: Results) -> str:
    """A section for each part, and what the campaign was."""
    parts = list(dict.fromkeys(row.part for row in results.rows))
    sections = [_section(part, [row for row in results.rows if row.part == part]) for part in parts]
    return "\n".join([_summary(results), *sections])


def _summary(results: Results) -> str:
    kept = sum(row.kept for row in results.rows)
    lines = [
        *([f"**{len(results.rows)} of {len(FAULTS)} faults were done.**"] if len(results.rows) < len(FAULTS) else []),
        f"{kept} of {len(results.rows)} faults kept their bound and every promise: {results.operations:,} operations.",
        f"At most {results.most_connections} of {results.budget} connections to PostgreSQL were open.",
        f"Without a fault: {results.calm}.",
        "",
        f"- {results.seconds:.0f} s in all",
        *(f"- {each}" for each in results.machine.splitlines()),
        f"- load average {results.load_after:.1f} at the end",
        *(f"- left out: {each}" for each in results.skipped),
        *(f"- **not kept**: {each}" for each in (*results.at_the_end, *results.errors)),
    ]
    return "\n".join(lines) + "\n"


def _section(part: str, rows: Sequence[Row]) -> str:
    title = f"### {part[0].upper()}{part[1:]}"
    lines = [f"- {row.what}: {_told(TEXTS[part, row.what])}{_ways(row)}" for row in rows]
    return "\n".join([title, "", markdown(HEAD, [_row(row) for row in rows]), *lines]) + "\n"


def _row(row: Row) -> list[str]:
    mailed = "not" if row.mailed_s is None else f"{row.mailed_s:.0f} of {row.mail_bound_s:g} s"
    kept = "yes" if row.kept else "**no**: " + "; ".join(row.complaints())
    return [row.what, row.during, row.recovery, f"{row.bound_s:g} s", TEXTS[row.part, row.what].why, mailed, kept]


def _told(fault: Fault) -> str:
    return f"Users: {fault.seen}. Operators: {fault.todo}."


def _ways(row: Row) -> str:
    """Which kinds of operation failed."""
    if not row.ways:
        return ""
    return " Failed: " + "; ".join(f"{kind} {way}" for kind, way in row.ways.items()) + "."


if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text(), load(KEPT)))
