"""Whether what ExifTool reads of a file is the same after it was restored: every tag that is gone, changed or new.

    python -m benchmarks.metadata FILE... [--no-network] [--all]

Each file is restored with `--quality fast`, and `exiftool -a -G1 -s -struct` of the source and of the result are compared. A difference is

- of the encoding, if it is of a kind in `ENCODING`, each with its reason;
- said, if a sentence that `unblur` prints for this file names it, by `SAID`;
- else unsaid. The exit code is 1 if there are any.

ExifTool by Phil Harvey is a program of its own: https://exiftool.org.
"""

import argparse
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import unblur
from unblur.errors import UnblurError
from unblur.io.image import format_note, output_suffix, read_image, write_image

__all__ = ["ENCODING", "SAID", "Difference", "compare", "main", "tags_of"]

ENCODING = {
    "the name, dates and size of the file, and ExifTool itself": "System:* ExifTool:*",
    "computed by ExifTool of other tags": "Composite:*",
    "the format of the result, where it is another one, which is said": "File:FileType File:FileTypeExtension File:MIMEType File:ExifByteOrder",
    "how the pixels are coded and where they are": (
        "File:EncodingProcess File:BitsPerSample File:ColorComponents File:YCbCrSubSampling File:BitDepth File:Num*Colors File:*Mask File:Planes "
        "File:BMPVersion File:ImageLength File:Compression File:RedEndpoint File:GreenEndpoint File:BlueEndpoint File:Gamma* File:ColorSpace "
        "JFIF:JFIFVersion JFIF:* Adobe:* PNG:ImageWidth PNG:ImageHeight PNG:BitDepth PNG:ColorType PNG:Compression PNG:Filter PNG:Interlace "
        "PNG:Palette PNG:Transparency PNG:SignificantBits PNG:BackgroundColor PNG:ProfileName RIFF:Alpha* RIFF:VP8* RIFF:WebP_Flags RIFF:*Scale RIFF:Image* "
        "GIF:GIFVersion GIF:ImageWidth GIF:ImageHeight GIF:HasColorMap GIF:ColorResolutionDepth GIF:BitsPerPixel GIF:BackgroundColor "
        "GIF:PixelAspectRatio IFD0:SubfileType IFD0:BitsPerSample IFD0:Compression IFD0:PhotometricInterpretation IFD0:FillOrder IFD0:Strip* "
        "IFD0:Tile* IFD0:RowsPerStrip IFD0:SamplesPerPixel IFD0:PlanarConfiguration IFD0:Predictor IFD0:ColorMap IFD0:ExtraSamples "
        "IFD0:SampleFormat IFD0:YCbCrCoefficients IFD0:YCbCrSubSampling IFD0:ReferenceBlackWhite IFD0:PageNumber IFD0:ThumbnailTIFF "
        "IFD0:CFA* IFD0:JpgFromRaw* File:ThumbnailImage"
    ),
    "how the pixels of HEIC, AVIF and JPEG XL are coded, and in how many tiles": (
        "QuickTime:MajorBrand QuickTime:MinorVersion QuickTime:CompatibleBrands QuickTime:Handler* QuickTime:HEVC* QuickTime:AV1* QuickTime:General* "
        "QuickTime:GenProfile* QuickTime:Constraint* QuickTime:MinSpatial* QuickTime:Parallelism* QuickTime:ChromaFormat QuickTime:ChromaSample* "
        "QuickTime:BitDepth* QuickTime:AverageFrameRate QuickTime:ConstantFrameRate QuickTime:NumTemporalLayers QuickTime:TemporalIDNested "
        "QuickTime:ImageSpatialExtent QuickTime:ImagePixelDepth QuickTime:CleanAperture QuickTime:MediaData* QuickTime:Color* "
        "QuickTime:TransferCharacteristics QuickTime:MatrixCoefficients QuickTime:VideoFullRangeFlag PNG-cICP:* Meta:PrimaryItemReference "
        "Meta:MetaImageSize QuickTime:PixelAspectRatio QuickTime:AV1* Jpeg2000:* ICC_Profile#2:* ICC-header#2:* XML:*"
    ),
    "the picture is upright, and of the size that it is": (
        "*:Orientation *:ImageWidth *:ImageHeight *:ExifImageWidth *:ExifImageHeight QuickTime:Rotation File:ImageSize"
    ),
    "a thumbnail or preview of the picture as it was": (
        "IFD1:* IFD2:* JFXX:Thumbnail* Photoshop:PhotoshopThumbnail *:PreviewImage* *:ThumbnailImage *:ThumbnailOffset *:ThumbnailLength "
        "*:OtherImage* SubIFD*:Preview* OpenEXR:Type"
    ),
    "how the flat picture of a Photoshop file is coded, and that a TIFF says the resolution twice": (
        "Photoshop:ImageWidth Photoshop:ImageHeight Photoshop:NumChannels Photoshop:BitDepth Photoshop:ColorMode Photoshop:Compression IFD0:ResolutionUnit "
        "Photoshop:LayerCount"
    ),
    "computed by ExifTool of IPTC that is the main one of the file": "File:CurrentIPTCDigest",
    "where the further pictures lie in the file": "MPImage*:MPImageStart MPImage*:MPImageLength",
    "the clock, the size and the rate of the coded stream": (
        "QuickTime:TimeScale Track*:MediaTimeScale Track*:AverageBitrate Track*:MaxBitrate Track*:BufferSize Track*:CompressorName "
        "QuickTime:MediaData* Track*:CompressorID Track*:VideoFrameRate QuickTime:PreferredVolume RIFF:* Track*:VendorID Matroska:MuxingApp "
        "Matroska:WritingApp Matroska:Duration Matroska:Encoder Matroska:DocTypeVersion Matroska:AlphaMode Track*:VideoCodecID Track*:AudioCodecID "
        "Track*:DefaultDuration Track*:*UID Matroska:*UID Track*:VideoScanType Track*:BitDepth Track*:PixelAspectRatio Track*:CodecID Track*:AudioChannels"
    ),
    "of the handler that FFmpeg writes for the timecode": "Track*:HandlerDescription",
}
"""Tags that may differ, by the reason why; names as `Group:Tag` of ExifTool, with `*` for any letters."""

