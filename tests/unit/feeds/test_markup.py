"""XML and links of what goes out."""

import pytest
from lxml import etree

from app.feeds.markup import element
from app.jobs.links import Links


@pytest.mark.parametrize("text", ["a < b & c > d", 'say "hi"', "emoji \U0001f600", "\ufffd"])
def test_text_is_read_as_it_was_written(text: str) -> None:
    found = etree.fromstring(element("a", text, title=text))
    assert found.text == text
    assert found.get("title") == text


@pytest.mark.parametrize("char", ["\x00", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_characters_that_xml_forbids_are_left_out(char: str) -> None:
    assert etree.fromstring(element("a", f"b{char}c")).text == "bc"


def test_empty_attributes_are_left_out() -> None:
    assert element("a", rel="", xml_lang="de") == '<a xml:lang="de"/>'


@pytest.mark.parametrize(
    ("start", "pages", "page", "job"),
    [
        ("", "", "/api/v1/jobs/7", "/api/v1/jobs/7"),
        ("/below", "", "/below/api/v1/jobs/7", "/below/api/v1/jobs/7"),
        ("https://a", "https://b/{id}.html", "https://b/7.html", "https://a/api/v1/jobs/7"),
    ],
)
def test_links_come_from_settings(start: str, pages: str, page: str, job: str) -> None:
    links = Links(start, pages)
    assert (links.page(7), links.job(7)) == (page, job)
