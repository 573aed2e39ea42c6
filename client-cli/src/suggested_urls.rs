//! Addresses for suggested commands. Contains no secrets.

use rejoin::Endpoint;

/// Where the engine of Socket.IO is, unless its operator has moved it.
const ENGINE: &str = "/socket.io/";

/// The origin of a page that the server's own host serves, as a browser writes it.
pub(crate) fn origin(endpoint: &Endpoint) -> String {
    let (scheme, usual) = if endpoint.is_secure() { ("https", 443) } else { ("http", 80) };
    let host = endpoint.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match endpoint.port() {
        port if port == usual => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

/// The address of a Socket.IO server at an endpoint's host, as `--protocol socketio` takes it.
pub(crate) fn socket_io(endpoint: &Endpoint) -> String {
    format!("{}{}", origin(endpoint), engine(&path_of(endpoint)))
}

pub(crate) fn path_of(endpoint: &Endpoint) -> String {
    let shown = endpoint.to_string();
    let rest = shown.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    path.split('?').next().unwrap_or("/").to_owned()
}

/// What stands behind the host in the address of a Socket.IO server: nothing, if its engine is where it usually is.
fn engine(path: &str) -> String {
    let is_engine = path.trim_end_matches('/').ends_with("/socket.io");
    if is_engine && path.trim_end_matches('/') != ENGINE.trim_end_matches('/') {
        format!("{}/", path.trim_end_matches('/'))
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_named_by_its_path_where_that_is_not_the_usual_one() {
        assert_eq!((engine("/"), engine("/socket.io")), (String::new(), String::new()));
        assert_eq!((engine("/wrong"), engine("/a/socket.io/").as_str()), (String::new(), "/a/socket.io/"));
        let endpoint = |url: &str| path_of(&Endpoint::parse(url).unwrap().0);
        assert_eq!((endpoint("ws://h:1").as_str(), endpoint("wss://h/a/b?c=/d").as_str()), ("/", "/a/b"));
    }
}
