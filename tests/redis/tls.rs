//! TLS to Redis: the servers use it, and say what is wrong with a certificate.

use crate::node::connect_with;
use crate::servers::{Talker, server_with};
use harness::process::binary;
use harness::redis_process::{RedisProcess, free_port};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rejoin_server::redis::{Redis, RedisConfig, StoreError};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An authority with its certificates in files.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Otherwise it would have the same one as those that it signs, which OpenSSL would take for their own.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.file("ca.pem")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The files of a certificate for a name, and of its key.
    pub(crate) fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let number = std::fs::read_dir(self.folder.path()).unwrap().count();
        let files = (self.file(&format!("{number}.pem")), self.file(&format!("{number}.key")));
        std::fs::write(&files.0, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(&files.1, key.serialize_pem()).unwrap();
        files
    }

    /// A Redis with such a certificate, beside its port without TLS; `auth`: whether clients have to show one of theirs.
    pub(crate) fn redis(
        &self,
        (certificate, key): &(PathBuf, PathBuf),
        auth: &str,
    ) -> (RedisProcess, String) {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (certificate, key, ca) = (text(certificate), text(key), text(&self.ca()));
        let mut port = 0;
        let redis = RedisProcess::start_anew(|| {
            port = free_port();
            let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
            let others = ["--tls-auth-clients", auth, "--tls-port", &port.to_string()];
            files.into_iter().chain(others).map(str::to_owned).collect()
        });
        (redis, format!("rediss://127.0.0.1:{port}"))
    }
}

/// What is said on one server with the Redis at a URL is heard on another.
pub(crate) async fn goes_through(url: &str, args: &[&str]) {
    let servers = [server_with(url, args), server_with(url, args)];
    let mut speaker = Talker::start(&servers[0].url, "ada").await;
    let mut listener = Talker::start(&servers[1].url, "bob").await;
    speaker.say(String::from("over TLS"));
    listener
        .listen("the message", |account| account.heard.iter().any(|entry| entry.content == "over TLS"))
        .await;
    speaker.listen("the outcome", |account| account.unresolved() == 0).await;
}

async fn connect(url: &str, ca: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Redis, StoreError> {
    let config = RedisConfig::new(url).unwrap().with_tls_files(ca, own).unwrap();
    connect_with(&config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_use_a_redis_with_tls_whose_authority_is_given_and_show_it_their_own_certificate() {
    let authority = Authority::new();
    let (_redis, url) = authority.redis(&authority.sign("127.0.0.1", |_| {}), "yes");
    let (certificate, key) = authority.sign("chat", |_| {});
    let files = [authority.ca(), certificate, key];
    let [ca, certificate, key] = files.each_ref().map(|path| path.to_str().unwrap());
    let args = ["--redis-ca", ca, "--redis-cert", certificate, "--redis-key", key];
    goes_through(&url, &args).await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_with_what_to_do() {
    let (authority, other) = (Authority::new(), Authority::new());
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2000, 2, 3);
        params.not_after = date_time_ymd(2001, 2, 3);
    };
    let early = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    let (_redis, good) = authority.redis(&authority.sign("127.0.0.1", |_| {}), "no");
    for ca in [Some(other.ca()), None] {
        let error = connect(&good, ca.as_deref(), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Tls { .. }), "{error:?}");
        assert!(error.to_string().contains("--redis-ca"), "{error}");
    }
    let ca = authority.ca();
    for (certificate, words) in [
        (authority.sign("redis.example", |_| {}), "is for redis.example, not for 127.0.0.1"),
        (authority.sign("127.0.0.1", expired), "has expired"),
        (authority.sign("127.0.0.1", early), "not valid yet"),
    ] {
        let (_redis, url) = authority.redis(&certificate, "no");
        let error = connect(&url, Some(&ca), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Tls { .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains(url.trim_start_matches("rediss://")), "{error}");
    }
}

#[tokio::test]
async fn a_port_without_tls_and_one_with_it_are_not_taken_for_each_other() {
    let authority = Authority::new();
    let (redis, url) = authority.redis(&authority.sign("127.0.0.1", |_| {}), "no");
    let error =
        connect(&redis.url().replace("redis:", "rediss:"), Some(&authority.ca()), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("use redis://"), "{error}");
    let config = RedisConfig::new(&url.replace("rediss:", "redis:")).unwrap();
    let error = connect_with(&config).await.unwrap_err();
    assert!(error.to_string().contains("use rediss://"), "{error}");
}

#[tokio::test]
async fn a_redis_that_asks_for_a_certificate_says_so_and_does_not_take_every_one() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (_redis, url) = authority.redis(&authority.sign("127.0.0.1", |_| {}), "yes");
    let ca = authority.ca();
    let error = connect(&url, Some(&ca), None).await.unwrap_err();
    assert!(error.to_string().contains("--redis-cert"), "{error}");
    let (certificate, key) = other.sign("chat", |_| {});
    let error = connect(&url, Some(&ca), Some((&certificate, &key))).await.unwrap_err();
    assert!(error.to_string().contains("tls-ca-cert-file"), "{error}");
    let (certificate, key) = authority.sign("chat", |_| {});
    connect(&url, Some(&ca), Some((&certificate, &key))).await.unwrap();
}

#[test]
fn a_server_with_a_bad_file_or_a_url_without_tls_does_not_start_and_says_which() {
    let authority = Authority::new();
    let (certificate, _) = authority.sign("chat", |_| {});
    let nothing = authority.file("nothing.pem");
    std::fs::write(&nothing, "nothing").unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    for (url, args, words) in [
        ("rediss://127.0.0.1:1", vec!["--redis-ca", &text(&authority.file("gone.pem"))], "gone.pem"),
        ("rediss://127.0.0.1:1", vec!["--redis-ca", &text(&nothing)], "has no certificate"),
        (
            "rediss://127.0.0.1:1",
            vec!["--redis-cert", &text(&certificate), "--redis-key", &text(&nothing)],
            "has no private key",
        ),
        ("redis://127.0.0.1:1", vec!["--redis-ca", &text(&authority.ca())], "--redis-ca: it is for TLS"),
    ] {
        let mut command = Command::new(binary("REJOIN_SERVER_BIN", "rejoin-server"));
        command.args(["--listen", "127.0.0.1:0", "--redis", url]).args(&args);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{args:?}: {said}");
    }
}
