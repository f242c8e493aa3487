//! The classes of the published heads: those of ImageNet's challenge of 2012.

/// How many there are.
pub const CLASSES: usize = 1000;

/// One a line, in the order of the published heads.
const NAMES: &str = include_str!("../../assets/imagenet_classes.txt");

/// Class names, in the order of the published heads.
pub fn class_names() -> Vec<String> {
    NAMES.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_name_for_each_class() {
        let names = class_names();
        assert_eq!(
            (names.len(), names[0].as_str(), names[999].as_str()),
            (CLASSES, "tench", "toilet tissue")
        );
        assert!(names.iter().all(|n| !n.trim().is_empty()));
    }
}
