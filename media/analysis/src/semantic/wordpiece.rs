//! Cutting text into the pieces of a lower-case BERT vocabulary (Devlin et al. 2018, "WordPiece").
//!
//! ```text
//! text ─▶ clean ─▶ blanks around Han ─▶ without accents ─▶ lower case ─▶ words and marks ─▶ longest pieces ─▶ ids
//! ```
//!
//! What looks like a special token in the text is text: nobody types padding.

use std::collections::HashMap;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// A word of more characters is unknown as a whole.
const MAX_WORD_CHARS: usize = 100;
/// Marks a piece that goes on a word.
const INSIDE: &str = "##";
/// Most lines that are read; the vocabulary of the manifest has 30,522.
const MAX_PIECES: usize = 1 << 20;

/// A vocabulary that cannot be used. Fetch the model again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyFault {
    /// A special token is missing.
    #[error("the vocabulary has no {0}")]
    NoSpecial(&'static str),
    /// There are more lines than any vocabulary has.
    #[error("the vocabulary has more than {MAX_PIECES} lines")]
    TooLarge,
}

/// A vocabulary. Equal texts give equal ids, always.
#[derive(Debug, Clone)]
pub struct WordPiece {
    pieces: HashMap<String, u32>,
    start: u32,
    end: u32,
    unknown: u32,
}

/// Text as a network reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Numbers of the pieces, the special ones included.
    pub ids: Vec<u32>,
    /// 0 for the first text, 1 for the second.
    pub types: Vec<u32>,
    /// Whether the end of a text did not fit.
    pub is_cut: bool,
    /// Whether each text has at least one piece.
    pub has_content: bool,
}

impl WordPiece {
    /// Reads a vocabulary: one piece per line, its number is the line's.
    pub fn parse(vocabulary: &str) -> Result<Self, VocabularyFault> {
        let mut pieces = HashMap::new();
        for (number, line) in vocabulary.lines().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if number as usize >= MAX_PIECES {
                return Err(VocabularyFault::TooLarge);
            }
            pieces.insert(line.trim_end().to_owned(), number);
        }
        let special = |name: &'static str| {
            let found = pieces.get(name).copied();
            found.ok_or(VocabularyFault::NoSpecial(name))
        };
        Ok(Self {
            start: special("[CLS]")?,
            end: special("[SEP]")?,
            unknown: special("[UNK]")?,
            pieces,
        })
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// One text between its special tokens, at most `max_tokens` in all.
    pub fn sentence(&self, text: &str, max_tokens: usize) -> Tokens {
        let room = max_tokens.saturating_sub(2);
        let mut body = self.pieces_of(text, room + 1);
        let is_cut = body.len() > room;
        body.truncate(room);
        let has_content = !body.is_empty();
        let mut ids = vec![self.start];
        ids.extend(body);
        ids.push(self.end);
        Tokens {
            types: vec![0; ids.len()],
            ids,
            is_cut,
            has_content,
        }
    }

    /// Two texts as one input, at most `max_tokens` in all; the longer one is cut first, then both to halves.
    pub fn pair(&self, first: &str, second: &str, max_tokens: usize) -> Tokens {
        let room = max_tokens.saturating_sub(3);
        let (mut a, mut b) = (
            self.pieces_of(first, room + 1),
            self.pieces_of(second, room + 1),
        );
        let is_cut = a.len() + b.len() > room;
        if is_cut {
            let (keep_a, keep_b) = shares(a.len(), b.len(), room);
            a.truncate(keep_a);
            b.truncate(keep_b);
        }
        let has_content = !a.is_empty() && !b.is_empty();
        let mut ids = vec![self.start];
        ids.extend(a);
        ids.push(self.end);
        let mut types = vec![0; ids.len()];
        ids.extend(b);
        ids.push(self.end);
        types.resize(ids.len(), 1);
        Tokens {
            ids,
            types,
            is_cut,
            has_content,
        }
    }

    /// The pieces of a text, no more than `limit`.
    fn pieces_of(&self, text: &str, limit: usize) -> Vec<u32> {
        let mut found = Vec::new();
        let mut word = Vec::new();
        for c in normalised(text) {
            let is_mark = is_punctuation(c);
            if c.is_whitespace() || is_mark {
                self.cut_word(&word, &mut found);
                word.clear();
            }
            if is_mark {
                self.cut_word(&[c], &mut found);
            } else if !c.is_whitespace() {
                word.push(c);
            }
            if found.len() >= limit {
                break;
            }
        }
        if found.len() < limit {
            self.cut_word(&word, &mut found);
        }
        found.truncate(limit);
        found
    }

    /// Longest piece first, from the left; a word with a rest that is no piece is unknown as a whole.
    fn cut_word(&self, word: &[char], found: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        if word.len() > MAX_WORD_CHARS {
            found.push(self.unknown);
            return;
        }
        let before = found.len();
        let mut rest = word;
        while !rest.is_empty() {
            let start = if rest.len() == word.len() { "" } else { INSIDE };
            let longest = (1..=rest.len()).rev().find_map(|length| {
                let (piece, behind) = rest.split_at_checked(length)?;
                let name: String = start.chars().chain(piece.iter().copied()).collect();
                Some((*self.pieces.get(&name)?, behind))
            });
            let Some((id, behind)) = longest else {
                found.truncate(before);
                found.push(self.unknown);
                return;
            };
            found.push(id);
            rest = behind;
        }
    }
}

