//! The analysis of the evaluation on show, computed once.

use crate::engine::analysis::bootstrap::RESAMPLES;
use crate::engine::{Analysis, Evaluation};
use crate::ui::widgets::caption;
use crossbeam_channel::Receiver;
use egui::{Context, Ui};
use std::sync::Arc;

/// Up to this much work, in probabilities that are looked through, is done at once, which takes a few milliseconds; more on a thread
/// of its own.
const AT_ONCE: usize = 400_000;

fn work(evaluation: &Evaluation) -> usize {
    let (pictures, classes) = (evaluation.predictions.len(), evaluation.classes.len());
    // Each picture is drawn anew many times, and putting similar classes together looks at all pairs of them more than once.
    pictures * (classes + RESAMPLES) + 4 * classes * classes
}

/// The last analysis, and the evaluation it is of.
#[derive(Debug, Default)]
pub(super) struct Analysed {
    of: Option<Arc<Evaluation>>,
    is: Option<Arc<Analysis>>,
    coming: Option<Receiver<Analysis>>,
}

impl Analysed {
    /// The analysis of `evaluation`; until it is there, words that say so are drawn.
    pub(super) fn show_or_wait(
        &mut self,
        ui: &mut Ui,
        evaluation: &Arc<Evaluation>,
    ) -> Option<Arc<Analysis>> {
        let analysis = self.of(ui.ctx(), evaluation);
        if analysis.is_none() {
            caption(ui, "Looking through the predictions…");
        }
        analysis
    }

    /// The analysis of `evaluation`, once it is there.
    pub(super) fn of(&mut self, ctx: &Context, evaluation: &Arc<Evaluation>) -> Option<Arc<Analysis>> {
        if !self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, evaluation)) {
            *self = Self { of: Some(evaluation.clone()), is: None, coming: None };
            if work(evaluation) <= AT_ONCE {
                self.is = Some(Arc::new(Analysis::of(evaluation)));
            } else {
                self.begin(ctx, evaluation);
            }
        }
        if let Some(Ok(analysis)) = self.coming.as_ref().map(Receiver::try_recv) {
            (self.is, self.coming) = (Some(Arc::new(analysis)), None);
        }
        self.is.clone()
    }

    fn begin(&mut self, ctx: &Context, evaluation: &Arc<Evaluation>) {
        let (done, coming) = crossbeam_channel::bounded(1);
        let (ctx, evaluation) = (ctx.clone(), evaluation.clone());
        let work = move || {
            // Nobody waits any more where another evaluation is on show by now.
            let _ = done.send(Analysis::of(&evaluation));
            ctx.request_repaint();
        };
        let thread = std::thread::Builder::new().name("analysis".to_owned()).spawn(work);
        self.coming = thread.is_ok().then_some(coming);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ConfusionMatrix;
    use crate::engine::Prediction;
    use std::time::{Duration, Instant};

    fn evaluation(pictures: usize) -> Arc<Evaluation> {
        let mut confusion = ConfusionMatrix::new(2);
        let predictions = (0..pictures)
            .map(|i| {
                confusion.add(i % 2, 0);
                let probabilities = vec![0.75, 0.25];
                Prediction { rel: format!("{i}.png"), truth: i % 2, predicted: 0, probabilities }
            })
            .collect();
        Arc::new(Evaluation { classes: vec!["a".into(), "b".into()], predictions, confusion, loss: 0.8 })
    }

    #[test]
    fn few_pictures_are_there_at_once_and_many_soon_and_each_only_once() {
        let ctx = Context::default();
        let mut analysed = Analysed::default();
        let few = evaluation(10);
        let first = analysed.of(&ctx, &few).unwrap();
        assert!(Arc::ptr_eq(&first, &analysed.of(&ctx, &few).unwrap()));
        let pictures = AT_ONCE / RESAMPLES;
        let many = evaluation(pictures);
        let began = Instant::now();
        let found = loop {
            if let Some(found) = analysed.of(&ctx, &many) {
                break found;
            }
            assert!(began.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(found.calibration.bins.iter().map(|b| b.count()).sum::<usize>(), pictures);
    }
}
