//! What GEOSEARCH and GEORADIUS are asked for.
//!
//! Invariant: words are judged in the order in which they stand, as Redis does; a member that
//! serves as center is looked up when it is read.

use super::{place_of, read_point, read_unit};
use crate::base::num;
use crate::ds::geohash::{Bounds, Point, Range, latitude_distance};
use crate::resp::args::{Args, Reader};
use crate::resp::error::{CmdError, shown};
use crate::store::sorted_set::SortedSet;

const NO_SUCH_CENTER: CmdError = CmdError::Text("ERR could not decode requested zset member");
const ANY_ALONE: CmdError = CmdError::Text("ERR the ANY argument requires COUNT argument");
const BAD_COUNT: CmdError = CmdError::Text("ERR COUNT must be > 0");
const BAD_RADIUS: CmdError = CmdError::Text("ERR need numeric radius");
const NEGATIVE_RADIUS: CmdError = CmdError::Text("ERR radius cannot be negative");
const BAD_WIDTH: CmdError = CmdError::Text("ERR need numeric width");
const BAD_HEIGHT: CmdError = CmdError::Text("ERR need numeric height");
const NEGATIVE_SIDE: CmdError = CmdError::Text("ERR height or width cannot be negative");
const FEW_VERTICES: CmdError =
    CmdError::Text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
const STORE_WITH_RADIUS: CmdError = CmdError::Text(
    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);
const STORE_WITH_SEARCH: CmdError = CmdError::Text(
    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);

/// The commands, by what they accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS, with STORE unless read-only.
    Radius {
        stores: bool,
    },
    /// GEORADIUSBYMEMBER, with STORE unless read-only.
    RadiusByMember {
        stores: bool,
    },
    Search,
    SearchStore,
}

impl Form {
    /// Position of the key that is searched.
    pub fn source(self) -> usize {
        if self == Form::SearchStore { 2 } else { 1 }
    }

    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
}

/// The area that is searched; lengths are in metres.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Area {
    Circle {
        radius: f64,
    },
    Box {
        width: f64,
        height: f64,
    },
    /// Its corners in order.
    Polygon(Vec<Point>),
}

/// In which order places are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Nearest,
    Farthest,
}

/// A search.
#[derive(Debug)]
pub(super) struct Query {
    pub center: Point,
    pub area: Area,
    /// Metres of the unit in which distances are answered.
    pub unit: f64,
    pub with_distance: bool,
    pub with_hash: bool,
    pub with_place: bool,
    pub order: Option<Order>,
    /// How many places at most; 0 for all.
    pub count: usize,
    /// True if any places will do, not only the first in order.
    pub any: bool,
    /// Position of the key that gets the result.
    pub target: Option<usize>,
    /// True if distances become the scores of the result.
    pub stores_distance: bool,
}

/// What a query consists of while it is read.
struct Draft<'s> {
    form: Form,
    /// None: the key does not exist, and everything else is only checked.
    set: Option<&'s SortedSet>,
    center: Option<Point>,
    has_member: bool,
    area: Option<Area>,
    query: Query,
}

const NOWHERE: Point = Point { longitude: 0.0, latitude: 0.0 };

impl Query {
    /// Reads the arguments of a search of `set`.
    pub fn read(args: &Args<'_>, form: Form, set: Option<&SortedSet>) -> Result<Query, CmdError> {
        let query = Query {
            center: NOWHERE,
            area: Area::Circle { radius: 0.0 },
            unit: 1.0,
            with_distance: false,
            with_hash: false,
            with_place: false,
            order: None,
            count: 0,
            any: false,
            target: (form == Form::SearchStore).then_some(1),
            stores_distance: false,
        };
        let mut draft = Draft { form, set, center: None, has_member: false, area: None, query };
        let first = draft.read_fixed(args)?;
        let mut words = args.reader(first);
        while !words.done() {
            draft.read_option(&mut words)?;
        }
        draft.finish(args)
    }

    /// The box around the area, and the distance in metres from the center to its farthest point.
    pub fn extent(&self) -> (Bounds, f64) {
        match &self.area {
            Area::Circle { radius } => (Bounds::around(self.center, *radius, *radius), *radius),
            Area::Box { width, height } => {
                let (width, height) = (width / 2.0, height / 2.0);
                let diagonal = (width * width + height * height).sqrt();
                (Bounds::around(self.center, width, height), diagonal)
            }
            Area::Polygon(corners) => {
                let distances = corners.iter().map(|corner| self.center.distance(*corner));
                (bounds_of(corners), distances.fold(0.0, f64::max))
            }
        }
    }

