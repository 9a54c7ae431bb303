"""Hostile and odd files in, honest pixels out."""

import hashlib
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from short_drama.domain.errors import ImageRejected
from short_drama.domain.sizes import MAX_PIXELS
from short_drama.images import codec
from short_drama.images.codec import Pixels, decode, encode, normalise, sniff
from short_drama.images.labels import Label, SourceType
from short_drama.images.structure import JPEG, MAX_BYTES, MAX_BYTES_OF_OURS, PNG, WEBP

LABEL = Label.of_job(SourceType.COMPOSITE_CAPTURE, engine="local", kind="face-swap", job_id="j1")
CONTENT_TYPES = (PNG, JPEG, WEBP)
FORMATS = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP"}


def picture(width: int = 48, height: int = 32) -> Pixels:
    """Four quarters of different colours, smooth enough for JPEG."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (200, 40, 40)
    pixels[: height // 2, width // 2 :] = (40, 180, 40)
    pixels[height // 2 :, : width // 2] = (40, 40, 200)
    pixels[height // 2 :, width // 2 :] = (180, 180, 40)
    return pixels


def saved(image: Image.Image, content_type: str = PNG, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, FORMATS[content_type], **options)
    return out.getvalue()


def rgb() -> Image.Image:
    return Image.fromarray(picture())


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(body), name) + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *, bits: int, colour: int = 0, extra: bytes = b"") -> bytes:
    """A black PNG, made without its pixels ever being in memory."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * bits * channels + 7) // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), extra, chunk(b"IDAT", body), chunk(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def assert_close(actual: Pixels, expected: Any, tolerance: int = 8) -> None:
    assert actual.shape == np.shape(expected)
    assert np.abs(actual.astype(int) - np.asarray(expected).astype(int)).mean() <= tolerance


# --- What is accepted -----------------------------------------------------------------------


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_each_format_comes_back(content_type: str) -> None:
    data = encode(picture(), content_type, label=None)
    result = decode(data)
    assert (sniff(data), result.content_type) == (content_type, content_type)
    assert (result.size, result.label) == ((48, 32), None)
    assert_close(result.pixels, picture(), 2)


@pytest.mark.parametrize("content_type", [PNG, WEBP])
def test_png_and_webp_are_written_without_loss(content_type: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8)
    assert np.array_equal(decode(encode(noise, content_type, label=None)).pixels, noise)


def test_png_is_written_without_opencv_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_WITH_OPENCV", False)
    monkeypatch.delattr(codec, "cv2")
    data = encode(picture(), PNG, label=None)
    assert np.array_equal(decode(data).pixels, picture())


def test_jpeg_keeps_the_colour_of_single_pixels() -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    assert_close(decode(encode(stripes, JPEG, label=None)).pixels, stripes, 6)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, content_type: str) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turned = rgb().transpose(undo[orientation]) if orientation in undo else rgb()
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = decode(saved(turned, content_type, exif=exif))
    assert_close(result.pixels, picture())
    assert result.pixels.flags.c_contiguous


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("orientation", [None, 1])
def test_orientation_that_only_xmp_names_is_what_an_editor_left_behind(
    content_type: str, orientation: int | None
) -> None:
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    options: dict[str, Any] = {"exif": exif, "xmp": xmp.encode()}
    if content_type == PNG:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    assert_close(decode(saved(rgb(), content_type, **options)).pixels, picture())


@pytest.mark.filterwarnings("ignore")  # Pillow warns of it
@pytest.mark.parametrize("start", [b"II*\0\xff\xff\xff\x7f", b"no TIFF header"])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_broken_exif_is_ignored(start: bytes, content_type: str) -> None:
    broken = b"Exif\0\0" + start + b"\xff" * 40
    assert_close(decode(saved(rgb(), content_type, exif=broken)).pixels, picture())


def test_cmyk_has_its_colours() -> None:
    assert_close(decode(saved(rgb().convert("CMYK"), JPEG, quality=95)).pixels, picture())


@pytest.mark.parametrize(("mode", "expected"), [("L", "L"), ("1", "1")])
def test_grey_and_black_and_white(mode: str, expected: str) -> None:
    image = rgb().convert(mode)
    assert np.array_equal(decode(saved(image)).pixels, np.asarray(image.convert("RGB")))


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 48 * 32).reshape(32, 48).astype(np.uint16)
    pixels = decode(saved(Image.fromarray(ramp))).pixels
    assert np.array_equal(pixels[..., 0], ramp >> 8)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_sixteen_bit_colour_is_scaled() -> None:
    row = np.array([0x0000, 0x7FFF, 0xFFFF] * 16, ">u2").tobytes()
    body = zlib.compress((b"\0" + row) * 16)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND")
    assert decode(data).pixels[0, 0].tolist() == [0, 127, 255]


