//! The settings of learning: `[train]`.

use super::form::{About, Form, about, epochs, rate, scale};
use crate::config::{
    BatchNormMode, DeviceChoice, Metric, OptimConfig, OptimizerKind, Precision, ScheduleKind, Solver,
    TrainMode,
};
use crate::engine::devices::{NotBuilt, not_built};
use crate::ui::views::train::words::sentence;
use crate::ui::views::train::{Tab, phases};
use crate::ui::widgets::{caption, link_button};
use egui::Ui;

const MODE: About = about(
    "What learns",
    "train.mode",
    "Only the head: quick, and best for few pictures. Last stages or everything: slower, better where your pictures look \
     unlike photographs. Automatic takes only the head where pretrained weights are given, and everything where not",
);
const SOLVER: About = about(
    "Fitting the head",
    "train.solver",
    "Step by step shows curves and works for every head. At once fits a linear head on a frozen backbone in seconds (a \
     logistic regression), a good yardstick",
);
const EPOCHS: About = about(
    "Epochs",
    "train.epochs",
    "How many times every training picture is looked at. More than enough costs only time: the best epoch is kept",
);
const RATE: About = about(
    "Learning rate",
    "train.learning_rate",
    "How far each step moves the weights. Automatic is a rate that works well for what learns; ten times more often \
     diverges, ten times less needs more epochs",
);
const BATCH: About = about(
    "Pictures a step",
    "train.batch_size",
    "How many pictures each step looks at together. 16 is steady and still makes many steps on a few hundred pictures. On a \
     graphics card it is measured how many are fastest, unless a number is set here",
);
const OPTIMIZER: About = about(
    "Optimizer",
    "train.optimizer",
    "The rule that turns errors into steps. Automatic is SGD with momentum where there are pretrained weights, because it \
     stays close to them, and AdamW from scratch, because it learns faster",
);
const SCHEDULE: About = about(
    "Rate over time",
    "train.schedule",
    "Cosine lowers the rate smoothly to zero, which settles the weights at the end. One cycle raises it first: automatic \
     from scratch, where the first steps know nothing yet",
);
const BEST: About = about(
    "Keep the best by",
    "train.keep_best_by",
    "The number that decides which epoch becomes the model. Macro F1 is fairer where classes are of very different size",
);
const BALANCE: About = about(
    "Balance classes",
    "train.balance_classes",
    "Lets a picture of a rare class count more. Off, because with classes of similar size it changes nothing",
);
const PATIENCE: About = about(
    "Stop without progress, epochs",
    "train.patience",
    "Training ends after this many epochs without a better one. Off, because training is short and the best is kept anyway",
);

const PHASES: About = about(
    "Phases",
    "train.phases",
    "What learns, the epochs, the learning rate and the rate over time of each phase of training",
);

/// The rows in whose place phases of the user's own stand; `before` them training was set like this.
fn said_by_phases(ui: &mut Ui, form: &mut Form<'_>, tab: &mut Option<Tab>, before: Option<&OptimConfig>) {
    if !form.wanted(PHASES) {
        return;
    }
    caption(ui, format!("Your own phases: {}", phases::in_short(form.draft))).on_hover_text(PHASES.why);
    ui.horizontal(|ui| {
        if link_button(ui, "Edit the phases").clicked() {
            *tab = Some(Tab::Phases);
        }
        if link_button(ui, "Back to automatic").clicked() {
            form.draft.train.forget_phases(before);
        }
    });
}

