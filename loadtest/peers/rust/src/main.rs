//! The stack that this service replaces (axum, sqlx, moka, jsonwebtoken, bcrypt, mimalloc), as a peer of benchmarks.
//!
//! Its environment: PORT, PGHOST, PGPORT, PGUSER, PGDATABASE, PEPPER, JWT_SECRET, BCRYPT_COST, WORKER_THREADS.

mod auth;
mod failure;
mod jobs;
mod passwords;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::Router;
use bytes::Bytes;
use moka::future::Cache;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::PgPool;

use crate::passwords::Passwords;
use crate::tokens::Tokens;
use crate::users::User;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USERS_TTL: Duration = Duration::from_secs(300);
const PAGES_TTL: Duration = Duration::from_secs(60);
const RESULTS_TTL: Duration = Duration::from_secs(30);

/// What every request can use.
pub struct Service {
    database: PgPool,
    tokens: Tokens,
    passwords: Passwords,
    users: Cache<i64, Arc<User>>,
    pages: Cache<i64, Bytes>,
    results: Cache<String, Bytes>,
}

pub type Shared = Arc<Service>;

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing"))
}

fn number(name: &str) -> u32 {
    setting(name).parse().unwrap_or_else(|_| panic!("{name} is no number"))
}

fn cache<K, V>(entries: u64, life: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(entries).time_to_live(life).build()
}

fn routes(service: Shared) -> Router {
    Router::new()
        .route("/api/v1/auth/register", post(auth::register))
        .route("/api/v1/auth/login", post(auth::login))
        .route("/api/v1/auth/logout", post(auth::logout))
        .route("/api/v1/users/me", get(users::me))
        .route("/api/v1/users/batch", get(users::batch))
        .route("/api/v1/users/{id}", get(users::profile))
        .route("/api/v1/jobs", get(jobs::search))
        .route("/api/v1/jobs/{id}", get(jobs::page))
        .route("/api/v1/health/ready", get(|| async { "ready" }))
        .with_state(service)
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let database = PgPoolOptions::new().max_connections(10).connect_with(PgConnectOptions::new()).await?;
    let service = Arc::new(Service {
        tokens: Tokens::new(setting("JWT_SECRET").as_bytes()),
        passwords: Passwords::new(setting("PEPPER").as_bytes(), number("BCRYPT_COST")),
        users: cache(100_000, USERS_TTL),
        pages: cache(10_000, PAGES_TTL),
        results: cache(10_000, RESULTS_TTL),
        database,
    });
    auth::remember_ended(&service).await?;
    let address = format!("127.0.0.1:{}", number("PORT"));
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, routes(service)).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

async fn stopped() {
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signals");
    asked.recv().await;
    std::process::exit(0);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = number("WORKER_THREADS") as usize;
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?.block_on(serve())
}
