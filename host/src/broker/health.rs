//! How a backend bears up: its traps in a row, and the quarantine that they lead to.

use super::Broker;
use crate::error::Error;
use crate::grants::Limit;
use crate::quarantine::Patient;

impl Broker {
    /// A backend in quarantine is called for nothing but to end or to take away.
    pub(crate) fn check_quarantine(&self) -> Result<(), Error> {
        if self.scope.call().cleans_up() { Ok(()) } else { self.services.quarantine.check(self.patient()) }
    }

    /// The guest ran to the end of its call, whatever it said.
    pub(crate) fn ran_well(&self) {
        self.services.quarantine.well(self.patient());
    }

    /// The guest trapped, or ran out of a limit.
    pub(crate) fn trapped(&self) {
        let most = self.backend.grants().limits().value(Limit::Traps);
        match self.services.quarantine.trapped(self.patient(), most) {
            Ok(None) => {}
            Ok(Some(length)) => {
                self.record_fault(&format!(
                    "trapped {most} times in a row: quarantined for {} min",
                    length.as_secs() / 60
                ));
            }
            // The call fails in any case.
            Err(error) => self.record_fault(&format!("its traps can't be counted: {error}")),
        }
    }

    fn patient(&self) -> Patient<'_> {
        Patient { backend: self.backend.name(), digest: self.backend.digest(), endpoint: self.backend.endpoint() }
    }
}
