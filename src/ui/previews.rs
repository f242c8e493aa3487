//! Varied training pictures for the Train screen, made on one named thread. While a slider moves, the newest request is served
//! next and all between are forgotten.

use crate::engine::{PreviewRequest, Previewer};
use crossbeam_channel::Receiver;
use egui::{ColorImage, Context, TextureHandle, TextureOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};

/// A varied picture, or why there is none.
pub type Varied = Result<TextureHandle, String>;

type Answer = (PreviewRequest, Vec<Result<ColorImage, String>>);

/// What was asked for last, and what is there. Starts its thread with the first request.
#[derive(Default)]
pub struct Previews {
    asked: Option<PreviewRequest>,
    shown: Option<(PreviewRequest, Vec<Varied>)>,
    maker: Option<Maker>,
}

struct Maker {
    inbox: Arc<Inbox>,
    answers: Receiver<Answer>,
}

#[derive(Debug, Default)]
struct Inbox {
    newest: Mutex<Option<PreviewRequest>>,
    ready: Condvar,
}

impl std::fmt::Debug for Previews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Previews").field("behind", &self.behind()).finish_non_exhaustive()
    }
}

impl Previews {
    /// The pictures of `request`, or, until they are ready, those of the one before where it was of the same pictures.
    pub fn get(&mut self, ctx: &Context, request: &PreviewRequest) -> &[Varied] {
        self.take_answers(ctx);
        if self.asked.as_ref() != Some(request) {
            self.asked = Some(request.clone());
            self.maker.get_or_insert_with(|| Maker::start(ctx)).inbox.put(request.clone());
        }
        let usable = self.shown.as_ref().filter(|(of, _)| of.pictures == request.pictures);
        usable.map_or(&[], |(_, pictures)| pictures)
    }

    /// Whether what is asked for is not there yet.
    pub fn behind(&self) -> bool {
        self.asked.as_ref() != self.shown.as_ref().map(|(of, _)| of)
    }

    fn take_answers(&mut self, ctx: &Context) {
        let Some((request, images)) = self.maker.as_ref().and_then(|m| m.answers.try_iter().last()) else {
            return;
        };
        let mut old = self.shown.take().map_or_else(Vec::new, |(_, pictures)| pictures).into_iter();
        let pictures = images.into_iter().map(|image| {
            let image = image?;
            Ok(match old.next() {
                Some(Ok(mut texture)) => {
                    texture.set(image, TextureOptions::LINEAR);
                    texture
                }
                _ => ctx.load_texture("varied picture", image, TextureOptions::LINEAR),
            })
        });
        self.shown = Some((request, pictures.collect()));
    }
}

impl Maker {
    fn start(ctx: &Context) -> Self {
        let inbox = Arc::new(Inbox::default());
        let (tx, answers) = crossbeam_channel::unbounded();
        let (weak, ctx) = (Arc::downgrade(&inbox), ctx.clone());
        let work = move || {
            let mut previewer = Previewer::default();
            while let Some(request) = weak.upgrade().and_then(|i| i.take()) {
                // Another lot of pictures makes this one worthless; the same with other settings does not, so that what is
                // shown follows a slider that never rests.
                let go_on = || weak.upgrade().is_none_or(|i| !i.wants_others(&request));
                let made = catch_unwind(AssertUnwindSafe(|| make(&mut previewer, &request, &go_on)));
                let Some(images) = made.unwrap_or(None) else { continue };
                if tx.send((request, images)).is_err() {
                    return;
                }
                ctx.request_repaint();
            }
        };
        // Without the thread the pictures stay away; nothing else depends on it.
        let _ = std::thread::Builder::new().name("previews".to_owned()).spawn(work);
        Self { inbox, answers }
    }
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.inbox.ready.notify_all();
    }
}

impl Inbox {
    fn put(&self, request: PreviewRequest) {
        if let Ok(mut newest) = self.newest.lock() {
            *newest = Some(request);
            self.ready.notify_one();
        }
    }

    /// Waits for a request.
    fn take(&self) -> Option<PreviewRequest> {
        let mut newest = self.newest.lock().ok()?;
        loop {
            if let Some(request) = newest.take() {
                return Some(request);
            }
            newest = self.ready.wait(newest).ok()?;
        }
    }

    fn wants_others(&self, than: &PreviewRequest) -> bool {
        self.newest.lock().is_ok_and(|n| n.as_ref().is_some_and(|n| n.pictures != than.pictures))
    }
}

fn make(
    previewer: &mut Previewer,
    request: &PreviewRequest,
    go_on: &dyn Fn() -> bool,
) -> Option<Vec<Result<ColorImage, String>>> {
    let made = match previewer.make(request, go_on) {
        Ok(made) => made?,
        Err(e) => request.pictures.iter().map(|_| Err(e.clone())).collect(),
    };
    let image = |picture: image::RgbImage| {
        ColorImage::from_rgb([picture.width() as usize, picture.height() as usize], picture.as_raw())
    };
    Some(made.into_iter().map(|p| p.map(image).map_err(|e| e.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use std::time::{Duration, Instant};

    #[test]
    fn the_newest_request_is_answered_and_older_ones_may_be_skipped() {
        let t = tempfile::tempdir().unwrap();
        let path = t.path().join("0.png");
        image::RgbImage::new(60, 50).save(&path).unwrap();
        let ctx = Context::default();
        let mut previews = Previews::default();
        let mut request =
            PreviewRequest { config: TrainConfig::default(), pictures: vec![(0, path)], draw: 0 };
        let patience = Instant::now() + Duration::from_secs(20);
        for draw in 0..30 {
            request.draw = draw;
            previews.get(&ctx, &request);
        }
        while previews.behind() {
            assert!(Instant::now() < patience, "the picture did not come");
            std::thread::sleep(Duration::from_millis(5));
            previews.get(&ctx, &request);
        }
        assert!(matches!(previews.get(&ctx, &request), [Ok(_)]));
        request.pictures[0].1 = t.path().join("gone.png");
        assert!(previews.get(&ctx, &request).is_empty(), "other pictures are not shown for these");
    }
}
