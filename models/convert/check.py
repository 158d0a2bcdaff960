"""Runs the TFLite originals and the ONNX models on real photos: every output's cosine must be ≥ 0.999.

usage: check.py FOLDER_OF_PHOTOS FOLDER_OF_ONNX     (run in the folder that convert works in)
"""
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import onnxruntime
import tensorflow as tf
from PIL import Image

PAIRS = [
    ("mediapipe/face_detection_short_range.tflite", "face_detection.onnx", 128, 127.5, 127.5),
    ("mediapipe/face_landmark.tflite", "face_landmarks.onnx", 192, 0.0, 255.0),
    ("package/android/src/main/assets/MobileFaceNet.tflite", "face_embedding.onnx", 112, 127.5, 128.0),
]


def cosine(a, b):
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return 1.0 if a.size == 1 else float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def main():
    photos = sorted(p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))[:40]
    worst = 1.0
    for tflite, name, size, mean, scale in PAIRS:
        interpreter = tf.lite.Interpreter(tflite)
        interpreter.allocate_tensors()
        session = onnxruntime.InferenceSession(os.path.join(sys.argv[2], name), providers=["CPUExecutionProvider"])
        lowest, largest = 1.0, 0.0
        for photo in photos:
            picture = Image.open(photo).convert("RGB")
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side)).resize((size, size))
            batch = int(interpreter.get_input_details()[0]["shape"][0])
            data = np.repeat((np.asarray(picture, np.float32)[None] - mean) / scale, batch, 0)
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], data)
            interpreter.invoke()
            expected = [interpreter.get_tensor(d["index"]) for d in interpreter.get_output_details()]
            found = session.run(None, {session.get_inputs()[0].name: data})
            for want in expected:
                got = min((o for o in found if o.size == want.size), key=lambda o: np.abs(o.ravel() - want.ravel()).max())
                lowest = min(lowest, cosine(want, got))
                largest = max(largest, float(np.abs(want.ravel() - got.ravel()).max()))
        print(f"{name}: {len(photos)} photos, lowest cosine {lowest:.6f}, largest difference {largest:.2e}")
        worst = min(worst, lowest)
    sys.exit(0 if worst >= 0.999 and photos else "outputs differ")


main()
