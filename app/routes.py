"""All URLs of the service, with their resources."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.accounts.export.resources import OwnExport
from app.accounts.resources import (
    Acceptances,
    AddressChanges,
    ChangePage,
    InvitePage,
    OwnAddress,
    OwnVerification,
    PasswordResets,
    Recoveries,
    RecoverPage,
    UnsubscribePage,
    Verifications,
    VerifyPage,
)
from app.admin.resources import (
    AdminSessions,
    AdminUser,
    AdminUsers,
    Audit,
    Disabling,
    Enabling,
    TakeDown,
    Verification,
)
from app.alerts.resources import (
    OneSavedSearch,
    SavedSearchList,
    SearchExplanation,
    SearchMatches,
    SearchPreview,
    Unsubscriptions,
)
from app.applications.resources import Cvs, JobApplications, OneApplication, OwnApplications, Withdrawals
from app.auth.resources import (
    Logins,
    Logouts,
    OwnSession,
    OwnSessions,
    Password,
    Refreshes,
    Registrations,
    Revocations,
    SigningKeys,
)
from app.companies.resources import (
    Companies,
    CompanyBySlug,
    CompanyMember,
    CompanyMembers,
    OneCompany,
    OwnCompaniesList,
)
from app.feeds.resources import AtomFeed, ChangeList, CompanyOpenings, Sitemap, SitemapIndex
from app.graphql.resources import GraphQL
from app.health.resources import (
    Documentation,
    DocumentationFile,
    Health,
    Live,
    OpenApi,
    PerformanceMetrics,
    PrometheusMetrics,
    Ready,
    Start,
)
from app.imports.resources import (
    FeedRunCommit,
    FeedRunLines,
    FeedRunList,
    ImportedJob,
    JobImport,
    OneFeedRun,
)
from app.jobs.resources import CompanyJobs, JobBatches, JobSuggestions, OneJob, Searches, SimilarJobs
from app.users.resources import Account, OwnSettings, PublicProfile, UserBatch
from app.web.converters import IdConverter, NameConverter, SourceConverter, shown
from app.web.resource import Resource

if TYPE_CHECKING:
    import falcon

ROUTES: tuple[tuple[str, type[Resource]], ...] = (
    ("/api/v1/auth/register", Registrations),
    ("/api/v1/auth/login", Logins),
    ("/api/v1/auth/refresh", Refreshes),
    ("/api/v1/auth/logout", Logouts),
    ("/api/v1/auth/revoke", Revocations),
    ("/api/v1/auth/sessions", OwnSessions),
    ("/api/v1/auth/sessions/{session_id:id}", OwnSession),
    ("/api/v1/auth/password", Password),
    ("/api/v1/auth/verify", Verifications),
    ("/api/v1/auth/recover", Recoveries),
    ("/api/v1/auth/reset", PasswordResets),
    ("/api/v1/auth/change-address", AddressChanges),
    ("/api/v1/auth/accept-invitation", Acceptances),
    ("/api/v1/users/me", Account),
    ("/api/v1/users/me/settings", OwnSettings),
    ("/api/v1/users/me/verification", OwnVerification),
    ("/api/v1/users/me/email", OwnAddress),
    ("/api/v1/users/me/companies", OwnCompaniesList),
    ("/api/v1/users/me/export", OwnExport),
    ("/api/v1/users/batch", UserBatch),
    ("/api/v1/users/{user_id:id}", PublicProfile),
    ("/api/v1/companies", Companies),
    ("/api/v1/companies/{company_id:id}", OneCompany),
    ("/api/v1/companies/by-slug/{slug}", CompanyBySlug),
    ("/api/v1/companies/{company_id:id}/members", CompanyMembers),
    ("/api/v1/companies/{company_id:id}/members/{user_id:id}", CompanyMember),
    ("/api/v1/companies/{company_id:id}/jobs", CompanyJobs),
    ("/api/v1/companies/{company_id:id}/jobs.json", CompanyOpenings),
    ("/api/v1/companies/{company_id:id}/jobs/import", JobImport),
    ("/api/v1/companies/{company_id:id}/jobs/{source:source}/{external_id:name}", ImportedJob),
    ("/api/v1/companies/{company_id:id}/feeds/{source:source}/runs", FeedRunList),
    ("/api/v1/companies/{company_id:id}/feeds/{source:source}/runs/{run_id:id}", OneFeedRun),
    ("/api/v1/companies/{company_id:id}/feeds/{source:source}/runs/{run_id:id}/lines", FeedRunLines),
    ("/api/v1/companies/{company_id:id}/feeds/{source:source}/runs/{run_id:id}/commit", FeedRunCommit),
    ("/api/v1/changes", ChangeList),
    ("/api/v1/feeds/jobs.atom", AtomFeed),
    ("/api/v1/sitemaps/jobs.xml", SitemapIndex),
    ("/api/v1/sitemaps/jobs-{number:id}.xml", Sitemap),
    ("/api/v1/jobs", Searches),
    ("/api/v1/jobs/batch", JobBatches),
    ("/api/v1/jobs/suggest", JobSuggestions),
    ("/api/v1/jobs/{job_id:id}", OneJob),
    ("/api/v1/jobs/{job_id:id}/similar", SimilarJobs),
    ("/api/v1/saved-searches", SavedSearchList),
    ("/api/v1/saved-searches/preview", SearchPreview),
    ("/api/v1/saved-searches/unsubscribe", Unsubscriptions),
    ("/api/v1/saved-searches/{search_id:id}", OneSavedSearch),
    ("/api/v1/saved-searches/{search_id:id}/matches", SearchMatches),
    ("/api/v1/saved-searches/{search_id:id}/explain", SearchExplanation),
    ("/api/v1/jobs/{job_id:id}/applications", JobApplications),
    ("/api/v1/applications", OwnApplications),
    ("/api/v1/applications/{application_id:id}", OneApplication),
    ("/api/v1/applications/{application_id:id}/cv", Cvs),
    ("/api/v1/applications/{application_id:id}/withdraw", Withdrawals),
    ("/api/v1/admin/users", AdminUsers),
    ("/api/v1/admin/users/{user_id:id}", AdminUser),
    ("/api/v1/admin/users/{user_id:id}/disable", Disabling),
    ("/api/v1/admin/users/{user_id:id}/enable", Enabling),
    ("/api/v1/admin/users/{user_id:id}/sessions", AdminSessions),
    ("/api/v1/admin/companies/{company_id:id}/verify", Verification),
    ("/api/v1/admin/jobs/{job_id:id}/take-down", TakeDown),
    ("/api/v1/admin/audit", Audit),
    ("/graphql", GraphQL),
    ("/api/v1/health", Health),
    ("/api/v1/health/live", Live),
    ("/api/v1/health/ready", Ready),
    ("/api/v1/health/metrics", PerformanceMetrics),
    ("/metrics", PrometheusMetrics),
    ("/openapi.json", OpenApi),
    ("/", Start),
    ("/docs", Documentation),
    ("/docs/{file}", DocumentationFile),
    ("/account/verify", VerifyPage),
    ("/account/change", ChangePage),
    ("/account/recover", RecoverPage),
    ("/account/invite", InvitePage),
    ("/account/unsubscribe", UnsubscribePage),
    ("/.well-known/jwks.json", SigningKeys),
)

UNMATCHED = ("", "")
METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")


def measured_routes() -> list[tuple[str, str]]:
    """(method, template) of each responder with counters of its own; the first is for requests that match no route."""
    responders = [
        (method, path) for path, kind in ROUTES for method in METHODS if hasattr(kind, f"on_{method.lower()}")
    ]
    return [UNMATCHED, *responders]


def route_labels() -> list[tuple[str, str]]:
    """The same as labels of metrics, without the names of converters."""
    return [(method, shown(path)) for method, path in measured_routes()]


def add_routes(app: "falcon.App[Any, Any]", resources: Mapping[type[Resource], Resource]) -> None:
    """Add a route for every resource."""
    app.router_options.converters.update(id=IdConverter, source=SourceConverter, name=NameConverter)
    for path, kind in ROUTES:
        app.add_route(path, resources[kind])
