//! Why a system cannot be built, or a component cannot run.

use crate::layout::NoRoom;
use crate::modules::SYSTEM;
use crate::objects::Failed;
use crate::plan::ImpossibleSize;
use crate::program::ProgramError;
use core::fmt;
use pagurus_abi::Error;
use pagurus_capdl_image::ImageError;

/// Why no system can be built at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// There is no image among the boot modules.
    NoSystem,
    /// The image cannot be mapped.
    Unreadable(Error),
    /// The image is refused.
    Image(ImageError),
    /// The memory does not suffice.
    Memory(NoRoom),
    /// The kernel refused something.
    Kernel(Failed),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BootError::NoSystem => write!(
                f,
                "there is no system to build: no boot module is called `{SYSTEM}`; add the compiled description \
                 of a system to the boot loader's configuration"
            ),
            BootError::Unreadable(error) => write!(f, "module `{SYSTEM}`: cannot map it: {error}"),
            BootError::Image(error) => write!(f, "module `{SYSTEM}`: {error}"),
            BootError::Memory(error) => error.fmt(f),
            BootError::Kernel(failed) => failed.fmt(f),
        }
    }
}

impl core::error::Error for BootError {}

/// Why a component cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentError {
    /// The boot loader brought no module with its program.
    NoModule,
    /// Its program is refused.
    Program(ProgramError),
    /// A size in its description is impossible.
    Size(ImpossibleSize),
    /// The kernel refused something.
    Kernel(Failed),
}

impl fmt::Display for ComponentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComponentError::NoModule => {
                f.write_str("no boot module has the name of its program; add it to the boot loader's configuration")
            }
            ComponentError::Program(error) => write!(f, "its program: {error}"),
            ComponentError::Size(error) => error.fmt(f),
            ComponentError::Kernel(failed) => failed.fmt(f),
        }
    }
}

impl core::error::Error for ComponentError {}

impl From<Failed> for ComponentError {
    fn from(failed: Failed) -> Self {
        ComponentError::Kernel(failed)
    }
}
