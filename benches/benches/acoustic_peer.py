"""The acoustic set that users of Praat and openSMILE have: pitch, pulses, jitter, shimmer, HNR, intensity; eGeMAPS.

Called by the bench with the number of timed rounds and raw s16 16 kHz files. Prints for each file `file`, then lines of a name and
numbers: `ms STAGE` with processor milliseconds per round, and what Praat found, for the comparison.
"""

import sys
import time

import numpy as np
import opensmile
import parselmouth
from parselmouth.praat import call

FLOOR, CEILING = 75, 600
LIMITS = (1e-4, 0.02, 1.3)
# A voiced stretch shorter than this is no island (seconds), as in the windowed result.
LEAST_ISLAND = 0.2
STEP = 0.01


def main():
    rounds = int(sys.argv[1])
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
        num_workers=1,
    )
    for path in sys.argv[2:]:
        samples = np.fromfile(path, dtype="<i2").astype(np.float64) / 32768.0
        print("file")
        measure(samples, smile, rounds)


def measure(samples, smile, rounds):
    sound = parselmouth.Sound(samples, 16000.0)
    times = {}

    def timed(stage, work):
        start = time.process_time()
        value = work()
        times.setdefault(stage, []).append((time.process_time() - start) * 1000.0)
        return value

    single = samples.astype(np.float32)
    for round_number in range(rounds + 1):
        if round_number == 1:
            # The first round warms up.
            times.clear()
        pitch = timed("pitch", lambda: sound.to_pitch(pitch_floor=FLOOR, pitch_ceiling=CEILING))
        timed("pulses_alone", lambda: call(sound, "To PointProcess (periodic, cc)", FLOOR, CEILING))
        pulses = timed("pulses", lambda: call([sound, pitch], "To PointProcess (cc)"))
        jitter = timed("jitter", lambda: call(pulses, "Get jitter (local)", 0, 0, *LIMITS))
        shimmer = timed("shimmer", lambda: call([sound, pulses], "Get shimmer (local)", 0, 0, *LIMITS, 1.6))
        hnr = timed("hnr", lambda: mean_hnr(pitch))
        intensity = timed("intensity", lambda: sound.to_intensity(minimum_pitch=FLOOR))
        timed("egemaps", lambda: smile.process_signal(single, 16000))
    for stage, values in times.items():
        line("ms " + stage, values)
    frequency = pitch.selected_array["frequency"]
    line("times", pitch.xs())
    line("f0", frequency)
    line("strength", pitch.selected_array["strength"])
    count = int(call(pulses, "Get number of points"))
    line("pulses", [call(pulses, "Get time from index", k + 1) for k in range(count)])
    line("jitter", [jitter])
    line("shimmer", [shimmer])
    line("hnr", [hnr])
    line("intensity", intensity.values[0])
    for start, end in islands(pitch.xs(), frequency):
        values = (
            call(pulses, "Get jitter (local)", start, end, *LIMITS),
            call([sound, pulses], "Get shimmer (local)", start, end, *LIMITS, 1.6),
        )
        line("island", [start, end, *values])


def mean_hnr(pitch):
    """What Praat's voice report calls the mean harmonics-to-noise ratio."""
    frames = pitch.selected_array
    strength = frames["strength"][frames["frequency"] > 0]
    if strength.size == 0:
        return float("nan")
    return float(np.mean(10.0 * np.log10(strength / (1.0 - strength))))


def islands(times, frequency):
    start = None
    for k in range(len(times) + 1):
        voiced = k < len(times) and frequency[k] > 0
        if voiced and start is None:
            start = k
        elif not voiced and start is not None:
            if (k - start) * STEP >= LEAST_ISLAND:
                yield times[start] - STEP / 2, times[k - 1] + STEP / 2
            start = None


def line(name, values):
    print(name, *(repr(float(value)) for value in values))


main()
