"""SQL of the FastAPI peer, on the service's own tables."""

_USER = "id, email::text, name, headline, created_at, updated_at, version"
_JOB = """p.id, p.version, p.state, p.published_at, p.valid_through, p.first_seen_at, p.content_changed_at,
       t.title, t.detail, c.id AS company_id, c.slug, c.name, c.verified"""

FIND_SESSION = """
SELECT u.id, u.email::text, u.name, u.headline, u.created_at, u.updated_at, u.version, s.id AS session_id
  FROM sessions s JOIN users u ON u.id = s.user_id
 WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > now() AND s.epoch = u.token_epoch AND u.disabled_at IS NULL
"""
FIND_USERS = "SELECT id, name, headline, created_at FROM users WHERE id = ANY ($1)"
FIND_ACCOUNT = "SELECT id, password_hash, token_epoch FROM users WHERE email = $1::citext AND disabled_at IS NULL"
INSERT_ACCOUNT = f"""
INSERT INTO users (email, password_hash, name) VALUES ($1::citext, $2, $3) ON CONFLICT (email) DO NOTHING
RETURNING {_USER}
"""
OPEN_SESSION = """
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
VALUES ($1, $2, $3, $4, now() + interval '14 days') RETURNING id
"""
END_SESSION = "UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
FIND_JOB = f"""
SELECT {_JOB}, t.description
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 WHERE p.id = $1 AND p.state = 'open' AND p.valid_through > now()
"""
SEARCH = f"""
SELECT {_JOB}
  FROM (SELECT * FROM posting, plainto_tsquery('simple', $1) AS asked
         WHERE shown AND body_tsv @@ asked AND valid_through > now()
         ORDER BY ts_rank(title_tsv, asked) DESC, published_at DESC, id DESC LIMIT $2 OFFSET $3) AS p
  JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 ORDER BY ts_rank(p.title_tsv, p.asked) DESC, p.published_at DESC, p.id DESC
"""
COUNT = """
SELECT count(*) FROM (
    SELECT FROM posting WHERE shown AND body_tsv @@ plainto_tsquery('simple', $1) AND valid_through > now()
     LIMIT $2) AS found
"""
