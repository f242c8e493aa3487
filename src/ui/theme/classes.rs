//! The colours of the classes.

use egui::Color32;

/// The first classes' colours: searched so that each shows on both themes (3 : 1), and any two can be told apart by all eyes, also by those that lack one sort of
/// cones; in the order of Okabe and Ito's (2008): blue, orange, green, purple come first.
const FIRST: [Color32; 8] = [
    Color32::from_rgb(0x44, 0x90, 0xED),
    Color32::from_rgb(0xDB, 0x73, 0x11),
    Color32::from_rgb(0x14, 0x77, 0x52),
    Color32::from_rgb(0x9B, 0x40, 0xC9),
    Color32::from_rgb(0xB3, 0x41, 0x14),
    Color32::from_rgb(0x87, 0x92, 0x70),
    Color32::from_rgb(0xBB, 0x73, 0xB3),
    Color32::from_rgb(0x6C, 0x60, 0x8F),
];

/// The colour of class number `class`: eight of which no two look alike, then hues of even lightness a golden angle apart.
pub fn class_colour(class: usize) -> Color32 {
    match FIRST.get(class) {
        Some(colour) => *colour,
        None => {
            let hue = ((class - FIRST.len()) as f32 * 0.618_034 + 0.40).fract();
            even_hue(hue)
        }
    }
}

/// A colour of OKLCH lightness 0.62 and chroma 0.12 (Ottosson 2020); `hue` in `[0, 1)`.
fn even_hue(hue: f32) -> Color32 {
    let (lightness, chroma) = (0.62_f32, 0.12_f32);
    let (b, a) = (hue * std::f32::consts::TAU).sin_cos();
    let (a, b) = (a * chroma, b * chroma);
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let rgb = [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ];
    let [r, g, b] = rgb.map(|v| egui::ecolor::gamma_u8_from_linear_f32(v.clamp(0.0, 1.0)));
    Color32::from_rgb(r, g, b)
}

/// OKLab (Ottosson 2020) of linear red, green and blue in 0 to 1.
pub(crate) fn oklab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let l = (0.412_221_46 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{DARK, LIGHT, contrast};
    use super::*;

    #[test]
    fn a_hundred_classes_have_different_colours_that_show_on_both_themes() {
        let colours: Vec<Color32> = (0..100).map(class_colour).collect();
        for (i, a) in colours.iter().enumerate() {
            assert!(!colours[..i].contains(a), "class {i}");
            for ground in [DARK.background, DARK.surface, LIGHT.background, LIGHT.surface] {
                assert!(contrast(*a, ground) >= 3.0, "class {i} on {ground:?}: {}", contrast(*a, ground));
            }
        }
    }

    #[test]
    fn the_next_classes_do_not_look_like_the_first() {
        let lab = |class| seen(class_colour(class), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        for (new, old) in (8..12).flat_map(|new| (0..new).map(move |old| (new, old))) {
            let apart = lab(new).iter().zip(lab(old)).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt();
            assert!(apart >= 0.075, "classes {old} and {new}: {apart}");
        }
    }

    /// A colour as it is seen without one sort of cones (Machado, Oliveira and Fernandes 2009, whole loss), in OKLab.
    fn seen(colour: Color32, by: [[f32; 3]; 3]) -> [f32; 3] {
        let linear = [colour.r(), colour.g(), colour.b()].map(egui::ecolor::linear_f32_from_gamma_u8);
        oklab(by.map(|row| row.iter().zip(linear).map(|(a, v)| a * v).sum::<f32>().clamp(0.0, 1.0)))
    }

    #[test]
    fn the_first_eight_classes_can_be_told_apart_also_without_one_sort_of_cones() {
        const EYES: [[[f32; 3]; 3]; 4] = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_82, 0.042_94, 0.968_881],
            ],
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_9],
            ],
        ];
        let apart = |a: usize, b: usize, eyes| {
            let (one, other) = (seen(class_colour(a), eyes), seen(class_colour(b), eyes));
            one.iter().zip(other).map(|(x, y)| (x - y).powi(2)).sum::<f32>().sqrt()
        };
        for (eyes, least) in EYES.into_iter().zip([0.13, 0.085, 0.085, 0.085]) {
            for (a, b) in (0..8).flat_map(|a| (0..a).map(move |b| (a, b))) {
                let found = apart(a, b, eyes);
                assert!(found >= least, "classes {b} and {a}: {found}, not {least}");
            }
        }
    }
}
