//! Byte strings as text for people.
//!
//! Invariant: what is printed is one line of printable ASCII, whatever a client sent, and reads
//! back as the same bytes by the quoting rules of inline commands.

/// Appends `bytes` in double quotes, with escapes for quotes, backslashes and whatever is not
/// printable, as MONITOR and DEBUG show arguments (`sdscatrepr` of Redis).
pub fn write_quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let (high, low) = (byte >> 4, byte & 15);
                let digits = [HEX_DIGITS[high as usize], HEX_DIGITS[low as usize]];
                out.extend_from_slice(&[b'\\', b'x', digits[0], digits[1]]);
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_quoted(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        assert_eq!(quoted(b""), r#""""#);
        assert_eq!(quoted(b"a b~"), r#""a b~""#);
        assert_eq!(quoted(b"\"\\\n\r\t\x07\x08"), r#""\"\\\n\r\t\a\b""#);
        assert_eq!(quoted(b"\0\x1f\x7f\xff\xc3\xa9'"), r#""\x00\x1f\x7f\xff\xc3\xa9'""#);
    }
}
