//! Class names that speak of direction: there a flipped picture may belong to another class.

use std::collections::BTreeSet;

/// A way to flip pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flip {
    /// Left becomes right.
    Mirror,
    /// Up becomes down.
    UpsideDown,
}

/// Words that a mirror turns into each other.
const SIDES: [[&str; 2]; 10] = [
    ["left", "right"],
    ["l", "r"],
    ["east", "west"],
    ["clockwise", "counterclockwise"],
    ["cw", "ccw"],
    ["links", "rechts"],
    ["gauche", "droite"],
    ["izquierda", "derecha"],
    ["sinistra", "destra"],
    ["esquerda", "direita"],
];

/// Words that turning upside down turns into each other.
const ENDS: [[&str; 2]; 12] = [
    ["up", "down"],
    ["top", "bottom"],
    ["upper", "lower"],
    ["north", "south"],
    ["upright", "inverted"],
    ["upright", "flipped"],
    ["clockwise", "counterclockwise"],
    ["oben", "unten"],
    ["haut", "bas"],
    ["arriba", "abajo"],
    ["su", "giu"],
    ["cima", "baixo"],
];

/// Classes by their quarter turn.
const TURNS: [&str; 4] = ["0", "90", "180", "270"];

/// Why flipping may give a picture the wrong class, judged by the classes' names alone: two that differ in a word for a
/// direction, or single letters and digits.
pub fn concern(classes: &[String], flip: Flip) -> Option<String> {
    let words: Vec<Vec<String>> = classes.iter().map(|c| words(c)).collect();
    let pairs: &[[&str; 2]] = match flip {
        Flip::Mirror => &SIDES,
        Flip::UpsideDown => &ENDS,
    };
    let how = match flip {
        Flip::Mirror => "Mirrored",
        Flip::UpsideDown => "Upside down",
    };
    for (i, first) in words.iter().enumerate() {
        for (j, second) in words.iter().enumerate().skip(i + 1) {
            if differ_by(first, second, pairs) {
                return Some(format!(
                    "{how}, \u{201c}{}\u{201d} may be \u{201c}{}\u{201d}",
                    classes[i], classes[j]
                ));
            }
        }
    }
    let turned =
        classes.iter().filter(|c| TURNS.contains(&c.trim_end_matches(['°', 'd', 'e', 'g', ' ']))).count();
    if turned >= 2 {
        return Some(format!(
            "{how}, a picture may show another turn: {turned} classes are called by their angle"
        ));
    }
    let signs: BTreeSet<&str> = classes.iter().map(String::as_str).filter(|c| is_sign(c)).collect();
    let example = signs.first().filter(|_| signs.len() * 2 > classes.len())?;
    Some(format!("{how}, letters and digits such as \u{201c}{example}\u{201d} may be others, or none"))
}

/// The words of a name, in lower case: `LeftHand`, `left_hand` and `left-hand` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for c in name.chars() {
        let starts = c.is_uppercase() && before_lower;
        if (starts || !c.is_alphanumeric()) && words.last().is_some_and(|w| !w.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before_lower = c.is_lowercase();
    }
    words.retain(|w| !w.is_empty());
    words
}

/// Whether two names are the same but for words that flipping turns into each other.
fn differ_by(first: &[String], second: &[String], pairs: &[[&str; 2]]) -> bool {
    if first.len() != second.len() {
        return false;
    }
    let mut flipped = false;
    for (a, b) in first.iter().zip(second).filter(|(a, b)| a != b) {
        let pair = |[x, y]: &[&str; 2]| (a == x && b == y) || (a == y && b == x);
        if !pairs.iter().any(pair) {
            return false;
        }
        flipped = true;
    }
    flipped
}

/// A letter or a digit.
fn is_sign(name: &str) -> bool {
    let mut letters = name.trim().chars();
    matches!((letters.next(), letters.next()), (Some(c), None) if c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(classes: &[&str], flip: Flip) -> Option<String> {
        concern(&classes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), flip)
    }

    #[test]
    fn names_that_differ_by_a_direction_are_told() {
        let text = told(&["left_hand", "foot", "right_hand"], Flip::Mirror).unwrap();
        assert_eq!(text, "Mirrored, \u{201c}left_hand\u{201d} may be \u{201c}right_hand\u{201d}");
        assert!(told(&["left_hand", "right_hand"], Flip::UpsideDown).is_none());
        assert!(told(&["ThumbUp", "ThumbDown"], Flip::UpsideDown).is_some());
        assert!(told(&["ThumbUp", "ThumbDown"], Flip::Mirror).is_none());
        assert!(told(&["Pfeil links", "Pfeil rechts"], Flip::Mirror).is_some());
        assert!(told(&["0", "90", "180", "270"], Flip::Mirror).is_some());
    }

    #[test]
    fn letters_and_digits_are_told() {
        let digits: Vec<String> = (0..10).map(|d| d.to_string()).collect();
        for flip in [Flip::Mirror, Flip::UpsideDown] {
            assert!(concern(&digits, flip).unwrap().contains("\u{201c}0\u{201d}"));
        }
        assert!(told(&["b", "d", "blank", "smudge", "line"], Flip::Mirror).is_none(), "most are words");
    }

    #[test]
    fn other_names_are_left_alone() {
        for classes in [
            ["ants", "bees"],
            ["bright", "dark"],
            ["left", "middle"],
            ["copyright", "upload"],
            ["left front", "right rear"],
        ] {
            for flip in [Flip::Mirror, Flip::UpsideDown] {
                assert_eq!(told(&classes, flip), None);
            }
        }
    }
}
