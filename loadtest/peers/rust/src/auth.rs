//! Registration, login and logout.

use axum::extract::State;
use axum::http::StatusCode;
use axum::Json;
use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::{bad_request, Failure};
use crate::tokens::{Identity, LIFE_S};
use crate::users::User;
use crate::{Service, Shared};

const SESSION_DAYS: i32 = 14;

const INSERT_ACCOUNT: &str = "
INSERT INTO users (email, password_hash, name) VALUES ($1::citext, $2, $3) ON CONFLICT (email) DO NOTHING
RETURNING id, email::text, name, headline, created_at, updated_at, version";

const FIND_ACCOUNT: &str =
    "SELECT id, password_hash, token_epoch FROM users WHERE email = $1::citext AND disabled_at IS NULL";

const OPEN_SESSION: &str = "
INSERT INTO sessions (user_id, epoch, family, refresh_hash, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(days => $5)) RETURNING id";

const END_SESSION: &str =
    "UPDATE sessions SET revoked_at = now() WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL";

const LIST_ENDED: &str = "SELECT id FROM sessions WHERE revoked_at > now() - make_interval(secs => $1)";

#[derive(Deserialize)]
pub struct Registration {
    email: String,
    password: String,
    name: String,
}

#[derive(Deserialize)]
pub struct Credentials {
    email: String,
    password: String,
}

#[derive(Serialize)]
pub struct Issued {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: u64,
}

/// Fill the blacklist with the sessions that ended before this process began.
pub async fn remember_ended(service: &Service) -> Result<(), sqlx::Error> {
    let ended: Vec<(i64,)> = sqlx::query_as(LIST_ENDED).bind(LIFE_S as f64).fetch_all(&service.database).await?;
    for (session,) in ended {
        service.tokens.ended.insert(session, ()).await;
    }
    Ok(())
}

pub async fn register(
    State(service): State<Shared>,
    Json(new): Json<Registration>,
) -> Result<(StatusCode, Json<User>), Failure> {
    let email = new.email.trim().to_lowercase();
    if !email.contains('@') || !(8..=256).contains(&new.password.chars().count()) || new.name.trim().is_empty() {
        return Err(bad_request("an address, a name and a password of 8 to 256 characters are needed"));
    }
    let hash = service.passwords.hash(&new.password).await;
    let asked = sqlx::query_as(INSERT_ACCOUNT).bind(email).bind(hash.as_bytes()).bind(new.name.trim());
    let user: Option<User> = asked.fetch_optional(&service.database).await?;
    let taken = Failure::Refused(StatusCode::CONFLICT, "there is an account with this address");
    user.map(|user| (StatusCode::CREATED, Json(user))).ok_or(taken)
}

pub async fn login(
    State(service): State<Shared>,
    Json(given): Json<Credentials>,
) -> Result<Json<Issued>, Failure> {
    let email = given.email.trim().to_lowercase();
    let account: Option<(i64, Vec<u8>, i32)> =
        sqlx::query_as(FIND_ACCOUNT).bind(email).fetch_optional(&service.database).await?;
    let hash = account.as_ref().map(|found| found.1.clone());
    let right = service.passwords.verify(&given.password, hash).await;
    match account {
        Some((user, _, epoch)) if right => Ok(Json(open_session(&service, user, epoch).await?)),
        _ => Err(Failure::Refused(StatusCode::UNAUTHORIZED, "the address or the password is wrong")),
    }
}

async fn open_session(service: &Service, user: i64, epoch: i32) -> Result<Issued, Failure> {
    let (family, secret): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    let asked = sqlx::query_as(OPEN_SESSION).bind(user).bind(epoch).bind(family.as_slice());
    let hashed = Sha256::digest(secret);
    let (session,): (i64,) =
        asked.bind(hashed.as_slice()).bind(SESSION_DAYS).fetch_one(&service.database).await?;
    Ok(Issued {
        access_token: service.tokens.issue(user, session),
        refresh_token: BASE64_URL_SAFE_NO_PAD.encode(secret),
        token_type: "Bearer",
        expires_in: LIFE_S,
    })
}

pub async fn logout(State(service): State<Shared>, identity: Identity) -> Result<StatusCode, Failure> {
    sqlx::query(END_SESSION).bind(identity.session).bind(identity.user).execute(&service.database).await?;
    service.tokens.ended.insert(identity.session, ()).await;
    Ok(StatusCode::NO_CONTENT)
}
