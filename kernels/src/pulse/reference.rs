//! One sum, product after product.

/// Sum of the products of `length` samples from `first` and from `other` on; `None` when the samples end before.
pub fn product(samples: &[i16], first: usize, other: usize, length: usize) -> Option<i64> {
    let a = samples.get(first..first.checked_add(length)?)?;
    let b = samples.get(other..other.checked_add(length)?)?;
    let products = a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b));
    Some(products.sum())
}
