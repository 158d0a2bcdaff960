"""Times face_recognition (dlib, HOG) on the frames that `rollcall face bench --write-frames` wrote. One thread.

usage: face_recognition_bench.py FOLDER     prints JSON: medians in ms
"""

import json
import pathlib
import statistics
import sys
import time

import face_recognition

detect, embed, total, missed = [], [], [], 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jpg")):
    image = face_recognition.load_image_file(path)
    began = time.perf_counter()
    boxes = face_recognition.face_locations(image, model="hog")
    found = time.perf_counter()
    if not boxes:
        missed += 1
        continue
    face_recognition.face_encodings(image, known_face_locations=boxes[:1])
    done = time.perf_counter()
    detect.append((found - began) * 1e3)
    embed.append((done - found) * 1e3)
    total.append((done - began) * 1e3)
print(json.dumps({
    "photos": len(total), "no_face": missed, "detect_ms": statistics.median(detect),
    "embed_ms": statistics.median(embed), "total_ms": statistics.median(total),
}))
