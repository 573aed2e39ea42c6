//! TLS with a certificate from files.

use crate::admission::address;
use crate::binary::start;
use crate::client::{Client, server, soon};
use futures_util::StreamExt as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rejoin_server::ServerHandle;
use rejoin_server::tls::{Certificate, CertificateError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

/// An authority, and the files of a server that it has signed.
pub(crate) struct Signed {
    folder: TempDir,
    root: CertificateDer<'static>,
}

impl Signed {
    /// A certificate for 127.0.0.1, signed by an authority that the root has signed: only the whole chain is believed.
    pub(crate) fn new() -> Self {
        let signed = Self { folder: tempfile::tempdir().unwrap(), root: CertificateDer::from(Vec::new()) };
        signed.renewed()
    }

    /// The same files with another certificate of another authority.
    fn renewed(self) -> Self {
        let authority = || {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (params, KeyPair::generate().unwrap())
        };
        let ((root, root_key), (middle, middle_key)) = (authority(), authority());
        let root_certificate = root.self_signed(&root_key).unwrap();
        let middle_certificate = middle.signed_by(&middle_key, &Issuer::new(root, root_key)).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![String::from("127.0.0.1")]).unwrap();
        let own = params.signed_by(&key, &Issuer::new(middle, middle_key)).unwrap();
        std::fs::write(self.chain(), own.pem() + &middle_certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        Self { root: root_certificate.der().clone(), ..self }
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.path().join("chain.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn certificate(&self) -> Certificate {
        Certificate::read(&self.chain(), &self.key()).unwrap()
    }

    /// What a client that believes the authority alone makes of the server.
    async fn connect(&self, url: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(address(url)).await.unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        soon(TlsConnector::from(Arc::new(config)).connect(name, tcp)).await
    }
}

async fn secure(certificate: &Certificate) -> ServerHandle {
    server(|config| config.tls = Some(certificate.server_config().unwrap())).await
}

#[tokio::test]
async fn a_client_that_knows_the_root_believes_the_chain_and_speaks_http_1_1() {
    let signed = Signed::new();
    let server = secure(&signed.certificate()).await;
    assert!(server.url().starts_with("wss://127.0.0.1:"), "{}", server.url());
    let stream = signed.connect(&server.url()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut socket, _) =
        soon(client_async(format!("{}?ext=1&token=ada", server.url()), stream)).await.unwrap();
    let Some(Ok(Message::Text(hello))) = soon(socket.next()).await else { panic!("no hello") };
    assert!(hello.contains(r#""userId":"ada""#), "{hello}");
}

#[tokio::test]
async fn a_certificate_read_again_counts_for_new_connections_and_leaves_open_ones_alone() {
    let old = Signed::new();
    let certificate = old.certificate();
    let server = secure(&certificate).await;
    let stream = old.connect(&server.url()).await.unwrap();
    let (mut socket, _) =
        soon(client_async(format!("{}?ext=1&token=ada", server.url()), stream)).await.unwrap();
    let before = old.root.clone();
    let new = old.renewed();
    assert!(new.connect(&server.url()).await.is_err(), "nothing has been read again");
    certificate.reload().unwrap();
    new.connect(&server.url()).await.unwrap();
    let old = Signed { root: before, ..new };
    assert!(old.connect(&server.url()).await.is_err(), "the old one is still shown");
    assert!(matches!(soon(socket.next()).await, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn files_that_cannot_be_used_change_nothing_and_are_named() {
    let signed = Signed::new();
    let certificate = signed.certificate();
    let server = secure(&certificate).await;
    let other = KeyPair::generate().unwrap().serialize_pem();
    for (chain, key, part) in [
        (Some("-----BEGIN CERTIFICATE-----\n?\n"), None, "chain.pem"),
        (Some(""), None, "no certificate"),
        (
            None,
            Some("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
            "encrypted",
        ),
        (None, Some(&*other), "does not go with"),
    ] {
        let kept = [signed.chain(), signed.key()].map(|path| std::fs::read(path).unwrap());
        for (path, text) in [(signed.chain(), chain), (signed.key(), key)] {
            if let Some(text) = text {
                std::fs::write(path, text).unwrap();
            }
        }
        let error = certificate.reload().unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("AAAA"), "{error}");
        signed.connect(&server.url()).await.unwrap();
        for (path, bytes) in [signed.chain(), signed.key()].into_iter().zip(kept) {
            std::fs::write(path, bytes).unwrap();
        }
    }
    std::fs::remove_file(signed.key()).unwrap();
    assert!(matches!(certificate.reload(), Err(CertificateError::File { .. })));
    signed.connect(&server.url()).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_or_no_tls_loses_the_connection_and_the_others_keep_theirs() {
    let signed = Signed::new();
    let certificate = signed.certificate();
    let server = server(|config| {
        config.tls = Some(certificate.server_config().unwrap());
        config.limits.handshake = Duration::from_millis(200);
    })
    .await;
    let mut silent = TcpStream::connect(address(&server.url())).await.unwrap();
    let mut plain = TcpStream::connect(address(&server.url())).await.unwrap();
    plain.write_all(b"GET /ws?token=ada HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut nothing = Vec::new();
    let _ = soon(silent.read_to_end(&mut nothing)).await;
    assert!(nothing.is_empty());
    let _ = soon(plain.read_to_end(&mut nothing)).await;
    assert!(!nothing.starts_with(b"HTTP"), "{nothing:?}");
    signed.connect(&server.url()).await.unwrap();
}

/// The real binary, and what it said as its first line.
#[tokio::test]
async fn why_tls_came_to_nothing_is_heard_by_one_who_is_still_sending() {
    let server = secure(&Signed::new().certificate()).await;
    let mut stream = TcpStream::connect(address(&server.url())).await.unwrap();
    // Far more than TLS has read when it finds that this is none.
    for _ in 0..16 {
        stream.write_all(&[b'x'; 16 << 10]).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    // An alert, in a record of its own.
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
}

async fn process(args: &[&str]) -> (Child, String) {
    let (child, mut lines) = start(&[&["--listen", "127.0.0.1:0"], args].concat());
    let line = soon(lines.next_line()).await.unwrap().unwrap_or_default();
    (child, line.trim_start_matches("listening on ").to_owned())
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_reads_the_certificate_again_and_never_ends_the_process() {
    let old = Signed::new();
    let (chain, key) = (old.chain(), old.key());
    let files = ["--tls-cert", chain.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let (mut child, url) = process(&files).await;
    old.connect(&url).await.unwrap();
    let hangup = async |child: &Child| {
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().await.unwrap().success());
    };
    let new = old.renewed();
    hangup(&child).await;
    let seen = async {
        while new.connect(&url).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon(seen).await;
    std::fs::write(&chain, "").unwrap();
    hangup(&child).await;
    // Told on stderr, and served on.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("stays as it was") {
                return;
            }
        }
        panic!("it said nothing of the bad file");
    };
    soon(told).await;
    new.connect(&url).await.unwrap();
    assert!(child.try_wait().unwrap().is_none());
}

#[cfg(unix)]
#[tokio::test]
async fn sighup_without_a_certificate_does_not_end_the_process() {
    let (mut child, url) = process(&[]).await;
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().await.unwrap().success());
    let mut ada = Client::open(&url, "ada").await;
    ada.sync().await;
    assert!(child.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn a_certificate_without_its_key_or_with_another_one_is_a_usage_error() {
    let signed = Signed::new();
    let chain = signed.chain();
    std::fs::write(signed.key(), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let key = signed.key();
    let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
    for (args, part) in [
        (&["--tls-cert", chain][..], "--tls-key"),
        (&["--tls-cert", chain, "--tls-key", "/nonexistent"], "/nonexistent"),
        (&["--tls-cert", chain, "--tls-key", key], "does not go with"),
    ] {
        let (child, _) = process(args).await;
        let output = soon(child.wait_with_output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }
}
