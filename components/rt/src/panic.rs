//! Panics: reported by name, place and message, then the component stops with a fault, which its
//! parent gets.

use crate::logger;
use crate::start;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};
use pagurus_protocol::log::Level;

static PANICKING: AtomicBool = AtomicBool::new(false);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // A panic while the first one is reported must not report again.
    if !PANICKING.swap(true, Ordering::Relaxed) {
        let name = start::name();
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
