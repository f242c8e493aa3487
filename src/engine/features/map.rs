//! Pictures on a plane, along the directions in which their features differ most.

use super::Features;
use super::principal::{Directions, Search};
use crate::error::Result;

/// Two directions are shown, so they are searched until nothing changes any more.
const SEARCH: Search = Search { wanted: 2, beside: 6, tolerance: 1e-10, passes: 300 };

/// Where pictures lie on a plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// One a picture: along the direction of the largest variance, and of the largest that is left.
    pub points: Vec<[f32; 2]>,
    /// Share of the whole variance along each.
    pub shares: [f64; 2],
}

/// The first two principal components of the features. The largest part of each direction is positive.
///
/// # Errors
/// If `keep_going`, asked before every pass, stops the work.
pub fn principal_plane(
    features: &Features,
    seed: u64,
    keep_going: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Plane> {
    let (values, width) = (features.values(), features.width());
    let found = Directions::find((values, width), SEARCH, seed, keep_going)?;
    let share = |i: usize| found.shares.get(i).copied().unwrap_or_default();
    let mut points = found.coordinates::<2>(values);
    // Features without any width are no rows.
    points.resize(features.len(), [0.0; 2]);
    Ok(Plane { points, shares: [share(0), share(1)] })
}
