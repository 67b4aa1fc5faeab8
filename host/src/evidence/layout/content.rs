//! Layers, hashed as they are stored and as they are unpacked, in one pass and constant memory.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{LayoutError, Stream};
use crate::digest::{Digest, Mismatch, Verifier};
use crate::evidence::manifest::Compression;

/// How much is read at once, in bytes.
pub(in crate::evidence) const PIECE: usize = 128 << 10;

/// A frame of nothing. A decoder's first frame is not held to the bound on its window (100 MiB), the next ones are.
const EMPTY_FRAME: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0];

/// Why a layer is wrong, before its number is put to it.
pub(super) enum Fault {
    Mismatch(Mismatch),
    Compression(String),
    Read(io::Error),
}

impl Fault {
    pub(super) fn of(self, number: usize) -> LayoutError {
        match self {
            Self::Mismatch(mismatch) => LayoutError::Layer { number, mismatch },
            Self::Compression(why) => LayoutError::Compression { number, why },
            Self::Read(error) => LayoutError::Read { path: format!("layer {number}"), error },
        }
    }
}

/// Hashes what is stored against `blob`, and what it unpacks to against the digest of the layer's archive.
///
/// The stored bytes are judged first: those of an edited file seldom decompress, but that is not the news.
pub(super) fn prove(stream: Stream<'_>, blob: &Digest, unpacked: Option<(&Digest, Compression)>) -> Result<(), Fault> {
    let mut source = BufReader::with_capacity(PIECE, Tee { inner: stream.reader, verifier: Verifier::new(*blob) });
    // what is stored as it is needs no second hash by the same algorithm
    let unpacked = unpacked.filter(|(digest, compression)| *compression != Compression::None || *digest != blob);
    let decoded = unpacked.map(|(digest, compression)| hash_decoded(&mut source, digest, compression));
    feed(&mut source, |_| ()).map_err(Fault::Read)?;
    source.into_inner().verifier.finish().map_err(Fault::Mismatch)?;
    match decoded {
        None => Ok(()),
        Some(Ok(verifier)) => verifier.finish().map_err(Fault::Mismatch),
        Some(Err(error)) => Err(Fault::Compression(error.to_string())),
    }
}

fn hash_decoded(source: &mut impl BufRead, expected: &Digest, compression: Compression) -> io::Result<Verifier> {
    let mut verifier = Verifier::new(*expected);
    decode(source, compression, |piece| verifier.update(piece))?;
    Ok(verifier)
}

/// Gives what `source` unpacks to to `take`, piece by piece.
pub(in crate::evidence) fn decode(
    source: &mut impl BufRead,
    compression: Compression,
    take: impl FnMut(&[u8]),
) -> io::Result<()> {
    match compression {
        Compression::None => feed(source, take),
        Compression::Gzip => feed(&mut MultiGzDecoder::new(source), take),
        Compression::Zstd => feed(&mut Zstd::new(source)?, take),
        Compression::Other => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Gives all that `reader` has to `take`, piece by piece.
pub(in crate::evidence) fn feed(reader: &mut impl Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => take(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes what is read through it.
struct Tee<R> {
    inner: R,
    verifier: Verifier,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.verifier.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Frames of zstd one after another, as RFC 8878 allows, with skippable ones between.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> io::Result<Self> {
        let mut decoder = FrameDecoder::new();
        decoder.init(EMPTY_FRAME.as_slice()).map_err(io::Error::other)?;
        decoder
            .decode_blocks(EMPTY_FRAME.get(6..).unwrap_or_default(), BlockDecodingStrategy::All)
            .map_err(io::Error::other)?;
        Ok(Self { source, decoder })
    }

    /// Begins the next frame. `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    feed(&mut (&mut self.source).take(u64::from(length)), |_| ())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if !self.decoder.is_finished() {
                let some = BlockDecodingStrategy::UptoBytes(buffer.len());
                self.decoder.decode_blocks(&mut self.source, some).map_err(io::Error::other)?;
            } else if !self.next_frame()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression as GzipLevel;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;
    use crate::digest::{Algorithm, Hasher};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn check(stored: &[u8], unpacked: &[u8], compression: Compression) -> Result<(), Fault> {
        let stream = Stream { reader: Box::new(stored), len: stored.len() as u64 };
        prove(stream, &Digest::sha256(stored), Some((&Digest::sha256(unpacked), compression)))
    }

    fn sample() -> Vec<u8> {
        (0u32..300_000).flat_map(|n| (n / 7).to_le_bytes()).collect()
    }

    #[test]
    fn every_compression_is_unpacked_in_one_pass() {
        let bytes = sample();
        assert!(check(&bytes, &bytes, Compression::None).is_ok());
        assert!(check(&gzip(&bytes), &bytes, Compression::Gzip).is_ok());
        assert!(check(&zstd(&bytes), &bytes, Compression::Zstd).is_ok());
        assert!(check(&gzip(b""), b"", Compression::Gzip).is_ok());
        assert!(check(&zstd(b""), b"", Compression::Zstd).is_ok());
    }

    #[test]
    fn members_and_frames_follow_each_other() {
        let twice = [gzip(b"one"), gzip(b"two")].concat();
        assert!(check(&twice, b"onetwo", Compression::Gzip).is_ok());
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let frames = [zstd(b"one"), skippable.to_vec(), zstd(b"two"), skippable.to_vec()].concat();
        assert!(check(&frames, b"onetwo", Compression::Zstd).is_ok());
    }

    #[test]
    fn what_follows_or_is_cut_off_is_refused() {
        for (stored, compression) in [(gzip(&sample()), Compression::Gzip), (zstd(&sample()), Compression::Zstd)] {
            let followed = [stored.clone(), b"garbage".to_vec()].concat();
            assert!(matches!(check(&followed, &sample(), compression), Err(Fault::Compression(_))));
            let cut = &stored[..stored.len() - 5];
            assert!(matches!(check(cut, &sample(), compression), Err(Fault::Compression(_))));
            assert!(matches!(check(&stored, b"other", compression), Err(Fault::Mismatch(_))));
            assert!(check(b"plain", b"plain", compression).is_err());
        }
    }

    #[test]
    fn an_edited_blob_is_a_mismatch_before_it_is_anything_else() {
        let (stored, mut edited) = (gzip(&sample()), gzip(&sample()));
        edited[100] ^= 1;
        let stream = Stream { reader: Box::new(edited.as_slice()), len: 0 };
        let unpacked = Digest::sha256(&sample());
        let found = prove(stream, &Digest::sha256(&stored), Some((&unpacked, Compression::Gzip)));
        assert!(matches!(found, Err(Fault::Mismatch(lie)) if *lie.expected == Digest::sha256(&stored)));
    }

    #[test]
    fn a_giant_window_is_refused() {
        let window_of_a_gigabyte = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0, 1, 0, 0];
        let found = check(&window_of_a_gigabyte, b"", Compression::Zstd);
        assert!(matches!(found, Err(Fault::Compression(why)) if why.contains("window")));
    }

    #[test]
    fn a_stream_longer_than_any_buffer_is_hashed() {
        let long = io::repeat(7).take(4 << 20);
        let mut hasher = Hasher::new(Algorithm::Sha256);
        feed(&mut io::repeat(7).take(4 << 20), |piece| hasher.update(piece)).unwrap();
        let stream = Stream { reader: Box::new(long), len: 4 << 20 };
        assert!(prove(stream, &hasher.finish(), None).is_ok());
    }
}
