//! The model card: `README.md` of a bundle.

use std::fmt::Write as _;

/// What a model card tells beyond the network itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Card {
    /// Name of the pictures' folder.
    pub data: String,
    /// Pictures learned from, one number a class.
    pub train_counts: Vec<usize>,
    /// Counts of (true class, predicted class) on the validation pictures, one row a true class.
    pub confusion: Vec<Vec<usize>>,
    /// Share of the validation pictures classified correctly.
    pub accuracy: f64,
    /// Unweighted mean of the classes' F1.
    pub macro_f1: f64,
    /// Mean cross-entropy.
    pub loss: f64,
    /// Validation pictures that are exact copies of pictures that were learned from.
    pub copies_in_training: usize,
    /// `frozen`, `last-stages`, `full`, `scratch`.
    pub mode: String,
    /// Epochs run, and the kept one, from 1 (0 where the head was fitted at once).
    pub epochs: (usize, usize),
    /// Name of the file that the source weights came from; none for random ones.
    pub weights: Option<String>,
    /// The settings as TOML.
    pub settings: String,
}

/// What the text needs to know of the model.
pub(super) struct Model<'a> {
    pub(super) title: &'a str,
    pub(super) classes: &'a [String],
    pub(super) licences: Vec<(&'a str, &'a str)>,
    pub(super) timm: bool,
    pub(super) side: usize,
}

/// Past this many classes the confusion table is left out: nobody reads it as text.
const TABLE_CLASSES: usize = 20;

/// The card as Markdown.
pub(super) fn text(card: &Card, m: &Model<'_>) -> String {
    let mut t = String::new();
    let list = m.classes.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    let total: usize = card.confusion.iter().flatten().sum();
    let correct: usize = (0..card.confusion.len()).map(|c| card.confusion[c][c]).sum();
    let on = match card.copies_in_training {
        0 => format!(
            "On {total} validation pictures of `{}` that were not learned from (they did choose the kept epoch)",
            card.data
        ),
        copies => format!(
            "On {total} validation pictures of `{}`, which did choose the kept epoch. {copies} of them {} learned from too, in \
             exact copies, so that the numbers are better than they would be on other pictures",
            card.data,
            if copies == 1 { "was" } else { "were" }
        ),
    };
    // Writing to a String cannot fail.
    let _ = write!(
        t,
        "---\nlibrary_name: {}\npipeline_tag: image-classification\n---\n\n# {} for {}\n\n\
         Classifies a picture ({side} x {side} pixels after preparation) as one of {} classes: {list}.\n\n\
         ## Quality\n\n\
         {on}:\n\n\
         | measure | value |\n|---|---|\n| accuracy | {:.4} ({correct} of {total}) |\n| macro F1 | {:.4} |\n| mean cross-entropy | {:.4} |\n\n",
        if m.timm { "timm" } else { "headstart" },
        m.title,
        card.data,
        m.classes.len(),
        card.accuracy,
        card.macro_f1,
        card.loss,
        side = m.side,
    );
    confusion(&mut t, card, m.classes);
    let trained: usize = card.train_counts.iter().sum();
    let (run, kept) = card.epochs;
    let how = match kept {
        0 => "the head fitted at once as a logistic regression".to_owned(),
        _ => format!("{run} epochs, epoch {kept} kept"),
    };
    let _ = write!(
        t,
        "## Training\n\nMode `{}`, {how}. Learned from {trained} pictures ({}).\n\n```toml\n{}\n```\n\n",
        card.mode,
        m.classes
            .iter()
            .zip(&card.train_counts)
            .map(|(c, n)| format!("`{c}`: {n}"))
            .collect::<Vec<_>>()
            .join(", "),
        card.settings.trim_end(),
    );
    weights(&mut t, card, m);
    usage(&mut t, m.timm);
    t
}

fn confusion(t: &mut String, card: &Card, classes: &[String]) {
    if classes.len() > TABLE_CLASSES {
        return;
    }
    let cell = |c: &String| c.replace('|', "\\|");
    let _ = writeln!(
        t,
        "| true \\ predicted | {} |\n|---|{}",
        classes.iter().map(cell).collect::<Vec<_>>().join(" | "),
        "---|".repeat(classes.len())
    );
    for (class, row) in classes.iter().zip(&card.confusion) {
        let counts = row.iter().map(usize::to_string).collect::<Vec<_>>().join(" | ");
        let _ = writeln!(t, "| {} | {counts} |", cell(class));
    }
    t.push('\n');
}

fn weights(t: &mut String, card: &Card, m: &Model<'_>) {
    let _ = write!(t, "## Source weights\n\n");
    match &card.weights {
        None => t.push_str("None: trained from random weights.\n\n"),
        Some(file) => {
            let _ = write!(t, "The backbone began from `{file}`.");
            if !m.licences.is_empty() {
                t.push_str(" Published weights of this backbone and their licences:\n");
                for (place, licence) in &m.licences {
                    let _ = write!(t, "\n- {place}: {licence}");
                }
            }
            t.push_str("\n\n");
        }
    }
}

fn usage(t: &mut String, timm: bool) {
    t.push_str("## Use\n\n```sh\nheadstart-cli predict --model . picture.jpg\n```\n");
    if timm {
        t.push_str("\n```python\nimport timm\nmodel = timm.create_model(\"local-dir:.\", pretrained=True).eval()\n```\n");
    } else {
        t.push_str(
            "\ntimm has no network of exactly this form; the tensors in `model.safetensors` carry torchvision's names.\n",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_with_their_counts() {
        let card = Card {
            data: "insects".into(),
            train_counts: vec![12, 13],
            confusion: vec![vec![3, 1], vec![0, 4]],
            accuracy: 0.875,
            mode: "frozen".into(),
            epochs: (5, 2),
            weights: Some("m.safetensors".into()),
            ..Card::default()
        };
        let classes = ["ants".to_owned(), "a|b".to_owned()];
        let licences = vec![("somewhere", "Apache-2.0")];
        let model = Model { title: "MobileNetV2", classes: &classes, licences, timm: true, side: 224 };
        let t = text(&card, &model);
        for part in [
            "0.8750 (7 of 8)",
            "| ants | 3 | 1 |",
            "a\\|b",
            "`ants`: 12",
            "epoch 2 kept",
            "Apache-2.0",
            "local-dir",
        ] {
            assert!(t.contains(part), "{part} is not in\n{t}");
        }
        assert!(t.contains("that were not learned from"));
        let t = text(&Card { copies_in_training: 3, ..card }, &model);
        assert!(t.contains("3 of them were learned from too") && !t.contains("not learned from"), "{t}");
    }
}
