//! Values that are collections: what each type offers to the keyspace, and such a value on its way.
//!
//! A collection lies in its key's entry as a struct of at most [`PAYLOAD_MAX`] bytes, which owns
//! the rest. Moving it (RENAME, MOVE, the graveyard) moves those bytes, whatever it holds.
//!
//! Invariant: a kind has one type, and a type one kind. The list of both stands in this file alone.
//!
//! Absent: what commands do with a collection. Each type's own file has that.

use std::fmt;

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::sorted_set::SortedSet;
use super::stream::Stream;
use crate::base::time::Millis;

/// Bytes and alignment that a collection's struct may take in its key's entry.
pub const PAYLOAD_MAX: usize = 16;
pub const PAYLOAD_ALIGN: usize = 8;

/// The type of a value, as TYPE answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    String,
    List,
    Hash,
    Set,
    SortedSet,
    Stream,
}

impl Kind {
    /// Every type.
    pub const ALL: [Kind; 6] =
        [Kind::String, Kind::List, Kind::Hash, Kind::Set, Kind::SortedSet, Kind::Stream];

    /// The name by which clients know the type.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Stream => "stream",
        }
    }
}

/// What every collection type offers to the keyspace.
pub trait Typed: Member {
    /// Which type this is.
    const KIND: Kind;
    /// Whether something inside may expire while the key stays.
    const HAS_EXPIRING_PARTS: bool = false;
    /// An empty one, which allocates nothing or little.
    fn new() -> Self;
    /// True if the key is to go once a command has left the value like this. Streams may be empty
    /// and always answer false.
    fn is_empty(&self) -> bool;
    /// The name of the representation, as OBJECT ENCODING answers it.
    fn encoding(&self) -> &'static str;
    /// Heap bytes, estimated from so many elements where it would take long to add all up; 0
    /// samples: exact.
    fn memory(&self, samples: usize) -> usize;
    /// Copies up to about `budget` elements to `into`, which was empty before the first such call
    /// and is a deep copy after the last. `from` is 0 first, then what the call before returned;
    /// none if it was the last. Long elements count as several, see [`weight`].
    fn copy_some(&self, into: &mut Self, from: u64, budget: usize) -> Option<u64>;
    /// A deep copy.
    fn copy(&self) -> Self {
        let (mut into, mut from) = (Self::new(), 0);
        while let Some(next) = self.copy_some(&mut into, from, usize::MAX) {
            from = next;
        }
        into
    }
    /// Number of elements, in constant time.
    fn elements(&self) -> usize;
    /// Drops up to `budget` elements, which leaves the value good for nothing but further such
    /// calls and being dropped. True when what is left can be dropped at once.
    fn free_some(&mut self, budget: usize) -> bool;
    /// The first time, in milliseconds since the Unix epoch, after which something inside the value
    /// expires on its own, while the key stays.
    #[inline]
    fn next_due(&self) -> Option<Millis> {
        None
    }
}

/// As how many elements one of so many bytes counts where copying bytes takes time.
#[inline]
pub fn weight(bytes: usize) -> usize {
    const BYTES_PER_ELEMENT: usize = 128;
    1 + bytes / BYTES_PER_ELEMENT
}