def test_palette() -> None:
    image = rgb().quantize(8)
    assert np.array_equal(decode(saved(image)).pixels, np.asarray(image.convert("RGB")))


def test_transparency_is_laid_on_white() -> None:
    half = Image.new("RGBA", (16, 16), (255, 0, 0, 128))
    assert decode(saved(half)).pixels[0, 0].tolist() == [255, 127, 127]
    hidden = Image.new("LA", (16, 16), (0, 0))
    assert decode(saved(hidden)).pixels[0, 0].tolist() == [255, 255, 255]
    keyed = Image.new("RGB", (16, 16), (1, 2, 3))
    assert decode(saved(keyed, transparency=(1, 2, 3))).pixels[0, 0].tolist() == [255, 255, 255]
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    assert decode(saved(palette, transparency=1)).pixels[0, 0].tolist() == [255, 255, 255]


def profile(*, red_and_green_swapped: bool) -> bytes:
    """sRGB, or sRGB with the colorant tags of two channels exchanged: easy to recognise."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if not red_and_green_swapped:
        return data
    return data.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")


@pytest.mark.parametrize(
    ("bits", "colour", "samples"),
    [
        (1, 0, [1]),
        (2, 0, [1]),
        (4, 0, [9]),
        (8, 0, [77]),
        (16, 0, [0x1234]),
        (16, 0, [7]),
        (8, 2, [1, 2, 3]),
        (16, 2, [0x1234, 0x5678, 0x9ABC]),
    ],
)
def test_a_pngs_transparent_colour_is_white_whatever_its_depth(
    bits: int, colour: int, samples: list[int]
) -> None:
    """The left half is of that colour, the right half black."""
    named = struct.pack(f">{len(samples)}H", *samples)
    row = "".join(f"{sample:0{bits}b}" for sample in samples) * 16 + "0" * bits * len(samples) * 16
    packed = b"\0" + int(row, 2).to_bytes(len(row) // 8)
    head = struct.pack(">IIBBBBB", 32, 16, bits, colour, 0, 0, 0)
    body = chunk(b"tRNS", named) + chunk(b"IDAT", zlib.compress(packed * 16)) + chunk(b"IEND")
    pixels = decode(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body).pixels
    assert (pixels[:, :16] == 255).all()
    assert (pixels[:, 16:] == 0).all()


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_colour_profile_is_applied(content_type: str) -> None:
    data = saved(rgb(), content_type, icc_profile=profile(red_and_green_swapped=True))
    assert_close(decode(data).pixels, picture()[..., [1, 0, 2]])


def nudged_profile(by: int) -> bytes:
    """sRGB with a slightly redder red: `by` / 65,536 of its X."""
    data = bytearray(profile(red_and_green_swapped=False))
    entry = data.index(b"rXYZ", 128)
    (body,) = struct.unpack_from(">I", data, entry + 4)
    (red,) = struct.unpack_from(">i", data, body + 8)
    struct.pack_into(">i", data, body + 8, red + by)
    return bytes(data)


@pytest.mark.parametrize(("by", "same"), [(0, True), (20, True), (50, False)])
def test_a_profile_that_is_srgb_by_another_name_changes_nothing(by: int, same: bool) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (128, 128, 3), np.uint8)
    data = saved(Image.fromarray(noise), icc_profile=nudged_profile(by))
    assert np.array_equal(decode(data).pixels, noise) is same


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("broken", [b"not a profile", b"\0" * 200])
def test_a_broken_profile_is_ignored(broken: bytes, mode: str) -> None:
    image = rgb().convert(mode)
    expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decode(saved(image, icc_profile=broken)).pixels, expected)


def test_a_profile_for_other_pixels_is_ignored() -> None:
    image = rgb().convert("L")
    data = saved(image, icc_profile=profile(red_and_green_swapped=True))
    assert np.array_equal(decode(data).pixels, np.asarray(image.convert("RGB")))


def test_a_tall_picture_is_put_together_in_order() -> None:
    tall = np.arange(300, dtype=np.uint16)[:, None, None] % 251 * np.ones((1, 20, 3))
    assert np.array_equal(decode(encode(tall.astype(np.uint8), PNG, label=None)).pixels, tall)


# --- What is refused ------------------------------------------------------------------------


def refusal(data: bytes) -> ImageRejected:
    with pytest.raises(ImageRejected) as raised:
        decode(data)
    assert raised.value.fix
    return raised.value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"GIF89a" + b"\0" * 40, "GIF"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"<svg/>", "SVG"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"%PDF-1.7", "PDF"),
        (b"BM" + b"\0" * 60, "BMP"),
        (b"II*\0" + b"\0" * 60, "TIFF"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 60, "HEIC"),
        (b"\0\0\0\x18ftypavif" + b"\0" * 60, "AVIF"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 60, "video"),
        (b'{"error": "not found"}', "JSON"),
        (b"hello", "unknown"),
        (b"RIFF\0\0\0\0WAVE", "unknown"),
    ],
)
def test_other_kinds_are_named(data: bytes, words: str) -> None:
    assert words in refusal(data).detail


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png(13300, 13300, bits=1), "13300 x 13300 pixels; at most 8192 a side"),
        (png(8000, 5001, bits=1), "40.0 megapixels; at most 40"),
        (png(8193, 512, bits=1), "at most 8192"),
        (png(15, 100, bits=8), "15 x 100 pixels; each side needs 16"),
        (png(16, 257, bits=8), "at most 16:1"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * MAX_BYTES, "20.0 MiB; at most 20"),
    ],
)
def test_limits_of_size(data: bytes, words: str) -> None:
    assert words in refusal(data).detail


def test_the_limits_themselves_are_accepted() -> None:
    assert decode(png(16, 256, bits=8)).size.height == 256
    assert decode(png(8192, 512, bits=1)).size.width == 8192


@pytest.mark.parametrize(
    "bomb",
    [png(13300, 13300, bits=1), png(13300, 13300, bits=8, colour=6), png(8192, 8192, bits=1)],
    ids=["1-bit", "rgba", "small sides"],
)
def test_a_bomb_is_refused_without_being_unpacked(bomb: bytes) -> None:
    assert len(bomb) < 1_000_000
    before = resident()
    tracemalloc.start()
    refusal(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20
    assert resident() - before < 8 * 2**20


@pytest.mark.parametrize(
    ("options", "at", "claim"),
    [
        ({}, 26, struct.pack("<HH", 13000, 13000)),
        ({"lossless": True}, 21, struct.pack("<I", 12999 | 12999 << 14)),
        ({"xmp": b"x"}, 24, (12999).to_bytes(3, "little") * 2),
    ],
    ids=["VP8", "VP8L", "VP8X"],
)
def test_a_webp_is_refused_by_the_size_it_claims(
    options: dict[str, Any], at: int, claim: bytes
) -> None:
    data = bytearray(saved(rgb(), WEBP, **options))
    data[at : at + len(claim)] = claim
    before = resident()
    assert "13000 x 13000 pixels" in refusal(bytes(data)).detail
    assert resident() - before < 8 * 2**20


def resident() -> int:
    """Bytes of memory the process has; Pillow's pixels are invisible to tracemalloc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_a_truncated_file_is_refused(part: float, content_type: str) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode(noise, content_type, label=None)
    assert "damaged or incomplete" in refusal(data[: max(12, int(len(data) * part))]).detail


