use restless_proto::ReadBuffer;

/// What is read comes out as it went in, whatever the reads are, and no block is over its most.
///
/// | bytes of `data` | mean |
/// | --- | --- |
/// | 0 | bit 0: for a WebSocket; bits 1 to 3: how many lengths of reads follow; bits 4 and 5: how |
/// | | often the rest is read: 7, 40, 250 or 1,500 times, 3 MiB at the most |
/// | the lengths | used over and over, each a square times 16 |
/// | the rest | what is read |
pub fn read_buffer(data: &[u8]) {
    let [options, rest @ ..] = data else { return };
    let Some((lengths, bytes)) = rest.split_at_checked(usize::from(options >> 1 & 7)) else {
        return;
    };
    if bytes.is_empty() || lengths.is_empty() {
        return;
    }
    let mut buffer = if options & 1 == 0 { ReadBuffer::new() } else { ReadBuffer::for_websocket() };
    let times = [7, 40, 250, 1500][usize::from(options >> 4 & 3)];
    let wire = bytes.repeat(times.min(MOST_READ_BYTES / bytes.len()).max(1));
    // Only a frame is a reason for more than is usual.
    let most = if options & 1 == 0 { 64 << 10 } else { 1 << 20 };
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
            let few = wanted.min(4096);
            at += few;
            buffer.put(&wire[at - few..at])
        } else {
            let space = buffer.space();
            assert!(!space.is_empty() && space.len() <= most);
            let taken = wanted.min(space.len());
            space[..taken].copy_from_slice(&wire[at..at + taken]);
            at += taken;
            buffer.advance(taken)
        };
        if !go_on || length % 3 == 0 {
            take(&mut buffer, &mut out, most);
        }
    }
    take(&mut buffer, &mut out, most);
    assert!(out == wire, "what comes out is not what went in");
}

const MOST_READ_BYTES: usize = 3 << 20;

fn take(buffer: &mut ReadBuffer, out: &mut Vec<u8>, most: usize) {
    let block = buffer.take();
    assert!(block.len() <= most, "a block of {} bytes", block.len());
    assert!(buffer.is_empty());
    out.extend_from_slice(&block);
}
