"""The queue of tasks: the schema of procrastinate 3.10 (its migrations up to 03.04.00_50), and what we add to it.

- Triggers that only inform are dropped: NOTIFY serialises commits, and nothing reads the events of schedules.
- A task's queue is its name, so that a worker takes only tasks that its version knows.
- `scheduled_at` is always set; a task that may start at once has the time of its transaction.
"""

from pathlib import Path

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

LIBRARY = Path(__file__).with_name("v0015_procrastinate.sql")

SQL = """
DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 ON procrastinate_jobs;
DROP TRIGGER procrastinate_trigger_scheduled_events_v1 ON procrastinate_jobs;

CREATE INDEX procrastinate_jobs_abandoned ON procrastinate_jobs (id) WHERE status = 'doing' AND worker_id IS NULL;
CREATE INDEX procrastinate_jobs_failed ON procrastinate_jobs (task_name) WHERE status = 'failed';

CREATE TABLE task_failure (
    job_id bigint PRIMARY KEY REFERENCES procrastinate_jobs ON DELETE CASCADE,
    at     timestamptz NOT NULL DEFAULT now(),
    reason text NOT NULL
);

CREATE INDEX task_failure_at ON task_failure (at);

COMMENT ON TABLE task_failure IS 'why the last attempt of a task failed, or why it was cancelled';

CREATE FUNCTION enqueue_task(task_name text, args jsonb, unique_key text, delay_s double precision, priority int)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    numbers bigint[];
BEGIN
    LOOP
        IF unique_key IS NOT NULL THEN
            PERFORM FROM procrastinate_jobs WHERE queueing_lock = unique_key AND status = 'todo' FOR SHARE;
            IF FOUND THEN
                RETURN NULL;
            END IF;
        END IF;
        BEGIN
            numbers := procrastinate_defer_jobs_v1(ARRAY[ROW(
                task_name, task_name, priority, NULL, unique_key, args, now() + make_interval(secs => delay_s)
            )]::procrastinate_job_to_defer_v1[]);
            RETURN numbers[1];
        EXCEPTION WHEN unique_violation THEN
            IF unique_key IS NULL THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END $$;

COMMENT ON FUNCTION enqueue_task(text, jsonb, text, double precision, int) IS
    'the id, or NULL where a task with the key waits: it is locked, so that no worker starts it before this commit';

CREATE FUNCTION retry_task(job_id bigint, delay_s double precision) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM procrastinate_retry_job_v2(job_id, now() + make_interval(secs => delay_s), NULL, NULL, NULL);
EXCEPTION WHEN unique_violation THEN
    DELETE FROM procrastinate_jobs WHERE id = job_id;
END $$;

COMMENT ON FUNCTION retry_task(bigint, double precision) IS 'a later task with the same key, if one waits, replaces it';
"""


def upgrade() -> None:
    """Apply this revision."""
    connection = op.get_bind()
    for text in (LIBRARY.read_text(), SQL):
        connection.exec_driver_sql(text.replace("%", "%%"))
