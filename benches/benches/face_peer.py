"""The path that users of MediaPipe have: PyAV, RGB, Face Mesh with refined landmarks, tracking.

Called by the bench with a clip and the number of frames that do not count. Prints one line: frames, seconds of processor time for
all of the process, for decoding, for the colour conversion, for the mesh, and how many frames had a face.
"""

import os
import sys
import time

os.environ.setdefault("GLOG_minloglevel", "3")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import av  # noqa: E402
import mediapipe as mp  # noqa: E402


def main():
    clip, warm_up = sys.argv[1], int(sys.argv[2])
    mesh = mp.solutions.face_mesh.FaceMesh(
        static_image_mode=False,
        max_num_faces=1,
        refine_landmarks=True,
        min_detection_confidence=0.5,
        min_tracking_confidence=0.5,
    )
    decoding = converting = meshing = 0.0
    frames = faces = 0
    start = time.process_time()
    with av.open(clip) as container:
        stream = container.streams.video[0]
        # One thread: otherwise decoding runs ahead and counts into the other stages.
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        pictures = container.decode(stream)
        for number in range(1 << 30):
            if number == warm_up:
                decoding = converting = meshing = 0.0
                frames = faces = 0
                start = time.process_time()
            begin = time.process_time()
            picture = next(pictures, None)
            if picture is None:
                break
            decoded = time.process_time()
            rgb = picture.to_ndarray(format="rgb24")
            converted = time.process_time()
            result = mesh.process(rgb)
            meshed = time.process_time()
            decoding += decoded - begin
            converting += converted - decoded
            meshing += meshed - converted
            frames += 1
            faces += result.multi_face_landmarks is not None
    whole = time.process_time() - start
    print(frames, whole, decoding, converting, meshing, faces)


main()
