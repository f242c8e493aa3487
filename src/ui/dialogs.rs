//! Native file dialogs: created on the window's thread, awaited on a named one, answered through a channel.

use super::actions::Pick;
use crossbeam_channel::{Receiver, Sender};
use rfd::{AsyncFileDialog, FileHandle};
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// An answer this fast comes from no person: there is no dialog on this system.
const NO_DIALOG: Duration = Duration::from_millis(250);

/// A dialog's answer.
#[derive(Debug)]
pub(super) enum Picked {
    /// What was chosen.
    Paths(Pick, Vec<PathBuf>),
    /// Nothing was chosen.
    Nothing,
    /// The system has no dialog to show.
    Unavailable(Pick),
}

type Chosen = Pin<Box<dyn Future<Output = Vec<FileHandle>> + Send>>;

/// The dialogs. One at a time.
#[derive(Debug)]
pub(super) struct Dialogs {
    tx: Sender<Picked>,
    rx: Receiver<Picked>,
    open: bool,
}

impl Default for Dialogs {
    fn default() -> Self {
        let (tx, rx) = crossbeam_channel::unbounded();
        Self { tx, rx, open: false }
    }
}

impl Dialogs {
    /// Opens a dialog; must be called on the window's thread. `wake` is called when its answer is there.
    pub(super) fn open(&mut self, pick: Pick, frame: &eframe::Frame, wake: impl FnOnce() + Send + 'static) {
        if self.open {
            return;
        }
        let chosen = future(&pick, frame);
        let tx = self.tx.clone();
        let began = Instant::now();
        let wait = move || {
            let paths: Vec<PathBuf> =
                block_on(chosen).iter().map(|handle| handle.path().to_path_buf()).collect();
            let picked = match paths.is_empty() {
                false => Picked::Paths(pick, paths),
                true if began.elapsed() < NO_DIALOG => Picked::Unavailable(pick),
                true => Picked::Nothing,
            };
            let _ = tx.send(picked);
            wake();
        };
        self.open = std::thread::Builder::new().name("dialog".to_owned()).spawn(wait).is_ok();
    }

    /// The answer, once it is there.
    pub(super) fn answer(&mut self) -> Option<Picked> {
        let picked = self.rx.try_recv().ok()?;
        self.open = false;
        Some(picked)
    }
}

fn future(pick: &Pick, frame: &eframe::Frame) -> Chosen {
    let dialog = AsyncFileDialog::new().set_parent(frame);
    let pictures = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
    match pick {
        Pick::DataFolder => one(dialog.set_title("Open a folder of pictures").pick_folder()),
        Pick::LabelFile => one(dialog
            .set_title("Choose a label file")
            .add_filter("Tables", &["csv", "tsv", "txt"])
            .pick_file()),
        Pick::Project => one(dialog.set_title("Open a project").pick_folder()),
        Pick::JudgedFolder => one(dialog.set_title("Choose a folder of labelled pictures").pick_folder()),
        Pick::Model | Pick::JudgedModel => {
            one(dialog.set_title("Choose a run or a saved model").pick_folder())
        }
        Pick::Weights => one(dialog
            .set_title("Choose a weight file")
            .add_filter("Weights", &["safetensors", "pth", "pt"])
            .pick_file()),
        Pick::Pictures => {
            let files = dialog.set_title("Choose pictures").add_filter("Pictures", &pictures).pick_files();
            Box::pin(async move { files.await.unwrap_or_default() })
        }
        Pick::PictureFolder => one(dialog.set_title("Choose a folder of pictures").pick_folder()),
        Pick::CopyTo => one(dialog.set_title("Choose a folder for the copies").pick_folder()),
        Pick::PredictionsCsv => one(dialog
            .set_title("Save the predictions")
            .set_file_name("predictions.csv")
            .add_filter("CSV", &["csv"])
            .save_file()),
        Pick::ExportTo { .. } => {
            one(dialog.set_title("Save the model as a folder").set_file_name("model").save_file())
        }
    }
}

fn one(choice: impl Future<Output = Option<FileHandle>> + Send + 'static) -> Chosen {
    Box::pin(async move { choice.await.into_iter().collect() })
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_that_answers_later_is_waited_for() {
        let mut asked = 0;
        let answer = block_on(std::future::poll_fn(|cx| {
            asked += 1;
            if asked < 3 {
                let waker = cx.waker().clone();
                std::thread::spawn(move || waker.wake());
                return Poll::Pending;
            }
            Poll::Ready(7)
        }));
        assert_eq!((answer, asked), (7, 3));
    }
}
