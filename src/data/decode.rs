//! Image files to upright 8-bit RGB.

use crate::error::{Error, Result};
use image::error::{ImageError, LimitErrorKind, UnsupportedErrorKind};
use image::{AnimationDecoder, DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// How many bytes at the start of a file tell its format.
const SIGNATURE_LEN: usize = 32;

/// Extensions (lower case) of the formats that can be decoded.
const EXTENSIONS: [&str; 9] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif"];

/// Whether a file name's extension is one of a format that can be decoded.
pub fn has_picture_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, ext)| {
        let ext = ext.to_ascii_lowercase();
        !stem.is_empty() && (EXTENSIONS.contains(&ext.as_str()) || ext == "tiff" || ext == "apng")
    })
}

/// Whether the file begins like a picture that can be decoded. False also where it cannot be read.
pub fn has_picture_content(path: &Path) -> bool {
    File::open(path).and_then(|f| signature(&mut BufReader::new(f))).is_ok_and(|s| format_of(&s).is_ok())
}

/// Whether a file has a picture's name or content, which [`decode_file`] then judges.
pub fn may_be_picture(path: &Path) -> bool {
    path.file_name().is_some_and(|n| has_picture_extension(&n.to_string_lossy())) || has_picture_content(path)
}

/// Decodes a picture by its content, not its name: JPEG, PNG, WebP, GIF (first frame), BMP, TIFF; EXIF orientation applied;
/// grey, alpha (on white), palette, 16-bit and CMYK to RGB8. 16-bit values are divided by 257 and rounded.
///
/// # Errors
/// If the file cannot be read or decoded, or has more than `max_megapixels` million pixels; the message says which.
pub fn decode_file(path: &Path, max_megapixels: f64) -> Result<RgbImage> {
    let bytes = read_picture(path, max_megapixels)?;
    decode_bytes(&bytes, max_megapixels).map_err(|e| e.with_path(path))
}

/// [`decode_file`] on a file's content in memory.
///
/// # Errors
/// If the content cannot be decoded, or has more than `max_megapixels` million pixels; the message says which.
pub fn decode_bytes(bytes: &[u8], max_megapixels: f64) -> Result<RgbImage> {
    if bytes.is_empty() {
        return Err(empty());
    }
    let format = format_of(bytes)?;
    // A decoder that meets a file its authors did not think of must not end the whole job.
    std::panic::catch_unwind(|| decode_as(format, bytes, max_megapixels))
        .unwrap_or_else(|_| Err(Error::input("is damaged: its decoder failed")))
}

fn decode_as(format: ImageFormat, bytes: &[u8], max_megapixels: f64) -> Result<RgbImage> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    // Sixteen-bit RGBA is the widest that any decoder makes; the rest is for its own tables.
    let max_alloc = (max_megapixels * 1e6 * 8.0) as u64 + (64 << 20);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_alloc);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|e| reason(format, &e))?;
    check_size(decoder.dimensions(), max_megapixels)?;
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(truncated());
    }
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|e| reason(format, &e))?;
    if image.color().has_alpha() {
        image = DynamicImage::ImageRgb8(on_white(&image.into_rgba8()));
    }
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// Reads a picture file whole, after its first bytes and its length have been found plausible.
///
/// # Errors
/// If it cannot be read, is not a plain file, is empty, is no picture, or is too long to hold `max_megapixels`.
pub fn read_picture(path: &Path, max_megapixels: f64) -> Result<Vec<u8>> {
    let io = |e: &std::io::Error| Error::io("read", path, e);
    // Before opening: opening a named pipe would wait for a writer for ever.
    let meta = std::fs::metadata(path).map_err(|e| io(&e))?;
    if !meta.is_file() {
        return Err(Error::input("is not a file").with_path(path));
    }
    if meta.len() == 0 {
        return Err(empty().with_path(path));
    }
    let mut file = File::open(path).map_err(|e| io(&e))?;
    let head = signature(&mut file).map_err(|e| io(&e))?;
    format_of(&head).map_err(|e| e.with_path(path))?;
    // Uncompressed 16-bit RGBA, and as much again as metadata: nothing that decodes within the limit is longer.
    let longest = max_megapixels * 1e6 * 16.0 + 64e6;
    if meta.len() as f64 > longest {
        let mb = meta.len() as f64 / 1e6;
        return Err(Error::input(format!("the file is too large for a picture ({mb:.0} MB)")).with_path(path));
    }
    let mut bytes = head;
    bytes.reserve(usize::try_from(meta.len()).unwrap_or(0));
    file.read_to_end(&mut bytes).map_err(|e| io(&e))?;
    Ok(bytes)
}

/// Whether a picture has more than one frame, of which only the first is used.
pub(super) fn is_animated(bytes: &[u8]) -> bool {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Gif) => image::codecs::gif::GifDecoder::new(Cursor::new(bytes))
            .is_ok_and(|d| d.into_frames().take(2).filter(|f| f.is_ok()).count() == 2),
        // The animation bit of the extended header.
        Ok(ImageFormat::WebP) => {
            bytes.get(12..16) == Some(b"VP8X") && bytes.get(20).is_some_and(|f| f & 2 != 0)
        }
        _ => false,
    }
}

