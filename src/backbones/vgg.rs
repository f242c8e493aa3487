//! VGG with 16 layers (Simonyan and Zisserman 2015, "Very Deep Convolutional Networks"), as torchvision's `vgg.py`, with and
//! without batch normalisation.

use super::block::{BlockDesc, ConvDesc, LinearDesc, StageDesc};
use crate::nn::ops::{Activation, PoolSpec};

const WIDTHS_AND_DEPTHS: [(usize, usize); 5] = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)];

/// Side of the map that the classifier's hidden layers read, and their width.
const CLASSIFIER_SIDE: usize = 7;
const HIDDEN_WIDTH: usize = 4096;

/// Stages `block1` to `block5`, then `classifier`: its two hidden layers, which are the deepest pretrained features.
pub(super) fn stages(batch_norm: bool) -> Vec<StageDesc> {
    let mut stages = Vec::new();
    let (mut index, mut cin) = (0, 3);
    for (width, depth) in WIDTHS_AND_DEPTHS {
        let mut blocks = Vec::new();
        for _ in 0..depth {
            let mut conv = ConvDesc::biased(format!("features.{index}"), (cin, width), 3);
            if batch_norm {
                conv = conv.with_norm(format!("features.{}", index + 1));
            }
            // Convolution, perhaps normalisation, relu: each has a place in torchvision's sequence.
            index += if batch_norm { 3 } else { 2 };
            cin = width;
            blocks.push(BlockDesc::Conv(conv));
        }
        blocks.push(BlockDesc::MaxPool(PoolSpec { kernel: 2, stride: 2, padding: 0, ceil: false }));
        index += 1;
        stages.push(StageDesc { blocks, channels: width });
    }
    stages.push(classifier(cin));
    stages
}

fn classifier(channels: usize) -> StageDesc {
    let hidden = |index: usize, inputs| LinearDesc {
        name: format!("classifier.{index}"),
        inputs,
        outputs: HIDDEN_WIDTH,
        act: Activation::Relu,
    };
    let layers = vec![hidden(0, channels * CLASSIFIER_SIDE * CLASSIFIER_SIDE), hidden(3, HIDDEN_WIDTH)];
    StageDesc {
        blocks: vec![BlockDesc::Hidden { side: CLASSIFIER_SIDE, layers, dropout: 0.5 }],
        channels: HIDDEN_WIDTH,
    }
}

/// Layers that timm names differently: timm's name, torchvision's. Reference: timm 1.0, `vgg.py`.
pub(super) fn timm_layers() -> Vec<(String, String)> {
    [("pre_logits.fc1", "classifier.0"), ("pre_logits.fc2", "classifier.3"), ("head.fc", "classifier.6")]
        .map(|(timm, torchvision)| (timm.to_owned(), torchvision.to_owned()))
        .to_vec()
}