/// What most people look at first. `tab` is what the screen is to show, `before` how training was set before phases of the user's own.
pub(super) fn main(ui: &mut Ui, form: &mut Form<'_>, tab: &mut Option<Tab>, before: Option<&OptimConfig>) {
    form.head(ui, "Learning");
    let r = form.resolved();
    let modes = [
        (TrainMode::Auto, "Automatic"),
        (TrainMode::Frozen, "Only the head"),
        (TrainMode::LastStages, "Last stages"),
        (TrainMode::Full, "Everything"),
        (TrainMode::Scratch, "From scratch"),
    ];
    let own = !form.draft.train.phases.is_empty();
    if own {
        said_by_phases(ui, form, tab, before);
    } else {
        form.choice(ui, MODE, &modes, |c| &mut c.train.mode);
    }
    let solvers = [(Solver::Gradient, "Step by step"), (Solver::Logistic, "At once")];
    if !own {
        form.choice(ui, SOLVER, &solvers, |c| &mut c.train.solver);
        form.auto(ui, EPOCHS, (epochs(1), r.epochs), |c| &mut c.train.epochs);
        form.auto(ui, RATE, (rate(), r.learning_rate), |c| &mut c.train.learning_rate);
    }
    form.auto(ui, BATCH, (scale(1..=4096, 0.2, 0), r.batch_size), |c| &mut c.train.batch_size);
    let optimizers =
        [(OptimizerKind::Sgd, "SGD"), (OptimizerKind::Adam, "Adam"), (OptimizerKind::AdamW, "AdamW")];
    form.auto_choice(ui, OPTIMIZER, (&optimizers, r.optimizer), |c| &mut c.train.optimizer);
    let schedules = [
        (ScheduleKind::Constant, "Constant"),
        (ScheduleKind::Step, "In steps"),
        (ScheduleKind::Cosine, "Cosine"),
        (ScheduleKind::OneCycle, "One cycle"),
    ];
    if !own {
        form.auto_choice(ui, SCHEDULE, (&schedules, r.schedule), |c| &mut c.train.schedule);
    }
    let metrics =
        [(Metric::Accuracy, "Accuracy"), (Metric::MacroF1, "Macro F1"), (Metric::Loss, "Lowest loss")];
    form.choice(ui, BEST, &metrics, |c| &mut c.train.keep_best_by);
    form.switch(ui, BALANCE, |c| &mut c.train.balance_classes);
    form.off_at_zero(ui, PATIENCE, scale(0..=10_000, 0.1, 0), |c| &mut c.train.patience);
}

const HEAD_EPOCHS: About = about(
    "Head alone, epochs",
    "train.head_epochs",
    "Where more than the head learns, the head goes first, so that its random beginning does not shake good weights",
);
const HEAD_RATE: About = about(
    "Head alone, rate",
    "train.head_learning_rate",
    "The new head starts from nothing and takes larger steps than pretrained weights should",
);
const LAST_STAGES: About = about(
    "Stages that learn",
    "train.last_stages",
    "How many stages before the head learn in the mode Last stages. Two adapt the most special features and keep the rest",
);
const STAGE_DECAY: About = about(
    "Rate of earlier stages",
    "train.stage_decay",
    "Each stage learns at this multiple of the one after it. 1 is one rate for all; 0.5 protects the general early stages",
);
const MOMENTUM: About = about(
    "Momentum",
    "train.momentum",
    "How much of the last step carries over (SGD). 0.9 is the value almost every published recipe uses",
);
const NESTEROV: About = about(
    "Nesterov momentum",
    "train.nesterov",
    "Looks one step ahead. Off, as in the recipes that the defaults follow",
);
const DECAY: About = about(
    "Weight decay",
    "train.weight_decay",
    "Pulls weights towards zero, not biases and norms. A little keeps a head on few pictures from growing wild; AdamW takes \
     more of it than SGD",
);
const WARMUP: About = about(
    "Warm-up epochs",
    "train.warmup_epochs",
    "Raises the rate from zero at the start of each phase. 0, because the defaults are mild enough to begin at once",
);
const STEP_EPOCHS: About = about(
    "Epochs between drops",
    "train.step_epochs",
    "For the schedule In steps: after so many epochs the rate drops. 7 is PyTorch's transfer learning tutorial's",
);
const STEP_GAMMA: About = about(
    "Factor of each drop",
    "train.step_gamma",
    "For the schedule In steps: what the rate is multiplied with. 0.1 is PyTorch's transfer learning tutorial's",
);
const L2_SP: About = about(
    "Pull to pretrained",
    "train.l2_sp",
    "Keeps weights near where they came from while they learn (L2-SP, Li et al. 2018). 0 is off; try 0.01 where fine-tuning \
     forgets too much",
);
const SMOOTHING: About = about(
    "Label smoothing",
    "train.label_smoothing",
    "Asks for a little less than certainty, which helps where some labels are wrong. 0 keeps probabilities honest",
);
const CLIP: About = about(
    "Largest gradient",
    "train.clip_norm",
    "Shortens steps that would be too long. 0 is off; 1 helps where the loss jumps",
);
const NORM: About = about(
    "Batch normalisation",
    "train.batch_norm",
    "Statistics inside the backbone. Automatic keeps the pretrained ones: small batches would spoil them",
);
const SEED: About = about(
    "Seed",
    "train.seed",
    "The same seed gives the same result on the same machine. Change it to see how much luck is in it",
);
const DEVICE: About = about(
    "Device",
    "train.device",
    "Where the work is done. Automatic takes the graphics card where this build has one, otherwise the processor",
);
const PRECISION: About = about(
    "Precision",
    "train.precision",
    "How exactly an NVIDIA card computes. Automatic takes bf16 where the card has it; weights and results stay f32",
);
const THREADS: About =
    about("Threads", "train.threads", "How many processor threads do the work. 0 is one for each core");

