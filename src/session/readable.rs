//! Asking before going on without many of the pictures.

use crate::config::DataConfig;
use crate::data::Preflight;
use crate::error::{Error, ErrorKind, Result};

/// Largest share of pictures that may be left out without asking.
const MOST_UNDECODABLE_FRAC: f64 = 0.2;

/// Asks before going on without many of the pictures.
///
/// # Errors
/// [`ErrorKind::NeedsConfirmation`] if more than a fifth cannot be decoded and the settings do not allow that.
pub fn check_readable(preflight: &Preflight, config: &DataConfig) -> Result<()> {
    if preflight.undecodable_frac > MOST_UNDECODABLE_FRAC && !config.allow_many_unreadable {
        let share = format!("{:.0} % of the pictures cannot be decoded", preflight.undecodable_frac * 100.0);
        return Err(Error::new(ErrorKind::NeedsConfirmation, share)
            .with_path(&preflight.dataset.root)
            .with_hint(
                "Look at what was left out; to go on without them, set data.allow_many_unreadable to true",
            ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Checks, Dataset, Layout, Verdicts};

    #[test]
    fn more_than_a_fifth_is_a_question_until_it_is_answered() {
        let dataset = Dataset {
            root: "pictures".into(),
            layout: Layout::ClassFolders,
            labels: None,
            classes: Vec::new(),
            samples: Vec::new(),
            skipped: Vec::new(),
            excluded: Vec::new(),
            verdicts: Verdicts::default(),
            checks: Checks::default(),
        };
        let mut found = Preflight::unseen(dataset);
        found.undecodable_frac = 0.2;
        let mut config = DataConfig::default();
        check_readable(&found, &config).unwrap();
        found.undecodable_frac = 0.21;
        let e = check_readable(&found, &config).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NeedsConfirmation);
        assert!(e.to_string().contains("21 %") && e.to_string().contains("allow_many_unreadable"), "{e}");
        config.allow_many_unreadable = true;
        check_readable(&found, &config).unwrap();
    }
}
