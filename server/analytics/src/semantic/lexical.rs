//! Lexical similarity, the substitute while no scorer model is installed (math 11.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::statistics::clamp01;

const STOP_WORDS: [&str; 12] = [
    "a", "an", "and", "be", "is", "of", "or", "please", "say", "the", "to", "are",
];

/// Similarity of a rule and an utterance in [0, 1]: `0.8 * recall of the rule's words + 0.2 * text ratio`.
///
/// 0 when either side has no word of letters a to z and digits besides stop words.
pub fn lexical_score(expected_rule: &str, utterance: &str) -> f64 {
    let (expected, uttered) = (words(expected_rule), words(utterance));
    if expected.is_empty() || uttered.is_empty() {
        return 0.0;
    }
    let shared = expected.intersection(&uttered).count() as f64;
    let ratio = ratcliff_obershelp(&joined(&expected), &joined(&uttered));
    clamp01(0.8 * (shared / expected.len() as f64) + 0.2 * ratio)
}

fn words(text: &str) -> BTreeSet<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(word))
        .map(str::to_owned)
        .collect()
}

fn joined(words: &BTreeSet<String>) -> Vec<char> {
    words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .collect()
}

/// `2M / (|A| + |B|)` where M counts the characters of the recursively longest common blocks.
fn ratcliff_obershelp(a: &[char], b: &[char]) -> f64 {
    let mut matched = 0_usize;
    let mut open = vec![(a, b)];
    while let Some((a, b)) = open.pop() {
        let block = longest_block(a, b);
        if block.length == 0 {
            continue;
        }
        matched += block.length;
        if let (Some(left_a), Some(left_b)) = (a.get(..block.in_a), b.get(..block.in_b)) {
            open.push((left_a, left_b));
        }
        if let (Some(right_a), Some(right_b)) = (
            a.get(block.in_a + block.length..),
            b.get(block.in_b + block.length..),
        ) {
            open.push((right_a, right_b));
        }
    }
    let total = a.len() + b.len();
    if total == 0 {
        1.0
    } else {
        2.0 * matched as f64 / total as f64
    }
}

#[derive(Default)]
struct Block {
    in_a: usize,
    in_b: usize,
    length: usize,
}

/// The longest common block, earliest in `a`, then earliest in `b`.
fn longest_block(a: &[char], b: &[char]) -> Block {
    let mut places: BTreeMap<char, Vec<usize>> = BTreeMap::new();
    for (place, c) in b.iter().enumerate() {
        places.entry(*c).or_default().push(place);
    }
    let mut best = Block::default();
    // Length of the common run that ends at a place of `b` and at the current place of `a`.
    let mut ending: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, c) in a.iter().enumerate() {
        let mut next = BTreeMap::new();
        for &j in places.get(c).into_iter().flatten() {
            let before = if j == 0 {
                0
            } else {
                ending.get(&(j - 1)).copied().unwrap_or(0)
            };
            let length = before + 1;
            if length > best.length {
                best = Block {
                    in_a: i + 1 - length,
                    in_b: j + 1 - length,
                    length,
                };
            }
            next.insert(j, length);
        }
        ending = next;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ratio(a: &str, b: &str) -> f64 {
        ratcliff_obershelp(
            &a.chars().collect::<Vec<_>>(),
            &b.chars().collect::<Vec<_>>(),
        )
    }

    #[test]
    fn ratio_of_the_textbook_pair() {
        assert!((ratio("WIKIMEDIA", "WIKIMANIA") - 14.0 / 18.0).abs() < 1e-15);
        assert_eq!((ratio("", ""), ratio("a", "")), (1.0, 0.0));
    }

    #[test]
    fn unicode_is_lowered_before_words_are_cut() {
        // The Kelvin sign lowers to an ordinary k.
        assert_eq!(lexical_score("\u{212a}iss", "kiss"), 1.0);
    }

    #[test]
    fn long_texts_keep_their_frequent_characters() {
        let long: Vec<String> = (0..120).map(|n| format!("w{n:03}")).collect();
        assert_eq!(lexical_score(&long.join(" "), &long.join(" ")), 1.0);
    }

    proptest! {
        #[test]
        fn any_two_texts_score_in_range(a in ".{0,60}", b in ".{0,60}") {
            let score = lexical_score(&a, &b);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert_eq!(score.to_bits(), lexical_score(&a, &b).to_bits());
        }
    }
}
