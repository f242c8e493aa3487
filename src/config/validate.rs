//! Ranges of the values, and which of them exclude each other.

use super::{
    CONFIG_VERSION, DeviceChoice, GroupBy, HeadKind, Learns, OptimConfig, Precision, Solver, TrainConfig,
    TrainMode,
};
use crate::error::{Error, Result};

/// More memory than any machine that this runs on has.
const MAX_CACHE_MIB: usize = 1 << 20;
/// More epochs than anybody waits for.
const MAX_EPOCHS: usize = 100_000;
/// More phases than anybody can tell apart.
const MAX_PHASES: usize = 20;
/// Steps that are larger leave every network in pieces.
const MAX_RATE: f64 = 10.0;

fn check(ok: bool, key: &str, value: impl std::fmt::Debug, range: &str) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::input(format!("{key} = {value:?} is out of range"))
            .with_hint(format!("It must be {range}")))
    }
}

impl TrainConfig {
    /// Checks every value's range.
    ///
    /// # Errors
    /// Names the first key that is out of range, its value and the range.
    pub fn validate(&self) -> Result<()> {
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        let below_one = |v: f64| (0.0..1.0).contains(&v);
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let rate = |v: f64| positive(v) && v <= MAX_RATE;
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        check(
            (1..=CONFIG_VERSION).contains(&self.version),
            "version",
            self.version,
            "a version this program knows; a newer Headstart wrote this file",
        )?;
        let d = &self.data;
        check(
            d.val_fraction > 0.0 && d.val_fraction < 1.0,
            "data.val_fraction",
            d.val_fraction,
            "above 0 and below 1",
        )?;
        check(
            d.test_fraction >= 0.0 && d.test_fraction + d.val_fraction < 1.0,
            "data.test_fraction",
            d.test_fraction,
            "at least 0, and below 1 together with data.val_fraction",
        )?;
        check(d.folds == 0 || (2..=100).contains(&d.folds), "data.folds", d.folds, "0, or 2 to 100")?;
        let range = format!("from 1 to {}, the number of folds (data.folds)", d.folds.max(1));
        check((1..=d.folds.max(1)).contains(&d.fold), "data.fold", d.fold, &range)?;
        check(
            d.group_by != GroupBy::Pattern || d.group_pattern.is_some(),
            "data.group_pattern",
            &d.group_pattern,
            "given with data.group_by = \"pattern\", for example \"patient(\\d+)\"",
        )?;
        check(positive(d.max_megapixels), "data.max_megapixels", d.max_megapixels, "above 0")?;
        check(d.cache_mib <= MAX_CACHE_MIB, "data.cache_mib", d.cache_mib, "at most 1048576 (a tebibyte)")?;
        let h = &self.head;
        check(below_one(h.dropout), "head.dropout", h.dropout, "at least 0 and below 1")?;
        check(
            h.hidden.iter().all(|&w| (1..=65_536).contains(&w)),
            "head.hidden",
            &h.hidden,
            "widths from 1 to 65536",
        )?;
        let a = &self.augment;
        let [lo, hi] = a.crop_scale;
        check(
            lo > 0.0 && lo <= hi && hi <= 1.0,
            "augment.crop_scale",
            a.crop_scale,
            "two shares, 0 < low <= high <= 1",
        )?;
        let [lo, hi] = a.crop_ratio;
        check(
            lo > 0.0 && lo <= hi && hi <= 100.0,
            "augment.crop_ratio",
            a.crop_ratio,
            "two ratios, 0 < low <= high",
        )?;
        for (key, v) in [("hflip", a.hflip), ("vflip", a.vflip), ("erasing", a.erasing)] {
            check(unit(v), &format!("augment.{key}"), v, "a probability from 0 to 1")?;
        }
        check(
            (0.0..=180.0).contains(&a.rotation_degrees),
            "augment.rotation_degrees",
            a.rotation_degrees,
            "0 to 180",
        )?;
        for (key, v) in [("brightness", a.brightness), ("contrast", a.contrast), ("saturation", a.saturation)]
        {
            check(not_negative(v) && v <= 10.0, &format!("augment.{key}"), v, "0 to 10")?;
        }
        check((0.0..=0.5).contains(&a.hue), "augment.hue", a.hue, "0 to 0.5")?;
        check(
            (1..=14).contains(&a.rand_operations),
            "augment.rand_operations",
            a.rand_operations,
            "1 to 14",
        )?;
        check(a.rand_magnitude <= 30, "augment.rand_magnitude", a.rand_magnitude, "0 to 30")?;
        for (key, v) in [("mixup", a.mixup), ("cutmix", a.cutmix)] {
            check(not_negative(v) && v <= 10.0, &format!("augment.{key}"), v, "0 to 10")?;
        }
        check((1..=64).contains(&a.views), "augment.views", a.views, "1 to 64")?;
        let t = &self.train;
        check(
            t.epochs.is_none_or(|e| (1..=MAX_EPOCHS).contains(&e)),
            "train.epochs",
            t.epochs.unwrap_or_default(),
            "1 to 100000",
        )?;
        check(
            t.batch_size.is_none_or(|b| (1..=4096).contains(&b)),
            "train.batch_size",
            t.batch_size,
            "1 to 4096",
        )?;
        check(
            t.learning_rate.is_none_or(rate),
            "train.learning_rate",
            t.learning_rate.unwrap_or_default(),
            "above 0, at most 10",
        )?;
        check(
            t.head_learning_rate.is_none_or(rate),
            "train.head_learning_rate",
            t.head_learning_rate.unwrap_or_default(),
            "above 0, at most 10",
        )?;
        check(
            t.stage_decay > 0.0 && t.stage_decay <= 1.0,
            "train.stage_decay",
            t.stage_decay,
            "above 0, at most 1",
        )?;
        check(t.last_stages >= 1, "train.last_stages", t.last_stages, "at least 1")?;
        check(below_one(t.momentum), "train.momentum", t.momentum, "at least 0 and below 1")?;
        check(
            t.weight_decay.is_none_or(not_negative),
            "train.weight_decay",
            t.weight_decay.unwrap_or_default(),
            "at least 0",
        )?;
        check(not_negative(t.warmup_epochs), "train.warmup_epochs", t.warmup_epochs, "at least 0")?;
        check(t.step_epochs >= 1, "train.step_epochs", t.step_epochs, "at least 1")?;
        check(unit(t.step_gamma), "train.step_gamma", t.step_gamma, "0 to 1")?;
        check(not_negative(t.l2_sp), "train.l2_sp", t.l2_sp, "at least 0")?;
        check(
            below_one(t.label_smoothing),
            "train.label_smoothing",
            t.label_smoothing,
            "at least 0 and below 1",
        )?;
        check(not_negative(t.clip_norm), "train.clip_norm", t.clip_norm, "at least 0")?;
        check(t.threads <= 1024, "train.threads", t.threads, "0 to 1024")?;
        if t.precision == Precision::Bf16 && matches!(t.device, DeviceChoice::Cpu | DeviceChoice::Metal) {
            return Err(Error::input(
                "train.precision = \"bf16\" needs an NVIDIA card, and train.device is another",
            )
            .with_hint("Set train.precision to \"auto\" or \"f32\", or train.device to \"cuda\""));
        }
        check_phases(t)?;
        if t.solver == Solver::Logistic {
            if h.kind != HeadKind::Linear {
                return Err(Error::input(
                    "train.solver = \"logistic\" fits a linear head, and head.kind is \"hidden\"",
                )
                .with_hint("Set head.kind to \"linear\", or train.solver to \"gradient\""));
            }
            if !matches!(t.mode, TrainMode::Auto | TrainMode::Frozen) {
                return Err(Error::input(
                    "train.solver = \"logistic\" needs a frozen backbone, and train.mode is not \"frozen\"",
                )
                .with_hint("Set train.mode to \"frozen\", or train.solver to \"gradient\""));
            }
        }
        if h.kind == HeadKind::Hidden && h.hidden.is_empty() {
            return Err(Error::input("head.kind = \"hidden\" with no hidden layers")
                .with_hint("Give head.hidden a width, for example [256]"));
        }
        Ok(())
    }
}

