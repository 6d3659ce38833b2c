#!/bin/sh
# Makes voice.flac: the demo presenter's voice. 60 s, 48 kHz, mono, 16 bit, so that it loops without a seam.
# Needs espeak-ng and the GStreamer tools. Sentences are placed at fixed starts; the rest is digital silence.
set -eu
cd "$(dirname "$0")"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# start in seconds | words per minute | pitch 0-99 | text
cat > "$work/lines" <<'LINES'
1.0|150|52|Hello there, and welcome. It is good to see you.
6.0|145|58|Can you hear me well?
9.5|150|50|I have a few short questions for you today.
14.0|140|60|How has your morning been so far?
18.5|155|54|Oh, that sounds lovely!
22.0|150|48|Let me tell you a little about this demonstration.
27.0|145|55|Every few seconds I smile, and the instrument should notice.
33.0|140|62|Did it notice just now?
41.0|160|57|What would you like to try next?
45.5|145|50|Take all the time you need.
49.5|150|56|Good luck with the experiment, and have fun.
55.0|145|60|Shall we begin once more?
LINES

n=0
while IFS='|' read -r start speed pitch text; do
    espeak-ng -v en-us+f3 -s "$speed" -p "$pitch" -a 90 -w "$work/$n.wav" "$text"
    echo "$start $work/$n.wav" >> "$work/starts"
    n=$((n + 1))
done < "$work/lines"

python3 - "$work" <<'PYTHON'
import array, sys, wave
work = sys.argv[1]
loop, rate = None, None
for line in open(f"{work}/starts"):
    start, path = line.split()
    with wave.open(path) as part:
        rate = part.getframerate()
        samples = array.array("h", part.readframes(part.getnframes()))
    if loop is None:
        loop = array.array("h", bytes(2 * 60 * rate))
    first = int(float(start) * rate)
    assert first + len(samples) <= len(loop), "a sentence leaves the loop"
    assert not any(loop[first:first + len(samples)]), "two sentences overlap"
    loop[first:first + len(samples)] = samples
with wave.open(f"{work}/loop.wav", "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(rate)
    out.writeframes(loop.tobytes())
PYTHON

# 16 kHz in between: the analysis reads no more than 8 kHz of band, and the file stays small.
gst-launch-1.0 -q filesrc location="$work/loop.wav" ! wavparse ! audioconvert ! audioresample quality=10 \
    ! audio/x-raw,rate=16000 ! audioresample quality=10 ! audioconvert dithering=none \
    ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! filesink location="$work/loop.raw"

python3 - "$work" <<'PYTHON'
import array, sys, wave
work = sys.argv[1]
samples = array.array("h", open(f"{work}/loop.raw", "rb").read())
# Exactly one loop, rounded to 12 bits: the lowest four are wasted bits, which FLAC stores for nothing.
samples = samples[:60 * 48000] + array.array("h", bytes(2 * max(0, 60 * 48000 - len(samples))))
for i, v in enumerate(samples):
    samples[i] = max(-32768, min(32752, ((v + 8) >> 4) << 4))
with wave.open(f"{work}/voice.wav", "wb") as out:
    out.setnchannels(1); out.setsampwidth(2); out.setframerate(48000)
    out.writeframes(samples.tobytes())
PYTHON

gst-launch-1.0 -q filesrc location="$work/voice.wav" ! wavparse ! audioconvert ! flacenc quality=8 \
    ! filesink location=voice.flac
ls -l voice.flac