SAID = {
    r"raw pixels": "SubIFD*:* PanasonicRaw:* IFD0:*Level* IFD0:*Matrix* IFD0:Camera*Calibration* IFD0:DNG*Version IFD0:Baseline* IFD0:AnalogBalance "
    "IFD0:AsShot* IFD0:Linear* IFD0:ShadowScale IFD0:*Illuminant* IFD0:RawData* IFD0:RawFormat IFD0:Sensor* IFD0:*Multiplier* "
    "IFD0:Noise* IFD0:YCbCrPositioning IFD0:PanasonicRawVersion IFD0:Profile* IFD0:ForwardMatrix* IFD0:ISO IFD0:Default* IFD0:Opcode* IFD0:Active* IFD0:BestQuality*",
    r"SubIFD|smaller versions": "SubIFD*:*",
    r"in its own way": "CanonRaw:* Canon:* IFD0:* ExifIFD:*",
    r"auxiliary|gain map": "*:AuxiliaryImageType XMP-x:XMPToolkit XMP-HDRGainMap:* XMP-hdrgm:* XMP-apdi:* XMP-GContainer:* MPF*:* MPImage*:*",
    r"rendering intent": "File:RenderingIntent",
    r"depth map": "*:AuxiliaryImageType XMP-apdi:* XMP-depthData:* XMP-depthBlurEffect:* XMP-portraitLightingEffect:* XMP-GDepth:*",
    r"not valid UTF-8": "XMP-*:*",
    r"further pictures": "*:AuxiliaryImageType IFD0:* ExifIFD:* GPS:* XMP-*:* ICC-header*:* ICC_Profile*:* Apple:* File:ExifByteOrder",
    r"MPF|previews behind": "MPF*:* MPImage*:*",
    r"second part of its XMP": "XMP-*:*",
    r"C2PA|JUMBF": "JUMBF:* C2PA*:* CBOR*:* JSON*:*",
    r"APP11": "JPEG-HDR:*",
    r"colour profile": "ICC-header:* ICC_Profile:* ICC-*:*",
    r"does not hold its EXIF": "IFD0:* ExifIFD:* GPS:* InteropIFD:*",
    r"does not hold its XMP": "XMP-*:*",
    r"Photoshop blocks": "IPTC*:* Photoshop:*",
    r"its layers": "Photoshop:Layer*",
    r"further metadata": "IPTC*:*",
    r"application segments": "*:*",
    r"a box `uuid`": "GeoTiff:* IFD0:*",
    r"XML": "XML*:*",
    r"behind the end of the picture": "PhotoMechanic:* AFCP:*",
    r"moov": "QuickTime:* Track*:*",
    r"64 KiB of EXIF": "IFD0:* ExifIFD:* *:MakerNote*",
    r"proof of origin \(C2PA\)": "JUMBF:*",
    r"the tag\(s\)": "Matroska:Tag* QuickTime:* Keys:* ItemList:* UserData:*",
    r"cannot be kept in": "Track*:* Matroska:*",
}
"""Tags that a sentence speaks of, by a regular expression that is found in it."""

IN_THE_PICTURE = "the colour profile of a JPEG XL is inside of the coded picture, where ExifTool does not read it"

