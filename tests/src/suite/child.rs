//! A scenario once more, in a process of its own: for what is read from the environment, which no
//! test may change under those beside it.

use std::process::Command;

use serde_json::Value;

/// What the parent has to say to the child, as JSON.
const SAID: &str = "RESTLESS_CHILD";

/// All that this crate's libraries read of the environment.
const READ: [&str; 14] = [
    "RESTLESS_API_KEY",
    "RESTLESS_API_BASE_URL",
    "RESTLESS_STREAM_BASE_URL",
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "REQUEST_METHOD",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// In a child, what the parent has said to it.
pub(crate) fn said() -> Option<Value> {
    let said = std::env::var(SAID).ok()?;
    Some(serde_json::from_str(&said).expect("JSON"))
}

/// Runs a scenario, named `room::scenario`, in a child that sees these variables and none beside
/// them that would count, and waits for its end.
///
/// # Panics
///
/// If it fails there.
pub(crate) fn run(scenario: &str, said: &Value, variables: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().expect("a test"));
    child.args(["--exact", scenario, "--nocapture"]);
    for name in READ {
        child.env_remove(name);
    }
    child.env(SAID, said.to_string()).envs(variables.iter().copied());
    let output = child.output().expect("a process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    // A name that is not known would pass as well.
    let passed = output.status.success() && out.contains("test result: ok. 1 passed");
    assert!(passed, "{scenario} with {variables:?}: {out}\n{err}");
}
