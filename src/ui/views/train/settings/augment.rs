//! The settings of varied training pictures: `[augment]`.

use super::form::{About, Form, about, how_often, scale, strength};
use crate::config::{AugmentPolicy, TrainMode};
use crate::data::orientation::{Flip, concern};
use crate::error::count;
use crate::ui::views::train::Tab;
use crate::ui::widgets::{caption, link_button};
use egui::Ui;

const ENABLED: About = about(
    "Vary training pictures",
    "augment.enabled",
    "Every look at a training picture is a little different, so that the network learns the thing and not the picture. \
     On: it helps almost always",
);
const CROP: About = about(
    "Random cut, share",
    "augment.crop_scale",
    "How much of the picture a random cut shows. From 0.35 keeps small things whole more often than ImageNet's 0.08",
);
const HFLIP: About = about(
    "Mirror left and right",
    "augment.hflip",
    "How often, from 0 to 1. Half of the time; set 0 where left and right mean something, as in text",
);
const VFLIP: About = about(
    "Turn upside down",
    "augment.vflip",
    "How often, from 0 to 1. 0, because most things have an up; set 0.5 for pictures taken from above",
);
const ROTATION: About = about(
    "Rotate, degrees",
    "augment.rotation_degrees",
    "Largest angle to either side. 0, because cuts and mirrors suffice for most pictures",
);
const BRIGHTNESS: About = about(
    "Brightness",
    "augment.brightness",
    "0.2 means from 0.8 to 1.2 times as bright. 0 is off; use it where light varies",
);
const CONTRAST: About =
    about("Contrast", "augment.contrast", "0.2 means from 0.8 to 1.2 times the contrast. 0 is off");
const SATURATION: About =
    about("Saturation", "augment.saturation", "0.2 means from 0.8 to 1.2 times as colourful. 0 is off");
const HUE: About = about(
    "Hue",
    "augment.hue",
    "Largest shift of colours, 0.5 is half round the colour circle. 0, because colour often tells classes apart",
);
const ERASING: About = about(
    "Blank a rectangle",
    "augment.erasing",
    "How often, from 0 to 1. It teaches to look at the whole thing. 0, because it slows learning from few pictures",
);

const POLICY: About = about(
    "Strong variation",
    "augment.policy",
    "TrivialAugment does one thing to each look (shear, shift, turn, colours, levels) in any strength; RandAugment does several \
     in one strength. Off: from few pictures a head learns better without; try TrivialAugment where everything learns for long",
);
const OPERATIONS: About = about(
    "Things at once",
    "augment.rand_operations",
    "How many things RandAugment does to each look. 2 is its authors' choice",
);
const MAGNITUDE: About = about(
    "How strong",
    "augment.rand_magnitude",
    "Strength of RandAugment, from 0 to 30. 9 is its authors' choice",
);

/// What most people look at first. `tab` is what the screen is to show, `seen` whether the varied pictures are there already, and
/// `mirrored` how many pictures look like one of another class in a mirror; whether those are asked for.
pub(super) fn main(
    ui: &mut Ui,
    form: &mut Form<'_>,
    (classes, mirrored): (&[String], usize),
    (tab, seen): (&mut Option<Tab>, bool),
) -> bool {
    let mut asked = false;
    form.head(ui, "Varied pictures");
    form.switch(ui, ENABLED, |c| &mut c.augment.enabled);
    let on = form.draft.augment.enabled;
    if !seen && !form.is_searched() && link_button(ui, "See them").clicked() {
        *tab = Some(Tab::Varied);
    }
    ui.add_enabled_ui(on, |ui| {
        form.sliding_pair(ui, CROP, 0.01..=1.0, |c| &mut c.augment.crop_scale);
        form.slider(ui, HFLIP, (how_often(), 0.0..=1.0), |c| &mut c.augment.hflip);
        flip_warning(ui, form, classes, (Flip::Mirror, form.draft.augment.hflip));
        asked = mirror_warning(ui, form, mirrored);
        form.slider(ui, VFLIP, (how_often(), 0.0..=1.0), |c| &mut c.augment.vflip);
        flip_warning(ui, form, classes, (Flip::UpsideDown, form.draft.augment.vflip));
        let degrees = scale(0.0..=180.0, 0.5, 1);
        form.slider(ui, ROTATION, (degrees, 0.0..=180.0), |c| &mut c.augment.rotation_degrees);
        form.slider(ui, BRIGHTNESS, (strength(), 0.0..=1.0), |c| &mut c.augment.brightness);
        form.slider(ui, CONTRAST, (strength(), 0.0..=1.0), |c| &mut c.augment.contrast);
        form.slider(ui, SATURATION, (strength(), 0.0..=1.0), |c| &mut c.augment.saturation);
        let policies = [
            (AugmentPolicy::None, "Off"),
            (AugmentPolicy::Trivial, "TrivialAugment"),
            (AugmentPolicy::Rand, "RandAugment"),
        ];
        form.choice(ui, POLICY, &policies, |c| &mut c.augment.policy);
        if form.draft.augment.policy == AugmentPolicy::Rand {
            form.slider(ui, OPERATIONS, (scale(1..=14, 0.1, 0), 1..=5), |c| &mut c.augment.rand_operations);
            form.slider(ui, MAGNITUDE, (scale(0..=30, 0.1, 0), 0..=30), |c| &mut c.augment.rand_magnitude);
        }
    });
    asked
}