LINE = re.compile(r"\[(.+?)\]\s+(\S+)\s*: ?(.*)")
NUMBERED = re.compile(r"^(ICC-header|ICC_Profile)\d+$")


@dataclass(frozen=True)
class Difference:
    """A tag that is not in both files with the same value.

    Attributes:
        tag: `Group:Tag`.
        before: values in the source, empty if it is new.
        after: values in the result, empty if it is gone.
        why: the reason, or the sentence that says it; empty if nothing does.
    """

    tag: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    why: str


def tags_of(path: Path) -> dict[str, set[str]]:
    """What ExifTool reads of a file: the values of each `Group:Tag`. Profiles behind the first, which are of tiles and thumbnails, count as it."""
    done = subprocess.run(
        [shutil.which("exiftool") or "exiftool", "-a", "-G1", "-s", "-struct", str(path.absolute())], capture_output=True, check=False
    )
    found: dict[str, set[str]] = {}
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if match := LINE.match(line):
            group = NUMBERED.sub(r"\1", match[1])
            found.setdefault(f"{group}:{match[2]}", set()).add(match[3].rstrip())
    return found


def compare(source: Path, result: Path, said: Iterable[str]) -> list[Difference]:
    """Compare the tags of two files.

    Args:
        source: as it was.
        result: as it is.
        said: the sentences of the program on what was not kept.
    """
    before, after = tags_of(source), tags_of(result)
    sentences = list(said)
    is_jxl = before.get("File:FileTypeExtension") == {"jxl"}
    differences = []
    for tag in sorted(before.keys() | after.keys()):
        gone, new = before.get(tag, set()), after.get(tag, set())
        if gone - new <= _elsewhere(tag, after) and new - gone <= _elsewhere(tag, before):
            continue
        if gone != new:
            why = IN_THE_PICTURE if not gone and is_jxl and tag.startswith("ICC") else _why(tag, sentences)
            differences.append(Difference(tag, tuple(sorted(gone - new)), tuple(sorted(new - gone)), why))
    return differences


def _elsewhere(tag: str, tags: dict[str, set[str]]) -> set[str]:
    """Values of a tag in all groups: a comment of GIF, for one, is in another group in a PNG."""
    name = tag.partition(":")[2]
    return {value for other, values in tags.items() if other.partition(":")[2] == name for value in values}


def _why(tag: str, sentences: list[str]) -> str:
    for reason, names in ENCODING.items():
        if _is_among(tag, names):
            return reason
    for sentence in sentences:
        for expression, names in SAID.items():
            if re.search(expression, sentence) and _is_among(tag, names):
                return f"said: {sentence}"
    return ""


def _is_among(tag: str, names: str) -> bool:
    return any(fnmatchcase(tag, name) for name in names.split())


def _restored(path: Path, folder: Path, *, network: bool) -> tuple[Path, tuple[str, ...]]:
    """Restore a file into a folder; gives the result and what was said. Without a network, a photo is only read and written."""
    if network:
        report = unblur.restore(path, folder, quality="fast", overwrite=True)
        if report.failed or report.target is None:
            raise UnblurError(report.outcomes[0].message)
        return report.target, report.warnings
    image = read_image(path)
    target = folder / f"result{output_suffix(path)}"
    return target, (*image.notes, *write_image(target, image, overwrite=True), format_note(path))


def _show(path: Path, differences: list[Difference], *, everything: bool) -> Iterator[str]:
    unsaid = [each for each in differences if not each.why]
    said = [each for each in differences if each.why.startswith("said: ")]
    yield f"{path}: {len(unsaid)} unsaid, {len(said)} said, {len(differences) - len(unsaid) - len(said)} of the encoding"
    for each in differences if everything else unsaid:
        yield f"  {each.tag}: {' | '.join(each.before)[:80] or '(new)'} → {' | '.join(each.after)[:80] or '(gone)'}  {each.why}".rstrip()


def main() -> None:
    """Compare the files of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--no-network", action="store_true", help="only read and write photos")
    parser.add_argument("--all", action="store_true", help="show all differences, with why each is there")
    arguments = parser.parse_args()
    if shutil.which("exiftool") is None:
        raise SystemExit("exiftool is not installed; see https://exiftool.org")
    unsaid = 0
    for path in arguments.files:
        with tempfile.TemporaryDirectory(prefix="unblur-") as folder:
            try:
                target, said = _restored(path, Path(folder), network=not arguments.no_network)
            except UnblurError as error:
                print(f"{path}: refused: {error}")
                continue
            differences = compare(path, target, said)
            unsaid += sum(not each.why for each in differences)
            print(*_show(path, differences, everything=arguments.all), sep="\n")
    if unsaid:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
