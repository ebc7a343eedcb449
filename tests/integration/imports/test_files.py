"""Files of postings, read without taking much memory, and `python -m app import` on them."""

from pathlib import Path
from threading import Event

import msgspec
import pytest

from app.imports.feeding import Progress, feed
from app.imports.files import Truncated, read_file
from app.imports.runs import MassClose, RunUnderWay
from tests.integration.imports.office import Office, line

SHIPPED = Path(__file__).resolve().parents[3] / "docs" / "feed.ndjson"
JOB = """
<job>
  <title><![CDATA[ Night   nurse ]]></title><referencenumber>{0}</referencenumber><url>https://acme.example/{0}</url>
  <city>Berlin</city><state>BE</state><country>{1}</country><jobtype>fulltime, parttime</jobtype>
  <remotetype>Hybrid remote</remotetype><description><![CDATA[<p>You care for <b>20</b> patients.</p>]]></description>
  <expirationdate>2090-03-01</expirationdate><date>Mon, 02 Mar 2026 09:00:00 GMT</date><other>ignored</other>
</job>
"""


def xml(*jobs: str, end: str = "</source>") -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><source><publisher>Acme</publisher>{"".join(jobs)}{end}'


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "feed"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def run(office: Office, path: Path, *, force: bool = False) -> tuple[int, int, int, int, int]:
    done = feed(office.imports, (office.company, "ats"), path, lambda progress: None, force=force)
    return done.created, done.changed, done.unchanged, done.refused, done.closed


def test_elements_of_xml_become_lines(tmp_path: Path) -> None:
    path = written(tmp_path, xml(JOB.format("REQ-1", "Germany"), JOB.format("a b/c", "de")))
    first, second = (msgspec.json.decode(raw) for _, raw in read_file(path))
    assert first == {
        "external_id": "REQ-1",
        "title": "Night nurse",
        "description": "<p>You care for <b>20</b> patients.</p>",
        "employment_type": ["full_time", "part_time"],
        "workplace": "hybrid",
        "places": [{"country": "DE", "region": "BE", "city": "Berlin"}],
        "apply": {"kind": "url", "target": "https://acme.example/REQ-1"},
        "valid_through": "2090-03-02T00:00:00+00:00",
    }
    assert second["external_id"].startswith("x-")
    assert second["places"][0]["country"] == "DE"


def test_xml_is_imported_and_a_truncated_one_closes_nothing(office: Office, tmp_path: Path) -> None:
    jobs = [JOB.format(number, "DE") for number in range(3)]
    assert run(office, written(tmp_path, xml(*jobs))) == (3, 0, 0, 0, 0)
    with pytest.raises(Truncated):
        run(office, written(tmp_path, xml(jobs[0], end="<job><title>Ni")))
    assert set(office.states().values()) == {"open"}
    assert office.imports.store.standing()["ended"] == 1
    with pytest.raises(MassClose):
        run(office, written(tmp_path, xml(jobs[0])))
    assert run(office, written(tmp_path, xml(jobs[0])), force=True) == (0, 0, 1, 0, 2)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE source [<!ENTITY a "aaaa">]><source><job><title>&a;</title></job></source>',
        '<!DOCTYPE source SYSTEM "file:///etc/passwd"><source/>',
        "<source><job>",
        "<",
    ],
)
def test_entities_and_broken_xml_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(Truncated):
        list(read_file(written(tmp_path, text)))


def test_line_without_end_is_cut(tmp_path: Path) -> None:
    path = written(tmp_path, b"x" * 3_000_000 + b"\n" + line(1))
    first, second = (raw for _, raw in read_file(path))
    assert len(first) < 500_000
    assert second == line(1)


def test_feed_of_the_documentation_is_imported(office: Office) -> None:
    shown: list[Progress] = []
    done = feed(office.imports, (office.company, "ats"), SHIPPED, shown.append)
    assert (done.created, done.refused, done.state) == (3, 0, "committed")
    assert shown[-1].bytes_read == SHIPPED.stat().st_size
    assert run(office, SHIPPED) == (0, 0, 3, 0, 0)


def test_interrupted_import_ends_its_run_and_is_repeated(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.imports.feeding.PART", 2)
    path = written(tmp_path, b"\n".join(line(number) for number in range(6)))

    def interrupted(progress: Progress) -> None:
        with pytest.raises(RunUnderWay):
            office.imports.runs.start(office.company, "ats")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feed(office.imports, (office.company, "ats"), path, interrupted)
    assert run(office, path) == (2, 0, 4, 0, 0)  # parts that were under way are written


def test_run_is_renewed_while_nothing_is_written(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed, renew = Event(), office.imports.store.renew
    monkeypatch.setattr("app.imports.feeding.RENEW_EVERY_S", 0.01)

    def seen(run_id: int) -> None:
        renew(run_id)
        renewed.set()

    def silent(progress: Progress) -> None:
        office.database.run("UPDATE feed_run SET active_at = active_at - interval '1 minute'")
        renewed.clear()
        assert renewed.wait(10)
        with pytest.raises(RunUnderWay):
            office.imports.runs.start(office.company, "ats")

    monkeypatch.setattr(office.imports.store, "renew", seen)
    path = written(tmp_path, b"\n".join(line(number) for number in range(6)))
    assert feed(office.imports, (office.company, "ats"), path, silent).state == "committed"
