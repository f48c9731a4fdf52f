use restless_proto::{Call, Error, Service, model::Stream, streams};

fn get(
    send: impl Fn(http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes>,
) -> Result<Stream, Error> {
    let call: Call<Stream> = streams::get("stream_123");
    let request = call.request(&Service::new("rs_0123456789abcdef"))?;
    let (head, content) = send(request).into_parts();
    call.response(&head, content)
}
