//! Which node owns which slot, as CLUSTER SLOTS and MOVED say it.
//!
//! A connection belongs to one node and draws only keys of that node's slots. A request answered
//! with MOVED was not executed; it is counted, the slot changes owner here, and the next draw goes
//! right. Deliberately absent: ASK (a request meets it only in the middle of a migration, and it
//! counts as an error) and nodes that join during a run.

use crate::decode::Value;
use crate::failure::Failure;

/// Number of hash slots (Redis Cluster specification, "Key distribution model").
pub const SLOTS: usize = 16384;

/// The owner of a slot that no node serves.
const NOBODY: u16 = u16::MAX;

/// The layout of a cluster: every thread has its own and learns by its own redirections.
#[derive(Clone, Debug)]
pub struct Layout {
    nodes: Vec<String>,
    owners: Box<[u16]>,
}

impl Layout {
    /// Returns the layout of a server that is no cluster: one node owns all.
    pub fn single(address: String) -> Layout {
        Layout { nodes: vec![address], owners: vec![0; SLOTS].into() }
    }

    /// Reads the reply to CLUSTER SLOTS. A node that names no host is reached at `host`, where the
    /// reply came from.
    pub fn read(reply: &Value, host: &str) -> Result<Layout, Failure> {
        let malformed = || Failure::Cluster(format!("CLUSTER SLOTS answered {reply:?}"));
        let Value::Array(ranges) = reply else { return Err(malformed()) };
        let mut layout = Layout { nodes: Vec::new(), owners: vec![NOBODY; SLOTS].into() };
        for range in ranges {
            let (first, last, address) = read_range(range, host).ok_or_else(malformed)?;
            let node = layout.node_index(address);
            layout.owners[first..=last].fill(node);
        }
        if layout.owners.contains(&NOBODY) {
            return Err(Failure::Cluster("the cluster does not serve all slots".to_string()));
        }
        Ok(layout)
    }

    /// Returns the addresses of the nodes; owners are indexes into them.
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// Returns the node that owns a slot.
    #[inline]
    pub fn owner(&self, slot: u16) -> usize {
        self.owners[slot as usize].into()
    }

    /// Takes note of `error` if it is `MOVED slot address`, sent by the node `from`. Returns
    /// whether it was.
    pub fn learn(&mut self, error: &[u8], from: usize) -> Result<bool, Failure> {
        let Some(rest) = error.strip_prefix(b"MOVED ") else { return Ok(false) };
        let text = String::from_utf8_lossy(rest);
        let mut words = text.split(' ');
        let slot = words.next().and_then(|word| word.parse::<usize>().ok());
        let (Some(slot @ ..SLOTS), Some(address)) = (slot, words.next()) else {
            return Err(Failure::Cluster(format!("a redirection reads MOVED {text}")));
        };
        let host = host_of(&self.nodes[from]);
        let address =
            if address.starts_with(':') { format!("{host}{address}") } else { address.to_string() };
        match self.nodes.iter().position(|node| *node == address) {
            Some(node) => self.owners[slot] = node as u16,
            None => {
                let text =
                    format!("slot {slot} moved to {address}, which was no node at the start");
                return Err(Failure::Cluster(text));
            }
        }
        Ok(true)
    }

    fn node_index(&mut self, address: String) -> u16 {
        let known = self.nodes.iter().position(|node| *node == address);
        known.unwrap_or_else(|| {
            self.nodes.push(address);
            self.nodes.len() - 1
        }) as u16
    }
}