/// Checks the user's own phases, and that nothing that they say is said elsewhere too.
fn check_phases(t: &OptimConfig) -> Result<()> {
    if t.phases.is_empty() {
        return Ok(());
    }
    check(t.phases.len() <= MAX_PHASES, "the number of train.phases", t.phases.len(), "at most 20")?;
    for (i, p) in t.phases.iter().enumerate() {
        let of = |what: &str| format!("{what} of phase {} in train.phases", i + 1);
        check((1..=MAX_EPOCHS).contains(&p.epochs), &of("epochs"), p.epochs, "1 to 100000")?;
        let rate = p.learning_rate.unwrap_or(1.0);
        check(rate > 0.0 && rate <= MAX_RATE, &of("learning_rate"), rate, "above 0, at most 10")?;
        let stages = p.last_stages.unwrap_or(1);
        check(stages >= 1, &of("last_stages"), stages, "at least 1")?;
        check(
            p.last_stages.is_none() || p.learns == Learns::LastStages,
            &of("last_stages"),
            stages,
            "left out unless learns = \"last-stages\"",
        )?;
    }
    let total: usize = t.phases.iter().map(|p| p.epochs).sum();
    check(total <= MAX_EPOCHS, "the sum of epochs in train.phases", total, "at most 100000")?;
    let twice = [
        ("train.epochs", t.epochs.is_some()),
        ("train.head_epochs", t.head_epochs.is_some()),
        ("train.learning_rate", t.learning_rate.is_some()),
        ("train.head_learning_rate", t.head_learning_rate.is_some()),
        ("train.schedule", t.schedule.is_some()),
        ("train.mode", !matches!(t.mode, TrainMode::Auto | TrainMode::Scratch)),
    ];
    if let Some((key, _)) = twice.iter().find(|(_, said)| *said) {
        return Err(Error::input(format!("{key} is set, and each of train.phases says it too")).with_hint(
            format!("Leave {key} out and set it in the phases, or leave the phases out (train.phases = [])"),
        ));
    }
    if t.solver == Solver::Logistic {
        return Err(Error::input(
            "train.solver = \"logistic\" fits the head at once, and there are train.phases",
        )
        .with_hint("Leave the phases out (train.phases = []), or set train.solver to \"gradient\""));
    }
    Ok(())
}

