//! `wss://` with a private certificate authority, and nothing in the process but this library's own provider.

use crate::{Client, failed, until, until_state, within};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rejoin::{CauseCode, DialErrorKind, Event};
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A server whose certificate is for `name`, and the authority that signed it, as PEM.
async fn secure_server(name: &str) -> (rejoin_server::ServerHandle, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let mut config = rejoin_server::Config::default();
    config.tls = Some(Arc::new(tls));
    (crate::server_with(config).await, ca_pem)
}

fn url(server: &rejoin_server::ServerHandle) -> String {
    server.url().replace("127.0.0.1", "localhost")
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given() {
    let (server, ca) = secure_server("localhost").await;
    let (client, mut events) =
        Client::builder(url(&server)).token("ada").room("lobby").ca_pem(ca).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    within("a receipt", client.send("lobby", "secret")).await.unwrap();
    crate::until_message(&mut events, "secret").await;
}

#[tokio::test]
async fn a_room_is_read_over_https_too() {
    let (server, ca) = secure_server("localhost").await;
    let base = url(&server).replace("wss://", "https://").replace("/ws", "");
    let mut events = rejoin::follow(&base, "lobby").token("ada").ca_pem(ca).connect().unwrap();
    within("the connection", async {
        while events.state().state != rejoin::State::Connected {
            events.next().await.unwrap();
        }
    })
    .await;
    let mut events = rejoin::follow(&base, "lobby").token("ada").connect().unwrap();
    within("the refusal", async {
        while events
            .state()
            .cause
            .is_none_or(|cause| cause.code != CauseCode::Dial(DialErrorKind::Certificate))
        {
            events.next().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn an_unknown_authority_or_a_wrong_name_is_refused_for_good_after_three_tries() {
    let (unknown, _) = secure_server("localhost").await;
    let (wrong_name, ca) = secure_server("example.org").await;
    for builder in [Client::builder(url(&unknown)), Client::builder(url(&wrong_name)).ca_pem(ca)] {
        let (client, mut events) = builder.token("ada").connect().unwrap();
        let mut tries = 1;
        until(&mut events, "the end", |event| match event {
            Event::State(change) => {
                if let Some(cause) = &change.cause {
                    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Certificate), "{cause:?}");
                }
                tries += u64::from(crate::lost(&change.state));
                failed(&change.state).then_some(())
            }
            _ => None,
        })
        .await;
        assert_eq!((tries, client.diagnostics().dials), (3, 3));
    }
}

#[tokio::test]
async fn an_authority_that_is_no_certificate_is_an_error_before_any_dial() {
    let error = Client::builder("wss://localhost:1/").ca_pem("nonsense").connect().unwrap_err();
    assert!(error.to_string().contains("not a PEM certificate"), "{error}");
}

#[tokio::test]
async fn tls_toward_a_plain_server_is_a_tls_error_and_tried_again() {
    let server = crate::server().await;
    let (_client, mut events) = Client::builder(server.url().replace("ws://", "wss://")).connect().unwrap();
    let change = until_state(&mut events, "the failure", crate::lost).await;
    assert_eq!(change.cause.unwrap().code, CauseCode::Dial(DialErrorKind::Tls));
}
