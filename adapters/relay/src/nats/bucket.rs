//! Key-value buckets, made where they are missing.

use std::time::Duration;

use async_nats::jetstream::context::Context;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{self, DiscardPolicy, StorageType};

use super::away;
use crate::SinkError;

/// What a bucket is made with; a bucket that is there already is taken as it is.
pub(super) struct Bucket<'a> {
    pub(super) name: &'a str,
    /// How long an entry stays; zero for ever.
    pub(super) max_age: Duration,
    pub(super) storage: StorageType,
    pub(super) replicas: usize,
}

impl Bucket<'_> {
    pub(super) async fn open(&self, context: &Context) -> Result<Store, SinkError> {
        if let Ok(store) = context.get_key_value(self.name).await {
            return Ok(store);
        }
        // The bucket is a stream, as the clients of NATS agree on. The client's own method asks for
        // the account first, and can't read what a server such as 2.9.10 answers.
        let config = stream::Config {
            name: format!("KV_{}", self.name),
            subjects: vec![format!("$KV.{}.>", self.name)],
            max_messages_per_subject: 1,
            max_age: self.max_age,
            storage: self.storage,
            num_replicas: self.replicas,
            discard: DiscardPolicy::New,
            allow_direct: true,
            allow_rollup: true,
            deny_delete: true,
            ..stream::Config::default()
        };
        // Two workers that make the bucket at once are both right.
        let made = context.get_or_create_stream(config).await;
        made.map_err(|e| away("making a bucket in", e))?;
        context.get_key_value(self.name).await.map_err(|e| away("a bucket in", e))
    }
}
