#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""DICOM files for the lab, and the proof that they arrived.

dicom.py make DIR COUNT KILOBYTES   COUNT images of about that size, each a SOP instance of its own; every
                                    fourth is a picture that dcmtk's img2dcm made into DICOM
dicom.py compare SENT DIR...        every file of SENT lies in exactly one of the DIRs, and its data set
                                    is the same to the last bit; prints {"DIR's name": files, ...}

Pixels are noise from a fixed seed: nothing that cuts, repeats or swaps bytes goes unseen.
"""
import hashlib
import json
import os
import random
import subprocess
import struct
import sys

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def make_ct(path, name, pixels, width, height):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT_IMAGE
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["gantry lab", path, name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = Dataset()
    image.file_meta = meta
    image.is_little_endian, image.is_implicit_VR = True, False
    image.SOPClassUID = CT_IMAGE
    image.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    image.StudyDate, image.Modality = "20260101", "CT"
    image.PatientName, image.PatientID = f"LAB^{name}", name
    image.StudyInstanceUID = generate_uid(entropy_srcs=["study", path, name])
    image.SeriesInstanceUID = generate_uid(entropy_srcs=["series", path, name])
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = height, width
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 0
    image.PixelData = pixels
    image.save_as(path, write_like_original=False)


def make_picture(path, name, pixels, width, height):
    bmp = path + ".bmp"
    with open(bmp, "wb") as out:
        out.write(struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54))
        out.write(struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0))
        out.write(pixels)
    subprocess.run(["img2dcm", "-i", "BMP", "-k", f"PatientName=LAB^{name}", "-k", f"PatientID={name}",
                    bmp, path], check=True)
    os.unlink(bmp)


def make(directory, count, kilobytes):
    os.makedirs(directory, exist_ok=True)
    width = 512
    for i in range(count):
        name = f"{os.path.basename(directory)}-{i:03}"
        noise = random.Random(name)
        picture = i % 4 == 3
        height = max(1, kilobytes * 1024 // (width * (3 if picture else 2)))
        pixels = noise.randbytes(width * height * (3 if picture else 2))
        (make_picture if picture else make_ct)(os.path.join(directory, name + ".dcm"), name, pixels,
                                               width, height)


def read(path):
    """SOP instance UID, digest of the pixels, digest of the whole data set behind the file's own header."""
    with open(path, "rb") as file:
        raw = file.read()
    dataset = dcmread(path)
    # PS3.10: 128 bytes, "DICM", then (0002,0000) UL with the length of the rest of group 2.
    start = 144 + struct.unpack_from("<I", raw, 140)[0]
    return (str(dataset.SOPInstanceUID), hashlib.sha256(dataset.PixelData).hexdigest(),
            hashlib.sha256(raw[start:]).hexdigest())


def files(directory):
    return [os.path.join(directory, name) for name in sorted(os.listdir(directory))]


def compare(sent_directory, directories):
    sent = {}
    for path in files(sent_directory):
        uid, pixels, dataset = read(path)
        assert uid not in sent, f"{path}: SOP instance UID twice among the sent"
        sent[uid] = (pixels, dataset, path)
    found, wrong, counts = {}, [], {}
    for directory in directories:
        counts[os.path.basename(directory)] = len(files(directory))
        for path in files(directory):
            uid, pixels, dataset = read(path)
            if uid not in sent:
                wrong.append(f"{path}: {uid} was never sent")
                continue
            if uid in found:
                wrong.append(f"{path}: also at {found[uid]}")
            found[uid] = path
            if pixels != sent[uid][0]:
                wrong.append(f"{path}: pixels differ from {sent[uid][2]}")
            elif dataset != sent[uid][1]:
                wrong.append(f"{path}: data set differs from {sent[uid][2]}")
    wrong += [f"{path}: nowhere" for uid, (_, _, path) in sent.items() if uid not in found]
    print(json.dumps(counts))
    for line in wrong:
        print(line, file=sys.stderr)
    if not sent:
        print("nothing was sent", file=sys.stderr)
    return 1 if wrong or not sent else 0


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "make":
        return make(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    if len(sys.argv) > 3 and sys.argv[1] == "compare":
        return compare(sys.argv[2], sys.argv[3:])
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(main())