/// Warns where mirror images were found to look like pictures of another class; whether they are asked for.
fn mirror_warning(ui: &mut Ui, form: &Form<'_>, mirrored: usize) -> bool {
    if mirrored == 0 || form.draft.augment.hflip == 0.0 || form.is_searched() {
        return false;
    }
    let look = count(mirrored, "of your pictures looks", "of your pictures look");
    form.warning(
        ui,
        &format!("Mirrored, {look} like a picture of another class. Set this to 0 where that matters"),
    );
    link_button(ui, "See those pictures").clicked()
}

fn flip_warning(ui: &mut Ui, form: &Form<'_>, classes: &[String], (flip, often): (Flip, f64)) {
    if let Some(why) = concern(classes, flip).filter(|_| often > 0.0) {
        form.warning(ui, &format!("{why}. Set this to 0 where that matters"));
    }
}

const RATIO: About = about(
    "Random cut, shape",
    "augment.crop_ratio",
    "How narrow and how wide a random cut may be. 0.75 to 1.33 distorts no more than a change of camera angle",
);
const VIEWS: About = about(
    "Views of each picture",
    "augment.views",
    "Where the backbone is frozen, so many varied views of each picture are computed once and drawn from. 4 is most of the \
     gain; each further one costs as much time as the first",
);

const MIXUP: About = about(
    "Blend two pictures",
    "augment.mixup",
    "MixUp: each picture is blended with another, and so is what it counts as. 0.2 blends most a little. 0 is off; it helps long \
     training of everything",
);
const CUTMIX: About = about(
    "Paste a part of another",
    "augment.cutmix",
    "CutMix: a rectangle of another picture is pasted, and what the picture counts as is shared by area. 1 makes all sizes as \
     likely. 0 is off; it helps long training of everything",
);

/// Mixing needs pictures to learn from at every step.
fn mixing(ui: &mut Ui, form: &mut Form<'_>) {
    let possible = matches!(form.resolved().mode, TrainMode::Full | TrainMode::Scratch);
    let set = form.draft.augment.mixup > 0.0 || form.draft.augment.cutmix > 0.0;
    // What is set stays within reach, or it could not be set back.
    ui.add_enabled_ui(possible || set, |ui| {
        form.slider(ui, MIXUP, (strength(), 0.0..=1.0), |c| &mut c.augment.mixup);
        form.slider(ui, CUTMIX, (strength(), 0.0..=1.0), |c| &mut c.augment.cutmix);
    });
    if !possible && !form.is_searched() {
        caption(
            ui,
            "Blending and pasting need \u{201c}Everything\u{201d} or \u{201c}From scratch\u{201d} under What learns",
        );
    }
}

/// The rest.
pub(super) fn advanced(ui: &mut Ui, form: &mut Form<'_>) {
    form.number(ui, VIEWS, scale(1..=64, 0.1, 0), |c| &mut c.augment.views);
    form.pair(ui, RATIO, 0.05..=20.0, |c| &mut c.augment.crop_ratio);
    form.slider(ui, HUE, (scale(0.0..=0.5, 0.002, 3), 0.0..=0.5), |c| &mut c.augment.hue);
    form.slider(ui, ERASING, (how_often(), 0.0..=1.0), |c| &mut c.augment.erasing);
    mixing(ui, form);
}
