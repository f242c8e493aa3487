//! The settings of varied training pictures: `[augment]`.

use super::form::{About, Form, about, how_often, scale, strength};
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

/// What most people look at first.
pub(super) fn main(ui: &mut Ui, form: &mut Form<'_>) {
    form.head(ui, "Varied pictures");
    form.switch(ui, ENABLED, |c| &mut c.augment.enabled);
    let on = form.draft.augment.enabled;
    ui.add_enabled_ui(on, |ui| {
        form.pair(ui, CROP, 0.01..=1.0, |c| &mut c.augment.crop_scale);
        form.number(ui, HFLIP, how_often(), |c| &mut c.augment.hflip);
        form.number(ui, VFLIP, how_often(), |c| &mut c.augment.vflip);
        form.number(ui, ROTATION, scale(0.0..=180.0, 0.5, 1), |c| &mut c.augment.rotation_degrees);
    });
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

/// The rest.
pub(super) fn advanced(ui: &mut Ui, form: &mut Form<'_>) {
    form.number(ui, VIEWS, scale(1..=64, 0.1, 0), |c| &mut c.augment.views);
    form.pair(ui, RATIO, 0.05..=20.0, |c| &mut c.augment.crop_ratio);
    form.number(ui, BRIGHTNESS, strength(), |c| &mut c.augment.brightness);
    form.number(ui, CONTRAST, strength(), |c| &mut c.augment.contrast);
    form.number(ui, SATURATION, strength(), |c| &mut c.augment.saturation);
    form.number(ui, HUE, scale(0.0..=0.5, 0.002, 3), |c| &mut c.augment.hue);
    form.number(ui, ERASING, how_often(), |c| &mut c.augment.erasing);
}
