//! The cells that cover a shape: the one of its center and up to eight neighbours.

use super::{Angle, Cell, EARTH_RADIUS, Point, Range};

/// Half the equator in metres, as the Mercator projection has it.
const MERCATOR_MAX: f64 = 20037726.37;

/// What a shape extends to, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub longitude: Range,
    pub latitude: Range,
}

impl Bounds {
    /// Of everything within so many metres to the sides and up and down. Meridians draw closer
    /// towards the pole, so the side away from the equator is the wider one in degrees.
    pub fn around(center: Point, half_width: f64, half_height: f64) -> Bounds {
        let height = (half_height / EARTH_RADIUS).to_deg();
        let outer = if center.latitude < 0.0 { -height } else { height };
        let narrowing = (center.latitude + outer).to_rad().cos();
        let width = (half_width / EARTH_RADIUS / narrowing).to_deg();
        Bounds {
            longitude: Range { low: center.longitude - width, high: center.longitude + width },
            latitude: Range { low: center.latitude - height, high: center.latitude + height },
        }
    }
}

/// The step at which a cell is about as large as a circle of this radius.
fn step_of_radius(radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return super::STEP_MAX;
    }
    let (mut radius, mut step) = (radius, -1);
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        step += 1;
    }
    // Cells are narrower towards the poles.
    step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    step.clamp(1, super::STEP_MAX as i32) as u32
}

/// The cells that together contain a shape: in the order center, north, south, east, west, north
/// east, north west, south east, south west; without those that the shape does not reach. `radius`
/// is the distance in metres from the center to the farthest point.
pub fn cover(center: Point, radius: f64, bounds: Bounds) -> [Option<Cell>; 9] {
    let mut step = step_of_radius(radius, center.latitude);
    let mut cell = Cell::around(center, step);
    if step > 1 && !reaches(cell, bounds) {
        step -= 1;
        cell = Cell::around(center, step);
    }
    let (longitude, latitude) = cell.area();
    // At the coarsest step the neighbours meet on the other side of the world.
    let is_exact = step >= 2;
    let (skips_south, skips_north) = (
        is_exact && latitude.low < bounds.latitude.low,
        is_exact && latitude.high > bounds.latitude.high,
    );
    let (skips_west, skips_east) = (
        is_exact && longitude.low < bounds.longitude.low,
        is_exact && longitude.high > bounds.longitude.high,
    );
    let directions = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
    directions.map(|(east, north)| {
        let is_useless = north < 0 && skips_south
            || north > 0 && skips_north
            || east < 0 && skips_west
            || east > 0 && skips_east;
        (!is_useless).then(|| cell.neighbour(east, north))
    })
}

/// Whether the neighbours of `cell` reach to the bounds on all sides.
fn reaches(cell: Cell, bounds: Bounds) -> bool {
    let north = cell.neighbour(0, 1).area().1.high;
    let south = cell.neighbour(0, -1).area().1.low;
    let east = cell.neighbour(1, 0).area().0.high;
    let west = cell.neighbour(-1, 0).area().0.low;
    north >= bounds.latitude.high
        && south <= bounds.latitude.low
        && east >= bounds.longitude.high
        && west <= bounds.longitude.low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_near_is_covered(
            longitude in -170.0..170.0f64, latitude in -60.0..60.0f64,
            radius in 1.0..300_000.0f64, (x, y) in (-1.0..1.0f64, -1.0..1.0f64),
        ) {
            let center = Point { longitude, latitude };
            let bounds = Bounds::around(center, radius, radius);
            let place = Point {
                longitude: longitude + x * (bounds.longitude.high - longitude),
                latitude: latitude + y * (bounds.latitude.high - latitude),
            };
            prop_assume!(center.distance(place) <= radius);
            let cells = cover(center, radius, bounds);
            let number = place.encode();
            prop_assert!(cells.iter().flatten().any(|cell| cell.numbers().contains(&number)));
        }
    }

    #[test]
    fn a_point_needs_the_finest_step_and_the_world_the_coarsest() {
        assert_eq!(step_of_radius(0.0, 0.0), 26);
        assert_eq!(step_of_radius(1e9, 0.0), 1);
        assert!(step_of_radius(1000.0, 85.0) < step_of_radius(1000.0, 0.0));
    }
}
