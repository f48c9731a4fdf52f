//! Streams.

use super::{HttpMethod, Json, PayloadMode, StreamStatus};

model! {
    /// A stream: a REST API that the service polls.
    Stream {
        /// The stream's id.
        id: String = required "id",
        /// The id of the stream's owner.
        business_id: Option<String> = optional "businessId",
        /// The stream's name.
        name: String = required "name",
        /// The purpose of the stream.
        description: Option<String> = optional "description",
        /// Whether the stream polls.
        status: StreamStatus = required "status",
        /// The method with which the service asks the API.
        method: HttpMethod = required "method",
        /// The API's URL.
        url: String = required "url",
        /// Fields that the service sends to the API, as a JSON object.
        headers: Option<Json> = optional "headers",
        /// Content that the service sends to the API, a JSON object.
        body: Option<Json> = optional "body",
        /// What the stream's updates hold.
        payload_mode: PayloadMode = required "payloadMode",
        /// A jq filter over the API's answers.
        jq_filter: Option<String> = optional "jqFilter",
        /// Whether the stream's updates are signed.
        hmac_signature_enabled: bool = defaulted "hmacSignatureEnabled",
        /// Seconds between two questions.
        polling_interval: i64 = required "pollingInterval",
        /// Other intervals at other times of day.
        polling_strategies: Option<Vec<PollingStrategy>> = optional "pollingStrategies",
        /// The time of creation, RFC 3339.
        created_at: Option<String> = optional "createdAt",
        /// The time of the last change, RFC 3339.
        updated_at: Option<String> = optional "updatedAt",
        /// Where to follow the stream over WebSocket.
        ws_url: Option<String> = optional "wsUrl",
        /// Where to follow the stream over server-sent events.
        sse_url: Option<String> = optional "sseUrl",
    }
}

model! {
    /// A polling interval for a time of day.
    PollingStrategy {
        /// From when, such as `09:00`.
        start_time: String = required "startTime",
        /// Until when, such as `17:00`.
        end_time: String = required "endTime",
        /// Seconds between two questions.
        interval_seconds: i64 = required "intervalSeconds",
    }
}

impl PollingStrategy {
    /// An interval, in seconds, from one time of day to another, such as `09:00` to `17:00`.
    pub fn new(
        start_time: impl Into<String>,
        end_time: impl Into<String>,
        interval_seconds: i64,
    ) -> Self {
        Self {
            start_time: start_time.into(),
            end_time: end_time.into(),
            interval_seconds,
            extra: super::Extra::default(),
        }
    }
}

model! {
    /// A page of streams.
    StreamsResponse {
        /// The streams.
        streams: Vec<Stream> = required "streams",
        /// Whether there are more.
        pagination_info: PaginationInfo = defaulted "paginationInfo",
    }
}

model! {
    /// Where a page stands among others.
    #[derive(Default)]
    PaginationInfo {
        /// Whether there is a page behind this one.
        has_next_page: bool = defaulted "hasNextPage",
    }
}
