//! Makes the configuration of the options, with the limits of a public address where strangers can connect.

#[cfg(feature = "redis")]
use super::args::RedisUrl;
use super::args::ServeArgs;
use super::error::ServeError;
use super::values::{AddressLimit, Rate};
use crate::admin::AdminToken;
use crate::auth::JwtRules;
use crate::memory;
#[cfg(feature = "redis")]
use crate::redis::RedisConfig;
use crate::tls::Certificate;
use crate::{Auth, Config, PerAddress};
#[cfg(feature = "redis")]
use std::fmt::Display;

/// Sends per second and user on an address that others can reach, unless `--rate` says otherwise.
const PUBLIC_RATE: f64 = 100.0;

impl ServeArgs {
    /// The certificate that the options name, read from its files.
    pub fn certificate(&self) -> Result<Option<Certificate>, ServeError> {
        let (Some(chain), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        Certificate::read(chain, key).map(Some).map_err(|error| ServeError::Usage(format!("{error}")))
    }

    /// The Redis that the options name.
    #[cfg(feature = "redis")]
    fn redis(&self) -> Result<Option<RedisConfig>, ServeError> {
        let usage = |option: &str, error: &dyn Display| ServeError::Usage(format!("{option}: {error}"));
        let Some(RedisUrl(url)) = &self.redis else { return Ok(None) };
        let mut redis = RedisConfig::new(url).map_err(|error| usage("--redis", &error))?;
        if let Some(prefix) = &self.redis_prefix {
            redis = redis.with_prefix(prefix).map_err(|error| usage("--redis-prefix", &error))?;
        }
        let (ca, own) = (self.redis_ca.as_deref(), self.redis_cert.as_deref().zip(self.redis_key.as_deref()));
        if ca.is_some() || own.is_some() {
            if !redis.address.is_tls() {
                let option = if ca.is_some() { "--redis-ca" } else { "--redis-cert" };
                return Err(usage(option, &"it is for TLS, which --redis has with rediss://"));
            }
            redis = redis.with_tls_files(ca, own).map_err(|error| {
                usage(if own.is_some() { "--redis-ca or --redis-cert" } else { "--redis-ca" }, &error)
            })?;
        }
        redis.durability = self.durability.unwrap_or(redis.durability);
        Ok(Some(redis))
    }

    /// What tokens have to say, if an option asks for something.
    fn jwt_rules(&self) -> Option<JwtRules> {
        let mut rules = JwtRules::default();
        (rules.issuers, rules.audiences) = (self.jwt_issuer.clone(), self.jwt_audience.clone());
        rules.leeway = self.jwt_leeway.unwrap_or(rules.leeway);
        if let Some(claim) = &self.jwt_user_claim {
            rules.user_claim.clone_from(claim);
        }
        (rules != JwtRules::default()).then_some(rules)
    }

    /// The configuration that the options describe, but for the certificate; reads the file of --auth.
    pub fn config(self) -> Result<Config, ServeError> {
        #[cfg(feature = "redis")]
        let redis = self.redis()?;
        let loopback = self.listen.ip().is_loopback();
        let rules = self.jwt_rules();
        let auth = match self.auth {
            Some(auth) => auth.parse().map_err(|error| ServeError::Usage(format!("{error}")))?,
            None if loopback => Auth::Open,
            None => {
                return Err(ServeError::Usage(format!(
                    "{} can be reached by others: say who may connect with --auth jwt=FILE or --auth tokens=FILE (or \
                     --auth open, if anyone may be anyone)",
                    self.listen
                )));
            }
        };
        let auth = match (auth, rules) {
            (Auth::Jwt(jwt), Some(rules)) => Auth::Jwt(jwt.with_rules(rules)),
            (_, Some(_)) => {
                return Err(ServeError::Usage(String::from(
                    "the options that begin with --jwt- go with --auth jwt=FILE or --auth jwks=FILE",
                )));
            }
            (auth, None) => auth,
        };
        if let Some(content) = self.max_content.filter(|content| *content > self.max_frame) {
            return Err(ServeError::Usage(format!(
                "--max-content {content} does not fit into --max-frame {}: raise --max-frame too",
                self.max_frame
            )));
        }
        self.memory_budget.map_or(Ok(()), check_memory_budget)?;
        let admin_token = self.admin_token_file.as_deref().map(AdminToken::read).transpose();
        let admin_token = admin_token.map_err(|error| ServeError::Usage(format!("{error}")))?;
        let mut config = Config {
            listen: self.listen,
            path: self.path,
            auth,
            allow_origin: self.allow_origin,
            trusted_proxy: self.trusted_proxy,
            proxy_protocol: self.proxy_protocol,
            allow_host: self.allow_host,
            admin: self.admin,
            admin_token,
            drain: self.drain,
            faults: self.fault,
            namespaces: self.namespace,
            ..Config::default()
        };
        // Behind a proxy of this machine there are strangers too.
        let has_strangers = !loopback || !config.trusted_proxy.is_empty();
        let each = &mut config.limits.per_address;
        if has_strangers {
            *each = PerAddress::public();
        }
        let count = |share: AddressLimit| share.limit().and_then(|count| usize::try_from(count).ok());
        each.connects = self.address_rate.map_or(each.connects, AddressLimit::limit);
        each.handshakes = self.address_handshakes.map_or(each.handshakes, count);
        each.early_sessions = self.address_sessions.map_or(each.early_sessions, count);
        each.failed_tokens = self.address_tokens.map_or(each.failed_tokens, AddressLimit::limit);
        (config.limits.ping_interval, config.limits.ping_timeout) = (self.ping_interval, self.ping_timeout);
        config.limits.recovery = self.recovery;
        if let Some(heartbeat) = self.heartbeat {
            config.hub.heartbeat = heartbeat;
            config.hub.plain_heartbeat = config.hub.plain_heartbeat.min(heartbeat);
        }
        config.hub.rate = match self.rate {
            Some(Rate::Unlimited) => None,
            Some(Rate::PerSecond(rate)) => Some(rate),
            None => has_strangers.then_some(PUBLIC_RATE),
        };
        config.hub.extended = !self.plain;
        config.hub.history = self.history;
        if self.retention < config.hub.dedupe_window {
            tracing::warn!(
                asked = ?self.retention,
                used = ?config.hub.dedupe_window,
                "--retention is too short: repeated sends are told apart for that long, so messages are kept for it"
            );
        }
        config.hub.retention = self.retention.max(config.hub.dedupe_window);
        config.hub.content_bytes = self.max_content.unwrap_or(config.hub.content_bytes);
        config.hub.rooms_per_conn = self.max_rooms;
        config.hub.members_per_room = self.max_members;
        config.hub.rooms_per_user = self.max_user_rooms;
        config.hub.sockets_per_user = self.max_user_connections;
        config.limits.frame_bytes = self.max_frame;
        config.limits.memory_budget = self.memory_budget;
        config.limits.connections = self.max_connections;
        #[cfg(feature = "redis")]
        {
            config.redis = redis;
        }
        Ok(config)
    }
}

/// Refuses a budget that leaves room for nobody.
fn check_memory_budget(budget: u64) -> Result<(), ServeError> {
    let least = memory::least_budget();
    if budget >= least {
        return Ok(());
    }
    Err(ServeError::Usage(format!(
        "--memory-budget of {budget} bytes can let nobody in: this server uses a part of it before anybody has come; \
         give at least {}M",
        least >> 20
    )))
}

/// Whether anybody may be anybody, where others than those of this machine can connect.
pub(super) fn is_open_to_strangers(config: &Config) -> bool {
    let has_strangers = !config.listen.ip().is_loopback() || !config.trusted_proxy.is_empty();
    matches!(config.auth, Auth::Open) && has_strangers
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "redis")]
    use crate::redis::Durability;
    use clap::Parser;
    use std::time::Duration;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn config(line: &str) -> Result<Config, String> {
        let line = Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace()));
        line.map_err(|error| error.to_string())?.serve.config().map_err(|error| error.to_string())
    }

    #[test]
    fn open_authentication_is_the_default_on_loopback_only() {
        assert!(matches!(config("").unwrap().auth, Auth::Open));
        assert!(matches!(config("--listen [::1]:0").unwrap().auth, Auth::Open));
        assert!(config("--listen 0.0.0.0:0").unwrap_err().contains("--auth"));
        assert!(matches!(config("--listen 0.0.0.0:0 --auth open").unwrap().auth, Auth::Open));
    }

    #[test]
    fn open_authentication_is_warned_of_wherever_strangers_can_come() {
        let warned = |line| is_open_to_strangers(&config(line).unwrap());
        assert!(!warned("") && !warned("--listen [::1]:0 --auth open"));
        assert!(warned("--trusted-proxy 127.0.0.1") && warned("--trusted-proxy 127.0.0.1 --auth open"));
        assert!(warned("--listen 0.0.0.0:0 --auth open"));
    }

    #[test]
    fn an_entry_of_a_list_that_can_never_match_is_refused_with_the_reason() {
        for (option, reason) in [
            ("--allow-host http://chat.example", "no scheme"),
            ("--allow-host *.chat.example", "no other pattern"),
            ("--allow-host chat.example:x", "no port"),
            ("--allow-origin https://*.chat.example", "no other pattern"),
            ("--allow-origin wss://chat.example", "write http://"),
            ("--allow-origin https://chat.example/path", "without a path"),
            ("--trusted-proxy ::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("--trusted-proxy proxy.example", "an address or a network"),
        ] {
            let error = config(option).unwrap_err();
            assert!(error.contains(reason), "{option}: {error}");
        }
        assert!(config("--allow-host chat.example:8443 --allow-host * --trusted-proxy 10.0.0.1/8").is_ok());
    }

    #[test]
    fn behind_a_proxy_of_this_machine_there_are_the_limits_of_a_public_address() {
        let alone = config("").unwrap();
        assert_eq!((alone.hub.rate, alone.limits.per_address.connects), (None, None));
        for proxy in ["127.0.0.1/8", "127.0.0.1/32", "::1/128"] {
            let behind = config(&format!("--trusted-proxy {proxy}")).unwrap();
            assert_eq!(behind.limits.per_address.connects, PerAddress::public().connects, "{proxy}");
            assert_eq!(behind.hub.rate, Some(PUBLIC_RATE), "{proxy}");
        }
        let asked = config("--trusted-proxy 127.0.0.1/8 --address-rate none --rate none").unwrap();
        assert_eq!((asked.hub.rate, asked.limits.per_address.connects), (None, None));
    }

    #[test]
    fn a_memory_budget_that_can_never_work_is_refused_with_one_that_can() {
        for budget in ["1", "1K", "20M"] {
            let error = config(&format!("--memory-budget {budget}")).unwrap_err();
            let least = error.rsplit(' ').next().unwrap();
            assert!(error.contains("can let nobody in") && error.contains("at least"), "{error}");
            assert!(config(&format!("--memory-budget {least}")).is_ok(), "{least}");
        }
        assert!(config("--memory-budget 1G").is_ok());
    }

    #[test]
    fn content_has_to_fit_into_a_frame_and_an_origin_has_a_scheme() {
        assert!(config("--max-content 70000").unwrap_err().contains("--max-frame"));
        assert!(config("--max-content 70000 --max-frame 200000").is_ok());
        assert!(config("--max-frame 2000").is_ok(), "what nobody has asked for refuses nothing");
        assert!(config("--allow-origin app.example").unwrap_err().contains("https://"));
        assert!(config("--allow-origin https://app.example").is_ok());
    }

    #[test]
    fn a_rate_holds_by_default_where_others_can_connect() {
        assert_eq!(config("").unwrap().hub.rate, None);
        assert_eq!(config("--rate 3").unwrap().hub.rate, Some(3.0));
        assert_eq!(config("--listen 0.0.0.0:0 --auth open").unwrap().hub.rate, Some(100.0));
        assert_eq!(config("--listen 0.0.0.0:0 --auth open --rate none").unwrap().hub.rate, None);
    }

    #[test]
    fn plain_clients_are_asked_as_often_as_their_protocol_says_or_more_often() {
        let times = |line| {
            let hub = config(line).unwrap().hub;
            (hub.heartbeat.as_secs(), hub.plain_heartbeat.as_secs())
        };
        assert_eq!(times(""), (25, 30));
        assert_eq!(times("--heartbeat 25s"), (25, 25));
        assert_eq!(times("--heartbeat 60s"), (60, 30));
    }

    #[test]
    fn every_option_reaches_the_configuration() {
        let config = config(
            "--path /chat --heartbeat 5s --drain 0 --max-content 1 --max-frame 2 --max-connections 3 \
             --max-user-connections 4 --max-rooms 5 --max-members 6 --max-user-rooms 8 --memory-budget 2G --admin 127.0.0.1:0 --fault drop:count=1 \
             --allow-origin https://a.example --allow-origin https://b.example --history 7 --plain \
             --ping-interval 25s --ping-timeout 60s --namespace /a --namespace /b=personal --recovery 3s",
        )
        .unwrap();
        assert_eq!((&*config.path, config.hub.heartbeat), ("/chat", Duration::from_secs(5)));
        assert_eq!(
            (config.drain, config.hub.content_bytes, config.limits.frame_bytes),
            (Duration::ZERO, 1, 2)
        );
        assert_eq!((config.limits.connections, config.hub.sockets_per_user), (3, 4));
        assert_eq!((config.hub.rooms_per_conn, config.hub.members_per_room), (5, 6));
        assert_eq!((config.hub.rooms_per_user, config.limits.memory_budget), (8, Some(2 << 30)));
        assert_eq!((config.hub.history, config.hub.extended), (7, false));
        assert!(config.admin.is_some());
        let pings = (config.limits.ping_interval, config.limits.ping_timeout);
        assert_eq!(pings, (Some(Duration::from_secs(25)), Some(Duration::from_secs(60))));
        assert_eq!(config.limits.recovery, Duration::from_secs(3));
        assert_eq!((config.faults.len(), config.allow_origin.len(), config.namespaces.len()), (1, 2, 2));
    }

    #[test]
    fn addresses_have_shares_where_strangers_can_connect() {
        let shares = |line: &str| config(line).unwrap().limits.per_address;
        assert_eq!(shares(""), PerAddress::default());
        assert_eq!(shares("--listen 0.0.0.0:0 --auth open"), PerAddress::public());
        assert_eq!(shares("--trusted-proxy 127.0.0.1"), PerAddress::public());
        let own = "--address-rate 1 --address-handshakes 2 --address-sessions 3 --address-tokens none";
        let each = shares(&format!("--listen 0.0.0.0:0 --auth open {own}"));
        assert_eq!((each.connects, each.handshakes), (Some(1), Some(2)));
        assert_eq!((each.early_sessions, each.failed_tokens), (Some(3), None));
        let proxies = config("--trusted-proxy 10.0.0.0/8 --trusted-proxy ::1 --proxy-protocol").unwrap();
        assert_eq!((proxies.trusted_proxy.len(), proxies.proxy_protocol), (2, true));
        assert!(config("--proxy-protocol").is_err());
        assert!(config("--trusted-proxy 10.0.0.0/33").is_err());
    }

    #[test]
    fn what_a_later_version_has_is_refused_now() {
        for line in ["--auth ldap=x", "--auth canary"] {
            let error = config(line).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_redis_is_taken_with_its_options_and_a_bad_address_is_not_repeated() {
        assert!(config("").unwrap().redis.is_none());
        let all = "--redis rediss://u:canary@h/2 --redis-prefix shop --durability wait=2 --retention 30m";
        let taken = config(all).unwrap();
        let redis = taken.redis.clone().unwrap();
        assert_eq!(
            (redis.address.to_string(), redis.durability),
            ("rediss://h:6379/2".into(), Durability::Wait(2))
        );
        assert_eq!(taken.hub.retention, Duration::from_secs(1_800));
        assert!(!format!("{taken:?}").contains("canary"));
        for line in [
            "--redis redis://:canary@",
            "--redis http://:canary@h",
            "--redis redis://:canary@h --redis-prefix a{b}",
            "--redis redis://:canary@h --durability disk",
            "--redis-prefix canar",
        ] {
            let error = config(line).unwrap_err();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_bad_namespace_is_a_usage_error_with_its_reason() {
        for (name, reason) in [
            ("chat", "a namespace is written like /chat"),
            ("/", "the namespace / is there already"),
            ("/a=rooms", "there is no other kind"),
        ] {
            let error = config(&format!("--namespace {name}")).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_bad_fault_is_a_usage_error_with_its_reason() {
        assert!(config("--fault drop:ms=5").unwrap_err().contains("a drop fault has no ms"));
    }
}
