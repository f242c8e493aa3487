//! A card's views against the processor's, and the pipeline.

use super::*;

/// Drawn pictures, decoded from files and recalled: the same batch as the processor's.
#[cfg(feature = "emulated-card")]
#[test]
fn a_batch_of_a_card_is_that_of_the_processor() {
    use crate::config::AugmentPolicy;
    use crate::engine::picture_cache::Budget;
    use crate::nn::ops::card::{emulated, launched};
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_policies.png");
    let requests: Vec<Request> =
        (0..5).map(|picture| Request { path: file.clone(), picture, views: vec![View::Fresh(2)] }).collect();
    for policy in [AugmentPolicy::None, AugmentPolicy::Rand] {
        let augment = AugmentConfig { policy, rotation_degrees: 20.0, hue: 0.1, ..AugmentConfig::default() };
        let maker = ViewMaker {
            preprocess: Preprocess { crop_px: 32, ..Preprocess::IMAGENET },
            augment: AugmentConfig { enabled: true, ..augment },
            max_megapixels: 10.0,
            seed: 7,
            kept: Some(Arc::new(PictureCache::new(Budget::mib(4)))),
        };
        let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let want = values(maker.batch(&requests, &Device::Cpu).unwrap());
        for _ in 0..2 {
            let before = launched();
            let got = emulated(|| maker.batch(&requests, &Device::Cpu).unwrap());
            assert_eq!(got.dims(), [5, 32, 32, 3]);
            // Two operations take a kernel ahead and two each.
            assert_eq!(launched() - before, if policy == AugmentPolicy::None { 4 } else { 9 });
            assert!(values(got) == want, "{policy:?}");
        }
    }
}

/// Evaluation views and cached ones, kept and not, in parts and with a picture that is missing: the processor's, one and all.
#[cfg(feature = "emulated-card")]
#[test]
fn what_a_card_makes_ahead_is_what_the_processor_makes() {
    use crate::config::AugmentPolicy;
    use crate::engine::picture_cache::Budget;
    use crate::nn::ops::card::{emulated, launched};
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data_policies.png");
    let request = |picture, views| Request { path: file.clone(), picture, views };
    let varied = vec![View::Cached(0), View::Cached(1), View::Eval];
    let missing = Request { path: file.join("missing"), picture: 2, views: vec![View::Eval] };
    let mixed = [request(0, varied), request(1, vec![View::Eval]), missing.clone()];
    let plain = [request(3, vec![View::Eval]), missing, request(4, vec![View::Eval])];
    for (policy, room) in
        [(AugmentPolicy::None, None), (AugmentPolicy::None, Some(0)), (AugmentPolicy::Trivial, Some(4))]
    {
        let maker = |kept| ViewMaker {
            preprocess: Preprocess { resize_px: 40, crop_px: 32, ..Preprocess::IMAGENET },
            augment: AugmentConfig { enabled: true, policy, ..AugmentConfig::default() },
            max_megapixels: 10.0,
            seed: 7,
            kept,
        };
        let card = maker(room.map(|mib| Arc::new(PictureCache::new(Budget::mib(mib)))));
        for (requests, ok) in [(&mixed, [true, true, false]), (&plain, [true, false, true])] {
            let (_, want) = maker(None).ahead(requests, &Device::Cpu).unwrap();
            let random = ok == [true, true, false];
            let kernels = if policy == AugmentPolicy::Trivial && random { 7 } else { 4 };
            for _ in 0..2 {
                let before = launched();
                let (told, got) = emulated(|| card.ahead(requests, &Device::Cpu).unwrap());
                assert_eq!(launched() - before, kernels);
                assert_eq!(told.iter().map(Result::is_ok).collect::<Vec<_>>(), ok);
                let values = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                assert!(values(got.clone()) == values(want.clone()), "{policy:?} {room:?}");
                let part = card.part(&got, 1..2, &Device::Cpu).unwrap();
                assert!(values(part) == values(want.get(1).unwrap()));
            }
        }
        let (told, none) = emulated(|| card.ahead(&plain[1..2], &Device::Cpu).unwrap());
        assert!(told[0].is_err() && none.dims() == [0, 32, 32, 3]);
        assert!(emulated(|| card.all_ahead(&plain, &Device::Cpu)).is_err());
    }
}

#[test]
fn a_pipeline_keeps_the_order_and_stops_at_an_error() {
    let mut seen = Vec::new();
    pipelined(
        &[1, 2, 3],
        |&i| Ok(i * 10),
        |at, v| {
            seen.push((at, v));
            Ok(ControlFlow::Continue(()))
        },
    )
    .unwrap();
    assert_eq!(seen, [(0, 10), (1, 20), (2, 30)]);
    let fail = |at: usize| {
        let mut done = 0;
        let r = pipelined(
            &[0, 1, 2],
            |&i| if i == at { Err(Error::internal("x")) } else { Ok(i) },
            |_, _| {
                done += 1;
                Ok(ControlFlow::Continue(()))
            },
        );
        (r.is_err(), done)
    };
    assert_eq!((fail(0), fail(2)), ((true, 0), (true, 2)));
    let mut done = 0;
    let count = |_, _| {
        done += 1;
        Ok(if done == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    pipelined(&[0, 1, 2], |&i| Ok(i), count).unwrap();
    assert_eq!(done, 2);
}