@pytest.mark.parametrize("content_type", [PNG, WEBP])
def test_an_animation_is_refused(content_type: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    data = saved(frames[0], content_type, save_all=True, append_images=frames[1:], duration=100)
    assert "3 frames" in refusal(data).detail


def test_a_phone_photo_with_a_second_picture_inside_is_its_first_picture() -> None:
    out = BytesIO()
    rgb().save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (48, 32))], quality=95)
    assert_close(decode(out.getvalue()).pixels, picture())


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    data = saved(rgb(), JPEG, progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + last * 20 + b"\xff\xd9").size.width == 48
    assert "more than 64 scans" in refusal(data[:-2] + last * 64 + b"\xff\xd9").detail


@pytest.mark.parametrize(
    "filler",
    [b"\xff\xe1\0\2", b"\xff\xfe\0\2", b"\xff", b"\0", b"\xff\xf0", b"\xff\xd9", b"\xff\xd0"],
    ids=lambda filler: filler.hex(),
)
def test_a_jpeg_of_very_many_segments_is_refused(filler: bytes) -> None:
    data = saved(rgb(), JPEG)
    assert "512 segments" in refusal(data[:2] + b"\xff\xd9" + filler * 513 + data[2:]).detail


def test_what_follows_a_jpeg_does_not_count() -> None:
    assert (
        decode(saved(rgb(), JPEG) + b"\xff\xda\0\2" * 1000 + b"\xff\xe1\0\2" * 1000).size.width
        == 48
    )


