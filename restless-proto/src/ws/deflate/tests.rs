use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

fn bits(server: u8) -> DeflateParameters {
    DeflateParameters { server_max_window_bits: server, ..Default::default() }
}

fn inflate(inflater: &mut Inflater, message: &[u8]) -> Result<Vec<u8>, InflateError> {
    let mut output = Vec::new();
    inflater.push(&mut &message[..], &mut output, LIMIT)?;
    inflater.finish(&mut output, LIMIT)?;
    Ok(output)
}

fn response(text: &str) -> Extension {
    super::super::extension::parse(text).expect("a list").remove(0)
}

#[test]
fn the_examples_of_rfc_7692_section_7_2_3_are_read() {
    let mut inflater = Inflater::new(&bits(15));
    let first = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&mut inflater, &first), Ok(b"Hello".to_vec()), "§7.2.3.1");
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(inflate(&mut inflater, &second), Ok(b"Hello".to_vec()), "§7.2.3.2");
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(inflate(&mut inflater, &stored), Ok(b"Hello".to_vec()), "§7.2.3.3");
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflate(&mut inflater, &last), Ok(b"Hello".to_vec()), "§7.2.3.4");
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&mut inflater, &two), Ok(b"Hello".to_vec()), "§7.2.3.5");
}

#[test]
fn a_final_block_without_the_octet_after_it_is_read_and_so_is_what_follows() {
    let mut inflater = Inflater::new(&bits(15));
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for _ in 0..3 {
        assert_eq!(inflate(&mut inflater, &last), Ok(b"Hello".to_vec()));
    }
}

#[test]
fn a_message_of_no_bytes_is_empty_and_breaks_nothing_after_it() {
    let mut inflater = Inflater::new(&bits(15));
    assert_eq!(inflate(&mut inflater, &[]), Ok(Vec::new()));
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&mut inflater, &hello), Ok(b"Hello".to_vec()));
    assert_eq!(inflate(&mut inflater, &[]), Ok(Vec::new()));
    assert_eq!(inflate(&mut inflater, &hello), Ok(b"Hello".to_vec()));
}

#[test]
fn a_block_after_a_final_one_reaches_back_into_its_message() {
    let mut compressed = Vec::with_capacity(200);
    let mut first = Compress::new(Compression::default(), false);
    first.compress_vec(b"Hello", &mut compressed, FlushCompress::Finish).expect("compresses");
    let mut second = Compress::new(Compression::default(), false);
    second.set_dictionary(b"Hello").expect("a dictionary");
    second.compress_vec(b"Hello", &mut compressed, FlushCompress::Sync).expect("compresses");
    compressed.truncate(compressed.len() - 4);
    let mut inflater = Inflater::new(&bits(15));
    assert_eq!(inflate(&mut inflater, &compressed), Ok(b"HelloHello".to_vec()));
}

#[test]
fn messages_that_end_with_a_final_block_come_by_the_thousand() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    for window in [9, 15] {
        let mut inflater = Inflater::new(&bits(window));
        for _ in 0..5000 {
            assert_eq!(inflate(&mut inflater, &last), Ok(b"Hello".to_vec()));
        }
    }
}

#[test]
fn final_blocks_of_a_usual_size_come_by_the_thousand_in_one_message() {
    let mut entropy = crate::Entropy::from_seed(1);
    let (mut compressed, mut message) = (Vec::new(), Vec::new());
    for _ in 0..2000 {
        let piece: Vec<u8> = (0..100).map(|_| entropy.up_to(255) as u8).collect();
        let mut one = Vec::with_capacity(200);
        let mut compress = Compress::new(Compression::default(), false);
        compress.compress_vec(&piece, &mut one, FlushCompress::Finish).expect("compresses");
        compressed.append(&mut one);
        message.extend(piece);
    }
    assert_eq!(inflate(&mut Inflater::new(&bits(15)), &compressed), Ok(message));
}

#[test]
fn final_blocks_that_hold_nothing_are_a_limit_also_where_they_are_passed_over() {
    // An empty final block (RFC 1951 §3.2.6).
    let empty = [0x03, 0x00];
    for window in [9, 15] {
        let mut inflater = Inflater::new(&bits(window));
        assert_eq!(inflate(&mut inflater, &empty.repeat(FINAL_BLOCKS)), Ok(Vec::new()));
        let many = empty.repeat(FINAL_BLOCKS + 1);
        let seen = inflate(&mut inflater, &many);
        assert!(matches!(seen, Err(InflateError::InVain(_))), "{seen:?}");
        let passed = Inflater::new(&bits(window)).pass(&many, &mut Vec::new(), LIMIT);
        assert!(matches!(passed, Err(InflateError::InVain(_))), "{passed:?}");
    }
}

#[test]
fn what_is_not_deflate_is_invalid() {
    let mut inflater = Inflater::new(&bits(15));
    assert_eq!(inflate(&mut inflater, &[0xff; 20]), Err(InflateError::Invalid));
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let mut deflater = Deflater::new(&Deflate::default());
    let bomb = deflater.compress(&vec![0; 10 << 20]).expect("pays");
    let mut output = Vec::new();
    let seen = Inflater::new(&bits(15)).push(&mut &bomb[..], &mut output, LIMIT);
    assert!(matches!(seen, Err(InflateError::TooLarge(_))), "{seen:?}");
    assert!(output.capacity() <= LIMIT + 1, "{} bytes taken", output.capacity());
}

