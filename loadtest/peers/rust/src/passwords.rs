//! bcrypt over the Base64 of the password's HMAC-SHA256, as the accounts in the database have it.

use base64::prelude::{Engine, BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A hash of cost 10 that no password has, so that an unknown address takes as long as a wrong password.
const NOBODY: &str = "$2b$10$abcdefghijklmnopqrstuuOxBoUTFVlyOoUFEiHVJFFxzTbY0kIkO";

pub struct Passwords {
    key: Vec<u8>,
    cost: u32,
    slots: Semaphore,
}

fn keyed_hash(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

impl Passwords {
    /// As many hashes at once as there are cores; the others wait.
    pub fn new(pepper: &[u8], cost: u32) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |number| number.get());
        Self { key: keyed_hash(pepper, b"jobfinder passwords"), cost, slots: Semaphore::new(cores) }
    }

    fn keyed(&self, password: &str) -> String {
        BASE64_STANDARD.encode(keyed_hash(&self.key, password.as_bytes()))
    }

    pub async fn hash(&self, password: &str) -> String {
        let (keyed, cost) = (self.keyed(password), self.cost);
        let _slot = self.slots.acquire().await.expect("it is never closed");
        spawn_blocking(move || bcrypt::hash(keyed, cost).expect("the cost is valid")).await.expect("no panic")
    }

    pub async fn verify(&self, password: &str, hash: Option<Vec<u8>>) -> bool {
        let (keyed, known) = (self.keyed(password), hash.is_some());
        let hash = hash.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| NOBODY.into());
        let _slot = self.slots.acquire().await.expect("it is never closed");
        spawn_blocking(move || bcrypt::verify(keyed, &hash).unwrap_or(false)).await.expect("no panic") && known
    }
}
