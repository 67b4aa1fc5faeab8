//! A stream that is made while it is read: content of any length, or an export with one layer of it.

use std::io::{self, Chain, Cursor, Read, Repeat, Take};

/// The bytes that are repeated.
const FILL: u8 = 0x5a;

type Made = Chain<Chain<Cursor<Vec<u8>>, Take<Repeat>>, Cursor<Vec<u8>>>;

pub(crate) struct Generated(Made);

impl Generated {
    /// So many bytes.
    pub(crate) fn content(len: u64) -> Self {
        Self::around(Vec::new(), len, Vec::new())
    }

    /// An archive as `save` writes it, with a layer of so many bytes.
    pub(crate) fn export(len: u64) -> Self {
        let padding = vec![0; usize::try_from(len.next_multiple_of(512) - len).unwrap()];
        let named = br#"[{"Config":"c.json","RepoTags":null,"Layers":["l/layer.tar"]}]"#;
        let mut index = header("manifest.json", named.len() as u64);
        index.extend(named);
        index.resize(index.len().next_multiple_of(512) + 1024, 0);
        let after = [padding, index].concat();
        Self::around(header("l/layer.tar", len), len, after)
    }

    fn around(before: Vec<u8>, len: u64, after: Vec<u8>) -> Self {
        Self(Cursor::new(before).chain(io::repeat(FILL).take(len)).chain(Cursor::new(after)))
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// A tar header; a length beyond 8 GiB is written as GNU does.
fn header(path: &str, len: u64) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(124, &[&[0x80, 0, 0, 0][..], &len.to_be_bytes()].concat());
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(148, b"        ");
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    header.iter_mut().skip(148).zip(sum.bytes()).for_each(|(to, from)| *to = from);
    header.to_vec()
}