fn signature(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(SIGNATURE_LEN);
    file.take(SIGNATURE_LEN as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// The format that the first bytes tell.
fn format_of(bytes: &[u8]) -> Result<ImageFormat> {
    use ImageFormat as F;
    let known = image::guess_format(bytes).ok();
    if let Some(f @ (F::Jpeg | F::Png | F::WebP | F::Gif | F::Bmp | F::Tiff)) = known {
        return Ok(f);
    }
    let other = match (known, bytes.get(4..12)) {
        (_, Some(b"ftypavif" | b"ftypavis")) => Some("an AVIF"),
        (_, Some([b'f', b't', b'y', b'p', b'h', b'e', ..] | b"ftypmif1")) => Some("a HEIC"),
        (Some(F::Avif), _) => Some("an AVIF"),
        (Some(F::Ico), _) => Some("an ICO"),
        (Some(F::OpenExr), _) => Some("an OpenEXR"),
        (Some(F::Hdr), _) => Some("a Radiance HDR"),
        (Some(F::Qoi), _) => Some("a QOI"),
        (Some(F::Pnm), _) => Some("a PNM"),
        (Some(F::Dds), _) => Some("a DDS"),
        _ => None,
    };
    Err(match other {
        Some(name) => Error::input(format!("is {name} picture, which Headstart does not read"))
            .with_hint("Convert it to JPEG or PNG"),
        None => Error::input("is not a picture: its content is of no known format"),
    })
}

fn empty() -> Error {
    Error::input("is empty (0 bytes)")
}

fn truncated() -> Error {
    Error::input("is cut short: the file ends before the picture does")
}

fn check_size((w, h): (u32, u32), max_megapixels: f64) -> Result<()> {
    if w == 0 || h == 0 {
        return Err(Error::input(format!("has no pixels ({w}x{h})")));
    }
    let megapixels = f64::from(w) * f64::from(h) / 1e6;
    if megapixels > max_megapixels {
        return Err(Error::input(format!(
            "has too many pixels: {w}x{h} is {megapixels:.0} million, the limit is {max_megapixels:.0} million"
        ))
        .with_hint("Raise data.max_megapixels if the picture is genuine"));
    }
    Ok(())
}

/// A decoder's error in plain words.
fn reason(format: ImageFormat, e: &ImageError) -> Error {
    let name = format!("{format:?}").to_uppercase();
    match e {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => truncated(),
        ImageError::Limits(l) if matches!(l.kind(), LimitErrorKind::InsufficientMemory) => {
            Error::input(format!("needs more memory to decode than its limit of pixels allows ({name})"))
        }
        ImageError::Unsupported(u) => {
            let what = match u.kind() {
                UnsupportedErrorKind::Color(_) => " (its colours are stored in an unusual way)".to_owned(),
                _ => in_brackets(&u.to_string()),
            };
            Error::input(format!("is a kind of {name} that Headstart does not read{what}"))
                .with_hint("Convert it to an ordinary JPEG or PNG")
        }
        other => {
            let text = other.to_string();
            let lower = text.to_lowercase();
            if ["unexpected end", "unexpected eof", "eof", "failed to fill"].iter().any(|t| lower.contains(t))
            {
                truncated()
            } else {
                Error::input(format!("is damaged{}", in_brackets(&text)))
            }
        }
    }
}

/// A decoder's own words, unless they are its program's: those help nobody.
fn in_brackets(text: &str) -> String {
    let of_a_program = ["Some(", "None", "Unknown(", "Ok(", "Err(", "::", "{"];
    // Decoders put the cause on a line of its own.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() || of_a_program.iter().any(|t| text.contains(t)) {
        return String::new();
    }
    format!(" ({})", text.trim_end_matches('.'))
}

/// Whether a JPEG's end marker follows its picture data: the decoder itself fills what is missing with grey.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    let mut seen_scan = false;
    while let Some(&byte) = bytes.get(at) {
        if byte != 0xFF {
            // Picture data of a scan, or (in files with small faults) padding between segments.
            at += 1;
            continue;
        }
        match bytes.get(at + 1) {
            None => return false,
            Some(0xFF) => at += 1,
            // A stuffed byte, restart markers, markers without a length.
            Some(0x00 | 0x01 | 0xD0..=0xD8) => at += 2,
            Some(0xD9) => return seen_scan,
            Some(&marker) => {
                seen_scan |= marker == 0xDA;
                let (Some(&hi), Some(&lo)) = (bytes.get(at + 2), bytes.get(at + 3)) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([hi, lo])).max(2);
            }
        }
    }
    false
}

/// Alpha composited on white.
fn on_white(image: &image::RgbaImage) -> RgbImage {
    let mut out = RgbImage::new(image.width(), image.height());
    for (o, p) in out.pixels_mut().zip(image.pixels()) {
        let [r, g, b, a] = p.0.map(u32::from);
        o.0 = [r, g, b].map(|c| ((c * a + 255 * (255 - a) + 127) / 255) as u8);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::in_brackets;

    #[test]
    fn a_decoder_s_words_are_told_in_one_line_and_a_program_s_are_not() {
        assert_eq!(
            in_brackets("The chunk is broken.\n  Its sum is wrong.\n"),
            " (The chunk is broken. Its sum is wrong)"
        );
        assert_eq!(in_brackets("kind: Some(\n3)"), "");
        assert_eq!(in_brackets(" \n"), "");
    }
}
