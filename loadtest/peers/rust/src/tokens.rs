//! Access tokens: HS256, verified anew with every request, and the blacklist of ended sessions in this process.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jsonwebtoken::{decode, encode, Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::future::Cache;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, UNAUTHENTICATED};
use crate::{cache, Shared};

pub const LIFE_S: u64 = 7200;
const ISSUER: &str = "jobfinder";
const AUDIENCE: &str = "jobfinder-api";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    exp: u64,
}

/// Whose request it is.
pub struct Identity {
    pub user: i64,
    pub session: i64,
}

pub struct Tokens {
    signing: EncodingKey,
    verifying: DecodingKey,
    checks: Validation,
    pub ended: Cache<i64, ()>,
}

impl Tokens {
    pub fn new(secret: &[u8]) -> Self {
        let mut checks = Validation::new(Algorithm::HS256);
        checks.set_issuer(&[ISSUER]);
        checks.set_audience(&[AUDIENCE]);
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            checks,
            ended: cache(1_000_000, std::time::Duration::from_secs(LIFE_S)),
        }
    }

    pub fn issue(&self, user: i64, session: i64) -> String {
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.to_string(),
            sid: session.to_string(),
            exp: jsonwebtoken::get_current_timestamp() + LIFE_S,
        };
        encode(&Header::default(), &claims, &self.signing).expect("the claims are plain JSON")
    }

    fn verify(&self, token: &str) -> Option<Identity> {
        let claims = decode::<Claims>(token, &self.verifying, &self.checks).ok()?.claims;
        let session = claims.sid.parse().ok()?;
        if self.ended.contains_key(&session) {
            return None;
        }
        Some(Identity { user: claims.sub.parse().ok()?, session })
    }
}

impl FromRequestParts<Shared> for Identity {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, service: &Shared) -> Result<Self, Failure> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(UNAUTHENTICATED)?;
        service.tokens.verify(token).ok_or(UNAUTHENTICATED)
    }
}
