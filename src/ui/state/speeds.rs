//! How fast backbones are on this computer, on the device that the settings choose.

use super::AppState;
use crate::config::DeviceChoice;
use crate::engine::{Speed, is_built_in};
use crate::error::count;

impl AppState {
    /// How fast a backbone is, forward, where that was measured. With the choice of device left open a card's speed goes before
    /// the processor's, which was measured where no card started.
    pub fn speed(&self, backbone: &str) -> Option<Speed> {
        let of = |device| {
            let known = self.settings.speed(backbone, device, self.threads())?;
            Some(Speed { device, images_per_s: known })
        };
        self.devices_to_try().find_map(of)
    }

    /// What the choice of device stands for: left open, the cards of this build before the processor.
    fn devices_to_try(&self) -> impl Iterator<Item = DeviceChoice> + use<> {
        let cards = [DeviceChoice::Cuda, DeviceChoice::Metal].into_iter().filter(|card| is_built_in(*card));
        let chosen = self.config.train.device;
        let open = chosen == DeviceChoice::Auto;
        let last = if open { DeviceChoice::Cpu } else { chosen };
        cards.filter(move |_| open).chain([last])
    }

    /// What the next measurement is expected to run on; whether a card starts is only known then.
    pub fn measured_device(&self) -> DeviceChoice {
        self.devices_to_try().next().unwrap_or(DeviceChoice::Cpu)
    }

    /// Where a speed was measured, in words.
    pub fn speed_place(&self, device: DeviceChoice) -> String {
        match device {
            DeviceChoice::Auto | DeviceChoice::Cpu => {
                format!("on {}", count(self.threads(), "thread", "threads"))
            }
            DeviceChoice::Cuda | DeviceChoice::Metal => "on the graphics card".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_that_of_the_chosen_device() {
        let mut state = AppState { cores: 2, ..AppState::default() };
        state.settings.remember_speed("resnet18", DeviceChoice::Cpu, 2, 30.0);
        state.settings.remember_speed("resnet18", DeviceChoice::Cuda, 2, 4000.0);
        let mut known = |device| {
            state.config.train.device = device;
            state.speed("resnet18").map(|s| (s.device, s.images_per_s))
        };
        assert_eq!(known(DeviceChoice::Cpu), Some((DeviceChoice::Cpu, 30.0)));
        assert_eq!(known(DeviceChoice::Cuda), Some((DeviceChoice::Cuda, 4000.0)));
        assert_eq!(known(DeviceChoice::Metal), None);
        let open = known(DeviceChoice::Auto).map(|(device, _)| device);
        let card = if is_built_in(DeviceChoice::Cuda) { DeviceChoice::Cuda } else { DeviceChoice::Cpu };
        assert_eq!(open, Some(card));
        assert_eq!(state.measured_device(), card);
    }
}
