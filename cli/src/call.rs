//! A call, made or only shown.

use http::header;
use restless_tokio::{Call, Client};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::print;

/// Options of every command that calls.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Calling {
    /// How to print the reply
    #[arg(
        long,
        short,
        global = true,
        value_enum,
        default_value_t = crate::output::Output::Table,
        value_name = "FORMAT"
    )]
    pub(crate) output: crate::output::Output,
    /// Print the request as a curl command, the key hidden, and send nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
}

impl Calling {
    /// Makes the call; `None` where it was only shown.
    pub(crate) async fn send<T: DeserializeOwned + Serialize>(
        &self,
        call: impl Into<Call<T>>,
        client: &Client,
        context: &Context,
    ) -> Result<Option<Value>, Failure> {
        let call = call.into();
        if self.dry_run {
            show(&call, client, context)?;
            return Ok(None);
        }
        let reply = client.send(call).await?;
        serde_json::to_value(&reply).map(Some).map_err(|error| Failure::new(1, "the reply", error))
    }
}

/// Prints a call as a curl command that a shell can paste, with `$RESTLESS_API_KEY` for the key.
fn show<T>(call: &Call<T>, client: &Client, context: &Context) -> Result<(), Failure> {
    let request = call.request(client.service()).map_err(Failure::usage)?;
    let key = context.settings.api_key.as_ref().map(|key| key.value.as_str());
    let mut command =
        format!("curl -X {} {}", request.method(), quoted(&request.uri().to_string(), key));
    for (name, value) in request.headers() {
        if *name == header::ACCEPT_ENCODING {
            // What curl asks for by itself, and then decodes.
            command += " \\\n  --compressed";
        } else if *name != header::CONTENT_LENGTH {
            let field = format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()));
            command += &format!(" \\\n  -H {}", quoted(&field, key));
        }
    }
    if !request.body().is_empty() {
        let body = without_another_key(&String::from_utf8_lossy(request.body()), key);
        command += &format!(" \\\n  --data-binary {}", quoted(&body, key));
    }
    print(&(command + "\n"))
}

/// A body of JSON may bring a key of its own, which is nobody's business.
fn without_another_key(body: &str, key: Option<&str>) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(Value::Object(mut members)) => match members.get_mut("apiKey") {
            Some(own) if own.as_str() != key => {
                *own = "…".into();
                Value::Object(members).to_string()
            }
            _ => body.to_owned(),
        },
        _ => body.to_owned(),
    }
}

/// In the single quotes of a shell; the key comes from the environment, in double quotes.
fn quoted(text: &str, key: Option<&str>) -> String {
    let text = text.replace('\'', r"'\''");
    let text = match key.filter(|key| !key.is_empty()) {
        Some(key) => text.replace(&key.replace('\'', r"'\''"), r#"'"$RESTLESS_API_KEY"'"#),
        None => text,
    };
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_a_body_brings_is_hidden_and_the_configured_one_left_to_the_quotes() {
        let body = r#"{"apiKey":"rs_2","name":"a"}"#;
        assert_eq!(without_another_key(body, Some("rs_1")), r#"{"apiKey":"…","name":"a"}"#);
        assert_eq!(without_another_key(body, Some("rs_2")), body);
        assert_eq!(without_another_key("apiKey", None), "apiKey");
    }

    #[test]
    fn a_shell_reads_the_same_text_and_takes_the_key_from_the_environment() {
        assert_eq!(quoted("it's", None), r"'it'\''s'");
        assert_eq!(
            quoted("authorization: Bearer rs_1", Some("rs_1")),
            r#"'authorization: Bearer '"$RESTLESS_API_KEY"''"#
        );
    }
}
