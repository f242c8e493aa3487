//! Finding a setting by what it is called or what it does.

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub(in crate::ui::views::train) struct Search<'a>(pub(in crate::ui::views::train) &'a str);

impl Search<'_> {
    /// Whether anything is searched for.
    pub(in crate::ui::views::train) fn is_active(self) -> bool {
        !self.0.trim().is_empty()
    }

    /// Whether a setting of this name, key and explanation is meant: every word occurs in one of them.
    pub(in crate::ui::views::train) fn finds(self, texts: &[&str]) -> bool {
        self.0.split_whitespace().all(|word| {
            let word = word.to_lowercase();
            texts.iter().any(|t| t.to_lowercase().contains(&word))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_to_occur_and_nothing_finds_everything() {
        let texts = ["Learning rate", "train.learning_rate", "How far each step moves the weights"];
        assert!(
            Search("RATE learn").finds(&texts) && Search("step").finds(&texts) && Search("  ").finds(&texts)
        );
        assert!(!Search("rate flip").finds(&texts));
        assert!(!Search(" ").is_active() && Search("x").is_active());
    }
}
