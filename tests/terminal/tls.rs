//! TLS on the command line: a client certificate, and what is said of a server's that does not verify.

use harness::command::Running;
use harness::process::ServerProcess;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rejoin_server::{Config, Server, ServerHandle};
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use tokio_tungstenite::tungstenite;

/// An authority, as `openssl req -x509` makes one.
fn authority(names: &[&str]) -> (CertificateParams, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params, KeyPair::generate().unwrap())
}

/// A server with a certificate of its own making for localhost, and the folder with the files of its clients.
struct Secure {
    server: ServerHandle,
    folder: TempDir,
    // Behind the server, which runs on it.
    _runtime: Runtime,
}

impl Secure {
    /// `wants_client`: lets in only who shows the client certificate.
    fn start(wants_client: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (params, key) = authority(&["localhost"]);
        let own = params.self_signed(&key).unwrap();
        let (client_authority, client_authority_key) = authority(&[]);
        let mut roots = RootCertStore::empty();
        roots.add(client_authority.self_signed(&client_authority_key).unwrap().der().clone()).unwrap();
        let mut client = CertificateParams::new(vec!["bot".to_owned()]).unwrap();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(client_authority, client_authority_key);
        let client = client.signed_by(&client_key, &issuer).unwrap();
        for (name, pem) in
            [("ca.pem", own.pem()), ("cert.pem", client.pem()), ("key.pem", client_key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        let provider = Arc::new(ring::default_provider());
        let tls = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = if wants_client {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            tls.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            tls.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = Config::default();
        config.tls = Some(Arc::new(tls.with_single_cert(vec![own.der().clone()], key).unwrap()));
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(async { Server::bind(config).await.unwrap().spawn() });
        Self { server, folder, _runtime: runtime }
    }

    fn url(&self) -> String {
        self.server.url().replace("127.0.0.1", "localhost")
    }

    fn file(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.display().to_string()
    }
}

#[test]
fn the_client_certificate_of_the_command_line_is_shown_to_a_server_that_asks_for_one() {
    let secure = Secure::start(true);
    let (url, ca, cert, key) =
        (secure.url(), secure.file("ca.pem"), secure.file("cert.pem"), secure.file("key.pem"));
    let send = ["send", &url, "-r", "lobby", "--token", "ada", "--ca", &ca, "--timeout", "2"];
    let with = |more: &[&str]| Running::start(&[&send, more, &["hi"]].concat()).finish();
    let let_in = with(&["--cert", &cert, "--key", &key]);
    assert_eq!(let_in.status, Some(0), "{}", let_in.text());
    let refused = with(&[]);
    assert_eq!(refused.status, Some(1), "{}", refused.text());
    assert!(refused.text().contains("the server wants a client certificate"), "{}", refused.text());
    // Without its key, which is not in the same file.
    let wrong = with(&["--cert", &cert]);
    assert_eq!(wrong.status, Some(2), "{}", wrong.text());
    assert!(wrong.text().contains("[cert]") && wrong.text().contains("add --key"), "{}", wrong.text());
}

#[test]
fn a_server_that_ends_the_connection_after_the_handshake_is_told_in_words() {
    let (params, key) = authority(&["localhost"]);
    let own = params.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("own.pem");
    std::fs::write(&ca, own.pem()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let tls = Arc::new(tls.with_single_cert(vec![own.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut tls = ServerConnection::new(Arc::clone(&tls)).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
            // Its request; then the end comes without a word of TLS.
            let _ = Stream::new(&mut tls, &mut stream).read(&mut [0; 4096]);
        }
    });
    let (url, ca) = (format!("wss://localhost:{port}/ws"), ca.display().to_string());
    let args = ["send", &url, "-r", "lobby", "--token", "ada", "--ca", &ca, "--timeout", "2", "hi"];
    let ended = Running::start(&args).finish();
    assert_eq!(ended.status, Some(1), "{}", ended.text());
    let said = ended.text();
    assert!(said.contains("right after the TLS handshake") && !said.contains("docs.rs"), "{said}");
}

#[test]
fn a_servers_own_certificate_is_trusted_as_such_whoever_has_signed_it() {
    let (mut authority, authority_key) = authority(&[]);
    authority.distinguished_name.push(DnType::CommonName, "an authority of our own");
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("own.pem");
    std::fs::write(&ca, own.pem()).unwrap();
    let other = folder.path().join("other.pem");
    let other_key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&other, params.signed_by(&other_key, &issuer).unwrap().pem()).unwrap();
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = Config::default();
    config.tls = Some(Arc::new(tls.with_single_cert(vec![own.der().clone()], key).unwrap()));
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async { Server::bind(config).await.unwrap().spawn() });
    let url = server.url().replace("127.0.0.1", "localhost");
    for (ca, url, is_trusted) in [(&ca, &url, true), (&other, &url, false), (&ca, &server.url(), false)] {
        let ca = ca.display().to_string();
        let args = ["send", url, "-r", "lobby", "--token", "ada", "--ca", &ca, "--timeout", "2", "hi"];
        let ended = Running::start(&args).finish();
        assert_eq!(ended.status == Some(0), is_trusted, "{ca} {url}: {}", ended.text());
    }
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_by_every_command_with_what_to_do() {
    let secure = Secure::start(false);
    let (url, ca) = (secure.url(), secure.file("ca.pem"));
    let words = "it is that of an authority (CA:TRUE), which only a server has that signed its own: if it is yours, trust it \
                 (--ca FILE";
    for command in ["pipe", "chat"] {
        let ended = Running::start(&[command, &url, "--token", "ada"]).wait();
        assert_eq!(ended.status, Some(3), "{command}: {}", ended.text());
        assert!(ended.text().contains(words), "{command}: {}", ended.text());
    }
    let mut chat = Running::start(&["chat", &url, "--token", "ada", "--ca", &ca]);
    chat.wait_for("joined lobby");
    // By another name that leads there, which the certificate does not have.
    let elsewhere = url.replace("localhost", "127.0.0.1");
    let ended = Running::start(&["pipe", &elsewhere, "--token", "ada", "--ca", &ca]).wait();
    assert_eq!(ended.status, Some(3), "{}", ended.text());
    assert!(ended.text().contains("it is for localhost, not for 127.0.0.1"), "{}", ended.text());
}

#[test]
fn tls_toward_a_plain_port_and_the_reverse_say_which_scheme_to_use() {
    let secure = Secure::start(false);
    let plain = ServerProcess::start("127.0.0.1:0");
    for (url, words) in [
        (plain.url.replace("ws://", "wss://"), "does not speak TLS on this port: use ws://"),
        (secure.url().replace("wss://", "ws://"), "use wss://"),
    ] {
        let mut chat = Running::start(&["chat", &url, "--token", "ada"]);
        let line = chat.wait_for("* cannot connect");
        assert!(line.contains(words), "{line}");
    }
}

/// What TLS servers do to whoever does not speak TLS: end the connection, and answer nothing. Node's is one. The `first` so
/// many are let in. Gives the address.
fn hangs_up(first: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if number < first {
                drop(tungstenite::accept(stream));
                continue;
            }
            // Having read it all the system says goodbye, and otherwise it resets.
            let mut read = vec![0; if number % 2 == 0 { 4096 } else { 1 }];
            let _ = stream.read(&mut read);
        }
    });
    address
}

