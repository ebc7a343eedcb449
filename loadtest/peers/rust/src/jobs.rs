//! Open postings: pages are cached for a minute, results of searches for 30 seconds, both as the JSON that is sent.

use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{json, Map, Value};
use sqlx::types::Json as Stored;
use sqlx::FromRow;

use crate::failure::{Failure, NOT_FOUND};
use crate::{Service, Shared};

const COUNTED_MAX: i64 = 10_000;

const FIND_JOB: &str = "
SELECT p.id, p.version, p.state, p.published_at, p.valid_through, p.first_seen_at, p.content_changed_at,
       t.title, t.description, t.detail, c.id AS company_id, c.slug, c.name, c.verified
  FROM posting p JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 WHERE p.id = $1 AND p.state = 'open' AND p.valid_through > now()";

const SEARCH: &str = "
SELECT p.id, p.version, p.state, p.published_at, p.valid_through, p.first_seen_at, p.content_changed_at,
       t.title, NULL AS description, t.detail, c.id AS company_id, c.slug, c.name, c.verified
  FROM (SELECT * FROM posting, plainto_tsquery('simple', $1) AS asked
         WHERE shown AND body_tsv @@ asked AND valid_through > now()
         ORDER BY ts_rank(title_tsv, asked) DESC, published_at DESC, id DESC LIMIT $2 OFFSET $3) AS p
  JOIN posting_text t ON t.posting_id = p.id JOIN companies c ON c.id = p.company_id
 ORDER BY ts_rank(p.title_tsv, p.asked) DESC, p.published_at DESC, p.id DESC";

const COUNT: &str = "
SELECT count(*) FROM (
    SELECT FROM posting WHERE shown AND body_tsv @@ plainto_tsquery('simple', $1) AND valid_through > now()
     LIMIT $2) AS found";

#[derive(FromRow)]
struct Row {
    id: i64,
    version: i32,
    state: String,
    published_at: Option<DateTime<Utc>>,
    valid_through: DateTime<Utc>,
    first_seen_at: DateTime<Utc>,
    content_changed_at: DateTime<Utc>,
    title: String,
    description: Option<String>,
    detail: Stored<Map<String, Value>>,
    company_id: i64,
    slug: String,
    name: String,
    verified: bool,
}

#[derive(Serialize)]
struct Company {
    id: i64,
    slug: String,
    name: String,
    verified: bool,
}

/// A page, with `taken_down`, or one of several results, with `also_at`.
#[derive(Serialize)]
struct Job {
    id: i64,
    company: Company,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(flatten)]
    detail: Map<String, Value>,
    state: String,
    published_at: Option<DateTime<Utc>>,
    valid_through: DateTime<Utc>,
    first_seen_at: DateTime<Utc>,
    content_changed_at: DateTime<Utc>,
    version: i32,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
pub struct Search {
    q: String,
    #[serde(default = "twenty")]
    limit: i64,
    #[serde(default)]
    offset: i64,
}

fn twenty() -> i64 {
    20
}

fn job(row: Row, rest: (&str, Value)) -> Job {
    Job {
        id: row.id,
        company: Company { id: row.company_id, slug: row.slug, name: row.name, verified: row.verified },
        title: row.title,
        description: row.description,
        detail: row.detail.0,
        state: row.state,
        published_at: row.published_at,
        valid_through: row.valid_through,
        first_seen_at: row.first_seen_at,
        content_changed_at: row.content_changed_at,
        version: row.version,
        rest: Map::from_iter([(rest.0.to_owned(), rest.1)]),
    }
}

fn sent(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn load_page(service: &Service, id: i64) -> Result<Bytes, Failure> {
    let row: Option<Row> = sqlx::query_as(FIND_JOB).bind(id).fetch_optional(&service.database).await?;
    let found = job(row.ok_or(NOT_FOUND)?, ("taken_down", Value::Null));
    Ok(serde_json::to_vec(&found).expect("it is plain JSON").into())
}

async fn run(service: &Service, asked: &Search) -> Result<Bytes, Failure> {
    let (words, limit) = (asked.q.to_lowercase(), asked.limit.clamp(1, 100));
    let rows: Vec<Row> = sqlx::query_as(SEARCH)
        .bind(&words)
        .bind(limit)
        .bind(asked.offset.max(0))
        .fetch_all(&service.database)
        .await?;
    let (count,): (i64,) =
        sqlx::query_as(COUNT).bind(&words).bind(COUNTED_MAX + 1).fetch_one(&service.database).await?;
    let end = asked.offset.max(0) + rows.len() as i64;
    let found = json!({
        "items": rows.into_iter().map(|row| job(row, ("also_at", json!([])))).collect::<Vec<_>>(),
        "next": (end < count).then(|| end.to_string()),
        "total": {"value": count.min(COUNTED_MAX), "exact": count <= COUNTED_MAX},
        "facets": [],
        "corrections": [],
        "conversions": {"hours_per_year": 2080, "rates_of": "2026-10-30"},
        "as_of": Utc::now(),
    });
    Ok(serde_json::to_vec(&found).expect("it is plain JSON").into())
}

pub async fn page(State(service): State<Shared>, Path(id): Path<i64>) -> Result<Response, Failure> {
    if let Some(known) = service.pages.get(&id).await {
        return Ok(sent(known));
    }
    Ok(sent(service.pages.try_get_with(id, load_page(&service, id)).await?))
}

pub async fn search(State(service): State<Shared>, Query(asked): Query<Search>) -> Result<Response, Failure> {
    let key = format!("{}\n{}\n{}", asked.q, asked.limit, asked.offset);
    if let Some(known) = service.results.get(&key).await {
        return Ok(sent(known));
    }
    Ok(sent(service.results.try_get_with(key, run(&service, &asked)).await?))
}
