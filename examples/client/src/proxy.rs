//! Which proxy leads to a server, if one does.
//!
//! Invariant: a proxy's password and a URL's userinfo are in no message.

use anyhow::{Context, Result, ensure};
use percent_encoding::percent_decode_str;
use sansocket::ClientRequest;
use std::env;
use std::str::FromStr;

/// A proxy, `http://user:password@host:port`.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Option<(String, String)>,
}

impl FromStr for Proxy {
    type Err = anyhow::Error;

    fn from_str(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        ensure!(scheme == "http", "a proxy is http://host:port");
        // Its URL has the parts of a WebSocket's.
        let parts = ClientRequest::new(&format!("ws://{rest}"))?;
        Ok(Self {
            host: parts.host().into(),
            port: parts.port(),
            credentials: parts.userinfo().map(user_and_password).transpose()?,
        })
    }
}

/// The parts of what is before the `@` of a URL.
pub(crate) fn user_and_password(userinfo: &str) -> Result<(String, String)> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |part| {
        let part = percent_decode_str(part).decode_utf8();
        part.map(String::from).ok().context("userinfo is no UTF-8")
    };
    Ok((decoded(user)?, decoded(password)?))
}

/// The proxies for all servers.
pub(crate) struct Proxies {
    /// The one for all of them, whatever the environment says.
    named: Option<Proxy>,
    /// For `ws://` and for `wss://`.
    of_environment: [Option<Proxy>; 2],
    /// Servers without a proxy, of those in the environment.
    direct: Vec<String>,
}

impl Proxies {
    pub(crate) fn new(named: Option<Proxy>) -> Result<Self> {
        let of_environment = match named {
            // They may be wrong, and are not needed.
            Some(_) => [None, None],
            None => [proxy("http_proxy")?, proxy("https_proxy")?],
        };
        let direct = variable("no_proxy").unwrap_or_default();
        let direct = direct.split([',', ' ']).filter(|name| !name.is_empty());
        Ok(Self {
            named,
            of_environment,
            direct: direct.map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The proxy that leads to this server.
    pub(crate) fn to(&self, request: &ClientRequest) -> Option<&Proxy> {
        let [plain, secure] = &self.of_environment;
        let proxy = if request.is_secure() { secure } else { plain };
        let is_direct = |name: &String| is_named(name, request.host(), request.port());
        let proxy = proxy
            .as_ref()
            .filter(|_| !self.direct.iter().any(is_direct));
        self.named.as_ref().or(proxy)
    }
}

/// Whether an entry of `NO_PROXY` names this server: `*`, a name with its subdomains, or an address;
/// perhaps with a port.
fn is_named(entry: &str, host: &str, port: u16) -> bool {
    let (name, of_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
            (name, digits.parse().ok())
        }
        _ => (entry, Some(port)),
    };
    let name = name.trim_matches(['[', ']']).trim_start_matches('.');
    let is_subdomain = || {
        host.strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'))
    };
    let is_host = name == "*" || (!name.is_empty() && (host == name || is_subdomain()));
    is_host && of_port == Some(port)
}

fn proxy(name: &str) -> Result<Option<Proxy>> {
    let url = variable(name).filter(|url| !url.is_empty());
    let proxy = url.map(|url| url.parse()).transpose();
    proxy.with_context(|| name.to_uppercase())
}

/// The value of an environment variable, which is known in lower and in upper case.
fn variable(name: &str) -> Option<String> {
    let upper = || env::var(name.to_uppercase());
    env::var(name).or_else(|_| upper()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_host_its_subdomains_and_perhaps_a_port() {
        for (entry, host, port, expected) in [
            ("a.test", "a.test", 80, true),
            ("a.test", "b.a.test", 80, true),
            (".a.test", "a.test", 80, true),
            (".a.test", "b.a.test", 80, true),
            ("a.test", "ba.test", 80, false),
            ("a.test", "a.test.b", 80, false),
            ("a.test:81", "a.test", 81, true),
            ("a.test:81", "a.test", 80, false),
            ("a.test:x", "a.test", 80, false),
            ("*", "anything", 80, true),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1:81", "127.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("[::1]:81", "::1", 81, true),
            ("[::1]:81", "::1", 80, false),
            (".", "a", 80, false),
            (":80", "a", 80, false),
        ] {
            assert_eq!(
                is_named(entry, host, port),
                expected,
                "{entry} {host}:{port}"
            );
        }
    }

    #[test]
    fn a_proxy_has_host_port_and_perhaps_credentials() {
        for (url, host, port, credentials) in [
            ("http://p.test:3128", "p.test", 3128, None),
            ("http://p.test/", "p.test", 80, None),
            ("p.test:1", "p.test", 1, None),
            ("http://me:p%40w%3A@[::1]:1", "::1", 1, Some(("me", "p@w:"))),
            ("http://me@p.test", "p.test", 80, Some(("me", ""))),
        ] {
            let proxy: Proxy = url.parse().unwrap();
            assert_eq!((&*proxy.host, proxy.port), (host, port));
            let credentials =
                credentials.map(|(user, word): (&str, &str)| (user.into(), word.into()));
            assert_eq!(proxy.credentials, credentials);
        }
        for url in [
            "https://p.test",
            "socks5://p.test",
            "",
            "http://",
            "p test",
            "me:%ff@p.test",
        ] {
            assert!(url.parse::<Proxy>().is_err(), "{url}");
        }
    }
}
