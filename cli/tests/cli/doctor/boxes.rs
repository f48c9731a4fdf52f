//! `restless doctor` behind the boxes that are installed: each time it names the right culprit.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use restless_emulator::Emulator;

use super::between::Between;
use super::{Said, doctor, emulator, examine};
use crate::port::free_port;

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Each of these is asked about at the same time: most of it is waiting.
fn at_once<const N: usize>(asked: [&(dyn Fn() -> Said + Sync); N]) -> [Said; N] {
    std::thread::scope(|scope| asked.map(|ask| scope.spawn(ask)).map(|asked| asked.join().unwrap()))
}

fn passes(said: &Said) {
    assert_eq!((said.code, said.first.as_deref()), (0, None), "{said:?}");
}

const UPGRADE: &str = "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; \
                       proxy_set_header Connection upgrade;";

/// A folder with a certificate for 127.0.0.1, which is its own authority, and the key of it.
fn certificate(days: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let name = rcgen::DnType::CommonName;
    params.distinguished_name.push(name, "A box of our company");
    // And half a day, so that no test runs while a day ends.
    let span = Duration::from_secs(86_400 * days + 43_200);
    params.not_after = (std::time::SystemTime::now() + span).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = |kind, der: &[u8]| {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    };
    let (shown, kept) = (folder.path().join("pem"), folder.path().join("key"));
    std::fs::write(shown, pem("CERTIFICATE", certificate.der())).unwrap();
    std::fs::write(kept, pem("PRIVATE KEY", &key.serialize_der())).unwrap();
    folder
}

/// nginx before an origin; each of its servers has a port and settings of its own.
fn nginx(servers: &[(u16, SocketAddr, String)]) -> Option<Between> {
    let ports: Vec<_> = servers.iter().map(|(port, ..)| *port).collect();
    let conf = |folder: &Path| {
        let d = folder.display();
        let servers: String = servers
            .iter()
            .map(|(port, origin, more)| {
                let tls = if more.contains("ssl_certificate") { " ssl" } else { "" };
                format!(
                    "server {{ listen 127.0.0.1:{port}{tls}; {more} \
                     location / {{ proxy_pass http://{origin}; }} }}\n"
                )
            })
            .collect();
        format!(
            "daemon off; worker_processes 1; pid {d}/pid; error_log {d}/error.log; events {{}}\n\
             http {{ access_log off; client_body_temp_path {d}; proxy_temp_path {d};\n\
             fastcgi_temp_path {d}; uwsgi_temp_path {d}; scgi_temp_path {d};\n{servers} }}"
        )
    };
    Between::start("nginx", &["-c", "CONF", "-e", "LOG"], &ports, conf)
}

#[test]
fn behind_nginx() {
    let (emulator, id) = emulator();
    let (origin, gone) = (emulator.address(), loopback(free_port()));
    let [holds, plain, short, dead, good] = [(); 5].map(|()| free_port());
    let Some(_nginx) = nginx(&[
        // Over HTTP/1.1 it passes chunks on as they come.
        (holds, origin, "proxy_ignore_headers X-Accel-Buffering;".to_owned()),
        (plain, origin, "proxy_http_version 1.1;".to_owned()),
        (short, origin, format!("large_client_header_buffers 4 2k; {UPGRADE}")),
        (dead, gone, String::new()),
        (good, origin, UPGRADE.to_owned()),
    ]) else {
        return;
    };
    let ask = |port| doctor(&emulator, loopback(port), &id, &[]);
    let [holds, plain, short, dead, good] =
        at_once([&|| ask(holds), &|| ask(plain), &|| ask(short), &|| ask(dead), &|| ask(good)]);
    holds.fails("held back", 30, &["by nginx", "proxy_buffering off"]);
    plain.fails("websocket", 34, &["426", "proxy_http_version 1.1"]);
    passes(&short);
    let (verdict, told) = short.found("longest URL");
    assert!(verdict == "note" && told.contains("1.9 KiB, then 414"), "{told}");
    assert!(told.contains("direct session"), "{told}");
    dead.fails("http", 26, &["502", "by nginx", "does not reach the service"]);
    passes(&good);
    let told = good.found("websocket").1;
    assert!(told.contains("compression") && told.contains("ping"), "{told}");
}

