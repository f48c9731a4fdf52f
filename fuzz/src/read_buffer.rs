use restless_proto::ReadBuffer;

/// What is read comes out as it went in, whatever the reads are, and no block is over its most.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | bit 0: for a WebSocket; bits 1 to 3: how many lengths of reads follow |
/// | the lengths | used over and over, each a square times 16 |
/// | the rest | what is read, seven times over |
pub fn read_buffer(data: &[u8]) {
    let [options, rest @ ..] = data else { return };
    let Some((lengths, bytes)) = rest.split_at_checked(usize::from(options >> 1 & 7)) else {
        return;
    };
    if bytes.is_empty() || lengths.is_empty() {
        return;
    }
    let mut buffer = if options & 1 == 0 { ReadBuffer::new() } else { ReadBuffer::for_websocket() };
    let wire = bytes.repeat(7);
    let (mut at, mut out) = (0, Vec::new());
    for length in lengths.iter().cycle() {
        if at == wire.len() {
            break;
        }
        let wanted = (usize::from(*length).pow(2) * 16).clamp(1, wire.len() - at);
        if length % 5 == 0 && buffer.is_empty() {
            buffer.rest();
        }
        let go_on = if buffer.is_at_rest() && length % 2 == 0 {
            let most = wanted.min(4096);
            at += most;
            buffer.put(&wire[at - most..at])
        } else {
            let space = buffer.space();
            assert!(!space.is_empty() && space.len() <= 1 << 20);
            let taken = wanted.min(space.len());
            space[..taken].copy_from_slice(&wire[at..at + taken]);
            at += taken;
            buffer.advance(taken)
        };
        if !go_on || length % 3 == 0 {
            out.extend_from_slice(&buffer.take());
            assert!(buffer.is_empty());
        }
    }
    out.extend_from_slice(&buffer.take());
    assert!(out == wire, "what comes out is not what went in");
}
