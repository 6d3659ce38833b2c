//! Smallest BERT weights, so that a search begins behind the first checks. Other tests read them from the corpus.

use std::collections::BTreeMap;

use serde_json::{Value, json};

const WIDTH: usize = 8;
const INNER: usize = 12;
const POSITIONS: usize = 16;
/// Words of [`VOCABULARY`].
const WORDS: usize = 16;

/// A vocabulary for these weights.
pub(super) const VOCABULARY: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nhe\n##llo\nwel\n##come\nto\nthe\nstream\n!\n,\nbill\n##s\n";

/// A one-layer encoder; with a classifier of one number for pairs, whose weights and offset are the file's last 9 numbers.
pub(super) fn weights(is_pair: bool) -> Vec<u8> {
    let prefix = if is_pair { "bert." } else { "" };
    let mut state = 3_u64;
    let (mut table, mut data) = (BTreeMap::<String, Value>::new(), Vec::<u8>::new());
    for (name, shape) in shapes(prefix, is_pair) {
        let begin = data.len();
        for _ in 0..shape.iter().product::<usize>() {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let number = (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
            data.extend(number.to_le_bytes());
        }
        let offsets = [begin, data.len()];
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": offsets});
        table.insert(name, entry);
    }
    let table = json!(table).to_string();
    let mut file = (table.len() as u64).to_le_bytes().to_vec();
    file.extend(table.as_bytes());
    file.extend(data);
    file
}

fn shapes(prefix: &str, is_pair: bool) -> Vec<(String, Vec<usize>)> {
    let layer = format!("{prefix}encoder.layer.0");
    let embeddings = format!("{prefix}embeddings");
    let mut shapes = vec![
        (
            format!("{embeddings}.word_embeddings.weight"),
            vec![WORDS, WIDTH],
        ),
        (
            format!("{embeddings}.position_embeddings.weight"),
            vec![POSITIONS, WIDTH],
        ),
        (
            format!("{embeddings}.token_type_embeddings.weight"),
            vec![2, WIDTH],
        ),
    ];
    for name in [
        format!("{embeddings}.LayerNorm"),
        format!("{layer}.attention.output.LayerNorm"),
        format!("{layer}.output.LayerNorm"),
    ] {
        shapes.push((format!("{name}.weight"), vec![WIDTH]));
        shapes.push((format!("{name}.bias"), vec![WIDTH]));
    }
    let mut dense = vec![
        (format!("{layer}.attention.self.query"), WIDTH, WIDTH),
        (format!("{layer}.attention.self.key"), WIDTH, WIDTH),
        (format!("{layer}.attention.self.value"), WIDTH, WIDTH),
        (format!("{layer}.attention.output.dense"), WIDTH, WIDTH),
        (format!("{layer}.intermediate.dense"), INNER, WIDTH),
        (format!("{layer}.output.dense"), WIDTH, INNER),
    ];
    if is_pair {
        dense.push((format!("{prefix}pooler.dense"), WIDTH, WIDTH));
        dense.push(("classifier".to_owned(), 1, WIDTH));
    }
    for (name, rows, columns) in dense {
        shapes.push((format!("{name}.weight"), vec![rows, columns]));
        shapes.push((format!("{name}.bias"), vec![rows]));
    }
    shapes
}

/// Files that lie about their lengths.
pub(super) fn liars() -> Vec<(&'static str, Vec<u8>)> {
    let headed = |length: u64, table: &str| {
        let mut file = length.to_le_bytes().to_vec();
        file.extend(table.as_bytes());
        file
    };
    let name = "embeddings.word_embeddings.weight";
    let entry = |shape: &str, offsets: &str| {
        let table =
            format!(r#"{{"{name}":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        headed(table.len() as u64, &table)
    };
    vec![
        ("endless.safetensors", headed(u64::MAX, "{}")),
        ("backwards.safetensors", entry("[1,1]", "[4,0]")),
        (
            "vast.safetensors",
            entry("[4294967296,4294967296]", "[0,18446744073709551615]"),
        ),
    ]
}
