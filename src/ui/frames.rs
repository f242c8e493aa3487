//! How long the window's thread works on a frame: it must stay smooth with many pictures, and on two busy cores.

/// Upper ends of the histogram's classes in milliseconds; the last class is open.
const ENDS_MS: [f32; 6] = [1.0, 2.0, 4.0, 8.0, 16.0, 33.0];

/// Frames by the time that the window's thread worked on them: drawing, laying out, handing to the graphics
/// driver; waiting for the screen is not counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameTimes {
    counts: [u32; ENDS_MS.len() + 1],
    longest_ms: f32,
}

impl FrameTimes {
    /// Counts a frame.
    pub(super) fn add(&mut self, seconds: f32) {
        let ms = seconds * 1e3;
        let class = ENDS_MS.iter().position(|end| ms < *end).unwrap_or(ENDS_MS.len());
        self.counts[class] += 1;
        self.longest_ms = self.longest_ms.max(ms);
    }

    /// The histogram as a line of text, with `when` the frames were drawn; none without a frame.
    pub(super) fn summary(&self, when: &str) -> Option<String> {
        let total: u32 = self.counts.iter().sum();
        let names = ENDS_MS.iter().map(|end| format!("under {end} ms")).chain(["longer".to_owned()]);
        let classes = names.zip(self.counts).map(|(name, n)| format!("{name}: {n}"));
        let classes: Vec<String> = classes.collect();
        (total > 0).then(|| {
            format!("{total} frames {when}; {}; longest {:.1} ms", classes.join(", "), self.longest_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_falls_into_one_class() {
        let mut frames = FrameTimes::default();
        assert!(frames.summary("in all").is_none());
        for ms in [0.5, 1.0, 15.9, 16.0, 40.0] {
            frames.add(ms / 1e3);
        }
        let text = frames.summary("in all").unwrap();
        for part in [
            "5 frames in all",
            "under 1 ms: 1",
            "under 2 ms: 1",
            "under 16 ms: 1",
            "under 33 ms: 1",
            "longer: 1",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("longest 40.0 ms"), "{text}");
    }
}
