"""Runs the TFLite originals and the ONNX models on real photos: every output must agree.

usage: check.py [--originals FOLDER] [FOLDER_OF_PHOTOS]...
       FOLDER holds the TFLite files, as `convert` leaves them (default: .cache/convert)
       without photos: those in the source package of PyPI's face_recognition, and the data folder where there is one

Vectors must have a cosine ≥ 0.9999, single numbers (logits) differ by ≤ 0.01. The models see what they see in use:
the detector the whole photo, the mesh a crop round the face found, the embedding the face aligned by five points.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tarfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import onnxruntime
import tensorflow as tf
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
MODELS, ROOT = HERE.parent, HERE.parent.parent
LEAST_COSINE, LARGEST_DIFFERENCE = 0.9999, 0.01
PHOTOS_PER_FOLDER = 60
TEMPLATE = np.array([(38.29, 51.70), (73.53, 51.50), (56.03, 71.74), (41.55, 92.37), (70.73, 92.20)])


class Pair:
    """One model, as TFLite and as ONNX."""

    def __init__(self, originals, name, mean, scale):
        self.name, self.mean, self.scale = name, mean, scale
        self.tflite = tf.lite.Interpreter(str(originals / f"{name}.tflite"))
        self.tflite.allocate_tensors()
        self.onnx = onnxruntime.InferenceSession(str(MODELS / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        (self.entry,) = self.tflite.get_input_details()
        self.side = int(self.entry["shape"][1])
        self.worst = {}  # output → (lowest cosine, largest difference)
        self.count = 0

    def run(self, *pictures):
        """Compares both on a batch of square pictures; returns the ONNX outputs by name."""
        data = (np.stack([np.asarray(p, np.float32) for p in pictures]) - self.mean) / np.float32(self.scale)
        self.tflite.set_tensor(self.entry["index"], data)
        self.tflite.invoke()
        names = [output.name for output in self.onnx.get_outputs()]
        found = dict(zip(names, self.onnx.run(names, {self.onnx.get_inputs()[0].name: data})))
        originals = {detail["name"]: self.tflite.get_tensor(detail["index"]) for detail in self.tflite.get_output_details()}
        if sorted(originals) != sorted(found):
            sys.exit(f"{self.name}: outputs are {sorted(found)}, the original's {sorted(originals)}")
        for name, want in originals.items():
            if want.shape != found[name].shape:
                sys.exit(f"{self.name}: {name} has shape {found[name].shape}, the original's {want.shape}")
            a, b = want.ravel().astype(np.float64), found[name].ravel().astype(np.float64)
            cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b))) if a.size > 1 else 1.0
            lowest, largest = self.worst.get(name, (1.0, 0.0))
            self.worst[name] = min(lowest, cosine), max(largest, float(np.abs(a - b).max()))
        self.count += 1
        return found

    def report(self):
        fine = self.count > 0
        for name, (lowest, largest) in self.worst.items():
            single = self.name == "face_landmarks" and name == "conv2d_31"
            fine &= largest <= LARGEST_DIFFERENCE if single else lowest >= LEAST_COSINE
            print(f"{self.name} {name}: {self.count} pictures, lowest cosine {lowest:.8f}, largest difference {largest:.1e}")
        return fine


def anchors():
    grids = [(16, 2), (8, 6)]
    return np.array([((x + 0.5) / n, (y + 0.5) / n) for n, each in grids for y in range(n) for x in range(n) for _ in range(each)])


def crop(picture, x, y, side, size):
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return picture.transform((size, size), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)


def align(picture, points, size):
    """The least-squares similarity that takes the five points to the template."""
    source, target = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    a = (source * target).sum() / (source**2).sum()
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / (source**2).sum()
    forward = np.array([[a, -b], [b, a]])
    back = np.linalg.inv(forward)
    shift = points.mean(0) - back @ TEMPLATE.mean(0)
    values = (*back[0], shift[0], *back[1], shift[1])
    return picture.transform((size, size), Image.Transform.AFFINE, values, Image.Resampling.BILINEAR)


def look(photo, detect, landmarks, embed):
    picture = Image.open(photo).convert("RGB")
    width, height = picture.size
    side = max(width, height)
    found = detect.run(crop(picture, width / 2, height / 2, side, detect.side))
    best = int(found["classificators"].argmax())
    if found["classificators"].ravel()[best] < 0:
        return
    x, y, w, h = found["regressors"][0, best, :4] / detect.side
    x, y = (x + anchors()[best, 0]) * side - (side - width) / 2, (y + anchors()[best, 1]) * side - (side - height) / 2
    crop_side = 1.5 * max(w, h) * side
    mesh = landmarks.run(crop(picture, x, y, crop_side, landmarks.side))["conv2d_21"].reshape(468, 3)
    points = mesh[:, :2] * crop_side / landmarks.side + (x - crop_side / 2, y - crop_side / 2)
    five = np.array([points[[33, 133]].mean(0), points[[362, 263]].mean(0), points[1], points[61], points[291]])
    face = align(picture, five, embed.side)
    embed.run(face, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def default_photos(cache):
    folder = cache / "face_recognition-1.3.0/tests/test_images"
    if not folder.is_dir():
        command = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--no-binary=:all:", "--no-build-isolation"]
        subprocess.run([*command, "face_recognition==1.3.0", "-d", str(cache)], check=True)
        with tarfile.open(cache / "face_recognition-1.3.0.tar.gz") as archive:
            archive.extractall(cache, filter="data")
    data = pathlib.Path(os.environ.get("ROLLCALL_DATA") or ROOT / "../shared/data")
    others = [data / name for name in ("nuaa_live", "lfw_folds1-5", "selfies")]
    return [folder] + [other for other in others if other.is_dir()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--originals", type=pathlib.Path, default=ROOT / ".cache/convert")
    parser.add_argument("photos", type=pathlib.Path, nargs="*")
    arguments = parser.parse_args()
    detect = Pair(arguments.originals, "face_detection", 127.5, 127.5)
    landmarks = Pair(arguments.originals, "face_landmarks", 0.0, 255.0)
    embed = Pair(arguments.originals, "face_embedding", 127.5, 128.0)
    for folder in arguments.photos or default_photos(arguments.originals):
        photos = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        for photo in photos[:: max(1, len(photos) // PHOTOS_PER_FOLDER)]:
            look(photo, detect, landmarks, embed)
    if not all([pair.report() for pair in (detect, landmarks, embed)]):
        sys.exit("the ONNX models and the originals differ")


main()
