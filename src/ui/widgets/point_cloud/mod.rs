//! Many points on a plane, drawn by the graphics card: to be moved, zoomed, pointed at, and encircled.

mod gpu;
mod grid;
mod lasso;

use crate::ui::theme::{Palette, RADIUS};
use egui::{Color32, Pos2, Rect, Response, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};
use grid::Grid;
use std::sync::Arc;

/// How the window's surface stores colours.
#[derive(Debug, Clone, Copy)]
pub struct Surface(pub wgpu::TextureFormat);

impl Default for Surface {
    /// What egui prefers, and what its tests draw on.
    fn default() -> Self {
        Self(wgpu::TextureFormat::Rgba8Unorm)
    }
}

/// What is drawn. Uploaded again only when one of both lists is another.
#[derive(Debug, Clone, Default)]
pub struct Points {
    /// Places on the plane, y upwards.
    pub places: Arc<Vec<[f32; 2]>>,
    /// One a point.
    pub colours: Arc<Vec<Color32>>,
    grid: Arc<Grid>,
}

impl Points {
    /// Points at these places.
    pub fn new(places: Vec<[f32; 2]>, colours: Vec<Color32>) -> Self {
        let grid = Arc::new(Grid::new(&places));
        Self { places: Arc::new(places), colours: Arc::new(colours), grid }
    }

    /// The same points in other colours.
    pub fn coloured(self, colours: Vec<Color32>) -> Self {
        Self { colours: Arc::new(colours), ..self }
    }

    /// The point under the pointer.
    fn under(&self, projection: Projection, at: Pos2) -> Option<usize> {
        self.grid.nearest(&self.places, projection.to_plane(at), REACH / projection.scale)
    }
}

/// Which part of the plane is on show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Middle, on the plane.
    centre: [f32; 2],
    /// Enlargement over the view that shows everything.
    zoom: f32,
}

impl Default for View {
    fn default() -> Self {
        Self { centre: [0.0; 2], zoom: 1.0 }
    }
}

/// What dragging does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Drag {
    /// Encircles points.
    #[default]
    Lasso,
    /// Moves the plane.
    Move,
}

/// What the widget remembers between frames.
#[derive(Debug, Default)]
pub struct Memory {
    /// Which part is on show.
    pub view: View,
    /// What dragging does.
    pub drag: Drag,
    /// The line so far, on the screen.
    line: Vec<Pos2>,
}

/// What happened in this frame.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The point under the pointer.
    pub hovered: Option<usize>,
    /// The point that was clicked.
    pub clicked: Option<usize>,
    /// The points that were encircled; an empty list where there are none within.
    pub encircled: Option<Vec<usize>>,
}

const MIN_ZOOM: f32 = 0.8;
const MAX_ZOOM: f32 = 200.0;
/// Share of the smaller side that is left free around all points.
const MARGIN: f32 = 0.06;
/// How near the pointer has to be to a point, in points of the screen.
const REACH: f32 = 8.0;

impl View {
    /// Enlarges by a factor.
    pub fn by(&mut self, factor: f32) {
        self.zoom = (self.zoom * factor).clamp(MIN_ZOOM, MAX_ZOOM);
    }

    /// Whether everything is on show.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// From the plane to the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Projection {
    /// Of the screen.
    middle: Pos2,
    /// Of the plane.
    centre: [f32; 2],
    /// Points of the screen for a unit of the plane.
    scale: f32,
}

impl Projection {
    fn new(rect: Rect, bounds: Rect, view: View) -> Self {
        let room = rect.size() * (1.0 - 2.0 * MARGIN);
        let size = bounds.size().max(Vec2::splat(f32::MIN_POSITIVE));
        let scale = (room.x / size.x).min(room.y / size.y) * view.zoom;
        let centre = [bounds.center().x + view.centre[0], bounds.center().y + view.centre[1]];
        Self { middle: rect.center(), centre, scale }
    }

    fn to_screen(self, place: [f32; 2]) -> Pos2 {
        let off = vec2(place[0] - self.centre[0], self.centre[1] - place[1]);
        self.middle + off * self.scale
    }

    fn to_plane(self, at: Pos2) -> [f32; 2] {
        let off = (at - self.middle) / self.scale;
        [self.centre[0] + off.x, self.centre[1] - off.y]
    }
}

/// The smallest rectangle with all places in it; a unit square where they are all in one.
pub fn bounds(places: &[[f32; 2]]) -> Rect {
    let mut rect = Rect::NOTHING;
    places
        .iter()
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .for_each(|p| rect.extend_with(pos2(p[0], p[1])));
    match rect.is_positive() {
        true => rect,
        false if rect.is_finite() => rect.expand(0.5),
        false => Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)),
    }
}

