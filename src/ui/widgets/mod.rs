//! Parts that several screens are made of.

pub mod axes;
pub mod basic;
pub mod confusion_matrix;
pub mod curves;
pub mod drop_down;
pub mod heat_overlay;
pub mod picture;
pub mod picture_grid;
pub mod point_cloud;
pub mod probability_bars;
pub mod segmented;
pub mod setting;

pub use basic::{
    badge, caption, card, check_box, class_dot, empty_state, icon_beside, icon_button, is_behind_question,
    lasting_height, link_button, paint_bar, paint_icon, primary_button, progress_bar, secondary_button,
    section, stat, stat_width, wheel,
};
pub use drop_down::{choice, drop_down};
pub use picture::{picture, picture_button, picture_tile};
pub use setting::{PathField, setting, setting_reset};
