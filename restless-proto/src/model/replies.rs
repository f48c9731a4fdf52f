//! What calls answer beside streams.

use super::{HttpMethod, Json, PayloadMode, PollingStrategy};

model! {
    /// What an action did.
    BaseActionResponse {
        /// The id that the action was about.
        id: String = required "id",
        /// Whether the call changed anything.
        affected: bool = required "affected",
    }
}

model! {
    /// What a stream has cost.
    StreamCreditUsageStats {
        /// Credits used in the last week.
        total_burned_last_week: i64 = required "totalBurnedLastWeek",
        /// Credits used in the last month.
        total_burned_last_month: i64 = required "totalBurnedLastMonth",
        /// Day by day.
        daily_usage: Vec<DailyCreditUsage> = required "dailyUsage",
    }
}

model! {
    /// What a stream has cost on one day.
    DailyCreditUsage {
        /// The day.
        date: String = required "date",
        /// Credits used on that day.
        credits_used: i64 = required "creditsUsed",
        /// What the credits were used for.
        charge_type_breakdown: Vec<CreditUsageChargeTypeBreakdown> = required "chargeTypeBreakdown",
    }
}

model! {
    /// The cost of one kind of use on one day.
    CreditUsageChargeTypeBreakdown {
        /// The kind.
        charge_type: String = required "chargeType",
        /// Credits used for that kind.
        credits_used: i64 = required "creditsUsed",
    }
}

model! {
    /// How to follow a stream: URLs, and code in several languages.
    ConnectionSnippetsResponse {
        /// Where to follow the stream.
        runtime: ConnectionRuntime = required "runtime",
        /// How to follow the stream.
        snippets: Snippets = required "snippets",
    }
}

model! {
    /// Where a stream can be followed.
    ConnectionRuntime {
        /// Over server-sent events.
        sse_url: String = required "sseUrl",
        /// Over WebSocket.
        websocket_url: String = required "websocketUrl",
    }
}

model! {
    /// Code that follows a stream.
    Snippets {
        /// The languages there are.
        available_languages: Vec<SnippetLanguage> = required "availableLanguages",
        /// The language that was asked for, or the first.
        selected_language: String = required "selectedLanguage",
        /// Code in that language.
        selected_snippets: SnippetSet = required "selectedSnippets",
        /// Code in all of the languages, by language.
        snippets_by_language: Option<Vec<(String, SnippetSet)>> = optional_map "snippetsByLanguage",
    }
}

model! {
    /// A language of snippets.
    SnippetLanguage {
        /// The language's name for people.
        label: String = required "label",
        /// The language's name in calls.
        value: String = required "value",
    }
}

model! {
    /// Code in one language.
    SnippetSet {
        /// With curl.
        curl: String = required "curl",
        /// With wget.
        wget: String = required "wget",
        /// Over server-sent events.
        sse: String = required "sse",
        /// Over WebSocket.
        websocket: String = required "websocket",
    }
}

model! {
    /// How to follow a REST API directly.
    DirectSetupResponse {
        /// Commands to try it with.
        commands: DirectCommands = required "commands",
        /// Where to follow the API, and with which credentials.
        runtime: DirectRuntime = required "runtime",
        /// How to follow the API.
        snippets: Snippets = required "snippets",
        /// What would be polled.
        stream_config: DirectStreamConfig = required "streamConfig",
    }
}

model! {
    /// Commands, by where the key stands in them.
    DirectCommands {
        /// In a field.
        header: DirectCommand = required "header",
        /// In the URL.
        url_param: DirectCommand = required "urlParam",
    }
}

model! {
    /// One command, with each of two programs.
    DirectCommand {
        /// With curl.
        curl: String = required "curl",
        /// With wget.
        wget: String = required "wget",
    }
}

model! {
    /// Where a direct stream can be followed.
    DirectRuntime {
        /// With which credentials.
        auth: DirectAuth = required "auth",
        /// Over server-sent events.
        direct_sse_url: String = required "directSseUrl",
        /// Over WebSocket.
        direct_websocket_url: String = required "directWebsocketUrl",
    }
}

model! {
    /// Where the key goes.
    DirectAuth {
        /// The place of the key, such as `header`.
        api_key_location: String = required "apiKeyLocation",
        /// What the field looks like.
        header_example: String = required "headerExample",
    }
}

model! {
    /// What a direct stream polls.
    DirectStreamConfig {
        /// The API's URL.
        target_url: String = required "targetUrl",
        /// The method with which the service asks the API.
        method: HttpMethod = required "method",
        /// Fields that are sent to the API, as a JSON object.
        headers: Option<Json> = optional "headers",
        /// Content that is sent to the API, a JSON object.
        body: Option<Json> = optional "body",
        /// A jq filter over the API's answers.
        jq_filter: Option<String> = optional "jqFilter",
        /// What updates hold.
        payload_mode: Option<PayloadMode> = optional "payloadMode",
        /// Seconds between two questions.
        polling_interval: Option<i64> = optional "pollingInterval",
        /// Other intervals at other times of day.
        polling_strategies: Option<Vec<PollingStrategy>> = optional "pollingStrategies",
    }
}

model! {
    /// A direct session: a URL that stays.
    DirectSessionResponse {
        /// The session's id.
        session_id: String = required "sessionId",
        /// Where to follow the session over WebSocket.
        ws_url: String = required "wsUrl",
        /// Where to follow the session over server-sent events.
        sse_url: String = required "sseUrl",
        /// The end of the session, RFC 3339.
        expires_at: String = required "expiresAt",
        /// Whether the session is new; false where a session with this dedupe key was there.
        created: bool = required "created",
        /// The key by which the session is found again.
        dedupe_key: String = required "dedupeKey",
    }
}
