//! Places on earth as numbers that sort by neighbourhood, and distances between them.
//!
//! A geohash halves the ranges of longitude and latitude in turn and notes a bit for each: two
//! coordinates of `step` bits each, interleaved, longitude in the odd bits (Morton 1966; Niemeyer,
//! geohash.org, 2008). All places in a cell of a coarser step are one contiguous range of the
//! numbers of a finer one:
//!
//! ```text
//!   latitude               step 1                 the nine cells around a place
//!      ^   +----+----+     of the upper right     +---+---+---+
//!      |   | 01 | 11 |     cell 11 is the         | . | . | . |   a shape no wider than a cell
//!      |   +----+----+     range 1100..1111       +---+---+---+   lies in the cell of its center
//!      |   | 00 | 10 |     of step 2              | . | x | . |   and its eight neighbours
//!      |   +----+----+                            +---+---+---+
//!      +--------------> longitude                 | . | . | . |
//! ```
//!
//! Latitude ends where the Mercator projection is a square, at 85.05 degrees (EPSG:3857).
//! Invariant: the finest step, 26, makes 52 bits, which a double holds exactly.
//!
//! Absent: what is stored under such a number.

mod cover;

pub use self::cover::{Bounds, cover};

/// Bits of each coordinate in the numbers that are stored.
pub const STEP_MAX: u32 = 26;

/// The longitudes that can be encoded, in degrees.
pub const LONGITUDE: Range = Range { low: -180.0, high: 180.0 };

/// The latitudes that can be encoded, in degrees.
pub const LATITUDE: Range = Range { low: -85.05112878, high: 85.05112878 };

/// Latitudes of the geohashes that other programs know.
const LATITUDE_STANDARD: Range = Range { low: -90.0, high: 90.0 };

/// Quadratic mean radius of the earth (WGS-84), in metres.
const EARTH_RADIUS: f64 = 6372797.560856;

/// Bits of longitude in an interleaved number; those of latitude lie between.
const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;

/// Degrees from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    pub low: f64,
    pub high: f64,
}

/// A place, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub longitude: f64,
    pub latitude: f64,
}

/// A cell of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The two coordinates, interleaved.
    pub bits: u64,
    /// Bits of each of them.
    pub step: u32,
}

impl Range {
    /// True if it contains `value`.
    pub fn contains(self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The place of `value` in units of 2^-step of the range.
    fn scale(self, value: f64, step: u32) -> u32 {
        ((value - self.low) / (self.high - self.low) * (1u64 << step) as f64) as u32
    }

    /// The part of the range that has this place.
    fn part(self, place: u32, step: u32) -> Range {
        let parts = (1u64 << step) as f64;
        let edge = |place: u32| self.low + f64::from(place) / parts * (self.high - self.low);
        Range { low: edge(place), high: edge(place.wrapping_add(1)) }
    }

    fn middle(self) -> f64 {
        (self.low + self.high) / 2.0
    }
}

impl Point {
    /// The place, unless it lies outside of what can be encoded.
    pub fn checked(self) -> Option<Point> {
        let inside = LONGITUDE.contains(self.longitude) && LATITUDE.contains(self.latitude);
        inside.then_some(self)
    }

    /// The number under which a place is stored: 52 bits.
    pub fn encode(self) -> u64 {
        Cell::around(self, STEP_MAX).bits
    }

    /// The middle of the cell that a stored number names.
    pub fn decode(number: u64) -> Point {
        let (longitudes, latitudes) = Cell { bits: number, step: STEP_MAX }.area();
        Point {
            longitude: longitudes.middle().clamp(LONGITUDE.low, LONGITUDE.high),
            latitude: latitudes.middle().clamp(LATITUDE.low, LATITUDE.high),
        }
    }

    /// The eleven letters by which geohash.org knows the place. The last is always `0`, for want
    /// of bits.
    pub fn letters(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = interleave(
            LATITUDE_STANDARD.scale(self.latitude, STEP_MAX),
            LONGITUDE.scale(self.longitude, STEP_MAX),
        );
        std::array::from_fn(|at| {
            let digit = if at < 10 { bits >> (47 - 5 * at) & 31 } else { 0 };
            ALPHABET[digit as usize]
        })
    }

    /// Metres to another place along the great circle, by the haversine formula.
    pub fn distance(self, other: Point) -> f64 {
        let across = ((other.longitude.to_rad() - self.longitude.to_rad()) / 2.0).sin();
        if across == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (from, to) = (self.latitude.to_rad(), other.latitude.to_rad());
        let along = ((to - from) / 2.0).sin();
        let squared = along * along + from.cos() * to.cos() * across * across;
        2.0 * EARTH_RADIUS * squared.sqrt().asin()
    }
}

/// Metres between two latitudes on one meridian.
pub fn latitude_distance(from: f64, to: f64) -> f64 {
    EARTH_RADIUS * (to.to_rad() - from.to_rad()).abs()
}

/// Angles are converted by one constant, so that distances agree with Redis's to the last bit.
trait Angle {
    fn to_rad(self) -> f64;
    fn to_deg(self) -> f64;
}

const RADIANS: f64 = std::f64::consts::PI / 180.0;

impl Angle for f64 {
    fn to_rad(self) -> f64 {
        self * RADIANS
    }