@pytest.mark.parametrize("name", [b"teXt", b"tEXt", b"iCCP", b"fcTL"])
def test_a_png_of_very_many_chunks_is_refused(name: bytes) -> None:
    assert "chunks" in refusal(png(32, 32, bits=8, extra=chunk(name) * 513)).detail


def test_a_png_of_very_many_pieces_of_pixels_is_refused() -> None:
    assert decode(png(32, 32, bits=8, extra=chunk(b"IDAT") * 1000)).size.width == 32
    assert "chunks" in refusal(png(32, 32, bits=8, extra=chunk(b"IDAT") * 65_536)).detail


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"]), st.binary())
def test_random_bytes_are_refused_in_one_way(magic: bytes, rest: bytes) -> None:
    with pytest.raises(ImageRejected):
        normalise(magic + rest)


VALID = {
    "png": saved(rgb(), PNG, exif=Image.Exif(), icc_profile=profile(red_and_green_swapped=True)),
    "palette": saved(rgb().quantize(8), PNG, transparency=1),
    "jpeg": saved(rgb(), JPEG, icc_profile=profile(red_and_green_swapped=True)),
    "progressive": saved(rgb(), JPEG, progressive=True),
    "cmyk": saved(rgb().convert("CMYK"), JPEG),
    "webp": saved(rgb(), WEBP, exif=Image.Exif()),
    "lossless": saved(rgb(), WEBP, lossless=True),
    "labelled": encode(picture(), PNG, label=LABEL),
}


@settings(max_examples=400)
@given(st.sampled_from(sorted(VALID)), st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_in_one_way(name: str, draws: st.DataObject) -> None:
    data = bytearray(VALID[name])
    for _ in range(draws.draw(st.integers(1, 4))):
        at = draws.draw(st.integers(0, len(data) - 1))
        data[at : at + draws.draw(st.integers(0, 4))] = draws.draw(st.binary(max_size=6))
    try:
        result = normalise(bytes(data))
    except ImageRejected as refused:
        assert refused.detail  # noqa: PT017  both outcomes are fine
    else:
        assert result.content_type in CONTENT_TYPES


# --- Uploads --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept", "extension"), [(PNG, PNG, "png"), (JPEG, JPEG, "jpg"), (WEBP, PNG, "png")]
)
def test_an_upload_is_kept_in_a_format_everybody_reads(
    sent: str, kept: str, extension: str
) -> None:
    data = encode(picture(), sent, label=None)
    intake = normalise(data)
    assert (intake.content_type, intake.extension) == (kept, extension)
    assert intake.size == (48, 32)
    assert intake.sha256 == hashlib.sha256(data).hexdigest()
    assert sniff(intake.data) == kept
    assert_close(decode(intake.data).pixels, picture(), 2)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_jpeg_stays_as_small_as_it_was_sent_and_as_it_is_seen(
    quality: int, subsampling: str
) -> None:
    grain = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    soft = Image.fromarray(grain).resize((300, 200), Image.Resampling.BICUBIC)
    data = saved(soft, JPEG, quality=quality, subsampling=subsampling)
    kept = normalise(data).data
    assert len(kept) <= 1.02 * len(data)
    assert_close(decode(kept).pixels, decode(data).pixels, 2)


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_whatever_is_accepted_becomes_no_more_than_its_raw_pixels(
    content_type: str, mode: str
) -> None:
    """So that no upload is too large for the step that it is meant for."""
    if mode == "CMYK" and content_type != JPEG:
        return
    grain = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)
    data = saved(Image.fromarray(grain).convert(mode), content_type, quality=20)
    kept = normalise(data).data
    assert len(kept) <= 1.01 * grain.nbytes
    assert MAX_PIXELS * len(kept) / grain.size * 3 < MAX_BYTES_OF_OURS


def test_the_same_upload_becomes_the_same_bytes() -> None:
    data = saved(rgb(), JPEG)
    assert normalise(data) == normalise(data)


SECRET = b"GPS-and-script-payload"


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_nothing_of_the_original_file_survives(content_type: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    options: dict[str, Any] = {"exif": exif}
    if content_type == PNG:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", SECRET.decode())
    elif content_type == JPEG:
        options["comment"] = SECRET
        options["icc_profile"] = SECRET
    else:
        options["xmp"] = SECRET
    polyglot = saved(rgb(), content_type, **options) + b"PK\x03\x04" + SECRET
    assert polyglot.count(SECRET) >= 3
    assert SECRET not in normalise(polyglot).data
    assert b"PK\x03\x04" not in normalise(polyglot).data


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_label_survives_an_upload(content_type: str) -> None:
    intake = normalise(encode(picture(), content_type, label=LABEL))
    assert intake.label == LABEL
    assert decode(intake.data).label == LABEL
