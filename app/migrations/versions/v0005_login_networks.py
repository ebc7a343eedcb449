"""The networks from which an account has logged in: wrong passwords from other networks do not block logins there."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = """
CREATE TABLE login_networks (
    user_id       bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    network       text NOT NULL,
    last_login_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, network)
);

CREATE INDEX login_networks_last_login_at ON login_networks (last_login_at);

COMMENT ON COLUMN login_networks.network IS 'as limits count it: an IPv4 address, or an IPv6 prefix';
COMMENT ON COLUMN login_networks.last_login_at IS 'exact to a day';

INSERT INTO login_networks (user_id, network, last_login_at)
SELECT user_id, CASE family(address) WHEN 4 THEN host(address) ELSE text(network(set_masklen(address, 64))) END,
       max(created_at)
  FROM sessions WHERE address IS NOT NULL AND created_at > now() - interval '30 days' GROUP BY 1, 2;
"""


def upgrade() -> None:
    """Apply this revision."""
    op.execute(SQL)
