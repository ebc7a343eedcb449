//! Profiles: cached for 5 minutes in this process.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::Json;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::failure::{bad_request, Failure, NOT_FOUND, UNAUTHENTICATED};
use crate::tokens::Identity;
use crate::{Service, Shared};

const BATCH_MAX: usize = 100;

const FIND_USERS: &str = "
SELECT id, email::text, name, headline, created_at, updated_at, version FROM users WHERE id = ANY ($1)";

/// As its owner sees it.
#[derive(Serialize, FromRow)]
pub struct User {
    id: i64,
    email: String,
    name: String,
    headline: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i32,
}

/// As others see it.
#[derive(Serialize)]
struct PublicUser<'a> {
    id: i64,
    name: &'a str,
    headline: &'a str,
    created_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Batch<'a> {
    users: Vec<PublicUser<'a>>,
    missing: Vec<i64>,
}

#[derive(Deserialize)]
pub struct Ids {
    ids: String,
}

impl User {
    fn public(&self) -> PublicUser<'_> {
        PublicUser { id: self.id, name: &self.name, headline: &self.headline, created_at: self.created_at }
    }
}

async fn load(service: &Service, ids: &[i64]) -> Result<Vec<User>, sqlx::Error> {
    sqlx::query_as(FIND_USERS).bind(ids).fetch_all(&service.database).await
}

async fn user(service: &Service, id: i64) -> Result<Option<Arc<User>>, Failure> {
    if let Some(known) = service.users.get(&id).await {
        return Ok(Some(known));
    }
    let Some(found) = load(service, &[id]).await?.pop().map(Arc::new) else { return Ok(None) };
    service.users.insert(id, found.clone()).await;
    Ok(Some(found))
}

/// The users of these ids; those that are not cached are read together.
async fn several(service: &Service, ids: &[i64]) -> Result<HashMap<i64, Arc<User>>, Failure> {
    let mut found = HashMap::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        match service.users.get(id).await {
            Some(known) => drop(found.insert(*id, known)),
            None => unknown.push(*id),
        }
    }
    if !unknown.is_empty() {
        for each in load(service, &unknown).await?.into_iter().map(Arc::new) {
            service.users.insert(each.id, each.clone()).await;
            found.insert(each.id, each);
        }
    }
    Ok(found)
}

pub async fn me(State(service): State<Shared>, identity: Identity) -> Result<Response, Failure> {
    let user = user(&service, identity.user).await?.ok_or(UNAUTHENTICATED)?;
    Ok(Json(&*user).into_response())
}

pub async fn profile(
    State(service): State<Shared>,
    _identity: Identity,
    Path(id): Path<i64>,
) -> Result<Response, Failure> {
    let user = user(&service, id).await?.ok_or(NOT_FOUND)?;
    Ok(Json(user.public()).into_response())
}

pub async fn batch(
    State(service): State<Shared>,
    _identity: Identity,
    Query(asked): Query<Ids>,
) -> Result<Response, Failure> {
    let ids: Vec<i64> = asked
        .ids
        .split(',')
        .map(|text| text.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|_| bad_request("ids must be comma-separated integers"))?;
    if ids.len() > BATCH_MAX {
        return Err(bad_request("ids must name at most 100"));
    }
    let found = several(&service, &ids).await?;
    let users = ids.iter().filter_map(|id| found.get(id)).map(|user| user.public()).collect();
    let missing = ids.iter().copied().filter(|id| !found.contains_key(id)).collect();
    Ok(Json(Batch { users, missing }).into_response())
}
