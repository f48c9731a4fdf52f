//! Which proxy is for which origin: curl's rules, as a pure function of the environment. Each place
//! that differs from curl says so.

use std::net::IpAddr;

use restless_proto::{ConfigError, is_loopback};

use super::{Proxy, bare};

/// The proxies of a client, settled when it is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// `NO_PROXY`, as it came.
    except: String,
    /// Whether this machine itself is reached without a proxy.
    spare_loopback: bool,
}

impl Proxies {
    /// Makes one proxy that of every origin.
    pub(crate) fn all(url: &str) -> Result<Self, ConfigError> {
        let proxy = Proxy::parse("proxy", url)?;
        Ok(Self {
            http: Some(proxy.clone()),
            https: Some(proxy),
            except: String::new(),
            spare_loopback: false,
        })
    }

    /// Reads what the environment says. A variable that is empty counts as missing; lower case
    /// comes first; `HTTP_PROXY` is passed over in a CGI program, where a client's `Proxy` field
    /// sets it.
    ///
    /// Unlike with curl, loopback is exempt from every proxy: credentials may go to loopback in the
    /// clear because nobody is on the way.
    pub(crate) fn from_environment(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let read = |names: [&'static str; 4], cgi: bool| {
            let mut names = names.into_iter().filter(|name| !(cgi && *name == "HTTP_PROXY"));
            let found = names.find_map(|name| Some((name, get(name)?)));
            found.map(|(name, url)| Proxy::parse(name, &url)).transpose()
        };
        let cgi = lookup("REQUEST_METHOD").is_some();
        Ok(Self {
            http: read(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"], cgi)?,
            https: read(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"], cgi)?,
            except: get("no_proxy").or_else(|| get("NO_PROXY")).unwrap_or_default(),
            spare_loopback: true,
        })
    }

    /// Returns the proxy on the way to a host, if any.
    pub(crate) fn on_the_way(&self, tls: bool, host: &str) -> Option<&Proxy> {
        let proxy = if tls { &self.https } else { &self.http };
        let spared = self.spare_loopback && is_loopback(host);
        proxy.as_ref().filter(|_| !spared && !is_exempt(&self.except, host))
    }
}

/// Whether `NO_PROXY` has this host: `*` for all; else names, each with all below it, and addresses
/// or networks, with commas or spaces between them. A host stands there without its port.
///
/// Unlike for curl 7.88, a network of zero bits is all addresses of its family; networks of IPv6
/// count, and so do brackets around an address; blanks around a `*` are dropped; and a network
/// whose bits are no number is passed over.
fn is_exempt(except: &str, host: &str) -> bool {
    if except.trim() == "*" {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let address: Option<IpAddr> = host.parse().ok();
    except.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| match address {
        Some(address) => has_address(bare(entry), address),
        None => has_name(entry, host),
    })
}

fn has_name(entry: &str, host: &str) -> bool {
    let name = entry.strip_prefix('.').unwrap_or(entry);
    let name = name.strip_suffix('.').unwrap_or(name);
    let Some(at) = host.len().checked_sub(name.len()).filter(|_| !name.is_empty()) else {
        return false;
    };
    let (before, end) = host.as_bytes().split_at(at);
    end.eq_ignore_ascii_case(name.as_bytes()) && (before.is_empty() || before.ends_with(b"."))
}

fn has_address(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => match bits.parse::<u32>() {
            Ok(bits) => (network, Some(bits)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    let (network, address, width) = match (network.parse(), address) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(address)) => {
            (u128::from(u32::from(network)), u128::from(u32::from(address)), 32_u32)
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(address)) => {
            (u128::from(network), u128::from(address), 128)
        }
        _ => return false,
    };
    match width.checked_sub(bits.unwrap_or(width)) {
        // No bits are left to compare: the network is every address.
        Some(128) => true,
        Some(rest) => network >> rest == address >> rest,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Proxies {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::from_environment(lookup).unwrap()
    }

    fn to(proxies: &Proxies, tls: bool) -> String {
        proxies.on_the_way(tls, "a.test").map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn each_scheme_has_its_variable_and_all_is_for_the_rest() {
        let set = read(&[("HTTPS_PROXY", "s:1"), ("ALL_PROXY", "socks5://a:2")]);
        assert_eq!((to(&set, true), to(&set, false)), ("http://s:1".into(), "socks5://a:2".into()));
        assert_eq!(to(&read(&[]), true), "");
    }

    #[test]
    fn lower_case_comes_first_and_empty_is_not_set() {
        let set = read(&[("https_proxy", "low:1"), ("HTTPS_PROXY", "up:1"), ("http_proxy", "")]);
        assert_eq!((to(&set, true), to(&set, false)), ("http://low:1".into(), String::new()));
        let set = read(&[("https_proxy", ""), ("HTTPS_PROXY", "up:1")]);
        assert_eq!(to(&set, true), "http://up:1");
    }

    #[test]
    fn a_cgi_program_does_not_read_upper_case_http_proxy() {
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(to(&read(&[("HTTP_PROXY", "evil:1")]), false), "http://evil:1");
        assert_eq!(to(&read(&[cgi, ("HTTP_PROXY", "evil:1")]), false), "");
        assert_eq!(to(&read(&[cgi, ("http_proxy", "good:1")]), false), "http://good:1");
        assert_eq!(to(&read(&[cgi, ("HTTPS_PROXY", "good:1")]), true), "http://good:1");
    }

    #[test]
    fn a_variable_that_is_no_proxy_is_an_error_and_not_a_direct_way() {
        let lookup = |name: &str| (name == "HTTPS_PROXY").then(|| "gopher://a".to_owned());
        let error = Proxies::from_environment(lookup).unwrap_err();
        assert_eq!(error.field(), "HTTPS_PROXY");
    }

    #[test]
    fn loopback_takes_no_proxy_from_the_environment_but_one_that_was_set_in_code() {
        let environment = read(&[("ALL_PROXY", "a:1")]);
        let code = Proxies::all("a:1").unwrap();
        for host in ["localhost", "127.0.0.1", "::1", "a.localhost."] {
            assert!(environment.on_the_way(false, host).is_none(), "{host}");
            assert!(code.on_the_way(false, host).is_some(), "{host}");
        }
        assert!(environment.on_the_way(false, "128.0.0.1").is_some());
    }

    #[test]
    fn no_proxy_is_matched_as_curl_7_88_does() {
        assert_exempt(&[
            ("*", "a.test", true),
            ("", "a.test", false),
            ("a.test", "a.test", true),
            ("a.test", "A.TEST.", true),
            ("a.test.", "a.test", true),
            ("a.test", "b.a.test", true),
            (".a.test", "a.test", true),
            ("a.test", "ba.test", false),
            ("*.a.test", "b.a.test", false),
            ("a.test:80", "a.test", false),
            ("b.a.test", "a.test", false),
            ("x.test, a.test", "a.test", true),
            ("x.test a.test", "a.test", true),
            ("x.test,*", "a.test", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.11", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("::1", "::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "127.0.0.1", false),
        ]);
    }

    #[test]
    fn no_proxy_is_read_more_kindly_than_by_curl_7_88() {
        assert_exempt(&[
            (" * ", "a.test", true),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("::/0", "::1", true),
            ("[::1]", "::1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("10.0.0.0/x", "10.0.0.0", false),
        ]);
    }

    fn assert_exempt(cases: &[(&str, &str, bool)]) {
        for (except, host, due) in cases {
            assert_eq!(is_exempt(except, host), *due, "{except:?} {host}");
        }
    }
}
