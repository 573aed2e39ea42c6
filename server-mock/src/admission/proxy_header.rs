//! Reads the header of the PROXY protocol, version 1 or 2, from a trusted proxy.

use ppp::{HeaderResult, v1, v2};
use std::io;
use std::net::IpAddr;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest header of version 1 (its specification, 2.1).
const LONGEST_V1: usize = 107;

/// Most bytes after the fixed part of one of version 2: addresses and what a proxy may add to them.
const LONGEST_V2: usize = 2 << 10;

/// As long as every header is at least, and as long as what tells the versions apart.
const SHORTEST: usize = 12;

/// Reads exactly the header. `None`: it names nobody, as in the health check of a proxy.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut header = vec![0; SHORTEST];
    stream.read_exact(&mut header).await?;
    if header == v2::PROTOCOL_PREFIX {
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await?;
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if length > LONGEST_V2 {
            return Err(io::Error::other("the header is too long"));
        }
        header.extend(rest);
        let fixed = header.len();
        header.resize(fixed + length, 0);
        stream.read_exact(header.get_mut(fixed..).unwrap_or_default()).await?;
    } else if header.starts_with(v1::PROTOCOL_PREFIX.as_bytes()) {
        // Byte by byte: what follows is not ours to read, and it is about a hundred of them once in a connection.
        while !header.ends_with(v1::PROTOCOL_SUFFIX.as_bytes()) {
            if header.len() >= LONGEST_V1 {
                return Err(io::Error::other("the header is too long"));
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(io::Error::other("it does not begin with a header"));
    }
    source(&header).ok_or_else(|| io::Error::other("the header is malformed"))
}

/// The outer `None` is a malformed header.
#[expect(clippy::option_option, reason = "one is an error and the other a header that names nobody")]
fn source(header: &[u8]) -> Option<Option<IpAddr>> {
    Some(match HeaderResult::parse(header) {
        HeaderResult::V1(header) => match header.ok()?.addresses {
            v1::Addresses::Tcp4(ip) => Some(IpAddr::V4(ip.source_address)),
            v1::Addresses::Tcp6(ip) => Some(IpAddr::V6(ip.source_address)),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(header) => {
            let header = header.ok()?;
            match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(ip) => Some(IpAddr::V4(ip.source_address)),
                v2::Addresses::IPv6(ip) => Some(IpAddr::V6(ip.source_address)),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address, and what is left unread.
    async fn parsed(bytes: &[u8]) -> Result<(Option<String>, usize), String> {
        let mut stream = bytes;
        let address = read(&mut stream).await.map_err(|error| error.to_string())?;
        Ok((address.map(|address| address.to_string()), stream.len()))
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, addresses, b"GET"].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_nothing_more_is_read() {
        for (bytes, address) in [
            (Vec::from(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET"), Some("192.0.2.7")),
            (Vec::from(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\nGET"), Some("2001:db8::7")),
            (Vec::from(b"PROXY UNKNOWN\r\nGET"), None),
            (v2(0x21, 0x11, &[192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 0, 80]), Some("192.0.2.7")),
            // With something added: what is after the addresses is skipped.
            (v2(0x21, 0x11, &[192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 0, 80, 4, 0, 1, 42]), Some("192.0.2.7")),
            (v2(0x20, 0x00, &[]), None),
        ] {
            assert_eq!(parsed(&bytes).await, Ok((address.map(String::from), 3)), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_ends_the_connection() {
        for bytes in [
            Vec::from(b"GET /ws HTTP/1.1\r\n\r\n"),
            Vec::from(b"PROXY TCP4 192.0.2.300 192.0.2.1 4711 80\r\n"),
            [&b"PROXY TCP4 "[..], &b"1".repeat(200)].concat(),
            v2(0x31, 0x11, &[192, 0, 2, 7, 192, 0, 2, 1, 18, 103, 0, 80]),
            v2(0x21, 0x11, &[192, 0]),
            [v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0xff, 0xff]].concat(),
            Vec::from(b"PROXY"),
        ] {
            assert!(parsed(&bytes).await.is_err(), "{bytes:?}");
        }
    }
}
