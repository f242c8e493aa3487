//! Training pictures as the network would see them with the present settings.

use super::Memory;
use super::words::count;
use crate::config::TrainConfig;
use crate::data::{Dataset, Split};
use crate::engine::PreviewRequest;
use crate::engine::preview::{kept_views, own_share, training_pictures};
use crate::ui::AppState;
use crate::ui::icons::Icon;
use crate::ui::previews::{Previews, Varied};
use crate::ui::theme::{Palette, RADIUS, space, type_size};
use crate::ui::thumbnails::Thumbnails;
use crate::ui::widgets::{caption, class_dot, paint_icon, picture, picture_grid, secondary_button};
use egui::{Label, RichText, Role, Sense, Ui, Vec2, WidgetInfo};
use std::path::Path;

/// Smallest side of a picture, in points.
const SIDE: f32 = 132.0;
/// Largest side of a picture, in points: views are hardly larger than this in pixels.
const MOST_SIDE: f32 = 224.0;
/// Pictures at most: each takes a few milliseconds.
const MOST: usize = 18;
/// Side of the picture as it is, shown on hovering, in points.
const PLAIN: f32 = 176.0;
/// Height of the class's name under a picture.
const NAME: f32 = type_size::CAPTION + space::S;

/// Which pictures are on show, and which look at them.
#[derive(Debug, Default, Clone, Copy)]
pub struct Looked {
    /// Which lot of pictures, from 0.
    page: usize,
    /// Which epoch or kept view, from 0.
    draw: usize,
}

/// Draws them in `height` points.
pub(super) fn show(
    ui: &mut Ui,
    state: &AppState,
    memory: &mut Memory,
    (previews, thumbs): (&mut Previews, &mut Thumbnails),
    height: f32,
) {
    let Some(data) = state.dataset() else { return };
    let pictures = data.class_counts(Split::Train).iter().sum::<usize>();
    ui.horizontal_wrapped(|ui| {
        if secondary_button(ui, "Draw again")
            .on_hover_text("The same pictures, as another epoch sees them")
            .clicked()
        {
            memory.looked.draw += 1;
        }
        if secondary_button(ui, "Other pictures").clicked() {
            memory.looked.page += 1;
        }
        caption(ui, words(&state.config, memory.looked.draw, pictures));
    });
    ui.add_space(space::S);
    let (columns, rows, side) = grid(ui.available_width(), height - 28.0 - 2.0 * space::S);
    let count = (columns * rows).min(MOST);
    let chosen = training_pictures(data, state.config.train.seed, memory.looked.page, count);
    let request = PreviewRequest { config: state.config.clone(), pictures: chosen, draw: memory.looked.draw };
    let made = previews.get(ui.ctx(), &request);
    let class = |i: usize| request.pictures.get(i).and_then(|(n, _)| data.samples.get(*n)).map(|s| s.class);
    let counts = |i: usize| {
        let other = own_share(&request).zip(mixed_with(made, i).and_then(class));
        counts_as(&data.classes, class(i).unwrap_or(0), other)
    };
    ui.spacing_mut().item_spacing = Vec2::splat(space::S);
    for row in 0..rows {
        ui.horizontal_top(|ui| {
            for i in (row * columns..(row + 1) * columns).filter(|&i| i < request.pictures.len()) {
                let (number, path) = &request.pictures[i];
                tile(ui, (data, *number, path), (made.get(i), &counts(i)), thumbs, side);
            }
        });
    }
}

/// Columns, rows and side of a picture.
fn grid(width: f32, height: f32) -> (usize, usize, f32) {
    let (columns, side) = picture_grid::columns(width, SIDE);
    let columns = columns.min(MOST / 3);
    let of_width = ((width + space::S) / columns as f32 - space::S).floor().max(side.min(SIDE));
    let rows = ((height + space::S) / (SIDE + NAME + space::S)) as usize;
    let rows = rows.clamp(1, MOST.div_ceil(columns));
    let of_height = (height + space::S) / rows as f32 - space::S - NAME;
    (columns, rows, of_width.min(of_height).clamp(48.0, MOST_SIDE))
}