    /// The distance of `place` from the center in metres, if it is in the area.
    pub fn distance(&self, place: Point) -> Option<f64> {
        let center = self.center;
        let is_inside = match &self.area {
            Area::Circle { radius } => {
                let distance = center.distance(place);
                return (distance <= *radius).then_some(distance);
            }
            Area::Box { width, height } => {
                let beside = Point { longitude: center.longitude, ..place };
                latitude_distance(place.latitude, center.latitude) <= height / 2.0
                    && place.distance(beside) <= width / 2.0
            }
            Area::Polygon(corners) => is_in_polygon(corners, place),
        };
        is_inside.then(|| center.distance(place))
    }
}

fn bounds_of(corners: &[Point]) -> Bounds {
    let range = |degrees: fn(&Point) -> f64| Range {
        low: corners.iter().map(degrees).fold(f64::INFINITY, f64::min),
        high: corners.iter().map(degrees).fold(f64::NEG_INFINITY, f64::max),
    };
    Bounds {
        longitude: range(|corner| corner.longitude),
        latitude: range(|corner| corner.latitude),
    }
}

/// Whether a line from the place to the east leaves the polygon more often than it enters it
/// (Shimrat, "Algorithm 112", 1962).
fn is_in_polygon(corners: &[Point], place: Point) -> bool {
    let mut is_inside = false;
    let mut from = corners[corners.len() - 1];
    for &to in corners {
        if (from.latitude > place.latitude) != (to.latitude > place.latitude) {
            let share = (place.latitude - from.latitude) / (to.latitude - from.latitude);
            let crossing = from.longitude + share * (to.longitude - from.longitude);
            is_inside ^= place.longitude < crossing;
        }
        from = to;
    }
    is_inside
}

/// The mean of the corners.
fn center_of(corners: &[Point]) -> Point {
    let mean = |degrees: fn(&Point) -> f64| {
        corners.iter().map(degrees).sum::<f64>() / corners.len() as f64
    };
    Point { longitude: mean(|corner| corner.longitude), latitude: mean(|corner| corner.latitude) }
}

