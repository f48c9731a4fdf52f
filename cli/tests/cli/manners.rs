//! What every command does: settings, help, exit codes.

use restless_tokio::signature::Signer;

use crate::stage::{Stage, program};

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_profile() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    std::fs::write(
        &config,
        "profile = \"work\"\n[profiles.work]\nkey_command = \"echo rs_of_the_command_1\"\n\
         api_base_url = \"https://a.test\"\nstream_base_url = \"https://b.test\"\n",
    )
    .unwrap();
    let mut command = program(&stage.path(""));
    command.env("RESTLESS_CONFIG", &config).env("RESTLESS_STREAM_BASE_URL", "https://c.test");
    command.args(["config", "-o", "json", "--api-base-url", "https://d.test"]);
    let rows = stage.finish(command, b"").json();
    let row = |n: usize| (rows[n]["value"].clone(), rows[n]["from"].clone());
    assert_eq!(row(0).0, "rs_of…", "{rows}");
    let from = row(0).1;
    assert!(from.as_str().unwrap().starts_with("key_command in profile work of "), "{rows}");
    assert_eq!(row(1), ("https://d.test".into(), "--api-base-url".into()), "{rows}");
    assert_eq!(row(2), ("https://c.test".into(), "RESTLESS_STREAM_BASE_URL".into()), "{rows}");
    assert_eq!(row(3), ("".into(), "default".into()), "{rows}");
}

#[test]
fn a_proxy_of_the_environment_is_a_setting_too_without_its_password() {
    let stage = Stage::new();
    let mut command = program(&stage.path(""));
    command.env("HTTPS_PROXY", "http://user:secret@proxy.test:3128");
    command.args(["config", "-o", "json"]);
    let rows = stage.finish(command, b"").json();
    assert_eq!(rows[3]["from"], "HTTPS_PROXY", "{rows}");
    let value = rows[3]["value"].as_str().expect("a URL");
    assert!(value.contains("proxy.test:3128") && !value.contains("secret"), "{rows}");
}

#[test]
fn a_key_of_the_keyring_is_asked_of_the_keyring_and_only_where_it_counts() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    std::fs::write(&config, "[profiles.default]\nkeyring = \"work\"\n").unwrap();
    let with = |arguments: &[&str]| {
        let mut command = program(&stage.path(""));
        // No session of a desktop has a keyring there.
        command.env("RESTLESS_CONFIG", &config).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none");
        command.args(arguments);
        stage.finish(command, b"rs_0123456789ab\n")
    };
    let run = with(&["config"]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.starts_with("restless: keyring in profile default of "), "{run:?}");
    assert_eq!(with(&["man"]).status, Some(0));
    let run = with(&["config", "--store-key", "work"]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("keyring") && !run.err.contains("rs_0"), "{run:?}");
    let run = stage.run_with(&["config"], &[("RESTLESS_CONFIG", config.to_str().unwrap())]);
    assert!(run.out.contains("RESTLESS_API_KEY"), "a variable comes before it: {run:?}");
}

#[test]
fn a_bad_configuration_says_where_and_prints_nothing_of_it() {
    let stage = Stage::new();
    let config = stage.path("config.toml");
    std::fs::write(&config, "[profiles.default]\napi_key = rs_secret\n").unwrap();
    let run = stage.run_with(&["config"], &[("RESTLESS_CONFIG", config.to_str().unwrap())]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("config.toml, line 2: "), "{run:?}");
    assert!(!run.err.contains("rs_secret"), "{run:?}");
    std::fs::write(&config, "[profiles]\ndefault = \"rs_secret\"\n").unwrap();
    let run = stage.run_with(&["config"], &[("RESTLESS_CONFIG", config.to_str().unwrap())]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("config.toml, line 2: invalid type: string \"…\""), "{run:?}");
    let run = stage.run_with(&["config", "--profile", "no"], &[]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("no profile \"no\"; there are: none"), "{run:?}");
    // The file's own word counts as much.
    std::fs::write(&config, "profile = \"no\"\n[profiles.a]\n[profiles.b]\n").unwrap();
    let run = stage.run_with(&["config"], &[("RESTLESS_CONFIG", config.to_str().unwrap())]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("no profile \"no\"; there are: a, b"), "{run:?}");
}