fn tile(
    ui: &mut Ui,
    (data, number, path): (&Dataset, usize, &Path),
    (varied, counts): (Option<&Varied>, &str),
    thumbs: &mut Thumbnails,
    side: f32,
) {
    let p = Palette::of(ui);
    let Some(sample) = data.samples.get(number) else { return };
    ui.vertical(|ui| {
        ui.set_width(side);
        ui.spacing_mut().item_spacing = egui::vec2(space::XS, space::XS);
        let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
        response.widget_info(|| {
            WidgetInfo::labeled(Role::Image, true, format!("{}, {counts}, varied", sample.rel))
        });
        match varied {
            Some(Ok(texture)) => egui::Image::new(texture).corner_radius(RADIUS).paint_at(ui, rect),
            Some(Err(_)) => {
                ui.painter().rect_filled(rect, RADIUS, p.raised);
                paint_icon(ui, rect.center(), Icon::ImageOff, 18.0, p.muted);
            }
            None => {
                ui.painter().rect_filled(rect, RADIUS, p.raised);
            }
        }
        response.on_hover_ui(|ui| {
            ui.set_max_width(PLAIN);
            match varied {
                Some(Err(why)) => {
                    ui.label(why);
                }
                _ => {
                    picture(ui, thumbs, path, PLAIN, "The picture as it is");
                    caption(ui, format!("{}, as it is", sample.rel));
                }
            }
        });
        ui.horizontal(|ui| {
            class_dot(ui, sample.class);
            ui.add(Label::new(RichText::new(counts).small().color(p.muted)).truncate());
        });
    });
}

/// The picture that one is mixed with: the one before it that could be made, or the last one.
fn mixed_with(made: &[Varied], i: usize) -> Option<usize> {
    made.get(i)?.as_ref().ok()?;
    let before = (0..i).rev().chain((i + 1..made.len()).rev());
    before.into_iter().find(|&j| made[j].is_ok())
}

/// What a picture counts as: its class, or where it is mixed with one of another class the shares of both; `mixed` is its own share
/// and the other's class.
fn counts_as(classes: &[String], class: usize, mixed: Option<(f64, usize)>) -> String {
    let name = |c: usize| classes.get(c).map_or("", String::as_str);
    let percent = |share: f64| (100.0 * share).round();
    match mixed {
        Some((own, other)) if other != class => {
            let own = percent(own);
            format!("{own:.0} % {}, {:.0} % {}", name(class), 100.0 - own, name(other))
        }
        _ => name(class).to_owned(),
    }
}

/// Which look at which pictures it is.
fn words(config: &TrainConfig, draw: usize, pictures: usize) -> String {
    let of = count(pictures, "training picture", "training pictures");
    if !config.augment.enabled {
        return format!("Of {of} · not varied: each look is the same");
    }
    match kept_views(config) {
        Ok(Some(views)) => {
            format!("Of {of} · view {} of the {views} that a run keeps of each", draw % views.max(1) + 1)
        }
        _ => format!("Of {of} · as epoch {} of a run sees them", draw + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainMode;

    #[test]
    fn the_grid_fits_into_its_place() {
        for (width, height) in [(860.0, 420.0), (860.0, 160.0), (1500.0, 700.0), (300.0, 500.0)] {
            let (columns, rows, side) = grid(width, height);
            assert!(columns >= 1 && rows >= 1 && side <= MOST_SIDE);
            assert!(columns as f32 * (side + space::S) - space::S <= width + 0.5, "{width} {columns} {side}");
            let total = rows as f32 * (side + NAME + space::S) - space::S;
            assert!(total <= height + 0.5 || rows == 1, "{height} {rows} {side}");
        }
    }

    #[test]
    fn a_mixed_picture_says_the_shares_of_both_classes() {
        let classes = ["ants", "bees"].map(str::to_owned);
        assert_eq!(counts_as(&classes, 1, Some((0.446, 0))), "45 % bees, 55 % ants");
        assert_eq!(counts_as(&classes, 1, Some((0.446, 1))), "bees", "both are bees");
        assert_eq!(counts_as(&classes, 0, None), "ants");
        let ctx = egui::Context::default();
        let image = egui::ColorImage::filled([1, 1], egui::Color32::BLACK);
        let there = || Ok(ctx.load_texture("t", image.clone(), egui::TextureOptions::LINEAR));
        let made = [there(), Err("gone".to_owned()), there(), there()];
        let others: Vec<_> = (0..4).map(|i| mixed_with(&made, i)).collect();
        assert_eq!(others, [Some(3), None, Some(0), Some(2)]);
        assert_eq!(mixed_with(&made[..2], 0), None, "alone it is not mixed");
    }

    #[test]
    fn it_says_which_look_it_is() {
        let mut c = TrainConfig::default();
        c.train.mode = TrainMode::Frozen;
        assert_eq!(words(&c, 5, 244), "Of 244 training pictures · view 2 of the 4 that a run keeps of each");
        c.train.mode = TrainMode::Full;
        assert_eq!(words(&c, 5, 1), "Of 1 training picture · as epoch 6 of a run sees them");
        c.augment.enabled = false;
        assert!(words(&c, 0, 2).ends_with("each look is the same"));
    }
}
