#!/usr/bin/env python3
"""Records the reference numbers that the face pipeline is compared with.

What it does
    1. makes a throw-away virtual environment and installs two packages with pip:
       mediapipe 0.10.14 (the reference face mesh) and scikit-image (for its portrait of the
       astronaut Eileen Collins, a NASA photograph in the public domain);
    2. runs the reference on the 512x512 picture in static mode, with refined landmarks;
    3. writes tests/fixtures/face/landmarks_astronaut.json: 478 landmarks and the detector's box
       and six key points, all in pixels of the picture (x right, y down, origin at the upper
       left corner of the upper left pixel). Numbers only; no pixel of the picture is written.

How to run it again
    python3.11 tests/record_landmarks.py            (needs pip, a package index and some 500 MB)

    PYTHON tests/record_landmarks.py --print
        measures the committed picture with the mediapipe that PYTHON has and prints the same numbers; nothing is
        installed or written. tests/tests/landmark_parity.rs asks for this where LSIE_MEDIAPIPE_PYTHON names such a PYTHON.

The committed numbers change only when the reference's version changes. The picture itself is
media/ingest/assets/presenter.png; its hash is recorded beside the numbers, so that a comparison on
another picture cannot pass by accident.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "media" / "ingest" / "assets" / "presenter.png"
OUTPUT = ROOT / "tests" / "fixtures" / "face" / "landmarks_astronaut.json"
PACKAGES = ["mediapipe==0.10.14", "scikit-image==0.26.0"]
INSIDE = "LSIE_RECORDING_ENVIRONMENT"


def main() -> None:
    """Makes the environment and runs this very file inside it."""
    if sys.argv[1:] == ["--print"]:
        show()
        return
    if os.environ.get(INSIDE):
        record()
        return
    with tempfile.TemporaryDirectory(prefix="lsie-record-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        subprocess.run([python, __file__], check=True, env={**os.environ, INSIDE: "1"})


def show() -> None:
    """Measures the committed picture with the reference that is installed here."""
    import numpy
    from PIL import Image

    picture = numpy.asarray(Image.open(PICTURE).convert("RGB"))
    json.dump(measure(picture, PICTURE.name), sys.stdout)


def record() -> None:
    """Measures with the reference and writes the numbers."""
    import skimage
    from skimage import data, io

    picture = data.astronaut()
    committed = io.imread(PICTURE)
    if committed.shape != picture.shape or (committed != picture).any():
        sys.exit(f"{PICTURE} is not scikit-image's astronaut picture")
    numbers = measure(picture, f"scikit-image {skimage.__version__} data.astronaut(), NASA, public domain")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(f"{OUTPUT.relative_to(ROOT)}: {len(numbers['landmarks'])} landmarks")


def measure(picture, name: str) -> dict:
    """What the reference says about a picture."""
    import mediapipe

    height, width, _ = picture.shape
    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True, min_detection_confidence=0.5
    ) as mesh:
        faces = mesh.process(picture).multi_face_landmarks
    if not faces:
        sys.exit("the reference found no face")
    landmarks = [[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark]

    with mediapipe.solutions.face_detection.FaceDetection(
        model_selection=0, min_detection_confidence=0.5
    ) as detector:
        detection = detector.process(picture).detections[0]
    box = detection.location_data.relative_bounding_box
    points = detection.location_data.relative_keypoints
    return {
        "origin": "written by tests/record_landmarks.py",
        "reference": f"mediapipe {mediapipe.__version__}, static mode, refined landmarks",
        "picture": {
            "name": name,
            "width": width,
            "height": height,
            "rgb_sha256": hashlib.sha256(picture.tobytes()).hexdigest(),
        },
        "unit": "px of the picture; z in the same unit, relative to the head's centre",
        "detection": {
            "score": detection.score[0],
            "box_x_y_width_height": [
                box.xmin * width,
                box.ymin * height,
                box.width * width,
                box.height * height,
            ],
            "key_points": [[p.x * width, p.y * height] for p in points],
        },
        "landmarks": landmarks,
    }


if __name__ == "__main__":
    main()
