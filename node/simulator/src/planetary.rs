//! The planetary scenario.