/// The way from a type to the enums over all of them and back. Implemented here for each type of
/// the list, and nowhere else.
pub trait Member: Sized + Send {
    /// Forgets the type.
    fn into_object(self) -> Object;
    /// The value, if it is of this type.
    fn of(object: ObjectRef<'_>) -> Option<&Self>;
    /// The value, if it is of this type.
    fn of_mut(object: ObjectMut<'_>) -> Option<&mut Self>;
}

/// Declares the enums over all types and what differs between types in nothing but the name.
macro_rules! types {
    ($($name:ident),*) => {
        /// A collection that is owned: on its way between keys or shards, or to be freed.
        pub enum Object {
            $($name($name),)*
        }

        /// A collection in its entry, to be read.
        #[derive(Clone, Copy)]
        pub enum ObjectRef<'a> {
            $($name(&'a $name),)*
        }

        /// A collection in its entry, to be changed.
        pub enum ObjectMut<'a> {
            $($name(&'a mut $name),)*
        }

        impl Object {
            /// Borrows it for reading.
            pub fn view(&self) -> ObjectRef<'_> {
                match self {
                    $(Object::$name(value) => ObjectRef::$name(value),)*
                }
            }

            /// Drops up to `budget` elements; see [`Typed::free_some`].
            pub fn free_some(&mut self, budget: usize) -> bool {
                match self {
                    $(Object::$name(value) => value.free_some(budget),)*
                }
            }
        }

        impl<'a> ObjectRef<'a> {
            /// The type.
            #[inline]
            pub fn kind(self) -> Kind {
                match self {
                    $(ObjectRef::$name(_) => <$name as Typed>::KIND,)*
                }
            }

            /// True if nothing is in it and the type is one that is removed then.
            pub fn is_empty(self) -> bool {
                match self {
                    $(ObjectRef::$name(value) => Typed::is_empty(value),)*
                }
            }

            /// The name of the representation, as OBJECT ENCODING answers it.
            pub fn encoding(self) -> &'static str {
                match self {
                    $(ObjectRef::$name(value) => Typed::encoding(value),)*
                }
            }

            /// Heap bytes; see [`Typed::memory`].
            pub fn memory(self, samples: usize) -> usize {
                match self {
                    $(ObjectRef::$name(value) => Typed::memory(value, samples),)*
                }
            }

            /// Number of elements.
            pub fn elements(self) -> usize {
                match self {
                    $(ObjectRef::$name(value) => Typed::elements(value),)*
                }
            }

            /// When something inside expires; see [`Typed::next_due`].
            #[inline]
            pub fn next_due(self) -> Option<Millis> {
                match self {
                    $(ObjectRef::$name(value) => Typed::next_due(value),)*
                }
            }

            /// An empty collection of the same type.
            pub fn empty(self) -> Object {
                match self {
                    $(ObjectRef::$name(_) => Object::$name(Typed::new()),)*
                }
            }

            /// Copies a part to a collection of the same type; see [`Typed::copy_some`].
            pub fn copy_some(self, into: &mut Object, from: u64, budget: usize) -> Option<u64> {
                match (self, into) {
                    $((ObjectRef::$name(value), Object::$name(into)) => {
                        Typed::copy_some(value, into, from, budget)
                    })*
                    _ => unreachable!("a copy is of the same type"),
                }
            }
        }

        $(
            const _: () = assert!(
                size_of::<$name>() <= PAYLOAD_MAX && align_of::<$name>() <= PAYLOAD_ALIGN,
                "a collection's struct must fit an entry"
            );

            impl Member for $name {
                fn into_object(self) -> Object {
                    Object::$name(self)
                }

                #[inline]
                fn of(object: ObjectRef<'_>) -> Option<&$name> {
                    match object {
                        ObjectRef::$name(value) => Some(value),
                        _ => None,
                    }
                }

                #[inline]
                fn of_mut(object: ObjectMut<'_>) -> Option<&mut $name> {
                    match object {
                        ObjectMut::$name(value) => Some(value),
                        _ => None,
                    }
                }
            }
        )*
    };
}

types!(List, Hash, Set, SortedSet, Stream);

impl fmt::Debug for Object {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(formatter)
    }
}

impl fmt::Debug for ObjectRef<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.kind().name(), self.elements())
    }
}

/// Up to which size collections keep their compact forms, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingLimits {
    /// `hash-max-listpack-entries`
    pub hash_entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_value: usize,
    /// `set-max-intset-entries`
    pub set_int_entries: usize,
    /// `set-max-listpack-entries`
    pub set_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub set_value: usize,
    /// `zset-max-listpack-entries`
    pub sorted_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub sorted_value: usize,
    /// `list-max-listpack-size`: entries of a list's node if positive, else -1 to -5 for 4, 8, 16,
    /// 32, 64 KiB.
    pub list_size: i64,
    /// `list-compress-depth`
    pub list_compress_depth: usize,
    /// `stream-node-max-bytes`; 0 for no limit.
    pub stream_bytes: usize,
    /// `stream-node-max-entries`; 0 for no limit.
    pub stream_entries: usize,
    /// `hll-sparse-max-bytes`
    pub hll_sparse_bytes: usize,
}

impl Default for EncodingLimits {
    /// The defaults of the parameters.
    fn default() -> EncodingLimits {
        EncodingLimits {
            hash_entries: 512,
            hash_value: 64,
            set_int_entries: 512,
            set_entries: 128,
            set_value: 64,
            sorted_entries: 128,
            sorted_value: 64,
            list_size: -2,
            list_compress_depth: 0,
            stream_bytes: 4096,
            stream_entries: 100,
            hll_sparse_bytes: 3000,
        }
    }
}
