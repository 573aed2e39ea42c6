//! `rejoin token`: creates a JSON Web Token for tests. Stores neither keys nor tokens.

use crate::args::TokenArgs;
use crate::error::Failure;
use rejoin_server::auth::JwtSigner;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The token, in a line of its own.
pub(crate) fn make(arguments: &TokenArgs) -> Result<String, Failure> {
    let TokenArgs { key, user, rooms, expires, alg, kid, issuer, audience, .. } = arguments;
    let alg = alg.as_ref().map(|alg| alg.as_str());
    let signer = JwtSigner::read(key, alg, kid.as_deref()).map_err(|error| {
        let hint = "openssl writes a key of each kind: 'openssl genpkey -algorithm ed25519', '… -algorithm EC -pkeyopt \
                    ec_paramgen_curve:P-256', '… -algorithm RSA'; its public half, for the server, comes by 'openssl pkey -pubout'";
        Failure::usage("bad_key", error.to_string()).hint(hint)
    })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut claims = Map::new();
    let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    add("sub", json!(user));
    add("iat", json!(now.as_secs()));
    add("exp", json!((now + *expires).as_secs()));
    if let Some(issuer) = issuer {
        add("iss", json!(issuer));
    }
    if let Some(audience) = audience {
        add("aud", json!(audience));
    }
    if !rooms.is_empty() {
        let mut rights = Map::new();
        for room in rooms {
            // Given twice, a pattern allows what both say.
            let all = rights.entry(room.pattern.clone()).or_insert_with(|| json!([]));
            if let Value::Array(all) = all {
                all.extend(room.actions.iter().map(|action| json!(action)));
            }
        }
        add("rooms", Value::Object(rights));
    }
    let token = signer.sign(&claims).map_err(|error| Failure::usage("bad_key", error.to_string()))?;
    Ok(format!("{token}\n"))
}
