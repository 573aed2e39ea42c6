//! HTTP proxies by `CONNECT` (RFC 9110 §9.3.6).

use super::dial_error;
use crate::cause::{DialError, DialErrorKind};
use crate::native::connect::basic::Basic;
use crate::native::connect::endpoint::Endpoint;
use core::fmt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// A proxy's address and credentials. `Debug` shows neither name nor password.
#[derive(Clone)]
pub struct Proxy {
    host: Box<str>,
    port: u16,
    credentials: Option<Basic>,
}

/// Why a text is no proxy address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a proxy address: it should look like http://[user:password@]host:port")]
pub struct ProxyError;

impl Proxy {
    /// Reads `http://[user:password@]host[:port]`; the scheme may be missing, the port is 80 by default.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&with_scheme).map_err(|_| ProxyError)?;
        let host = url.host_str().filter(|_| url.scheme() == "http").ok_or(ProxyError)?;
        let credentials = Basic::of(&url);
        let host = host.trim_start_matches('[').trim_end_matches(']').into();
        Ok(Self { host, port: url.port().unwrap_or(80), credentials })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Longest answer a proxy may give to `CONNECT`.
const MAX_RESPONSE_BYTES: usize = 8 << 10;

/// Asks the proxy at the other end of `tcp` for a tunnel to `endpoint`.
pub(crate) async fn tunnel(
    mut tcp: TcpStream,
    proxy: &Proxy,
    endpoint: &Endpoint,
) -> Result<TcpStream, DialError> {
    let host = endpoint.host();
    let target = if host.contains(':') {
        format!("[{host}]:{}", endpoint.port())
    } else {
        format!("{host}:{}", endpoint.port())
    };
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(credentials) = &proxy.credentials {
        request.push_str("Proxy-Authorization: Basic ");
        request.push_str(&credentials.encoded);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    tcp.write_all(request.as_bytes()).await.map_err(|error| dial_error(&error, true))?;
    let failed = |text: String| DialError::new(DialErrorKind::Proxy, text);
    let mut answer = Vec::new();
    loop {
        // Byte by byte: what follows the answer belongs to the tunnel.
        answer.push(tcp.read_u8().await.map_err(|_| failed("the proxy hung up".to_owned()))?);
        if answer.ends_with(b"\r\n\r\n") {
            break;
        }
        if answer.len() > MAX_RESPONSE_BYTES {
            return Err(failed("the proxy's answer is too long".to_owned()));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let status = match response.parse(&answer) {
        Ok(_) => response.code.unwrap_or(0),
        Err(error) => return Err(failed(format!("the proxy does not speak HTTP: {error}"))),
    };
    if (200..300).contains(&status) {
        Ok(tcp)
    } else {
        let advice = match status {
            407 => ": it wants a user and a password, http://USER:PASSWORD@HOST:PORT",
            _ => "",
        };
        Err(failed(format!("the proxy answered HTTP {status}{advice}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_apart_and_never_shown() {
        let proxy = Proxy::parse("http://us%65r:p%40ss+@proxy.example:3128").unwrap();
        assert_eq!((proxy.host(), proxy.port()), ("proxy.example", 3128));
        assert_eq!(&*proxy.credentials.as_ref().unwrap().password, "p@ss+");
        assert!(!format!("{proxy:?}").contains("ss"));
    }

    #[test]
    fn a_bare_host_and_port_is_an_address_and_other_schemes_are_not() {
        assert_eq!(Proxy::parse("10.0.0.1:8080").unwrap().port(), 8080);
        assert_eq!(Proxy::parse("[::1]:8080").unwrap().host(), "::1");
        assert!(Proxy::parse("socks5://h:1").is_err());
        assert!(Proxy::parse("").is_err());
    }
}