impl TrainConfig {
    /// Refuses MixUp and CutMix where nothing learns from pictures: what a frozen backbone makes of each picture is computed once,
    /// and a mixture of that is not what a mixture of pictures would give.
    ///
    /// # Errors
    /// Names the setting and what goes with it.
    pub fn check_mixing(&self) -> Result<()> {
        let plan = self.train.plan(self.backbone.weights.is_some());
        if !self.augment.mixes() || plan.iter().any(|p| p.learns == Learns::Everything) {
            return Ok(());
        }
        let key = if self.augment.mixup > 0.0 { "augment.mixup" } else { "augment.cutmix" };
        Err(Error::input(format!(
            "{key} mixes pictures, and with a frozen backbone no picture is looked at again"
        ))
        .with_hint(format!("Set {key} to 0, or let everything learn (train.mode = \"full\" or \"scratch\")")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        TrainConfig::default().validate().unwrap();
    }

    #[test]
    fn a_value_out_of_range_is_named_with_its_range() {
        let mut c = TrainConfig::default();
        c.data.val_fraction = 1.4;
        let e = c.validate().unwrap_err().to_string();
        assert!(e.contains("data.val_fraction") && e.contains("1.4") && e.contains("below 1"), "{e}");
    }

    #[test]
    fn bf16_needs_a_card_that_could_have_it() {
        let mut c = TrainConfig::default();
        c.train.precision = Precision::Bf16;
        for device in [DeviceChoice::Auto, DeviceChoice::Cuda] {
            c.train.device = device;
            c.validate().unwrap();
        }
        for device in [DeviceChoice::Cpu, DeviceChoice::Metal] {
            c.train.device = device;
            let e = c.validate().unwrap_err().to_string();
            assert!(e.contains("train.precision") && e.contains("train.device"), "{e}");
        }
    }

    #[test]
    fn logistic_needs_a_linear_head() {
        let mut c = TrainConfig::default();
        c.train.solver = Solver::Logistic;
        c.validate().unwrap();
        c.head.kind = HeadKind::Hidden;
        assert!(c.validate().is_err());
    }

    #[test]
    fn phases_are_checked_and_say_alone_what_they_say() {
        let base = "[[train.phases]]\nlearns = \"head\"\nepochs = 2\n";
        TrainConfig::from_toml(base).unwrap();
        let mut c = TrainConfig::from_toml(base).unwrap();
        let e = c.set("train.epochs", "3").unwrap_err().to_string();
        assert!(e.contains("train.epochs") && e.contains("train.phases"), "{e}");
        assert!(c.set("train.mode", "full").is_err() && c.set("train.learning_rate", "0.1").is_err());
        c.set("train.phases", "[]").unwrap();
        c.set("train.epochs", "3").unwrap();
        let two =
            r#"[{learns = "last-stages", last_stages = 1, epochs = 1}, {learns = "everything", epochs = 4}]"#;
        assert!(c.set("train.phases", two).is_err(), "epochs are set");
        let mut c = TrainConfig::default();
        c.set("train.phases", two).unwrap();
        assert_eq!(c.train.phases.len(), 2);
        for (bad, why) in [
            ("learns = \"head\"\nepochs = 0", "epochs of phase 1"),
            ("learns = \"head\"\nepochs = 1\nlearning_rate = -1.0", "learning_rate of phase 1"),
            ("learns = \"head\"\nepochs = 1\nlearning_rate = 1e9", "at most 10"),
            ("learns = \"head\"\nepochs = 1\nlast_stages = 2", "last_stages of phase 1"),
            ("learns = \"heads\"\nepochs = 1", "heads"),
            ("epochs = 1", "learns"),
        ] {
            let e = TrainConfig::from_toml(&format!("[[train.phases]]\n{bad}\n")).unwrap_err().to_string();
            assert!(e.contains(why), "{bad}: {e}");
        }
    }

    #[test]
    fn mixing_needs_pictures_to_learn_from() {
        let mut c = TrainConfig::default();
        c.augment.cutmix = 1.0;
        c.check_mixing().unwrap();
        c.backbone.weights = Some("w.safetensors".into());
        let e = c.check_mixing().unwrap_err().to_string();
        assert!(e.contains("augment.cutmix") && e.contains("train.mode"), "{e}");
        for (mode, ok) in [(TrainMode::LastStages, false), (TrainMode::Full, true)] {
            c.train.mode = mode;
            assert_eq!(c.check_mixing().is_ok(), ok, "{mode:?}");
        }
        (c.train.mode, c.augment.enabled) = (TrainMode::Frozen, false);
        c.check_mixing().unwrap();
    }
}