    fn to_deg(self) -> f64 {
        self / RADIANS
    }
}

impl Cell {
    /// The cell that contains a place.
    pub fn around(place: Point, step: u32) -> Cell {
        let latitude = LATITUDE.scale(place.latitude, step);
        let longitude = LONGITUDE.scale(place.longitude, step);
        Cell { bits: interleave(latitude, longitude), step }
    }

    /// Longitudes and latitudes of the cell.
    pub fn area(self) -> (Range, Range) {
        let latitude = even_bits(self.bits);
        let longitude = even_bits(self.bits >> 1);
        (LONGITUDE.part(longitude, self.step), LATITUDE.part(latitude, self.step))
    }

    /// The neighbour this many cells to the east and to the north, round the world: each is -1, 0
    /// or 1.
    pub fn neighbour(self, east: i32, north: i32) -> Cell {
        let used = u64::MAX >> (64 - self.step * 2);
        let along = |coordinate: u64, by: i32| match by {
            // The very edge of the world lies one unit beyond the last cell, and stays there.
            0 => self.bits & coordinate,
            _ => moved(self.bits, coordinate & used, by),
        };
        let (longitude, latitude) = (along(LONGITUDE_BITS, east), along(!LONGITUDE_BITS, north));
        Cell { bits: longitude | latitude, step: self.step }
    }

    /// The stored numbers of all places in the cell, the end outside.
    pub fn numbers(self) -> std::ops::Range<u64> {
        let shift = (STEP_MAX - self.step) * 2;
        self.bits << shift..(self.bits + 1) << shift
    }
}

/// One coordinate of an interleaved number, whose bits are `mask`, moved by one up or down: with
/// the other bits set, a carry runs through them; with them cleared, a borrow does.
fn moved(bits: u64, mask: u64, by: i32) -> u64 {
    let unit = mask & mask.wrapping_neg();
    let next =
        if by > 0 { (bits | !mask).wrapping_add(unit) } else { (bits & mask).wrapping_sub(unit) };
    next & mask
}

fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

/// Moves each bit of a number to twice its place (Anderson, "Bit Twiddling Hacks").
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in STAGES {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The reverse of [`spread`]; odd bits are ignored.
fn even_bits(bits: u64) -> u32 {
    let mut bits = bits & STAGES[4].1;
    for (stage, (shift, _)) in STAGES.iter().enumerate().rev() {
        let mask = if stage == 0 { 0x0000_0000_ffff_ffff } else { STAGES[stage - 1].1 };
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

const STAGES: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_edge_of_the_world_is_in_its_own_cell() {
        let corner = Point { longitude: LONGITUDE.high, latitude: LATITUDE.high };
        let cells = cover(corner, 1000.0, Bounds::around(corner, 1000.0, 1000.0));
        let center = cells[0].expect("the center is always searched");
        assert!(center.numbers().contains(&corner.encode()));
    }

    /// From the documentation of GEOADD and GEOHASH.
    #[test]
    fn known_places_have_their_known_numbers() {
        let palermo = Point { longitude: 13.361389, latitude: 38.115556 };
        let catania = Point { longitude: 15.087269, latitude: 37.502669 };
        assert_eq!(palermo.encode(), 3479099956230698);
        assert_eq!(&Point::decode(palermo.encode()).letters(), b"sqc8b49rny0");
        assert_eq!(&Point::decode(catania.encode()).letters(), b"sqdtr74hyu0");
        let stored = (Point::decode(palermo.encode()), Point::decode(catania.encode()));
        assert_eq!(format!("{:.4}", stored.0.distance(stored.1)), "166274.1516");
    }

    fn place() -> impl Strategy<Value = Point> {
        (-180.0..=180.0f64, -85.05..=85.05f64)
            .prop_map(|(longitude, latitude)| Point { longitude, latitude })
    }

    proptest! {
        #[test]
        fn bits_are_interleaved_and_separated(even: u32, odd: u32) {
            let bits = interleave(even, odd);
            prop_assert_eq!((even_bits(bits), even_bits(bits >> 1)), (even, odd));
            let naive = (0..32).fold(0u64, |sum, at| {
                let bit = |value: u32| u64::from(value >> at & 1);
                sum | bit(even) << (2 * at) | bit(odd) << (2 * at + 1)
            });
            prop_assert_eq!(bits, naive);
        }

        #[test]
        fn a_cell_contains_what_it_was_made_for(place in place(), step in 1u32..27) {
            let cell = Cell::around(place, step);
            let (longitudes, latitudes) = cell.area();
            prop_assert!(longitudes.low <= place.longitude && place.longitude <= longitudes.high);
            prop_assert!(latitudes.low <= place.latitude && place.latitude <= latitudes.high);
            prop_assert!(place.longitude == 180.0 || cell.numbers().contains(&place.encode()));
        }

        #[test]
        fn neighbours_are_neighbours(
            place in place(), step in 2u32..27, (east, north) in (-1..2, -1..2),
        ) {
            let cell = Cell::around(place, step);
            let next = cell.neighbour(east, north);
            let wrap = |value: u32| value & ((1u64 << step) - 1) as u32;
            let x = even_bits(cell.bits >> 1).wrapping_add_signed(east);
            let y = even_bits(cell.bits).wrapping_add_signed(north);
            prop_assert_eq!((even_bits(next.bits >> 1), even_bits(next.bits)), (wrap(x), wrap(y)));
            prop_assert_eq!(next.neighbour(-east, -north), cell);
        }
    }
}