impl Draft<'_> {
    /// Reads what stands at fixed positions; returns where options begin.
    fn read_fixed(&mut self, args: &Args<'_>) -> Result<usize, CmdError> {
        match self.form {
            Form::Search => Ok(2),
            Form::SearchStore => Ok(3),
            Form::Radius { .. } => {
                self.center = Some(read_point(args.at(2), args.at(3))?);
                self.read_circle(&mut args.reader(4))?;
                Ok(6)
            }
            Form::RadiusByMember { .. } => {
                if self.set.is_some() {
                    self.read_member(args.at(2))?;
                    self.read_circle(&mut args.reader(3))?;
                }
                Ok(5)
            }
        }
    }

    fn read_member(&mut self, member: &[u8]) -> Result<(), CmdError> {
        self.has_member = true;
        if let Some(set) = self.set {
            self.center = Some(place_of(set.score(member).ok_or(NO_SUCH_CENTER)?));
        }
        Ok(())
    }

    fn read_circle(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let radius = num::parse_f64(words.word()?).ok_or(BAD_RADIUS)?;
        if radius < 0.0 {
            return Err(NEGATIVE_RADIUS);
        }
        self.query.unit = read_unit(words.word()?)?;
        self.area = Some(Area::Circle { radius: radius * self.query.unit });
        Ok(())
    }

    fn read_box(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let width = num::parse_f64(words.word()?).ok_or(BAD_WIDTH)?;
        let height = num::parse_f64(words.word()?).ok_or(BAD_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(NEGATIVE_SIDE);
        }
        self.query.unit = read_unit(words.word()?)?;
        let unit = self.query.unit;
        self.area = Some(Area::Box { width: width * unit, height: height * unit });
        Ok(())
    }

    fn read_polygon(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let count = words.int()?;
        if count < 3 {
            return Err(FEW_VERTICES);
        }
        if count as u64 > words.left() as u64 / 2 {
            return Err(CmdError::Syntax);
        }
        let corner = |_| read_point(words.word()?, words.word()?);
        let corners = (0..count).map(corner).collect::<Result<Vec<Point>, CmdError>>()?;
        self.center = Some(center_of(&corners));
        self.area = Some(Area::Polygon(corners));
        Ok(())
    }

    fn is_polygon(&self) -> bool {
        matches!(self.area, Some(Area::Polygon(_)))
    }

    fn read_option(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let is_search = self.form.is_search();
        let has_more = words.left() > 1;
        if words.keyword("WITHDIST") {
            self.query.with_distance = true;
        } else if words.keyword("WITHHASH") {
            self.query.with_hash = true;
        } else if words.keyword("WITHCOORD") {
            self.query.with_place = true;
        } else if words.keyword("ANY") {
            self.query.any = true;
        } else if words.keyword("ASC") {
            self.query.order = Some(Order::Nearest);
        } else if words.keyword("DESC") {
            self.query.order = Some(Order::Farthest);
        } else if has_more && words.keyword("COUNT") {
            let count = words.int()?;
            self.query.count = usize::try_from(count).ok().filter(|c| *c > 0).ok_or(BAD_COUNT)?;
        } else if is_search {
            return self.read_shape(words);
        } else {
            return self.read_target(words);
        }
        Ok(())
    }

    /// STORE and STOREDIST of GEORADIUS.
    fn read_target(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let stores = matches!(
            self.form,
            Form::Radius { stores: true } | Form::RadiusByMember { stores: true }
        );
        if !stores || words.left() < 2 {
            return Err(CmdError::Syntax);
        }
        self.query.stores_distance = if words.keyword("STORE") {
            false
        } else if words.keyword("STOREDIST") {
            true
        } else {
            return Err(CmdError::Syntax);
        };
        self.query.target = Some(words.position());
        words.word().map(drop)
    }

    /// Center and area of GEOSEARCH.
    fn read_shape(&mut self, words: &mut Reader<'_>) -> Result<(), CmdError> {
        let left = words.left();
        let is_circle = matches!(self.area, Some(Area::Circle { .. }));
        let is_box = matches!(self.area, Some(Area::Box { .. }));
        let has_point = self.center.is_some() && !self.has_member;
        if self.form == Form::SearchStore && words.keyword("STOREDIST") {
            self.query.stores_distance = true;
            Ok(())
        } else if left > 1 && !has_point && words.keyword("FROMMEMBER") {
            let member = words.word()?;
            self.read_member(member)
        } else if left > 2 && !self.has_member && !self.is_polygon() && words.keyword("FROMLONLAT")
        {
            self.center = Some(read_point(words.word()?, words.word()?)?);
            Ok(())
        } else if left > 2 && !is_box && !self.is_polygon() && words.keyword("BYRADIUS") {
            self.read_circle(words)
        } else if left > 3 && !is_circle && !self.is_polygon() && words.keyword("BYBOX") {
            self.read_box(words)
        } else if left > 1 && self.area.is_none() && words.keyword("BYPOLYGON") {
            if self.has_member || has_point {
                return Err(CmdError::Syntax);
            }
            self.read_polygon(words)
        } else {
            Err(CmdError::Syntax)
        }
    }

    fn finish(mut self, args: &Args<'_>) -> Result<Query, CmdError> {
        let query = &self.query;
        let shows = query.with_distance || query.with_hash || query.with_place;
        if query.target.is_some() && shows {
            let is_search = self.form.is_search();
            return Err(if is_search { STORE_WITH_SEARCH } else { STORE_WITH_RADIUS });
        }
        if self.form.is_search() {
            let exactly = |what: &str| {
                let name = shown(args.at(0), usize::MAX);
                let text = format!("ERR exactly one of {what} can be specified for ");
                CmdError::owned([text.as_bytes(), name].concat())
            };
            if self.center.is_none() && !self.has_member {
                return Err(exactly("FROMMEMBER or FROMLONLAT"));
            }
            if self.area.is_none() {
                return Err(exactly("BYRADIUS and BYBOX"));
            }
        }
        if query.any && query.count == 0 {
            return Err(ANY_ALONE);
        }
        // The first places in order are those nearest to the center, unless any will do.
        if query.count > 0 && query.order.is_none() && !query.any {
            self.query.order = Some(Order::Nearest);
        }
        self.query.center = self.center.unwrap_or(NOWHERE);
        self.query.area = self.area.unwrap_or(Area::Circle { radius: 0.0 });
        Ok(self.query)
    }
}
