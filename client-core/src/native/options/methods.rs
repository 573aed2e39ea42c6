//! The methods that every builder has, as macros. Validates nothing.

/// The methods that set single options, of whatever has them at `connect_options()`.
macro_rules! option_methods {
    () => {
        /// One token permanently. A `?token=` in the URL does the same; this one wins.
        pub fn token(mut self, token: impl Into<$crate::token::Token>) -> Self {
            self.connect_options().token = Some(token.into());
            self
        }

        /// A function that fetches a token: called before the first dial and once for each rejection, at most 10 s.
        pub fn token_source<F, R>(mut self, fetch: F) -> Self
        where
            F: Fn() -> R + Send + Sync + 'static,
            R: Future<Output = Result<$crate::token::Token, $crate::token::TokenError>> + Send + 'static,
        {
            self.connect_options().source = Some(std::sync::Arc::new(move || Box::pin(fetch())));
            self
        }

        /// Where the token goes in a request. By default where it was given: in the URL's query if the URL has a
        /// `token` there, else in the `Authorization` header. Toward Socket.IO it is in the `auth` object in any case,
        /// and by default nowhere else unless it was in the URL. Servers that look at it in the first message have it there:
        /// [`TokenLocation::Message`]($crate::TokenLocation::Message).
        pub fn token_location(mut self, location: $crate::native::TokenLocation) -> Self {
            self.connect_options().token_location = Some(location);
            self
        }

        /// A header for every request, such as a cookie or the key of a gateway. May be called several times; one that
        /// cannot be sent makes `connect` fail. Its value appears in no log, error or `Debug`.
        ///
        /// `user:password@` in the URL is sent as `Authorization: Basic` without this.
        pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
            if let Err(error) = self.connect_options().headers.add(name.as_ref(), value.as_ref()) {
                self.connect_options().bad_header.get_or_insert(error);
            }
            self
        }

        /// As [`header`](Self::header), for several.
        pub fn headers(mut self, headers: &$crate::native::Headers) -> Self {
            self.connect_options().headers.extend(headers);
            self
        }

        /// A function that makes more headers, called for each attempt to connect; the attempt's deadline is its
        /// deadline too. They win over those of [`header`](Self::header). An error is a failed attempt with the code
        /// `headers`, which is made again with the usual delays; its text is shown, so it must hold no secret.
        ///
        /// Cancel safe as the function is: an attempt that is given up drops its future.
        ///
        /// ```no_run
        /// # async fn sign() -> Result<String, std::io::Error> { Ok(String::new()) }
        /// use rejoin::Headers;
        ///
        /// let builder = rejoin::Client::builder("wss://chat.example").headers_with(|| async {
        ///     let signature = sign().await?;
        ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Headers::new().with("X-Signature", &signature)?)
        /// });
        /// ```
        pub fn headers_with<F, R, E>(mut self, make: F) -> Self
        where
            F: Fn() -> R + Send + Sync + 'static,
            R: Future<Output = Result<$crate::native::Headers, E>> + Send + 'static,
            E: core::fmt::Display,
        {
            self.connect_options().headers_source = Some(std::sync::Arc::new(move || {
                let made = make();
                Box::pin(async move { made.await.map_err(|error| error.to_string().into()) })
            }));
            self
        }

        /// A certificate authority (PEM) to trust beside the system's, or a server's own certificate: exactly that one is
        /// accepted then, also if it is self-signed, calls itself an authority or names no host. It still has to be in
        /// date and not to name another host. Feature `tls`.
        #[cfg(feature = "rustls-no-provider")]
        pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
            self.connect_options().tls.extra_ca.push(pem.into());
            self
        }

        /// The certificate that this client shows a server that requests one: the chain, its own certificate first, and
        /// the unencrypted key of that, both PEM. Feature `tls`.
        #[cfg(feature = "rustls-no-provider")]
        pub fn client_certificate(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
            self.connect_options().tls.client_certificate = Some((chain.into(), key.into()));
            self
        }

        /// The whole TLS configuration, made with [`rejoin::rustls`](crate::rustls), instead of the system's roots, [`ca_pem`](Self::ca_pem) and
        /// [`client_certificate`](Self::client_certificate). Feature `tls`.
        #[cfg(feature = "rustls-no-provider")]
        pub fn tls_config(mut self, config: std::sync::Arc<rustls::ClientConfig>) -> Self {
            self.connect_options().tls.config = Some(config);
            self
        }

        /// An HTTP proxy. None by default: a library does not read the environment. Feature `proxy`.
        #[cfg(feature = "proxy")]
        pub fn proxy(mut self, proxy: $crate::native::Proxy) -> Self {
            self.connect_options().proxy = Some(proxy);
            self
        }

        /// A function that opens the byte stream of a connection, instead of looking the host up and connecting to it
        /// by TCP, directly or through a proxy: for Unix sockets, tunnels and tests in memory. It is called for each
        /// attempt with the address that is dialled. TLS (for `wss://` and `https://`) and HTTP are spoken over the
        /// stream it gives; its errors are failed attempts.
        ///
        /// Cancel safe as the function is: an attempt that is given up drops its future.
        ///
        /// ```no_run
        /// # #[cfg(unix)]
        /// let builder = rejoin::Client::builder("ws://localhost/ws")
        ///     .connector(|_| tokio::net::UnixStream::connect("/run/chat.sock"));
        /// ```
        pub fn connector<F, R, S>(mut self, connect: F) -> Self
        where
            F: Fn($crate::native::Endpoint) -> R + Send + Sync + 'static,
            R: Future<Output = std::io::Result<S>> + Send + 'static,
            S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
        {
            self.connect_options().connector = Some(std::sync::Arc::new(move |endpoint| {
                let connecting = connect(endpoint);
                Box::pin(async move {
                    let stream: Box<dyn $crate::native::connect::ByteStream> = Box::new(connecting.await?);
                    Ok(stream)
                })
            }));
            self
        }

        /// How long an attempt to connect may take as a whole: the look-up, TCP, TLS, the HTTP upgrade, and on Socket.IO
        /// the namespace's consent too. 10 s by default, from 100 ms to 1 hour.
        pub fn connect_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.connect_options().connect_timeout = Some(timeout);
            self
        }

        /// The seed of all jitter, for tests. From the operating system by default.
        pub fn seed(mut self, seed: u64) -> Self {
            self.connect_options().seed = Some(seed);
            self
        }
    };
}

