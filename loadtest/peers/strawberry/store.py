"""SQL of the strawberry peer; peer_job is the table of `loadtest/store.py: MAKE_PEER_JOBS`."""

FIND_COMPANIES = "SELECT id, slug, name, verified, description, website FROM companies WHERE id = ANY ($1)"
_JOB = "id, company_id, published_at, title, description, workplace, employment_type, seniority, skills"
FIND_JOBS = f"SELECT {_JOB} FROM peer_job WHERE id = ANY ($1) AND valid_through > now()"
LIST_APPLICATIONS = """
SELECT a.id, a.stage, a.created_at, p.id AS job_id, p.company_id, p.title
  FROM application a JOIN peer_job p ON p.id = a.posting_id WHERE a.candidate_id = $1 ORDER BY a.id DESC LIMIT $2
"""
_MATCHING = "body_tsv @@ plainto_tsquery('simple', $1) AND valid_through > now()"
SEARCH = f"""
SELECT {_JOB} FROM peer_job WHERE {_MATCHING}
 ORDER BY ts_rank(title_tsv, plainto_tsquery('simple', $1)) DESC, published_at DESC, id DESC LIMIT $2
"""
COUNT = f"SELECT count(*) FROM peer_job WHERE {_MATCHING}"
COUNT_VALUES = {
    "workplace": f"SELECT workplace, count(*) FROM peer_job WHERE {_MATCHING} GROUP BY 1 ORDER BY 2 DESC",
    "seniority": f"""
SELECT seniority, count(*) FROM peer_job WHERE {_MATCHING} AND seniority IS NOT NULL GROUP BY 1 ORDER BY 2 DESC""",
    "employment_type": f"""
SELECT kind, count(*) FROM peer_job, unnest(employment_type) AS kind WHERE {_MATCHING} GROUP BY 1 ORDER BY 2 DESC""",
}
