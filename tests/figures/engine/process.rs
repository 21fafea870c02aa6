//! What another process of this machine has used, as Linux tells it.

use std::time::Duration;

use crate::Measured;

/// A process, by its id.
#[derive(Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Processor time of all its threads, those that ended included.
    pub(crate) fn cpu(self) -> Measured<Duration> {
        // Hundredths of a second on every Linux there is.
        const TICK: Duration = Duration::from_millis(10);
        let said = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The program's name stands in brackets and may hold blanks; user and system time are the
        // twelfth and thirteenth field after it.
        let (_, fields) = said.rsplit_once(')').ok_or("no name in brackets")?;
        let ticks: u32 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>)
            .sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// KiB of memory that are really there.
    pub(crate) fn resident_kib(self) -> Measured<f64> {
        let said = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let line = said.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("no VmRSS")?;
        Ok(kib.trim().parse()?)
    }
}
