//! Licence expressions as packages state them: `MIT OR Apache-2.0`, `(A OR B) AND C`, `A WITH exception`, and the old `A/B`.

/// Whether the expression can be met with the allowed licences alone. A licence with an exception is allowed when it stands in
/// the list as a whole (`Apache-2.0 WITH LLVM-exception`). What cannot be read is not allowed.
#[must_use]
pub fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    either(&mut rest, allowed).unwrap_or(false) && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = all(rest, allowed)?;
    while let Some((&"OR", tail)) = rest.split_first() {
        *rest = tail;
        met |= all(rest, allowed)?;
    }
    Some(met)
}

fn all(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let mut met = one(rest, allowed)?;
    while let Some((&"AND", tail)) = rest.split_first() {
        *rest = tail;
        met &= one(rest, allowed)?;
    }
    Some(met)
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> Option<bool> {
    let (&word, tail) = rest.split_first()?;
    *rest = tail;
    match word {
        "(" => {
            let met = either(rest, allowed)?;
            let (&")", tail) = rest.split_first()? else {
                return None;
            };
            *rest = tail;
            Some(met)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => {
            let [with, exception, ..] = *rest else {
                return Some(allowed.contains(&licence));
            };
            if *with != "WITH" {
                return Some(allowed.contains(&licence));
            }
            let whole = format!("{licence} WITH {exception}");
            *rest = rest.get(2..).unwrap_or_default();
            Some(allowed.contains(&whole.as_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_what_is_allowed_and_by_nothing_else() {
        let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"];
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "(MIT OR X) AND Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "X AND Y OR MIT",
        ] {
            assert!(is_met(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH X",
            "(MIT",
            "MIT)",
            "MIT OR",
            "MIT MIT",
            "(MIT OR X) AND Y",
        ] {
            assert!(!is_met(bad, &allowed), "{bad}");
        }
    }
}
