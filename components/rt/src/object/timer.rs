//! Timers.

use super::Notification;
use crate::Cap;
use crate::time::ticks;
use pagurus_abi::Error;
use pagurus_abi::method::Method;

/// Signals a notification at a time.
#[derive(Debug)]
pub enum Timer {}

/// What [`Cap::<Timer>::info`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerInfo {
    /// When it fires, in ticks of the time stamp counter; `None` if it is not armed.
    pub deadline: Option<u64>,
    /// Number of the processor on which it is armed.
    pub cpu: u32,
}

impl Cap<Timer> {
    fn invoke(self, method: Method, argument: u64) -> Result<[u64; 4], Error> {
        crate::syscall::invoke(self.index(), method, 0, [argument, 0, 0, 0])
    }

    /// Lets it signal `notification` (`TimerBind`).
    pub fn bind(self, notification: Cap<Notification>) -> Result<(), Error> {
        self.invoke(Method::TimerBind, notification.index().into())
            .map(|_| ())
    }

    /// Takes the notification away and disarms it (`TimerUnbind`).
    pub fn unbind(self) -> Result<(), Error> {
        self.invoke(Method::TimerUnbind, 0).map(|_| ())
    }

    /// Signals once at `deadline`, in ticks of the time stamp counter, or at once if that is over (`TimerArm`).
    pub fn arm(self, deadline: u64) -> Result<(), Error> {
        self.invoke(Method::TimerArm, deadline).map(|_| ())
    }

    /// Takes the deadline back (`TimerDisarm`); `false` if there was none any more: if it has fired, its signal may still
    /// wait in the notification.
    pub fn disarm(self) -> Result<bool, Error> {
        Ok(self.invoke(Method::TimerDisarm, 0)?[0] != 0)
    }

    /// Whether and where it is armed (`TimerInfo`).
    pub fn info(self) -> Result<TimerInfo, Error> {
        let r = self.invoke(Method::TimerInfo, 0)?;
        Ok(TimerInfo {
            deadline: (r[0] != 0).then_some(r[0]),
            cpu: r[1] as u32,
        })
    }

    /// Waits until `deadline`, in ticks of the time stamp counter. The timer signals `notification`, which is used
    /// for nothing else: signals in it are lost.
    pub fn sleep_until(self, deadline: u64, notification: Cap<Notification>) -> Result<(), Error> {
        while ticks() < deadline {
            self.arm(deadline)?;
            notification.wait()?;
        }
        Ok(())
    }
}
