//! Masking (RFC 6455 §5.3).

/// Masks `payload` in place, or takes the mask off again: the two are one operation.
pub(crate) fn apply(key: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        // The slice always has eight bytes, which the compiler sees too; the loop becomes SIMD.
        if let Ok(word) = <&mut [u8; 8]>::try_from(word) {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octet_i_is_masked_with_octet_i_modulo_4_of_the_key() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..40 {
            let payload: Vec<u8> = (0..length).collect();
            let expected: Vec<u8> =
                payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut masked = payload;
            apply(key, &mut masked);
            assert_eq!(masked, expected);
        }
    }
}
