//! Managed streams: create, read, update, delete, start, stop.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::{Answer, BaseAction, check_body_key, stream_not_found};
use crate::fields::{Fields, Invalid};
use crate::hub::{Hub, Record, Status};
use crate::reply::Reply;
use crate::source::query_value;
use crate::urls;

/// The `Stream` model.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    #[serde(flatten)]
    record: Record,
    ws_url: String,
    sse_url: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Streams {
    streams: Vec<Stream>,
    pagination_info: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    has_next_page: bool,
}

impl Stream {
    fn new(hub: &Hub, record: Record) -> Self {
        let query = [("streamId", record.id.as_str())];
        Self {
            sse_url: urls::sse(&hub.base_url(), &query),
            ws_url: urls::websocket(&hub.base_url(), &query),
            record,
        }
    }
}

pub(super) fn list(hub: &Hub, query: &[(String, String)]) -> Answer {
    let number = |name, default| match query_value(query, name) {
        None => Ok(default),
        Some(text) => text
            .parse::<usize>()
            .map_err(|_| Invalid(format!("{name} must be a whole number, zero or more"))),
    };
    let (records, has_next_page) = hub.list(number("limit", 20)?, number("offset", 0)?);
    let streams = records.into_iter().map(|record| Stream::new(hub, record)).collect();
    let pagination_info = Pagination { has_next_page };
    Ok(Reply::json(StatusCode::OK, &Streams { streams, pagination_info }))
}

pub(super) async fn create(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    check_body_key(hub, &mut fields)?;
    let record = hub.create(None, fields).await?;
    Ok(described(hub, StatusCode::CREATED, record))
}

pub(super) fn get(hub: &Hub, id: &str) -> Answer {
    found(hub, hub.get(id))
}

pub(super) async fn update(hub: &Arc<Hub>, id: &str, body: &[u8]) -> Answer {
    let mut fields = Fields::parse(body)?;
    check_body_key(hub, &mut fields)?;
    found(hub, hub.update(id, fields).await.transpose()?)
}

pub(super) async fn start(hub: &Arc<Hub>, id: &str) -> Answer {
    found(hub, hub.set_status(id, Status::Active).await)
}

pub(super) async fn stop(hub: &Arc<Hub>, id: &str) -> Answer {
    found(hub, hub.set_status(id, Status::Inactive).await)
}

pub(super) fn delete(hub: &Hub, id: &str) -> Answer {
    if !hub.delete(id) {
        return Err(stream_not_found());
    }
    Ok(Reply::json(StatusCode::OK, &BaseAction { id, affected: true }))
}

fn found(hub: &Hub, record: Option<Record>) -> Answer {
    let record = record.ok_or_else(stream_not_found)?;
    Ok(described(hub, StatusCode::OK, record))
}

fn described(hub: &Hub, status: StatusCode, record: Record) -> Reply {
    let warnings = record.source.warnings.clone();
    Reply::json(status, &Stream::new(hub, record)).warning_of(&warnings)
}
