//! Runs bodies over what is made up from a seed: JSON with keys out of order, twice and with
//! escapes, white space anywhere, numbers in every spelling; URLs, fields and replies. A fuzzer
//! seldom gets that deep into the grammar.

use restless_fuzz::{
    call_response, canonical_json, event_envelope, http_fields, proxy_reply, read_buffer, redirect,
    road_ops, runtime_url, subscription_ops,
};
use url::Url;

#[test]
fn made_up_payloads_have_the_canonical_form_that_another_reader_gives_them() {
    for seed in 0..1000 {
        let mut writer = Writer::new(seed);
        writer.value(0);
        canonical_json(writer.text.as_bytes());
    }
}

#[test]
fn made_up_events_are_read_as_another_reader_reads_them() {
    for seed in 0..1000 {
        let mut writer = Writer::new(seed);
        writer.event();
        event_envelope(writer.text.as_bytes());
        // Cut anywhere, or with a byte changed, it is refused by both or read by both alike.
        let mut bytes = writer.text.into_bytes();
        let at = Random(seed ^ 0x5eed).below(bytes.len());
        event_envelope(&bytes[..at]);
        bytes[at] = b"\"\\{}[]:,0x \n\x01e."[Random(seed ^ 0xb17e).below(15)];
        event_envelope(&bytes);
        canonical_json(&bytes);
    }
}

#[test]
fn made_up_scripts_end_and_repeat_nothing() {
    for seed in 0..1500 {
        let mut random = Random(seed);
        let script: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        subscription_ops(&script);
        road_ops(&script);
        // Of these, a script stands for up to 3 MiB.
        if seed % 16 == 0 {
            read_buffer(&script);
        }
    }
}

#[test]
fn made_up_runtime_urls_go_out_as_they_are_read_again() {
    let mut absolute = 0;
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let (url, position) = (url(&mut random), words(&mut random, 3));
        absolute += u32::from(Url::parse(&url).is_ok());
        runtime_url(format!("{url}\n{position}").as_bytes());
    }
    assert!(absolute > 1_000, "{absolute}");
}

#[test]
fn made_up_redirects_take_no_secret_elsewhere() {
    let mut absolute = 0;
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let locations: Vec<String> = (0..=random.below(4)).map(|_| url(&mut random)).collect();
        absolute += u32::from(Url::parse(&locations[0]).is_ok());
        // Each status, of each who asks.
        let how = (seed % 30) as u8;
        redirect(&[&[how][..], locations.join("\n").as_bytes()].concat());
    }
    assert!(absolute > 1_000, "{absolute}");
}

#[test]
fn made_up_fields_are_read_as_the_standards_say() {
    for seed in 0..2_000 {
        http_fields(&fields(&mut Random(seed)));
    }
}

#[test]
fn made_up_replies_are_read_or_refused() {
    for seed in 0..2_000_u64 {
        // Half of them are good.
        let status = if seed % 2 == 0 { 100 } else { seed / 2 % 500 } as u16;
        call_response(&[&status.to_be_bytes()[..], &fields(&mut Random(seed))].concat());
    }
}

#[test]
fn made_up_replies_of_proxies_are_read_or_refused() {
    const LINES: &[&str] = &[
        "HTTP/1.1 100 Continue\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 407\n",
        "HTTP/1.1 503 Busy\r\n",
        "HTTP/1.1 403 No\r\n",
        "a: b\r\n",
        "a: ~~\r\n",
        " folded\n",
        "no field\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "SSH",
    ];
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let options = random.below(4) as u8;
        let mut reply = vec![options, 2, random.below(256) as u8, random.below(256) as u8];
        if options & 1 == 0 {
            for _ in 0..random.below(8) {
                reply.extend(random.pick(LINES).as_bytes());
            }
        } else {
            reply.extend([5, [0, 0, 2, 255][random.below(4)]]);
            reply.extend((0..random.below(30)).map(|_| [5, 0, 0, 1, 3, 4, 9][random.below(7)]));
        }
        proxy_reply(&reply);
    }
}

/// A URL, or nearly one.
fn url(random: &mut Random) -> String {
    const STARTS: &[&str] =
        &["https://", "http://", "https://", "wss://", "ws:", "//", "/", "", " "];
    const USERS: &[&str] = &["", "", "", "me:pass@", "me@", "@"];
    const HOSTS: &[&str] = &["s.test", "s.test", "S.test", "t.test", "127.0.0.1", "[::1]", "é", ""];
    const PORTS: &[&str] = &["", "", "", ":443", ":80", ":8443", ":", ":x"];
    const PATHS: &[&str] = &["", "/", "/a", "/a/../b/", "//", "/%2F", "\\a", "/ws"];
    const QUERIES: &[&str] =
        &["", "", "?", "?apiKey=k", "?cursor=1&a=b+c", "?since&headers=%7B%7D"];
    let parts = [STARTS, USERS, HOSTS, PORTS, PATHS, QUERIES].map(|parts| random.pick(parts));
    let behind = if random.below(3) == 0 { words(random, 4) } else { String::new() };
    parts.concat() + &behind
}

