"""URLs in what goes out. They come from settings and never from a request's Host header."""

from dataclasses import dataclass

from app.config import Settings


@dataclass(frozen=True, slots=True)
class Links:
    """`start` is PUBLIC_URL with the path prefix; without PUBLIC_URL links have no host, as they are relative."""

    start: str
    job_pages: str

    @property
    def absolute(self) -> bool:
        """Whether links can be used outside of what this host serves."""
        return "://" in self.start

    @property
    def pages(self) -> str:
        """The URL of a posting's page for people with `{id}` in it; of its JSON if JOB_PAGES_URL names no page."""
        return self.job_pages or self.at("/jobs/{id}")

    def at(self, path: str) -> str:
        """The URL of `path` below `/api/v1`."""
        return f"{self.start}/api/v1{path}"

    def job(self, job_id: int) -> str:
        """The posting as JSON."""
        return self.at(f"/jobs/{job_id}")

    def page(self, job_id: int) -> str:
        """The posting's page, as `pages` has it."""
        return self.pages.replace("{id}", str(job_id))


def links_of(settings: Settings) -> Links:
    """The links of this service."""
    return Links(settings.public_url + settings.path_prefix, settings.job_pages_url)