#[test]
fn a_server_that_hangs_up_without_an_answer_may_want_tls_and_every_command_says_so() {
    let address = hangs_up(0);
    let (ws, http) = (format!("ws://{address}/ws"), format!("http://{address}"));
    let room = ["-r", "lobby", "--token", "ada"];
    for (command, url, more, scheme) in [
        ("pipe", &ws, &room[..], "wss"),
        ("chat", &ws, &room[..], "wss"),
        ("tail", &ws, &room[..], "wss"),
        ("doctor", &ws, &[][..], "wss"),
        ("tail", &http, &["--sse", "-r", "lobby"][..], "https"),
        ("doctor", &http, &[][..], "https"),
        ("pipe", &http, &["--protocol", "socketio"][..], "https"),
    ] {
        let mut running = Running::start(&[&[command, url], more].concat());
        let line = running.wait_for("before answering");
        let hint = format!(
            "the server closed the connection before answering; if the server uses TLS, use {scheme}://"
        );
        assert!(line.contains(&hint), "{command} {url}: {line}");
    }
    let ended = Running::start(&["send", &ws, "-r", "lobby", "--timeout", "1", "hi"]).wait();
    assert!(ended.text().contains("if the server uses TLS, use wss://"), "{}", ended.text());
}

#[test]
fn where_a_server_has_answered_without_tls_nobody_is_sent_to_tls() {
    let mut pipe = Running::start(&["pipe", &format!("ws://{}/ws", hangs_up(1)), "--token", "ada"]);
    pipe.wait_for("\"connected\"");
    let line = pipe.wait_for("\"unreachable\"");
    assert!(!line.contains("TLS"), "{line}");
}

#[test]
fn a_port_without_tls_that_hangs_up_or_answers_is_told_with_the_scheme_for_it() {
    let server = ServerProcess::start("127.0.0.1:0");
    for address in [hangs_up(0), server.address()] {
        let mut pipe = Running::start(&["pipe", &format!("wss://{address}/ws"), "--token", "ada"]);
        let line = pipe.wait_for("\"tls\"");
        assert!(line.contains("use ws://"), "{line}");
    }
}