/// Behind nginx as the end of TLS; and by way of a proxy, where squid is installed.
#[test]
fn behind_tls_of_a_company_s_own() {
    let (emulator, id) = emulator();
    let (long, soon) = (certificate(365), certificate(3));
    let ports @ [port, other] = [(); 2].map(|()| free_port());
    let servers = [(port, &long), (other, &soon)].map(|(port, folder)| {
        let d = folder.path().display();
        let tls = format!("ssl_certificate {d}/pem; ssl_certificate_key {d}/key; {UPGRADE}");
        (port, emulator.address(), tls)
    });
    let Some(_nginx) = nginx(&servers) else { return };
    let [url, soon_url] = ports.map(|port| format!("https://127.0.0.1:{port}/?streamId={id}"));
    let ca = |folder: &tempfile::TempDir| folder.path().join("pem").display().to_string();
    let (long, soon) = (ca(&long), ca(&soon));
    let [unknown, known, old] = at_once([
        &|| examine(&emulator, &[&url], &[]),
        &|| examine(&emulator, &[&url, "--ca", &long], &[]),
        &|| examine(&emulator, &[&soon_url, "--ca", &soon], &[]),
    ]);
    unknown.fails("tls", 25, &["A box of our company", "--ca FILE", "platform's store"]);
    passes(&known);
    let told = known.found("tls").1;
    assert!(told.contains("TLSv1_") && told.contains("and --ca"), "{told}");
    let (verdict, told) = old.found("tls");
    assert!(verdict == "note" && told.contains("expires in 3 days"), "{told}");

    let port = free_port();
    let Some(_squid) = squid(port, "http_access allow all") else { return };
    let proxy = format!("http://127.0.0.1:{port}");
    let said = examine(&emulator, &[&url, "--ca", &long, "--proxy", &proxy], &[]);
    passes(&said);
    assert!(said.found("tunnel").1.contains(&format!("{proxy} connects to")), "{said:?}");
}

#[test]
fn behind_haproxy() {
    // A feed that is quiet for longer than haproxy waits.
    let emulator = Emulator::builder().heartbeat(Duration::from_secs(60)).start().unwrap();
    let stream = r#"{"name":"Orders","url":"http://127.0.0.1:9/","status":"INACTIVE"}"#;
    let id = emulator.add_stream(stream).unwrap();
    emulator.publish(&id, "1").unwrap();
    let ports @ [cuts, dead, good] = [(); 3].map(|()| free_port());
    let conf = |_: &Path| {
        let (origin, gone) = (emulator.address(), loopback(free_port()));
        let of = |name, port, span, to| {
            format!(
                "frontend {name}\n  bind 127.0.0.1:{port}\n  timeout client {span}\n  \
                 default_backend {name}\nbackend {name}\n  timeout server {span}\n  server s {to}\n"
            )
        };
        format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout tunnel 60s\n{}{}{}",
            of("cuts", cuts, "3s", origin),
            of("dead", dead, "3s", gone),
            of("good", good, "60s", origin),
        )
    };
    let Some(_haproxy) = Between::start("haproxy", &["-db", "-f", "CONF"], &ports, conf) else {
        return;
    };
    let ask = |port, more: &[&str]| doctor(&emulator, loopback(port), &id, more);
    let [cuts, dead, good] =
        at_once([&|| ask(cuts, &["--patient", "10"]), &|| ask(dead, &[]), &|| {
            ask(good, &["--patient", "1"])
        }]);
    cuts.fails("silence", 32, &["cut after", "timeout server"]);
    dead.fails("http", 26, &["503", "by haproxy", "does not reach the service"]);
    passes(&good);
    assert!(good.found("silence").1.contains("it stands"), "{good:?}");
}

fn squid(port: u16, more: &str) -> Option<Between> {
    Between::start("squid", &["-N", "-f", "CONF"], &[port], |folder| {
        let d = folder.display();
        format!(
            "http_port 127.0.0.1:{port}\n{more}\npid_filename {d}/pid\naccess_log none\n\
             cache_log {d}/cache.log\ncoredump_dir {d}\ncache_effective_user proxy\n\
             shutdown_lifetime 0 seconds\n"
        )
    })
}