/// What a builder has beside the methods for single options: it has them in its field `options`.
macro_rules! options_of_builder {
    () => {
        /// All connection options at once, such as those that several clients have in common. What was set before is
        /// replaced, also what this leaves open.
        ///
        /// ```no_run
        /// use rejoin::{Client, ConnectOptions};
        ///
        /// # fn bots() -> Result<(), Box<dyn std::error::Error>> {
        /// let options = ConnectOptions::default().token("secret").header("X-Tenant", "blue");
        /// let (one, _) = Client::builder("wss://chat.example/ws").options(options.clone()).connect()?;
        /// let (two, _) = Client::builder("wss://other.example/ws").options(options).connect()?;
        /// # Ok(()) }
        /// ```
        pub fn options(mut self, options: $crate::native::ConnectOptions) -> Self {
            self.options = options;
            self
        }

        fn connect_options(&mut self) -> &mut $crate::native::ConnectOptions {
            &mut self.options
        }
    };
}

/// The methods that choose when a builder's connection is tried again; it has a machine's `link` in its field `config`.
macro_rules! link_methods {
    () => {
        /// The delays between attempts to connect: the first step, doubled each time up to `cap`, with jitter. 1 s and 30 s by
        /// default.
        pub fn backoff(mut self, base: core::time::Duration, cap: core::time::Duration) -> Self {
            self.config.link.policy = $crate::backoff::Policy::Standard { base, cap };
            self
        }

        /// The delays between attempts to connect by a rule of your own, instead of [`backoff`](Self::backoff): its
        /// answer is kept between 100 ms and 10 minutes, and is raised to what the server requests. See
        /// [`Policy::custom`](crate::backoff::Policy::custom).
        ///
        /// ```no_run
        /// use std::time::Duration;
        ///
        /// let builder = rejoin::Client::builder("wss://chat.example").backoff_with(|attempt| {
        ///     attempt.between(Duration::from_secs(1), Duration::from_secs(5)) // permanently
        /// });
        /// ```
        pub fn backoff_with(
            mut self,
            rule: impl Fn($crate::backoff::Attempt) -> core::time::Duration + Send + Sync + 'static,
        ) -> Self {
            self.config.link.policy = $crate::backoff::Policy::custom(rule);
            self
        }

        /// Attempts to connect, one after another without success, before the state is
        /// [`Failed`](crate::State::Failed). No limit by default.
        pub fn max_attempts(mut self, attempts: u32) -> Self {
            self.config.link.max_attempts = Some(attempts);
            self
        }
    };
}

pub(crate) use {link_methods, option_methods, options_of_builder};