/// How much of each text stays when both together are longer than `room`.
fn shares(a: usize, b: usize, room: usize) -> (usize, usize) {
    let (short, long) = (a.min(b), a.max(b));
    let mut keep_short = short;
    let mut keep_long = if short > room {
        short
    } else {
        short.max(room - short)
    };
    if keep_short + keep_long > room {
        keep_short = room / 2;
        keep_long = keep_short + room % 2;
    }
    if a > b {
        (keep_long.min(long), keep_short)
    } else {
        (keep_short, keep_long.min(long))
    }
}

/// Without control characters and accents, in lower case, Han characters between blanks.
fn normalised(text: &str) -> impl Iterator<Item = char> {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let cleaned = text.chars().filter_map(move |c| match c {
        '\t' | '\n' | '\r' => Some(' '),
        '\0' | '\u{fffd}' => None,
        _ => match categories.get(c) {
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse => {
                None
            }
            _ if c.is_whitespace() => Some(' '),
            _ => Some(c),
        },
    });
    let spaced = cleaned.flat_map(|c| {
        let blank = is_han(c).then_some(' ');
        blank.into_iter().chain([c]).chain(blank)
    });
    DecomposingNormalizerBorrowed::new_nfd()
        .normalize_iter(spaced)
        .filter(move |c| categories.get(*c) != GeneralCategory::NonspacingMark)
        .flat_map(char::to_lowercase)
}

/// The blocks of Han characters, which have no blanks between words.
fn is_han(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4E00..=0x9FFF
            | 0x3400..=0x4DBF
            | 0x20000..=0x2A6DF
            | 0x2A700..=0x2B73F
            | 0x2B740..=0x2B81F
            | 0x2B920..=0x2CEAF
            | 0xF900..=0xFAFF
            | 0x2F800..=0x2FA1F
    )
}

/// A mark that is a word of its own: all of ASCII's, and every punctuation of Unicode.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(
            CodePointMapData::<GeneralCategory>::new().get(c),
            GeneralCategory::ConnectorPunctuation
                | GeneralCategory::DashPunctuation
                | GeneralCategory::OpenPunctuation
                | GeneralCategory::ClosePunctuation
                | GeneralCategory::InitialPunctuation
                | GeneralCategory::FinalPunctuation
                | GeneralCategory::OtherPunctuation
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> WordPiece {
        WordPiece::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nhe\n##llo\nwor\n##ld\n!\n").unwrap()
    }

    #[test]
    fn the_longest_piece_wins_and_a_foreign_rest_spoils_the_word() {
        let tokens = small().sentence("Hello hellö world! worldx", 64);
        assert_eq!(tokens.ids, [2, 4, 4, 7, 8, 9, 1, 3]);
        assert!(tokens.has_content && !tokens.is_cut);
    }

    #[test]
    fn special_tokens_in_the_text_are_text_and_nothing_is_nothing() {
        let tokens = small().sentence("[PAD]", 64);
        assert!(!tokens.ids.contains(&0), "{:?}", tokens.ids);
        for text in ["", " \t\n", "\0\0", "\u{301}"] {
            let tokens = small().sentence(text, 64);
            assert_eq!(
                (tokens.ids.as_slice(), tokens.has_content),
                ([2, 3].as_slice(), false)
            );
        }
    }

    #[test]
    fn a_vocabulary_without_special_tokens_is_refused() {
        for text in ["", "hello", "[CLS]\n[SEP]"] {
            assert!(WordPiece::parse(text).is_err());
        }
        assert_eq!(
            WordPiece::parse(&"x\n".repeat(MAX_PIECES + 1)).unwrap_err(),
            VocabularyFault::TooLarge
        );
    }

    proptest! {
        #[test]
        fn no_text_exceeds_the_room_or_leaves_the_vocabulary(
            a in any::<String>(), b in any::<String>(), room in 5_usize..40
        ) {
            let pieces = small();
            for tokens in [pieces.sentence(&a, room), pieces.pair(&a, &b, room)] {
                prop_assert!(tokens.ids.len() <= room && tokens.ids.len() == tokens.types.len());
                prop_assert!(tokens.ids.iter().all(|id| (1..10).contains(id)));
            }
            let whole = pieces.sentence(&a, 1 << 20);
            prop_assert!(!whole.is_cut);
            prop_assert_eq!(pieces.sentence(&a, room).is_cut, whole.ids.len() > room);
        }
    }
}