fn tinyproxy(port: u16, more: &str) -> Option<Between> {
    Between::start("tinyproxy", &["-d", "-c", "CONF"], &[port], |folder| {
        let d = folder.display();
        format!("Port {port}\nListen 127.0.0.1\n{more}\nLogFile \"{d}/log\"\nPidFile \"{d}/pid\"\n")
    })
}

/// By plain http, which is sent to a proxy whole, and by https, for which it is asked to CONNECT.
fn by_proxy(emulator: &Emulator, id: &str, proxy: &str) -> [Said; 2] {
    let secure = format!("https://{}/?streamId={id}", emulator.address());
    at_once([&|| doctor(emulator, emulator.address(), id, &["--proxy", proxy]), &|| {
        examine(emulator, &[&secure, "--proxy", proxy], &[])
    }])
}

#[test]
fn by_way_of_squid() {
    let (emulator, id) = emulator();
    let (open, closed) = (free_port(), free_port());
    let rules = format!(
        "http_port 127.0.0.1:{closed}\nacl closed localport {closed}\nhttp_access deny closed\n\
         http_access allow all"
    );
    let Some(_squid) = squid(open, &rules) else { return };
    let [plain, secure] = by_proxy(&emulator, &id, &format!("http://127.0.0.1:{closed}"));
    plain.fails("http", 26, &["403", "by squid", "not the service"]);
    secure.fails("tunnel", 24, &["403", "it is squid", "allow CONNECT"]);
    let [plain, secure] = by_proxy(&emulator, &id, &format!("http://127.0.0.1:{open}"));
    passes(&plain);
    // squid is no hindrance: the emulator speaks no TLS.
    secure.fails("tls", 25, &["no certificate was shown"]);
}

#[test]
fn by_way_of_tinyproxy() {
    let (emulator, id) = emulator();
    let [port, wants, narrow] = [(); 3].map(|()| free_port());
    let Some(_open) = tinyproxy(port, "Allow 127.0.0.1") else { return };
    let _wants = tinyproxy(wants, "BasicAuth user secret");
    let _narrow = tinyproxy(narrow, "ConnectPort 443");
    let [plain, _] = by_proxy(&emulator, &id, &format!("http://127.0.0.1:{port}"));
    passes(&plain);
    let [plain, secure] = by_proxy(&emulator, &id, &format!("http://127.0.0.1:{wants}"));
    plain.fails("http", 26, &["407", "by tinyproxy", "user:password"]);
    secure.fails("tunnel", 24, &["407", "it is tinyproxy", "user:password"]);
    let [plain, secure] = by_proxy(&emulator, &id, &format!("http://127.0.0.1:{narrow}"));
    // Event streams pass; a WebSocket takes a tunnel.
    plain.fails("websocket", 34, &["403", "port 443"]);
    secure.fails("tunnel", 24, &["403", "it is tinyproxy", "allow CONNECT"]);
}

#[test]
fn by_way_of_privoxy() {
    let (emulator, id) = emulator();
    let port = free_port();
    let conf = |folder: &Path| {
        let d = folder.display();
        std::fs::write(folder.join("own.action"), "{+limit-connect{443}}\n/\n").unwrap();
        format!(
            "confdir /etc/privoxy\nlogdir {d}\nactionsfile match-all.action\n\
             actionsfile default.action\nactionsfile {d}/own.action\nfilterfile default.filter\n\
             listen-address 127.0.0.1:{port}\n"
        )
    };
    let Some(_privoxy) = Between::start("privoxy", &["--no-daemon", "CONF"], &[port], conf) else {
        return;
    };
    let proxy = format!("http://127.0.0.1:{port}");
    let [plain, secure] = by_proxy(&emulator, &id, &proxy);
    plain.fails("held back", 30, &[&format!("by the proxy {proxy}"), "privoxy: `{-filter"]);
    secure.fails("tunnel", 24, &["403", "it is privoxy", "allow CONNECT"]);
}