/// The rest.
pub(super) fn advanced(ui: &mut Ui, form: &mut Form<'_>) {
    let r = form.resolved();
    if form.draft.train.phases.is_empty() {
        form.auto(ui, HEAD_EPOCHS, (epochs(0), r.head_epochs), |c| &mut c.train.head_epochs);
        form.auto(ui, HEAD_RATE, (rate(), r.head_learning_rate), |c| &mut c.train.head_learning_rate);
        form.number(ui, LAST_STAGES, scale(1..=100, 0.1, 0), |c| &mut c.train.last_stages);
    }
    form.number(ui, STAGE_DECAY, scale(0.01..=1.0, 0.005, 3), |c| &mut c.train.stage_decay);
    form.number(ui, MOMENTUM, scale(0.0..=0.999, 0.002, 3), |c| &mut c.train.momentum);
    form.switch(ui, NESTEROV, |c| &mut c.train.nesterov);
    let decay = scale(0.0..=1.0, 0.0001, 6);
    form.auto(ui, DECAY, (decay, r.weight_decay), |c| &mut c.train.weight_decay);
    form.number(ui, WARMUP, scale(0.0..=100.0, 0.05, 2), |c| &mut c.train.warmup_epochs);
    form.number(ui, STEP_EPOCHS, scale(1..=1000, 0.1, 0), |c| &mut c.train.step_epochs);
    form.number(ui, STEP_GAMMA, scale(0.0..=1.0, 0.005, 3), |c| &mut c.train.step_gamma);
    form.off_at_zero(ui, L2_SP, scale(0.0..=10.0, 0.001, 6), |c| &mut c.train.l2_sp);
    form.number(ui, SMOOTHING, scale(0.0..=0.9, 0.005, 3), |c| &mut c.train.label_smoothing);
    form.off_at_zero(ui, CLIP, scale(0.0..=1000.0, 0.05, 3), |c| &mut c.train.clip_norm);
    let auto = if r.train_batch_norm { "Automatic: train" } else { "Automatic: frozen" };
    let norms =
        [(BatchNormMode::Auto, auto), (BatchNormMode::Frozen, "Frozen"), (BatchNormMode::Train, "Train")];
    form.choice(ui, NORM, &norms, |c| &mut c.train.batch_norm);
    form.number(ui, SEED, scale(0..=u64::from(u32::MAX), 0.1, 0), |c| &mut c.train.seed);
    let devices = [
        (DeviceChoice::Auto, "Automatic"),
        (DeviceChoice::Cpu, "Processor"),
        (DeviceChoice::Cuda, "NVIDIA card"),
        (DeviceChoice::Metal, "Apple graphics"),
    ]
    .map(|(device, word)| (device, word, not_built(device).map(why_not)));
    let devices: Vec<_> = devices
        .iter()
        .map(|(device, word, why)| (*device, *word, why.as_ref().map(|(short, why)| (*short, why.as_str()))))
        .collect();
    form.choice_of(ui, DEVICE, &devices, |c| &mut c.train.device);
    let no_bf16 =
        devices.iter().find(|(device, ..)| *device == DeviceChoice::Cuda).and_then(|(_, _, why)| *why);
    let precisions = [
        (Precision::Auto, "Automatic", None),
        (Precision::F32, "f32", None),
        (Precision::Bf16, "bf16", no_bf16),
    ];
    form.choice_of(ui, PRECISION, &precisions, |c| &mut c.train.precision);
    form.number(ui, THREADS, scale(0..=1024, 0.1, 0), |c| &mut c.train.threads);
}

/// Why a device cannot be chosen: in a few words, and in sentences.
fn why_not(lacking: NotBuilt) -> (&'static str, String) {
    let why = sentence(&lacking.missing.why);
    (lacking.in_short, format!("{why}. {}", lacking.missing.advice))
}