#[test]
fn help_and_the_manual_have_the_exit_codes() {
    let stage = Stage::new();
    for arguments in [["--help"], ["-h"], ["man"]] {
        let run = stage.run(&arguments);
        assert_eq!((run.status, &*run.err), (Some(0), ""), "{run:?}");
        assert!(run.out.contains("interrupted twice"), "{arguments:?}: {run:?}");
    }
    for arguments in [&["man"][..], &["man", "tail"]] {
        assert!(stage.run(arguments).out.contains("save\\-cursor"), "{arguments:?}");
    }
    assert!(stage.run(&["man", "streams", "create"]).out.contains("polling\\-strategy"));
    for version in ["--version", "-V"] {
        let run = stage.run(&[version]);
        let due = format!("restless {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((run.status, run.out, &*run.err), (Some(0), due, ""));
    }
    assert!(stage.run(&["completions", "bash"]).out.contains("_restless()"));
    // Its own key, which everybody knows, stands in it.
    let help = program(&stage.path("")).args(["emulator", "--help"]).output().expect("help");
    assert!(String::from_utf8_lossy(&help.stdout).contains("Usage: restless emulator"));
}

#[test]
fn arguments_that_can_t_work_exit_with_2() {
    let stage = Stage::new();
    for arguments in [
        &["tail"][..],
        &["tail", "a", "--stream", "b"],
        &["tail", "a", "--method", "GET"],
        &["nonsense"],
        &["streams", "update", "id"],
        &["verify"],
        &["watch", "Orders"],
    ] {
        let run = stage.run(arguments);
        assert_eq!(run.status, Some(2), "{arguments:?}: {run:?}");
        assert!(!run.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error_and_a_full_disk_is_one() {
    let stage = Stage::new();
    stage.emulator.publish(&stage.id, "1").expect("an event");
    for arguments in [&["--help"][..], &["-V"], &["man"], &["tail", "Orders", "--since", "0", "-q"]]
    {
        let (reader, nobody) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = stage.command(arguments).stdout(nobody).output().expect("the program");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*err), (Some(0), ""), "{arguments:?}");
        let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { continue };
        let output = stage.command(arguments).stdout(full).output().expect("the program");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains("the output can't be written"), "{arguments:?}: {err}");
    }
}

#[test]
fn events_on_standard_input_are_verified() {
    let stage = Stage::new();
    let good = Signer::new("s3cret").sign(r#"{"a":1}"#).expect("a signature");
    let event = |signature: &str| {
        format!(
            r#"{{"type":"update","meta":{{"timestamp":"2026-03-24T00:00:00Z"}},"data":{{"a":1}},"signature":"{signature}"}}"#
        )
    };
    let secret = stage.path("secret");
    std::fs::write(&secret, "s3cret\n").unwrap();
    let arguments = ["verify", "--secret-file", secret.to_str().unwrap()];
    let signed = event(&good.to_string());
    let run = stage.run_on(&arguments, format!("{signed}\n").as_bytes());
    assert_eq!((run.status, run.out), (Some(0), format!("{signed}\n")), "{}", run.err);
    // And as `tail` prints them.
    let stream = r#"{"name":"Signed","url":"http://127.0.0.1:9/","status":"INACTIVE",
        "hmacSignatureEnabled":true}"#;
    let id = stage.emulator.add_stream(stream).expect("a stream");
    stage.emulator.publish(&id, "{\n \"a\": 1.0, \"é\": 1e5 }").expect("an event");
    let printed = stage.run(&["tail", "Signed", "--since", "0", "-n", "1", "-q"]).out;
    std::fs::write(&secret, "emulator-secret\n").unwrap();
    let run = stage.run_on(&arguments, printed.as_bytes());
    assert_eq!((run.status, run.out), (Some(0), printed), "{}", run.err);
    std::fs::write(&secret, "s3cret\n").unwrap();
    let forged = event(&"0".repeat(64));
    let run = stage.run_on(&arguments, format!("{forged}\n{signed}\n").as_bytes());
    assert_eq!((run.status, run.out), (Some(3), format!("{signed}\n")), "{}", run.err);
    assert!(run.err.contains("line 1: "), "{}", run.err);
}

#[test]
fn what_tail_admits_as_signed_verify_admits_too() {
    let stage = Stage::new();
    let stream = r#"{"name":"Signed","url":"http://127.0.0.1:9/","status":"INACTIVE",
        "hmacSignatureEnabled":true}"#;
    let id = stage.emulator.add_stream(stream).expect("a stream");
    stage.emulator.publish(&id, "1").expect("an event");
    stage.emulator.publish_error(&id, "CODE", "message").expect("an event");
    let secret = ["--verify", stage.emulator.hmac_secret()];
    let tail = ["tail", "Signed", "--since", "0", "-n", "2", "-q"];
    let printed = stage.run(&[&tail[..], &secret].concat()).out;
    assert!(printed.contains(r#""type":"error""#), "{printed}");
    let secret = ["verify", "--secret", stage.emulator.hmac_secret()];
    let run = stage.run_on(&secret, printed.as_bytes());
    assert_eq!((run.status, run.out), (Some(0), printed), "{}", run.err);
    // Data that is not signed does not pass as an error.
    let line = r#"{"type":"error","meta":{"timestamp":"2026-03-24T00:00:00Z"},"data":1}"#;
    let run = stage.run_on(&secret, line.as_bytes());
    assert_eq!((run.status, &*run.out), (Some(3), ""), "{}", run.err);
}

#[test]
fn a_file_that_is_named_and_not_there_and_one_without_a_key_are_errors() {
    let stage = Stage::new();
    let missing = stage.path("none.toml");
    let run = stage.run_with(&["config"], &[("RESTLESS_CONFIG", missing.to_str().unwrap())]);
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("none.toml"), "{run:?}");
    let (config, key) = (stage.path("config.toml"), stage.path("key"));
    std::fs::write(&key, "\n").unwrap();
    std::fs::write(&config, format!("[profiles.default]\nkey_file = {key:?}\n")).unwrap();
    let mut command = stage.command(&["config"]);
    command.env("RESTLESS_CONFIG", &config).env_remove("RESTLESS_API_KEY");
    let run = stage.finish(command, b"");
    assert_eq!(run.status, Some(2), "{run:?}");
    assert!(run.err.contains("holds no key"), "{run:?}");
}