/// Reads `[first slot, last slot, [host, port, ...], ...]`.
fn read_range(range: &Value, host: &str) -> Option<(usize, usize, String)> {
    let Value::Array(fields) = range else { return None };
    let [Value::Integer(first), Value::Integer(last), Value::Array(primary), ..] = &fields[..]
    else {
        return None;
    };
    let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
    let [named, Value::Integer(port), ..] = &primary[..] else { return None };
    let host = named.as_str().filter(|name| !name.is_empty() && *name != "?").unwrap_or(host);
    (first <= last && last < SLOTS).then(|| (first, last, format!("{host}:{port}")))
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Computes slots of keys that share their text and differ in a number.
#[derive(Clone, Debug)]
pub struct SlotHash {
    before: Vec<u8>,
    after: Vec<u8>,
    /// CRC16 of `before`, where the whole key counts.
    begun: u16,
    /// Whether the text has braces, so that only a part of the key may count.
    has_braces: bool,
}

impl SlotHash {
    /// Prepares for keys that are `before`, a number and `after`.
    pub fn new(before: &[u8], after: &[u8]) -> SlotHash {
        let has_braces = before.contains(&b'{') || after.contains(&b'{');
        let begun = crc16(0, before);
        SlotHash { before: before.to_vec(), after: after.to_vec(), begun, has_braces }
    }

    /// Returns the slot of the key with this number.
    #[inline]
    pub fn slot(&self, digits: &[u8]) -> u16 {
        if self.has_braces {
            let key = [&self.before, digits, &self.after].concat();
            return crc16(0, hash_tag(&key)) % SLOTS as u16;
        }
        crc16(crc16(self.begun, digits), &self.after) % SLOTS as u16
    }
}

/// Returns the part of a key that decides its slot (Redis Cluster specification, "Hash tags").
fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&byte| byte == b'}') {
        None | Some(0) => key,
        Some(close) => &rest[..close],
    }
}

/// CRC16 of XMODEM (polynomial 0x1021), continued from `crc`.
#[inline]
fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = crc16_table();
    bytes.iter().fold(crc, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

const fn crc16_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::decode;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(0, b"123456789"), 0x31C3);
        // From CLUSTER KEYSLOT of Redis 7.0.15.
        for (key, slot) in [("foo", 12182), ("{user1000}.following", 3443), ("foo{}{bar}", 8363)] {
            assert_eq!(crc16(0, hash_tag(key.as_bytes())) % SLOTS as u16, slot, "{key}");
        }
        let whole = |key: &[u8]| crc16(0, hash_tag(key)) % SLOTS as u16;
        for (before, after) in [("key:", ""), ("", ":x"), ("{a}", ""), ("a{", "}b"), ("{", "")] {
            let key = format!("{before}000000000042{after}");
            let hash = SlotHash::new(before.as_bytes(), after.as_bytes());
            assert_eq!(hash.slot(b"000000000042"), whole(key.as_bytes()), "{key}");
        }
    }

    fn layout(second: &str) -> Result<Layout, Failure> {
        let reply = format!(
            "*2\r\n*3\r\n:0\r\n:99\r\n*3\r\n$0\r\n\r\n:7000\r\n+id\r\n\
             *4\r\n:100\r\n:{second}\r\n*2\r\n$8\r\n10.0.0.2\r\n:7001\r\n*2\r\n+replica\r\n:1\r\n"
        );
        Layout::read(&decode(reply.as_bytes()).unwrap(), "127.0.0.1")
    }

    #[test]
    fn layouts_are_read_and_redirections_learnt() {
        let mut layout = layout("16383").unwrap();
        assert_eq!(layout.nodes(), ["127.0.0.1:7000", "10.0.0.2:7001"]);
        assert_eq!((layout.owner(99), layout.owner(100)), (0, 1));
        assert!(layout.learn(b"MOVED 5 10.0.0.2:7001", 0).unwrap());
        assert!(layout.learn(b"MOVED 100 :7000", 0).unwrap());
        assert_eq!((layout.owner(5), layout.owner(100)), (1, 0));
        assert!(!layout.learn(b"ERR other", 0).unwrap());
        for bad in ["MOVED", "MOVED x y", "MOVED 16384 10.0.0.2:7001", "MOVED 1 10.0.0.9:1"] {
            assert!(layout.learn(bad.as_bytes(), 0).ok() != Some(true), "{bad}");
        }
    }

    #[test]
    fn a_cluster_with_gaps_or_without_sense_is_refused() {
        assert!(layout("16000").is_err());
        assert!(layout("16384").is_err());
        assert!(Layout::read(&Value::Text("OK".to_string()), "h").is_err());
    }
}
