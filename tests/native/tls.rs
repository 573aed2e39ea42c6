//! `wss://` with a private certificate authority, and nothing in the process but this library's own provider.

use crate::{Client, failed, until, until_state, within};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rejoin::{CauseCode, DialErrorKind, Event};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};

/// A server whose certificate is for `name`, and the authority that signed it, as PEM.
async fn secure_server(name: &str) -> (rejoin_server::ServerHandle, String) {
    signed_server(CertificateParams::new(vec![name.to_owned()]).unwrap()).await
}

/// A server with such a certificate, and the authority that signed it, as PEM.
async fn signed_server(certificate: CertificateParams) -> (rejoin_server::ServerHandle, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let tls = tls().with_no_client_auth();
    let tls = tls.with_single_cert(vec![certificate.der().clone()], private(&key)).unwrap();
    (with_tls(tls).await, ca_pem)
}

fn tls() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().unwrap()
}

fn private(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(key.serialize_der()).unwrap()
}

async fn with_tls(tls: ServerConfig) -> rejoin_server::ServerHandle {
    let mut config = rejoin_server::Config::default();
    config.tls = Some(Arc::new(tls));
    crate::server_with(config).await
}

/// A certificate that signs itself and calls itself an authority, as `openssl req -x509` makes it.
fn self_signed(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (Certificate, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap(), key)
}

async fn with_certificate((certificate, key): &(Certificate, KeyPair)) -> rejoin_server::ServerHandle {
    let chain = vec![certificate.der().clone()];
    with_tls(tls().with_no_client_auth().with_single_cert(chain, private(key)).unwrap()).await
}

#[tokio::test]
async fn a_servers_own_certificate_is_accepted_though_it_calls_itself_an_authority_or_names_nobody() {
    for names in [&["localhost"][..], &[]] {
        let own = self_signed(names, |_| {});
        let server = with_certificate(&own).await;
        let (client, _events) =
            Client::builder(url(&server)).token("ada").ca_pem(own.0.pem()).connect().unwrap();
        within("ready", client.ready()).await.unwrap();
    }
}

#[tokio::test]
async fn another_certificate_a_date_gone_by_and_another_hosts_name_are_refused_all_the_same() {
    let past = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let good = self_signed(&["localhost"], |_| {});
    let expired = self_signed(&["localhost"], past);
    let of_another_host = self_signed(&["example.org"], |_| {});
    for (own, given) in
        [(&expired, &expired), (&of_another_host, &of_another_host), (&good, &of_another_host)]
    {
        let server = with_certificate(own).await;
        let builder = Client::builder(url(&server)).token("ada").ca_pem(given.0.pem());
        let (_client, mut events) = builder.connect().unwrap();
        let cause = until_state(&mut events, "the refusal", crate::lost).await.cause.unwrap();
        assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Certificate), "{cause:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_client_certificate_is_shown_it() {
    let client_authority = self_signed(&[], |_| {});
    let mut roots = RootCertStore::empty();
    roots.add(client_authority.0.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let own = self_signed(&["localhost"], |_| {});
    let chain = vec![own.0.der().clone()];
    let tls = tls().with_client_cert_verifier(verifier).with_single_cert(chain, private(&own.1)).unwrap();
    let server = with_tls(tls).await;
    let key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = Issuer::new(ca, &client_authority.1);
    let mut params = CertificateParams::new(vec!["bot".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let builder = || Client::builder(url(&server)).token("ada").ca_pem(own.0.pem());
    let (client, _events) =
        builder().client_certificate(certificate.pem(), key.serialize_pem()).connect().unwrap();
    within("ready", client.ready()).await.unwrap();
    // Without one the server refuses, which TLS 1.3 shows only behind the handshake.
    let (_client, mut events) = builder().connect().unwrap();
    let cause = until_state(&mut events, "the refusal", crate::lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Tls), "{cause:?}");
    let other = KeyPair::generate().unwrap().serialize_pem();
    let error = builder().client_certificate(certificate.pem(), other).connect().unwrap_err();
    assert!(error.to_string().contains("client certificate"), "{error}");
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
    let cause = until_state(&mut events, "the failure", crate::lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Tls));
    assert!(cause.text.contains("use ws://"), "{cause:?}");
}

/// A refusal over TLS would cost the server a handshake, so that there is none with words.
#[tokio::test]
async fn a_server_beyond_its_limits_cuts_before_tls_and_is_tried_again() {
    let (certificate, key) = self_signed(&["localhost"], |_| {});
    let mut config = rejoin_server::Config::default();
    config.limits.per_address.connects = Some(1);
    let tls = tls().with_no_client_auth();
    config.tls =
        Some(Arc::new(tls.with_single_cert(vec![certificate.der().clone()], private(&key)).unwrap()));
    let server = crate::server_with(config).await;
    let address = server.url().replace("wss://", "").replace("/ws", "");
    // All that an address may have at once, and more than a second gives back.
    for _ in 0..10 {
        drop(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let builder = Client::builder(url(&server)).token("ada").ca_pem(certificate.pem());
    let (client, mut events) = builder.connect().unwrap();
    let cause = until_state(&mut events, "the failure", crate::lost).await.cause.unwrap();
    assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Tls));
    assert!(cause.text.contains("no room for one more now"), "{cause:?}");
    within("a second is over", client.ready()).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_and_what_to_do() {
    let (unknown, _) = secure_server("localhost").await;
    let (elsewhere, ca) = secure_server("example.org").await;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 2, 3);
    params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    let (expired, expired_ca) = signed_server(params).await;
    let own = with_certificate(&self_signed(&["localhost"], |_| {})).await;
    for (builder, expected) in [
        (
            Client::builder(url(&unknown)),
            "its issuer is unknown here: if it is a private authority, trust it",
        ),
        (Client::builder(url(&elsewhere)).ca_pem(ca), "it is for example.org, not for localhost: "),
        (Client::builder(url(&expired)).ca_pem(expired_ca), "it expired on Sat, 03 Feb 2001 00:00:00 GMT: "),
        (Client::builder(url(&own)), "CA:TRUE"),
    ] {
        let (_client, mut events) = builder.connect().unwrap();
        let cause = until_state(&mut events, "the failure", crate::lost).await.cause.unwrap();
        assert_eq!(cause.code, CauseCode::Dial(DialErrorKind::Certificate), "{cause:?}");
        assert!(cause.text.contains(expected), "{cause:?}");
    }
}