/// Fields in lines, an empty line, and content.
fn fields(random: &mut Random) -> Vec<u8> {
    const NAMES: &[&str] = &[
        "retry-after",
        "date",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "location",
        "x-request-id",
    ];
    const VALUES: &[&str] = &[
        "text/event-stream",
        "text/html",
        "gzip",
        "identity",
        "Tue, 24 Nov 2026 00:00:00 GMT",
        "Tue, 24 Nov 2026 00:01:00 GMT",
        "7",
        "\u{1}",
        ", ",
        ";charset=\"a,b\"",
    ];
    const CONTENTS: &[&str] = &[
        "",
        "{}",
        "{\"message\":\"no \u{1}\"}",
        "no \u{1}",
        "[]",
        "{\"id\":\"\u{1}\",\"status\":7}",
    ];
    let mut text = String::new();
    for _ in 0..random.below(4) {
        let name = random.pick(NAMES);
        let values: String = (0..=random.below(3)).map(|_| random.pick(VALUES)).collect();
        text.push_str(&format!("{name}:{values}\n"));
    }
    text.push('\n');
    text.push_str(random.pick(CONTENTS));
    if random.below(3) == 0 {
        text.push_str(&words(random, 8));
    }
    text.into_bytes()
}

/// Fewer words than this of the network, in any order.
fn words(random: &mut Random, most: usize) -> String {
    (0..random.below(most)).map(|_| random.pick(WORDS)).collect()
}

const WORDS: &[&str] = &[
    "https://", "s.test", "@", ":", "/", "..", "?", "cursor=", "since", "&", "=", "%", "%2F", "+",
    " ", "#", "é", "\t", "\r", "\"", "7", "{", "}", "\u{0}", "\\", "data: ",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

struct Writer {
    random: Random,
    text: String,
    /// How seldom there is white space: not at all in half of the texts.
    blanks: Option<usize>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let blanks = [None, None, Some(2), Some(20)][random.below(4)];
        Self { random, text: String::new(), blanks }
    }

    fn event(&mut self) {
        const NUMBERS: &[&str] = &["200", "-1", "2e2", "1.5", "null", "\"x\"", "12345678901"];
        const KEYS: &[(&str, &[&str])] = &[
            ("type", &["\"update\"", "\"error\"", "\"\\u0075pdate\"", "1"]),
            ("meta", &[]),
            ("d\\u0061ta", &[]),
            ("data", &[]),
            ("signature", &["null", "\"ab\"", "\"a\\/b\""]),
            ("eventId", &["null", "\"\"", "\"7\"", "7"]),
            ("event_id", &["null", "\"\"", "\"8\"", "\"\\n\""]),
            ("error", &["null", "{\"code\":\"c\",\"message\":\"m\",\"more\":[1]}", "{}"]),
            ("a_key_of_more_than_sixteen_bytes", &[]),
        ];
        self.text.push_str("{\"type\":\"update\",\"meta\":{\"timestamp\":\"t\"},\"data\":");
        self.value(0);
        for _ in 0..self.random.below(6) {
            self.mark(",");
            let (key, values) = KEYS[self.random.below(KEYS.len())];
            self.text.push_str(&format!("\"{key}\""));
            self.mark(":");
            if key == "meta" {
                let (status, latency) = (self.random.pick(NUMBERS), self.random.pick(NUMBERS));
                self.text.push_str(&format!(
                    "{{\"timestamp\":\"u\",\"status\":{status},\"latencyMs\":null,\
                     \"latency_ms\":{latency},\"attempt_id\":\"0123456789abcdef-0123456789\"}}"
                ));
            } else if values.is_empty() {
                self.value(1);
            } else {
                let value = self.random.pick(values);
                self.text.push_str(value);
            }
        }
        self.mark("}");
    }

    fn value(&mut self, depth: usize) {
        const SCALARS: &[&str] = &[
            "null",
            "true",
            "false",
            "0",
            "-0",
            "-0.0",
            "7",
            "1234567",
            "12345678",
            "123456789",
            "12345678901234567890",
            "-42",
            "1.0",
            "1.50",
            "1E5",
            "1e16",
            "1e-7",
            "0.0001",
            "100e-2",
            "\"\"",
            "\"a\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00 and more than a block of it\"",
            "\"just sixteen byte\"",
            "\"exactly16 bytes!\"",
            "\"fifteen bytes..\"",
            "\"é\"",
            "\"\\/ \\\" \\\\ \\b\\f\\n\\r\\t\\u001F\"",
            "\"a text of more than sixty-four bytes, which is searched in another way than others\"",
        ];
        self.blank();
        match self.random.below(if depth < 5 { 6 } else { 3 }) {
            0..3 => {
                let scalar = self.random.pick(SCALARS);
                self.text.push_str(scalar);
            }
            3 => self.items(depth, "[", "]", |_| {}),
            _ => self.items(depth, "{", "}", Self::key),
        }
        self.blank();
    }

    fn items(&mut self, depth: usize, open: &str, close: &str, start: impl Fn(&mut Self)) {
        self.mark(open);
        for n in 0..self.random.below(7) {
            if n > 0 {
                self.mark(",");
            }
            start(self);
            self.value(depth + 1);
        }
        self.mark(close);
    }

    fn key(&mut self) {
        const KEYS: &[&str] = &[
            "",
            "a",
            "\\u0061",
            "b",
            "ab",
            "abcdefgh",
            "abcdefghi",
            "abcdefgh\\u0000",
            "é",
            "\\u00E9",
            "\u{ffff}",
            "😀",
            "\\ud83d\\ude00",
            "a\\\"",
            "a key of more than sixteen bytes",
            "z",
            "Z",
        ];
        let key = self.random.pick(KEYS);
        self.text.push_str(&format!("\"{key}\""));
        self.mark(":");
    }

    fn mark(&mut self, mark: &str) {
        self.blank();
        self.text.push_str(mark);
        self.blank();
    }

    fn blank(&mut self) {
        if self.blanks.is_some_and(|blanks| self.random.below(blanks) == 0) {
            let blank = self.random.pick(&[" ", "\n", "\t \r\n", "          "]);
            self.text.push_str(blank);
        }
    }
}
