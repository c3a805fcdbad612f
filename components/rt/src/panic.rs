//! Panics: reported by name, place and message, then the component stops with a fault, which its
//! parent gets.

use crate::Cap;
use crate::logger::{self, Sink};
use crate::start;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use pagurus_abi::boot::slot::KERNEL_CONTROL;
use pagurus_protocol::log::Level;

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // A panic while the first one is reported must not report again.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        let name = start::name();
        if start::START.get().is_none() {
            // Root: whoever would come for its lines would wait for it for ever.
            logger::install(
                Sink::Kernel(Cap::new(KERNEL_CONTROL)),
                log::LevelFilter::Info,
            );
        }
        match info.location() {
            Some(place) => logger::line(
                Level::Error,
                "panic",
                format_args!(
                    "{name} panicked at {}:{}: {}",
                    place.file(),
                    place.line(),
                    info.message()
                ),
            ),
            None => logger::line(
                Level::Error,
                "panic",
                format_args!("{name} panicked: {}", info.message()),
            ),
        }
    }
    start::panicked()
}