#[test]
fn what_does_not_get_smaller_is_left_as_it_is_and_never_referred_to() {
    let noise: Vec<u8> = {
        let mut entropy = crate::Entropy::from_seed(1);
        (0..600).map(|_| entropy.up_to(255) as u8).collect()
    };
    let mut deflater = Deflater::new(&Deflate::default());
    assert_eq!(deflater.compress(&noise), None);
    let mixed = [&noise[..], &[b'a'; 600]].concat();
    let compressed = deflater.compress(&mixed).expect("the second half pays");
    assert_eq!(inflate(&mut Inflater::new(&bits(15)), &compressed), Ok(mixed));
}

#[test]
fn the_window_is_no_larger_than_agreed() {
    // The second half repeats the first from 600 bytes back: out of a window of 512.
    let mut entropy = crate::Entropy::from_seed(1);
    let half: Vec<u8> = (0..600).map(|_| entropy.up_to(255) as u8).collect();
    let twice = [&half[..], &half[..], &[b'a'; 200]].concat();
    let size = |bits| {
        let deflate = Deflate::default().client_max_window_bits(bits).expect("in range");
        Deflater::new(&deflate).compress(&twice).map(|compressed| compressed.len())
    };
    assert!(size(15) < Some(1000), "{:?}", size(15));
    assert!(size(9) > Some(1190), "{:?}", size(9));
}

#[test]
fn a_window_of_eight_bits_means_no_compression() {
    let deflate = Deflate::default()
        .accept(&response("permessage-deflate; client_max_window_bits=8"))
        .expect("allowed");
    assert_eq!(Deflater::new(&deflate).compress(&[0; 1000]), None);
}

#[test]
fn without_context_takeover_nothing_is_held_between_messages() {
    let parameters = DeflateParameters {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        ..Default::default()
    };
    let deflate = Deflate { agreed: parameters, ..Default::default() };
    let (mut deflater, mut inflater) = (Deflater::new(&deflate), Inflater::new(&parameters));
    let first = deflater.compress(&[b'a'; 100]).expect("pays");
    assert!(deflater.state.is_none());
    assert_eq!(deflater.compress(&[b'a'; 100]), Some(first.clone()), "each on its own");
    assert_eq!(inflate(&mut inflater, &first), Ok(vec![b'a'; 100]));
    assert!(inflater.state.is_none());
}

#[test]
fn the_offer_names_what_is_asked_for_and_nothing_else() {
    assert_eq!(Deflate::default().offer(), "permessage-deflate; client_max_window_bits");
    let all = Deflate::default()
        .server_no_context_takeover(true)
        .client_no_context_takeover(true)
        .server_max_window_bits(10)
        .and_then(|deflate| deflate.client_max_window_bits(9))
        .expect("in range");
    assert_eq!(
        all.offer(),
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=10; client_max_window_bits=9"
    );
}

#[test]
fn a_response_outside_the_offer_is_refused() {
    let offer = Deflate::default().client_max_window_bits(12).expect("in range");
    for parameters in [
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=4294967311",
        "client_max_window_bits",
        "client_max_window_bits=13",
        "client_no_context_takeover=1",
        "server_no_context_takeover; server_no_context_takeover",
        "window=1",
    ] {
        let seen = offer.accept(&response(&format!("permessage-deflate; {parameters}")));
        assert!(seen.is_err(), "{parameters}");
    }
    let small = Deflate::default().server_max_window_bits(10).expect("in range");
    assert!(small.accept(&response("permessage-deflate")).is_err());
    assert!(small.accept(&response("permessage-deflate; server_max_window_bits=9")).is_ok());
    let alone = Deflate::default().server_no_context_takeover(true);
    assert!(alone.accept(&response("permessage-deflate")).is_err());
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_with_any_parameters_and_any_cut(
        messages in proptest::collection::vec("[a-d]{0,300}|\\PC{0,80}", 1..6),
        client in 9u8..=15, takeover: bool, level in 1u8..=9, cut in 1usize..50,
    ) {
        let deflate = Deflate::default()
            .client_no_context_takeover(!takeover)
            .min_bytes(0)
            .client_max_window_bits(client).and_then(|d| d.level(level)).expect("in range");
        // The peer's side of what we send: its decompressor has our compressor's parameters.
        let peer = DeflateParameters {
            server_max_window_bits: client,
            server_no_context_takeover: !takeover,
            ..Default::default()
        };
        let (mut deflater, mut inflater) = (Deflater::new(&deflate), Inflater::new(&peer));
        for message in &messages {
            let Some(compressed) = deflater.compress(message.as_bytes()) else { continue };
            let mut output = Vec::new();
            for piece in compressed.chunks(cut) {
                prop_assert_eq!(inflater.push(&mut &piece[..], &mut output, LIMIT), Ok(()));
            }
            prop_assert_eq!(inflater.finish(&mut output, LIMIT), Ok(()));
            prop_assert_eq!(output, message.as_bytes());
        }
    }
}
