"""SQL of what is kept about an account: one statement for each part, without secrets and without notes of others."""

from app.infra.postgres.database import Database
from app.users.store import user_columns

ROWS_MAX = 10_000
"""Of each part the newest rows; only the audit log can have more."""

BYTES_MAX = 8 * 1024 * 1024
"""Of each part the newest rows that have as many bytes of JSON."""

READ = """
SELECT COALESCE(json_agg(row ORDER BY number), '[]')::text
  FROM (SELECT row, row_number() OVER all_before AS number, sum(octet_length(row::text)) OVER all_before AS bytes
          FROM (SELECT row_to_json(part) AS row FROM ({part} LIMIT {rows}) part) listed
        WINDOW all_before AS (ROWS UNBOUNDED PRECEDING)) counted
 WHERE bytes <= {bytes}
"""

# Each selects by one account, which `%s` stands for once.
PARTS = {
    "account": f"""SELECT {user_columns("u")}, u.language, u.time_zone, u.device_mails, u.alert_hour,
        u.admin, u.disabled_at, n.mailed_at AS last_digest_at
         FROM users u LEFT JOIN alert_account n ON n.user_id = u.id WHERE u.id = %s""",
    "sessions": """SELECT id, agent, address, created_at, last_seen_at, expires_at, revoked_at FROM sessions
        WHERE user_id = %s ORDER BY id DESC""",
    "login_networks": """SELECT network, last_login_at FROM login_networks WHERE user_id = %s
        ORDER BY last_login_at DESC""",
    "links": """SELECT purpose, email, company_id, role, created_at, expires_at, used_at FROM account_links
        WHERE user_id = %s ORDER BY id DESC""",
    "memberships": """SELECT m.company_id, c.name, c.slug, m.role, m.since
         FROM company_members m JOIN companies c ON c.id = m.company_id WHERE m.user_id = %s ORDER BY m.company_id""",
    "applications": """SELECT a.id, a.posting_id AS job_id, t.title, c.name AS company, a.stage, a.letter, a.answers,
        a.created_at, a.updated_at, v.bytes AS cv_bytes,
        (SELECT json_agg(json_build_object('stage', s.stage, 'at', s.at) ORDER BY s.id)
           FROM application_step s WHERE s.application_id = a.id) AS history
         FROM application a JOIN posting p ON p.id = a.posting_id JOIN posting_text t ON t.posting_id = p.id
         JOIN companies c ON c.id = p.company_id LEFT JOIN application_cv v ON v.application_id = a.id
        WHERE a.candidate_id = %s ORDER BY a.id DESC""",
    "saved_searches": """SELECT id, name, query, frequency, seen_at, created_at, updated_at FROM saved_search
        WHERE user_id = %s ORDER BY id DESC""",
    "digests": """SELECT id, created_at, sent_at, dropped, content FROM digest WHERE user_id = %s ORDER BY id DESC""",
    "stages_set": """SELECT application_id, stage, at FROM application_step WHERE actor_id = %s ORDER BY id DESC""",
    "notes_written": """SELECT application_id, text, at FROM application_note WHERE author_id = %s ORDER BY id DESC""",
    "repeatable_requests": """SELECT key, status, created_at FROM repeatable_request WHERE user_id = %s
        ORDER BY created_at DESC""",
    # The client of what another account did is that account's.
    "audit_log": """SELECT e.at, e.event, e.actor_id, e.company_id, e.session_id, c.address, c.agent, c.request_id
         FROM audit_log e LEFT JOIN LATERAL (SELECT e.address, e.agent, e.request_id) c
           ON COALESCE(e.actor_id, e.user_id) = e.user_id
        WHERE e.user_id = %s ORDER BY e.at DESC""",
}


def read(database: Database, user_id: int, part: str) -> str:
    """The rows of a part as a JSON array of objects."""
    (row,) = database.all(READ.format(part=PARTS[part], rows=ROWS_MAX, bytes=BYTES_MAX), user_id)
    return str(row[0])
