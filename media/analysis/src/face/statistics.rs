//! The scores of a window's action units in few numbers, all units of all windows in one launch.

use lsie_device::Device;
use lsie_kernels::KernelError;
use lsie_kernels::statistics::{RowStatistics, Statistics, reference};
use lsie_schemas::observation::{ActionUnit, UnitStatistics};

/// Summarises scores on one device; should that fail, the processor goes on and the log says so.
#[derive(Debug, Default)]
pub struct UnitSummary {
    device: Option<RowStatistics>,
}

impl UnitSummary {
    /// Summarises on `device`.
    pub fn on(device: &dyn Device) -> Self {
        let made = RowStatistics::new(device);
        UnitSummary {
            device: made.map_err(|error| Self::tell(&error.into())).ok(),
        }
    }

    /// The statistics of each row of scores, in order; `None` of a row without any. Scores that are not finite are left out.
    pub fn summarise<'a>(
        &mut self,
        rows: impl Iterator<Item = (ActionUnit, &'a [f32])>,
    ) -> Vec<Option<UnitStatistics>> {
        let (units, rows): (Vec<_>, Vec<_>) = rows.unzip();
        if let Some(device) = &mut self.device {
            match device.summarise(rows.iter().copied()) {
                Ok(all) => return units.into_iter().zip(all).map(told).collect(),
                Err(error) => {
                    Self::tell(&error);
                    self.device = None;
                }
            }
        }
        let all: Vec<Statistics> = rows.into_iter().map(reference::summarise).collect();
        units.into_iter().zip(&all).map(told).collect()
    }

    fn tell(error: &KernelError) {
        tracing::warn!(%error, "action units are summarised on the processor from now on");
    }
}

fn told((unit, of): (ActionUnit, &Statistics)) -> Option<UnitStatistics> {
    (of.count > 0).then_some(UnitStatistics {
        unit,
        frames: of.count,
        mean: of.mean,
        deviation: of.deviation,
        p10: of.p10,
        median: of.median,
        p90: of.p90,
        largest: of.largest,
    })
}

#[cfg(test)]
mod tests {
    use lsie_device::CpuDevice;

    use super::*;

    #[test]
    fn units_without_a_score_are_left_out_and_the_others_keep_their_names() {
        let (some, none) = ([0.25_f32, f32::NAN, 0.75], [f32::NAN]);
        let rows = [
            (ActionUnit::InnerBrow, some.as_slice()),
            (ActionUnit::JawDrop, none.as_slice()),
            (ActionUnit::EyeClosure, some.as_slice()),
        ];
        let on_device = UnitSummary::on(&CpuDevice::new()).summarise(rows.into_iter());
        assert_eq!(
            on_device,
            UnitSummary::default().summarise(rows.into_iter())
        );
        let [Some(brow), None, Some(eyes)] = on_device.as_slice() else {
            panic!("{on_device:?}");
        };
        assert_eq!(
            (brow.unit, eyes.unit),
            (ActionUnit::InnerBrow, ActionUnit::EyeClosure)
        );
        assert_eq!((brow.frames, brow.mean, brow.largest), (2, 0.5, 0.75));
    }
}
