//! A sequence that grows without ever moving what is in it.
//!
//! A `Vec` of a million elements is copied when it doubles, in one go. Here elements lie in chunks,
//! and only the list of the chunks grows so.
//!
//! Invariant: every chunk but the last has [`CHUNK`] elements.

/// Elements of a chunk.
const CHUNK: usize = 4096;

/// A sequence of small values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Chunked<T> {
        Chunked { chunks: Vec::new() }
    }
}

impl<T: Copy> Chunked<T> {
    /// Adds an element at the end.
    #[inline]
    pub fn push(&mut self, element: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(element),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(element);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![element]),
        }
    }

    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The element at `index`, which must exist.
    #[inline]
    pub fn at(&self, index: usize) -> T {
        self.chunks[index / CHUNK][index % CHUNK]
    }

    /// The element at `index`.
    pub fn get(&self, index: usize) -> Option<T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK).copied()
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<T> {
        self.chunks.last()?.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_like_a_vector() {
        let mut chunked = Chunked::default();
        assert!(chunked.is_empty() && chunked.last().is_none());
        for number in 0..3 * CHUNK {
            assert_eq!((chunked.len(), chunked.get(number)), (number, None));
            chunked.push(number);
            assert_eq!((chunked.last(), chunked.at(number)), (Some(number), number));
        }
        assert!((0..3 * CHUNK).all(|number| chunked.get(number) == Some(number)));
    }
}
