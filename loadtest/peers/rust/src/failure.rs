//! What a handler returns instead of an answer.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::Json;
use serde_json::json;

#[derive(Clone, Debug)]
pub enum Failure {
    Refused(StatusCode, &'static str),
    Database(Arc<sqlx::Error>),
}

pub const UNAUTHENTICATED: Failure = Failure::Refused(StatusCode::UNAUTHORIZED, "a valid token is needed");
pub const NOT_FOUND: Failure = Failure::Refused(StatusCode::NOT_FOUND, "there is no such thing");

pub fn bad_request(what: &'static str) -> Failure {
    Failure::Refused(StatusCode::BAD_REQUEST, what)
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Database(Arc::new(error))
    }
}

/// A failed load, which moka shares with every request that waited for it.
impl From<Arc<Failure>> for Failure {
    fn from(shared: Arc<Failure>) -> Self {
        (*shared).clone()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title) = match self {
            Failure::Refused(status, title) => (status, title),
            Failure::Database(error) => {
                eprintln!("{error}");
                (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
            }
        };
        (status, Json(json!({"status": status.as_u16(), "title": title}))).into_response()
    }
}
