//! The first objects.