/// Draws the points into all of the space left; `bounds` are those of all places, `name` is the accessible name.
pub fn show(
    ui: &mut Ui,
    (points, bounds): (&Points, Rect),
    Surface(format): Surface,
    memory: &mut Memory,
    name: &str,
) -> Outcome {
    let p = Palette::of(ui);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    ui.painter().rect_filled(rect, RADIUS, p.surface);
    let mut outcome = Outcome::default();
    let mut projection = Projection::new(rect, bounds, memory.view);
    if let Some(at) = response.hover_pos() {
        zoom(ui, (rect, bounds), &mut projection, at, memory);
        outcome.hovered = points.under(projection, at);
    }
    outcome.encircled = dragged(&response, points, (projection, bounds, rect), memory);
    projection = Projection::new(rect, bounds, memory.view);
    if response.clicked() {
        outcome.clicked = outcome.hovered;
    }
    let radius = 3.5 * (2e3 / points.places.len().max(1) as f32).powf(0.25).clamp(0.4, 1.0);
    gpu::paint(ui, rect, points, (projection, radius * memory.view.zoom.powf(0.25)), format);
    if let Some(place) = outcome.hovered.and_then(|i| points.places.get(i)) {
        let at = projection.to_screen(*place);
        ui.painter().circle_stroke(at, REACH * 0.8, Stroke::new(1.5, p.text));
    }
    if memory.line.len() > 1 {
        ui.painter().line(memory.line.clone(), Stroke::new(1.5, p.accent));
    }
    crate::ui::widgets::basic::focus_ring(ui, &response);
    outcome
}

/// Zooms about the pointer.
fn zoom(ui: &Ui, (rect, bounds): (Rect, Rect), projection: &mut Projection, at: Pos2, memory: &mut Memory) {
    let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
    let factor = pinch * (scroll * 0.004).exp();
    if factor == 1.0 {
        return;
    }
    let under = projection.to_plane(at);
    memory.view.by(factor);
    *projection = Projection::new(rect, bounds, memory.view);
    let now = projection.to_plane(at);
    for axis in 0..2 {
        memory.view.centre[axis] += under[axis] - now[axis];
    }
    *projection = Projection::new(rect, bounds, memory.view);
}

fn dragged(
    response: &Response,
    points: &Points,
    (projection, bounds, rect): (Projection, Rect, Rect),
    memory: &mut Memory,
) -> Option<Vec<usize>> {
    let moving = memory.drag == Drag::Move
        || response.dragged_by(egui::PointerButton::Secondary)
        || response.dragged_by(egui::PointerButton::Middle);
    if moving {
        memory.line.clear();
        let by = response.drag_delta() / projection.scale;
        memory.view.centre[0] -= by.x;
        memory.view.centre[1] += by.y;
        let limit = bounds.size() * 0.5;
        memory.view.centre[0] = memory.view.centre[0].clamp(-limit.x, limit.x);
        memory.view.centre[1] = memory.view.centre[1].clamp(-limit.y, limit.y);
        return None;
    }
    if response.drag_started() {
        memory.line.clear();
    }
    if response.dragged()
        && let Some(at) = response.interact_pointer_pos()
        && memory.line.last().is_none_or(|last| last.distance(at) > 2.0)
    {
        memory.line.push(at.clamp(rect.min, rect.max));
    }
    if !response.drag_stopped() {
        return None;
    }
    let line: Vec<[f32; 2]> =
        std::mem::take(&mut memory.line).into_iter().map(|at| projection.to_plane(at)).collect();
    (line.len() > 2).then(|| lasso::within(&line, &points.places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_on_the_screen_and_the_nearest_is_found() {
        let rect = Rect::from_min_size(pos2(100.0, 50.0), vec2(400.0, 300.0));
        let places = [[0.0, 0.0], [10.0, 1.0], [5.0, -2.0]];
        let projection = Projection::new(rect, bounds(&places), View::default());
        let points = Points::new(places.to_vec(), Vec::new());
        for (i, place) in places.iter().enumerate() {
            let at = projection.to_screen(*place);
            assert!(rect.contains(at), "{at:?}");
            assert_eq!(points.under(projection, at + vec2(3.0, -2.0)), Some(i));
            let back = projection.to_plane(at);
            assert!((back[0] - place[0]).abs() < 1e-4 && (back[1] - place[1]).abs() < 1e-4);
        }
        assert_eq!(points.under(projection, rect.min), None);
        assert!(projection.to_screen([0.0, 1.0]).y < projection.to_screen([0.0, 0.0]).y, "y is upwards");
    }

    #[test]
    fn bounds_never_vanish() {
        assert_eq!(bounds(&[[3.0, 4.0]]).center(), pos2(3.0, 4.0));
        assert!(bounds(&[]).is_positive() && bounds(&[[f32::NAN, 0.0]]).is_positive());
    }
}
